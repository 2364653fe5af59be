"""Whether what was sent reached its patient: a birth date to give, and a lock after five misses."""

from __future__ import annotations

from datetime import date, datetime

from django.db import transaction

from outcomes.audit import services as audit
from outcomes.audit.models import Actor
from outcomes.care.models import Patient
from outcomes.delivery.models import Invitation, Message, OwnPage, UnreachedReason
from outcomes.delivery.services.unreached import raise_locked, settle_locked

MAX_CHECKS = 5
# Under which name each stands in the audit record.
NAMES = {Invitation: "invitation", OwnPage: "own_page"}


@transaction.atomic
def check_birth_date(
    *, sent: Invitation | OwnPage, birth_date: date | None, by: Actor, now: datetime
) -> bool:
    """Say whether it opens to whoever gave this birth date; five misses lock it and tell staff.

    None only opens where none is asked for. A check against misdelivery, not a proof of identity.
    """
    # What was read before may have been locked meanwhile.
    held = _lock(sent)
    if held.locked_at is not None:
        return False
    expected = held.patient.birth_date if held.clinic.checks_birth_date else None
    if birth_date == expected or expected is None:
        _open(held, birth_date, by, now)
        return True
    held.failed_checks += 1
    _record(held, by, now, "check_failed")
    if held.failed_checks >= MAX_CHECKS:
        held.locked_at = now
        _record(held, by, now, "locked")
        raise_locked(
            patient=held.patient, channel=_channel_of(held), reason=_reason_of(held), now=now
        )
    held.save(update_fields=["failed_checks", "locked_at"])
    return False


def _lock(sent: Invitation | OwnPage) -> Invitation | OwnPage:
    if isinstance(sent, OwnPage):
        pages = OwnPage.objects.select_for_update(of=("self",))
        return pages.select_related("patient", "clinic").get(pk=sent.pk)
    invitations = Invitation.objects.select_for_update(of=("self",))
    return invitations.select_related("patient", "clinic").get(pk=sent.pk)


def _open(held: Invitation | OwnPage, birth_date: date | None, by: Actor, now: datetime) -> None:
    if isinstance(held, OwnPage):
        held.failed_checks, held.opened_at = 0, now
        held.save(update_fields=["failed_checks", "opened_at"])
        _record(held, by, now, "opened")
    elif birth_date is not None:
        held.confirmed_at = now
        held.save(update_fields=["confirmed_at"])
        _record(held, by, now, "confirmed")


def _reason_of(held: Invitation | OwnPage) -> UnreachedReason:
    is_page = isinstance(held, OwnPage)
    return UnreachedReason.LOCKED_PAGE if is_page else UnreachedReason.LOCKED_LINK


def _channel_of(held: Invitation | OwnPage) -> str:
    """Return by which channel it went out last; empty for what was handed over or is a page."""
    if isinstance(held, OwnPage):
        return ""
    messages = Message.objects.filter(link__invitation=held).order_by("-pk")
    return messages.values_list("channel", flat=True).first() or ""


@transaction.atomic
def unlock_for_patient(*, patient: Patient, by: Actor, now: datetime) -> None:
    """Let a patient try again whose birth date the clinic has corrected; staff need do no more."""
    for kind in (Invitation, OwnPage):
        for held in kind.objects.filter(patient=patient, locked_at__isnull=False):
            held.locked_at, held.failed_checks = None, 0
            held.save(update_fields=["locked_at", "failed_checks"])
            _record(held, by, now, "unlocked")
    settle_locked(patient=patient, note="date of birth corrected", by=by, now=now)


def _record(held: Invitation | OwnPage, by: Actor, now: datetime, action: str) -> None:
    audit.record(
        clinic_id=held.clinic_id,
        by=by,
        now=now,
        action=f"{NAMES[type(held)]}.{action}",
        object_type=type(held).__name__,
        object_id=held.pk,
        patient_id=held.patient_id,
    )
