"""The screener that may follow a positive safety answer."""

from __future__ import annotations

import logging
from datetime import datetime

from outcomes.audit import services as audit
from outcomes.clinics.models import Clinic
from outcomes.delivery import services as delivery
from outcomes.responses import services as responses
from outcomes.responses.models import Mode, QuestionnaireResponse
from outcomes.responses.services import Answers
from outcomes.scheduling import services as scheduling
from outcomes.scheduling.models import Assignment

log = logging.getLogger(__name__)

# What a clinic may ask at once after a positive safety answer.
SCREENER = "C-SSRS-screener"


def ask_screener(
    assignment: Assignment, response: QuestionnaireResponse, answers: Answers, now: datetime
) -> None:
    """Ask the screener in the same sitting after a positive answer, where the clinic wants it.

    Taken back before it was begun, where the answer is.
    """
    if response.mode not in (Mode.LINK, Mode.KIOSK):
        return
    if not asks_about_safety(response, answers):
        return
    # As with an alert, no fault here may lose the answer.
    try:
        is_positive = bool(responses.safety_of(response))
        if not is_positive and response.submitted_at is not None:
            return
        with audit.atomic():
            if is_positive:
                _add_screener(assignment, now)
            else:
                scheduling.take_back_follow_ups(assignment=assignment)
    except Exception as error:
        log.error("No screener for %s: %s", response.pk, type(error).__name__)


def asks_about_safety(response: QuestionnaireResponse, answers: Answers) -> bool:
    """Say whether one of these answers is to a question about safety."""
    items = response.definition.items
    return any(item.safety is not None and item.link_id in answers for item in items)


def _add_screener(assignment: Assignment, now: datetime) -> None:
    clinic = Clinic.objects.get(pk=assignment.clinic_id)
    if not clinic.asks_screener or assignment.closes_at <= now:
        return
    screener = scheduling.sendable_instrument(code=SCREENER, clinic_id=clinic.pk)
    if screener is None or assignment.instrument_id == screener.pk:
        return
    # A sitting asks it once: that it is under way, or was sent together with this answer.
    beside = Assignment.objects.filter(invitations__assignments=assignment, instrument=screener)
    others = beside.exclude(follows=assignment)
    if others.under_way().exists() or others.filter(completed_at=now).exists():
        return
    row = scheduling.follow_up(assignment=assignment, instrument=screener, now=now)
    delivery.ask_along(assignment=row, beside=assignment, now=now)
