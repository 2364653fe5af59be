"""Read what each provider reports, in its own words, as a report in ours."""

from __future__ import annotations

import hashlib
import re
from datetime import datetime
from typing import Any
from uuid import UUID

from anymail.signals import AnymailTrackingEvent, EventType, RejectReason
from django.utils.dateparse import parse_datetime

from outcomes.care.models import Channel
from outcomes.delivery.channels import telnyx, twilio
from outcomes.delivery.channels.hosted import MESSAGE
from outcomes.delivery.models import ProviderEventKind as Kind
from outcomes.delivery.services.events import Report

# Whole replies, as carriers and providers read them, and their like in other languages.
WORDS = {
    **dict.fromkeys(("STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT"), Kind.STOPPED),
    **dict.fromkeys(("OPTOUT", "REVOKE", "ALTO", "BAJA", "PARAR", "ARRET", "STOPP"), Kind.STOPPED),
    **dict.fromkeys(("START", "UNSTOP", "YES"), Kind.STARTED),
    **dict.fromkeys(("HELP", "INFO"), Kind.HELP),
}
SPOKEN = {"STOP": Kind.STOPPED, "START": Kind.STARTED, "HELP": Kind.HELP}


def kind_of_reply(text: str) -> Kind:
    """Return what a phone's reply asks for; anything but one of the words is read no further."""
    word = re.sub(r"[\W_]+", "", text).upper()
    return WORDS.get(word.replace("Ê", "E"), Kind.OTHER)


# -- E-mail --------------------------------------------------------------------------------------

MAIL_KINDS = {
    EventType.DELIVERED: Kind.DELIVERED,
    EventType.DEFERRED: Kind.DEFERRED,
    EventType.COMPLAINED: Kind.COMPLAINED,
    EventType.UNSUBSCRIBED: Kind.STOPPED,
    EventType.FAILED: Kind.FAILED,
}
# Why a mail was not even tried: what the recipient, or their server, has said before.
REJECTIONS = {
    RejectReason.INVALID: Kind.BOUNCED,
    RejectReason.BOUNCED: Kind.BOUNCED,
    RejectReason.SPAM: Kind.COMPLAINED,
    RejectReason.UNSUBSCRIBED: Kind.STOPPED,
}


def of_mail(provider: str, event: AnymailTrackingEvent, now: datetime) -> Report | None:
    """Return the report; None for what says nothing about arrival (opened, clicked)."""
    kind = _mail_kind(event)
    if kind is None:
        return None
    reference = str(event.message_id or "")
    at = event.timestamp or now
    # Some providers give their reports no key: then it is what they say, without the address.
    told = f"{kind}:{reference}:{event.timestamp}"
    key = str(event.event_id or "") or hashlib.sha256(told.encode()).hexdigest()
    return Report(
        provider=provider,
        event_key=f"{kind}:{key}",
        kind=kind,
        channel=Channel.EMAIL,
        happened_at=at,
        message_id=_uuid((event.metadata or {}).get(MESSAGE)),
        reference=reference,
        to=event.recipient or "",
        reason=str(event.reject_reason or ""),
    )


def _mail_kind(event: AnymailTrackingEvent) -> Kind | None:
    if event.event_type in (EventType.BOUNCED, EventType.REJECTED):
        kind = REJECTIONS.get(event.reject_reason, Kind.FAILED)
        return Kind.FAILED if kind is Kind.BOUNCED and _is_soft(event.esp_event) else kind
    return MAIL_KINDS.get(event.event_type)


def _is_soft(said: Any) -> bool:
    """Say whether the mailbox is there but did not take this mail (full, too busy)."""
    if not isinstance(said, dict):
        return False
    data = said.get("data")
    bounce = data.get("bounce") if isinstance(data, dict) else None
    soft = isinstance(bounce, dict) and bounce.get("type", "Permanent") != "Permanent"
    return soft or said.get("Type") == "SoftBounce" or said.get("event") == "soft_bounce"


def _uuid(value: object) -> UUID | None:
    try:
        return UUID(str(value))
    except ValueError:
        return None


# -- Text messages -------------------------------------------------------------------------------


def of_twilio_status(form: dict[str, str], message_id: UUID, now: datetime) -> Report | None:
    """Return the report; None for a stage on the way (queued, sent)."""
    status, code = form.get("MessageStatus", ""), form.get("ErrorCode", "")
    kinds = {"delivered": Kind.DELIVERED, "undelivered": Kind.FAILED, "failed": Kind.FAILED}
    kind = kinds.get(status)
    if kind is None:
        return None
    if kind is Kind.FAILED and code == str(twilio.STOPPED):
        kind = Kind.STOPPED
    elif kind is Kind.FAILED and twilio.is_no_such_number(form):
        kind = Kind.BOUNCED
    return Report(
        provider="twilio",
        event_key=f"{form.get('MessageSid', '')}:{status}",
        kind=kind,
        channel=Channel.SMS,
        happened_at=now,
        message_id=message_id,
        reference=form.get("MessageSid", ""),
        to=form.get("To", ""),
        reason=code,
    )


def of_twilio_reply(form: dict[str, str], now: datetime) -> Report:
    """Return what a phone said; not the text."""
    spoken = SPOKEN.get(form.get("OptOutType", "").upper())
    return Report(
        provider="twilio",
        event_key=f"in:{form.get('MessageSid', '')}",
        kind=spoken or kind_of_reply(form.get("Body", "")),
        channel=Channel.SMS,
        happened_at=now,
        to=form.get("From", ""),
    )


def of_telnyx_status(event: dict[str, Any], message_id: UUID, now: datetime) -> Report | None:
    """Return the report; None for a stage on the way (queued, sent), or one not known."""
    payload = event["payload"]
    to = next((item for item in payload.get("to") or [] if isinstance(item, dict)), {})
    status, codes = str(to.get("status", "")), telnyx.codes_of(payload)
    kinds = {
        "delivered": Kind.DELIVERED,
        "delivery_failed": Kind.FAILED,
        "sending_failed": Kind.FAILED,
    }
    kind = kinds.get(status)
    if kind is None or event.get("event_type") != "message.finalized":
        return None
    if kind is Kind.FAILED and telnyx.STOPPED in codes:
        kind = Kind.STOPPED
    elif kind is Kind.FAILED and any(code in telnyx.NO_SUCH_NUMBER for code in codes):
        kind = Kind.BOUNCED
    return Report(
        provider="telnyx",
        event_key=f"{payload.get('id', '')}:{status}",
        kind=kind,
        channel=Channel.SMS,
        happened_at=_moment(event.get("occurred_at"), now),
        message_id=message_id,
        reference=str(payload.get("id") or ""),
        to=str(to.get("phone_number", "")),
        reason=codes[0] if codes else "",
    )


def of_telnyx_reply(event: dict[str, Any], now: datetime) -> Report | None:
    """Return what a phone said, not the text; None for anything but a reply."""
    payload = event["payload"]
    sender = payload.get("from")
    if event.get("event_type") != "message.received" or not isinstance(sender, dict):
        return None
    return Report(
        provider="telnyx",
        event_key=f"in:{payload.get('id', '')}",
        kind=kind_of_reply(str(payload.get("text", ""))),
        channel=Channel.SMS,
        happened_at=_moment(event.get("occurred_at"), now),
        to=str(sender.get("phone_number", "")),
    )


def _moment(text: object, now: datetime) -> datetime:
    try:
        found = parse_datetime(str(text))
    except ValueError:
        return now
    return found if found is not None and found.tzinfo is not None else now
