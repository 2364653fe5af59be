"""The caseload: kept up with what happens to patients."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime

from outcomes.clinics.models import Clinic
from outcomes.review import services as review
from outcomes.review.models import Standing

log = logging.getLogger(__name__)


def keep_up_caseloads(*, now: datetime) -> int:
    """Bring every clinic's caseload up to date, a batch each; return how many lines were read anew.

    Follows what the audit record tells and what has closed meanwhile. Once a day everything is read
    anew, so that nothing stays wrong for longer even if no event told of it.
    """
    closed = Standing.objects.filter(closes_at__lte=now).values("clinic")
    steps = [(clinic, review.follow) for clinic in review.clinics_behind(now)]
    steps += [(clinic, review.refresh_closed) for clinic in Clinic.objects.filter(pk__in=closed)]
    return sum(_kept_up(step, clinic, now) for clinic, step in steps)


def _kept_up(step: Callable[..., int], clinic: Clinic, now: datetime) -> int:
    try:
        return step(clinic=clinic, now=now)
    except Exception as error:
        # No clinic holds up another. Only the kind of error: its text may hold a patient's data.
        log.error("Caseload of %s: %s", clinic.pk, type(error).__name__)
        return 0


def bring_caseload_up_to_date(*, clinic: Clinic, now: datetime) -> bool:
    """Take a batch of what has happened into a clinic's caseload; say whether that was all."""
    if not review.is_behind(clinic):
        return True
    review.follow(clinic=clinic, now=now)
    return not review.is_behind(clinic)
