"""A patient asks to be called, and a member of staff settles it."""

from __future__ import annotations

from datetime import datetime

from outcomes.alerts.models import CallRequest
from outcomes.alerts.services.paging import circle_for
from outcomes.audit import services as audit
from outcomes.audit.models import Actor
from outcomes.care.models import EpisodeOfCare
from outcomes.clinics.models import User
from outcomes.delivery import services as delivery
from outcomes.delivery.models import Invitation, Topic


@audit.atomic()
def ask_to_be_called(*, invitation: Invitation, by: Actor, now: datetime) -> CallRequest:
    """Put a call on the clinic's list, and tell whom a new alert of the patient's would tell.

    Asking again while it is open changes nothing.
    """
    row, is_new = CallRequest.objects.get_or_create(
        clinic_id=invitation.clinic_id,
        patient_id=invitation.patient_id,
        invitation=invitation,
        settled_at=None,
        defaults={"asked_at": now},
    )
    if is_new:
        episodes = EpisodeOfCare.objects.filter(assignments__invitations=invitation)
        keys = list(episodes.values_list("pk", flat=True).distinct())
        delivery.queue_notice(
            topic=Topic.CALL_ME,
            clinic_id=row.clinic_id,
            users=circle_for(invitation.clinic, keys, 0, now).users,
            key=str(row.pk),
            now=now,
        )
        _record(row, "call.asked", by, now)
    return row


@audit.atomic()
def settle_call(*, call: CallRequest, by_user: User, note: str, now: datetime) -> CallRequest:
    """Record that a member of staff has dealt with it, and how; once settled it stays so."""
    row = CallRequest.objects.select_for_update(of=("self",)).get(pk=call.pk)
    if row.settled_at is None:
        row.settled_at, row.settled_by, row.note = now, by_user, note.strip()
        row.full_clean()
        row.save(update_fields=["settled_at", "settled_by", "note"])
        _record(row, "call.settled", by_user.actor, now)
    return row


def _record(row: CallRequest, action: str, by: Actor, now: datetime) -> None:
    audit.record(
        clinic_id=row.clinic_id,
        by=by,
        now=now,
        action=action,
        object_type="CallRequest",
        object_id=row.pk,
        patient_id=row.patient_id,
    )
