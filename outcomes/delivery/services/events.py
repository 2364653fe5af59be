"""What a provider reports of a message, or a phone says back: kept once, and acted upon."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db.models import Q
from django.template.loader import render_to_string
from django.utils import translation

from outcomes.audit import services as audit
from outcomes.audit.models import SYSTEM
from outcomes.care import services as care
from outcomes.care.models import Channel, Contact, Suppression
from outcomes.delivery.models import (
    Message,
    MessageState,
    ProviderEvent,
    ProviderEventKind,
)
from outcomes.delivery.services.unreached import (
    ask_otherwise,
    raise_refused,
    settle_channel,
    stop_channel,
)

Kind = ProviderEventKind
# What stops a contact, and why it is then stopped.
STOPPING = {
    Kind.BOUNCED: Suppression.HARD_BOUNCE,
    Kind.COMPLAINED: Suppression.COMPLAINT,
    Kind.STOPPED: Suppression.OPTED_OUT,
}
# A later one of these makes an earlier one of the other void, in whatever order they come.
OPPOSITES = {Kind.STOPPED: Kind.STARTED, Kind.STARTED: Kind.STOPPED}
ANSWER_AGAIN_AFTER = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Report:
    """One report. `to` is the address or number that it is about; it is never stored.

    `event_key` is the provider's own, and holds neither. The message is known by its key or by the
    provider's reference, and where both are given they must agree; a phone's own word is about
    none.
    """

    provider: str
    event_key: str
    kind: Kind
    channel: Channel
    happened_at: datetime
    message_id: UUID | None = None
    reference: str = ""
    to: str = ""
    reason: str = ""


@audit.atomic()
def take_report(*, report: Report, now: datetime) -> ProviderEvent | None:
    """Keep a report and do what it asks for; None when it was taken before or contradicts itself.

    Any order of any reports comes to the same, but for what was sent in between.
    """
    contacts = _contacts(report)
    message = _message(report)
    if _is_of_another(report, message):
        # Not even kept: its key would use the true report up.
        return None
    event, is_new = ProviderEvent.objects.get_or_create(
        provider=report.provider,
        event_key=report.event_key[:200],
        defaults={
            "kind": report.kind,
            "message": message,
            "reason": report.reason[:60],
            "happened_at": min(report.happened_at, now),
            "received_at": now,
        },
    )
    if not is_new:
        return None
    if message is not None:
        _mark(message, event, now)
    if not _is_outdated(event, contacts):
        _act(event, contacts, now)
    return event


def _message(report: Report) -> Message | None:
    if report.message_id is None and not report.reference:
        return _last_message(_contacts(report), report)
    if report.message_id is not None:
        return Message.objects.filter(pk=report.message_id).first()
    return _referred_to(report)


def _referred_to(report: Report) -> Message | None:
    known = Message.objects.filter(provider=report.provider, provider_ref=report.reference)
    return known.first()


def _is_of_another(report: Report, message: Message | None) -> bool:
    """Say whether the provider's reference is not that of the message which the report names.

    While a send is in doubt the message has none yet: then it must be nobody else's.
    """
    if not report.reference:
        return False
    if message is not None and message.provider == report.provider and message.provider_ref:
        return message.provider_ref != report.reference
    return _referred_to(report) not in (None, message)


def _contacts(report: Report) -> list[Contact]:
    """Return every patient's contact with this address or number, in any clinic."""
    try:
        value = care.normalise_contact(report.channel, report.to)
    except ValidationError:
        return []
    found = Contact.objects.with_value(report.channel, value).select_related("patient__clinic")
    return list(found.order_by("pk"))


def _last_message(contacts: list[Contact], report: Report) -> Message | None:
    """Return what a phone's own word comes upon: the last message to it."""
    patients = [contact.patient_id for contact in contacts]
    sent = Message.objects.filter(patient__in=patients, channel=report.channel)
    return sent.filter(sent_at__isnull=False).order_by("-sent_at").first() if patients else None


def _mark(message: Message, event: ProviderEvent, now: datetime) -> None:
    """Note the earliest moment at which the message arrived, or came back."""
    column = {
        Kind.DELIVERED: "delivered_at",
        Kind.BOUNCED: "bounced_at",
        Kind.FAILED: "bounced_at",
    }.get(Kind(event.kind))
    if column is None or (event.kind == Kind.FAILED and message.delivered_at is not None):
        return
    at = event.happened_at
    unmarked = Q(**{column: None}) | Q(**{f"{column}__gt": at})
    if not Message.objects.filter(unmarked, pk=message.pk).update(**{column: at}):
        return
    if event.kind == Kind.DELIVERED:
        _settle_doubt(message, at)
    audit.record(
        clinic_id=message.clinic_id,
        by=SYSTEM,
        now=now,
        action=f"message.{event.kind}",
        object_type="Message",
        object_id=message.pk,
        patient_id=message.patient_id,
        data={"channel": message.channel, "provider": event.provider},
    )
    message.refresh_from_db()
    if event.kind == Kind.FAILED and message.patient_id is not None:
        raise_refused(message=message, now=now)


def _settle_doubt(message: Message, at: datetime) -> None:
    # It arrived: whoever was to send it again need not.
    doubtful = Message.objects.filter(pk=message.pk, state=MessageState.PENDING, is_ambiguous=True)
    doubtful.update(state=MessageState.SENT, state_reason="", sent_at=at, lease_until=None)


def _is_outdated(event: ProviderEvent, contacts: list[Contact]) -> bool:
    """Say whether the phone has said the opposite since."""
    opposite = OPPOSITES.get(Kind(event.kind))
    patients = [contact.patient_id for contact in contacts]
    return (
        opposite is not None
        and bool(contacts)
        and ProviderEvent.objects.filter(
            kind=opposite,
            message__patient__in=patients,
            message__channel=contacts[0].channel,
            happened_at__gt=event.happened_at,
        ).exists()
    )


def _act(event: ProviderEvent, contacts: list[Contact], now: datetime) -> None:
    kind = Kind(event.kind)
    if reason := STOPPING.get(kind):
        for contact in contacts:
            stop_channel(patient=contact.patient, channel=contact.channel, reason=reason, now=now)
    elif kind == Kind.STARTED:
        for contact in contacts:
            if contact.suppressed_reason == Suppression.OPTED_OUT:
                _start_again(contact, now)


def _start_again(contact: Contact, now: datetime) -> None:
    care.lift_suppression(contact=contact, by=SYSTEM, now=now)
    settle_channel(
        patient=contact.patient,
        channel=contact.channel,
        note="opted in again",
        by=SYSTEM,
        now=now,
        reasons=[Suppression.OPTED_OUT],
    )
    ask_otherwise(patient=contact.patient, now=now)


def help_for(*, report: Report, now: datetime) -> str:
    """Return what to answer a phone: who writes, whom to call, that nobody reads replies.

    Empty for a number that belongs to nobody, and for a phone that writes anything but HELP a
    second time in a day. Ask before the report is taken.
    """
    contacts = _contacts(report)
    if not contacts:
        return ""
    patients = [contact.patient_id for contact in contacts]
    earlier = ProviderEvent.objects.filter(
        provider=report.provider,
        kind=Kind.OTHER,
        message__patient__in=patients,
        received_at__gt=now - ANSWER_AGAIN_AFTER,
    )
    repeated = ProviderEvent.objects.filter(provider=report.provider, event_key=report.event_key)
    if repeated.exists() or (report.kind == Kind.OTHER and earlier.exists()):
        return ""
    clinics = {contact.patient.clinic_id: contact.patient.clinic for contact in contacts}
    clinic = clinics.popitem()[1] if len(clinics) == 1 else None
    with translation.override(contacts[0].patient.language):
        return render_to_string("sms/help.txt", {"clinic": clinic}).strip()
