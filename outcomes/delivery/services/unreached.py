"""When a channel does not reach a patient: send nothing more, tell staff, try the other channel."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from outcomes.audit import services as audit
from outcomes.audit.models import SYSTEM, Actor
from outcomes.care import services as care
from outcomes.care.models import Channel, Patient, Suppression
from outcomes.clinics.models import User
from outcomes.delivery import channels
from outcomes.delivery.models import (
    Invitation,
    Lane,
    Message,
    MessageKind,
    MessageState,
    Unreached,
    UnreachedReason,
)
from outcomes.delivery.services.invitations import is_astray, queue_again

# What a cancelled message says of itself.
STOPPED = "channel stopped"


@audit.atomic()
def stop_channel(
    *,
    patient: Patient,
    channel: Channel | str,
    reason: Suppression | str,
    now: datetime,
    by: Actor = SYSTEM,
) -> None:
    """Send nothing more to the patient's contact of this channel, and tell staff; idempotent.

    What was thereby not received goes out by the patient's other channel, if they have one.
    """
    Patient.objects.select_for_update().get(pk=patient.pk)
    contact = patient.contacts.filter(channel=channel).first()
    if contact is not None:
        care.suppress_contact(contact=contact, reason=reason, by=by, now=now)
    _raise(patient, channel, UnreachedReason(str(reason)), now)
    _cancel(patient, channel)
    ask_otherwise(patient=patient, now=now)


@audit.atomic()
def raise_refused(*, message: Message, now: datetime) -> None:
    """Tell staff that a provider refused a patient's message for good; try the other channel.

    For a message marked as failed. The contact stays in use: the fault may be the message's own.
    """
    assert message.patient_id is not None
    patient = Patient.objects.select_for_update().get(pk=message.patient_id)
    _raise(patient, message.channel, UnreachedReason.REFUSED, now)
    ask_otherwise(patient=patient, now=now, besides=message.channel)


def raise_locked(*, patient: Patient, channel: str, reason: UnreachedReason, now: datetime) -> None:
    """Tell staff that a wrong birth date has locked what went out; sent again it would not open."""
    _raise(patient, channel, reason, now)


def settle_locked(
    *,
    patient: Patient,
    note: str,
    by: Actor,
    now: datetime,
    reasons: Iterable[str] = (UnreachedReason.LOCKED_LINK, UnreachedReason.LOCKED_PAGE),
) -> None:
    """Settle what was open about locks: they are gone."""
    rows = Unreached.objects.open().filter(patient=patient, reason__in=list(reasons))
    _settle(rows, note, by, now)


def _raise(patient: Patient, channel: str, reason: UnreachedReason, now: datetime) -> None:
    row, is_new = Unreached.objects.get_or_create(
        patient=patient,
        channel=channel,
        reason=reason,
        settled_at=None,
        defaults={"clinic_id": patient.clinic_id, "raised_at": now},
    )
    if is_new:
        _record(row, "unreached.raised", SYSTEM, now)


def _cancel(patient: Patient, channel: str) -> None:
    # A call that has begun is left to its dispatcher: it ends well, or is rechecked.
    waiting = Message.objects.filter(patient=patient, channel=channel, lane=Lane.BULK)
    waiting.unsent().exclude(state=MessageState.SENDING, begun_at__isnull=False).update(
        state=MessageState.CANCELLED, state_reason=STOPPED, lease_until=None
    )


def ask_otherwise(*, patient: Patient, now: datetime, besides: str = "") -> list[Message]:
    """Queue what the patient has not received of live invitations, by a channel that reaches them.

    `besides` is a channel not to use. Returns what was queued: nothing where nobody can be reached
    or everything has arrived or is on its way.
    """
    in_use = [channel for channel in channels.in_use() if channel != besides]
    contact = care.reachable_contact(patient, in_use)
    if contact is None or is_astray(contact):
        return []
    stopped = set(
        patient.contacts.exclude(suppressed_at=None).values_list("channel", "suppressed_reason")
    )
    queued: list[Message] = []
    live = Invitation.objects.filter(patient=patient, locked_at=None, to_call_at=None)
    for invitation in live.filter(opens_at__lte=now).live_at(now):
        if invitation.has_open_assignments():
            messages = Message.objects.filter(link__invitation=invitation).order_by("id")
            lost = _lost(list(messages), stopped, now)
            again = (queue_again(message=m, channel=contact.channel, now=now) for m in lost)
            queued += [message for message in again if message is not None]
    return queued


def _lost(
    messages: list[Message], stopped: Iterable[tuple[str, str]], now: datetime
) -> list[Message]:
    """Return which of one invitation's messages are to be said again by another channel."""
    dead = {channel for channel, reason in stopped if reason == Suppression.HARD_BOUNCE}
    mute = {channel for channel, _reason in stopped}
    arrived = [message for message in messages if _has_arrived(message, dead)]
    waiting = [
        message
        for message in messages
        if message.state in (MessageState.PENDING, MessageState.SENDING)
        and message.channel not in mute
    ]
    # A reminder that has its time still before it moves along, unless it did already.
    planned = {(message.kind, message.not_before) for message in waiting}
    lost = {
        message.not_before: message
        for message in messages
        if message.kind == MessageKind.REMINDER
        and message.state == MessageState.CANCELLED
        and message.state_reason == STOPPED
        and message.not_before > now
        and (message.kind, message.not_before) not in planned
    }
    found = list(lost.values())
    asked = [message for message in messages if message.kind == MessageKind.INVITATION]
    is_asked = arrived or any(message.kind == MessageKind.INVITATION for message in waiting)
    if asked and not is_asked:
        found.insert(0, asked[-1])
    return found


def _has_arrived(message: Message, dead: set[str]) -> bool:
    if message.state != MessageState.SENT or message.bounced_at is not None:
        return False
    return message.delivered_at is not None or message.channel not in dead


@audit.atomic()
def settle_unreached(*, unreached: Unreached, by_user: User, note: str, now: datetime) -> Unreached:
    """Record that a member of staff has dealt with it, and how; once settled it stays so."""
    row = Unreached.objects.select_for_update(of=("self",)).get(pk=unreached.pk)
    if row.settled_at is None:
        row.settled_at, row.settled_by, row.note = now, by_user, note.strip()
        row.full_clean()
        row.save(update_fields=["settled_at", "settled_by", "note"])
        _record(row, "unreached.settled", by_user.actor, now)
    return row


@audit.atomic()
def settle_channel(
    *,
    patient: Patient,
    channel: Channel | str,
    note: str,
    by: Actor,
    now: datetime,
    reasons: Iterable[str] = UnreachedReason.values,
) -> None:
    """Settle what was open about this channel: its cause is gone."""
    open_rows = Unreached.objects.open().filter(patient=patient, channel=channel)
    _settle(open_rows.filter(reason__in=list(reasons)), note, by, now)


def _settle(rows: Iterable[Unreached], note: str, by: Actor, now: datetime) -> None:
    for row in rows:
        row.settled_at, row.note = now, note
        row.settled_by_id = UUID(by.id) if by.kind == "user" else None
        row.save(update_fields=["settled_at", "settled_by", "note"])
        _record(row, "unreached.settled", by, now)


def _record(row: Unreached, action: str, by: Actor, now: datetime) -> None:
    audit.record(
        clinic_id=row.clinic_id,
        by=by,
        now=now,
        action=action,
        object_type="Unreached",
        object_id=row.pk,
        patient_id=row.patient_id,
        data={"channel": row.channel, "reason": row.reason},
    )
