"""After a restore: what may have been sent is not sent twice."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from outcomes.alerts import services as alerts
from outcomes.audit import services as audit
from outcomes.audit.models import Actor
from outcomes.care import services as care
from outcomes.care.models import (
    Course,
)
from outcomes.clinics.models import Clinic
from outcomes.delivery import services as delivery
from outcomes.scheduling import services as scheduling
from outcomes.scheduling.models import Assignment
from outcomes.workflows.asking import invite_all


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What reconciling did, in rows."""

    asked: int
    cancelled: int
    paged: int


@audit.atomic()
def reconcile(
    *, backup_taken_at: datetime, sent_until: datetime, by: Actor, now: datetime
) -> Reconciled | None:
    """Settle a restored database: what may have been sent is not sent, every open alert pages anew.

    Whatever fell due until `sent_until` may have been asked and sent after the backup, though this
    database does not know. None if it was reconciled since the backup.
    """
    mark = delivery.lock_mark(now)
    if mark.reconciled_at is not None and mark.reconciled_at >= backup_taken_at:
        return None
    for course in Course.objects.filter(needs_plan=True).order_by("pk"):
        scheduling.replan(course=course, now=now)
    done = Reconciled(
        asked=_ask_unsent(sent_until, now),
        cancelled=delivery.cancel_probably_sent(until=sent_until, now=now),
        paged=alerts.page_all_anew(now=now),
    )
    times = {"backup_taken_at": backup_taken_at, "sent_until": sent_until}
    data = {name: at.isoformat() for name, at in times.items()}
    _trust_database("database.reconciled", by, now, data)
    return done


@audit.atomic()
def trust_database(*, by: Actor, now: datetime) -> None:
    """Send from this database again, which only seemed to be an old one."""
    _trust_database("database.trusted", by, now, {})


def _trust_database(action: str, by: Actor, now: datetime, data: dict[str, Any]) -> None:
    delivery.mark_reconciled(now)
    for clinic in Clinic.objects.order_by("pk"):
        audit.record(
            clinic_id=clinic.pk,
            by=by,
            now=now,
            action=action,
            object_type="Clinic",
            object_id=clinic.pk,
            data=data,
        )


def _ask_unsent(until: datetime, now: datetime) -> int:
    """Mark as asked what was to be asked until then; its messages are cancelled by the caller.

    Their invitations are new, so that later reminders and staff have links that work.
    """
    due: dict[UUID, list[Assignment]] = {}
    for item in Assignment.objects.planned().filter(opens_at__lte=until, closes_at__gt=now):
        due.setdefault(item.patient_id, []).append(item)
    patients = {patient.pk: patient for patient in care.lock_patients(due)}
    if len(patients) < len(due):
        raise ValidationError(_("Patients are being asked meanwhile: stop the dispatchers first."))
    opened = scheduling.open_due(assignments=chain.from_iterable(due.values()), now=now)
    invite_all([(patients[key], items, items) for key, items in due.items()], now)
    return opened
