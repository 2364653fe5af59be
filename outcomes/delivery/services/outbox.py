"""Send the outbox: claim with lease and fence, recheck, call the provider, record by fence.

The provider is called outside any transaction. Whoever holds the newest fence owns the row; a
dispatcher that was paused and wakes up finds its fence outdated and records nothing.
"""

from __future__ import annotations

import logging
import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import translation

from outcomes.audit import services as audit
from outcomes.audit.models import SYSTEM
from outcomes.care.models import Channel, Consent
from outcomes.delivery import quiet
from outcomes.delivery.channels import email
from outcomes.delivery.channels.base import Outgoing, SendError
from outcomes.delivery.models import Lane, Message, MessageKind, MessageState
from outcomes.delivery.services.invitations import address_of

log = logging.getLogger(__name__)

LEASE = timedelta(seconds=45)
MAX_CRASHES = 5
BACKOFF_BASE_SECONDS = 5.0
BACKOFF_CAP_SECONDS = 300.0

CHANNELS = {Channel.EMAIL: email.send}


@dataclass(frozen=True, slots=True)
class Claim:
    """A row this dispatcher owns until its lease ends or a newer fence is given."""

    message_id: UUID
    fence: int


@transaction.atomic
def claim_next(*, lane: Lane | str, now: datetime) -> Claim | None:
    """Take the lane's oldest due message, or None. The attempt is counted before the work."""
    rows = Message.objects.claimable(lane, now).order_by("not_before", "id")
    rows = rows.select_for_update(
        of=("self",), skip_locked=connection.features.has_select_for_update_skip_locked
    )
    message = rows.first()
    if message is None:
        return None
    if message.state == MessageState.SENDING:
        # Its lease ran out: whoever had it died, or hangs.
        message.crashes += 1
    message.attempts += 1
    message.fence += 1
    message.lease_until = now + LEASE
    message.state = MessageState.SENDING
    if message.crashes >= MAX_CRASHES and message.lane == Lane.BULK:
        message.state, message.state_reason = MessageState.QUARANTINED, "crashed repeatedly"
    message.save(
        update_fields=["state", "state_reason", "attempts", "crashes", "fence", "lease_until"]
    )
    return Claim(message.pk, message.fence)


def send_next(*, lane: Lane | str, now: datetime) -> bool:
    """Send the lane's next due message; False when there is none."""
    claim = claim_next(lane=lane, now=now)
    if claim is None:
        return False
    message = (
        Message.objects.filter(pk=claim.message_id, state=MessageState.SENDING)
        .select_related("clinic", "patient", "user", "alert", "link__invitation")
        .first()
    )
    if message is None:  # quarantined, or cancelled since
        return True
    if postponed := _postponed_until(message, now):
        _settle(claim, state=MessageState.PENDING, not_before=postponed, lease_until=None)
    elif reason := _reason_not_to_send(message, now):
        _settle(claim, state=MessageState.CANCELLED, state_reason=reason)
    else:
        _send_guarded(message, claim, now)
    return True


def _send_guarded(message: Message, claim: Claim, now: datetime) -> None:
    # A message that breaks the code must not hold up those behind it.
    try:
        _send(message, claim, now)
    except Exception as error:
        # Only the kind of error: its text may hold an address.
        log.error("Message %s failed: %s", message.pk, type(error).__name__)
        _settle(
            claim,
            state=MessageState.PENDING,
            state_reason=type(error).__name__,
            crashes=F("crashes") + 1,
            not_before=now + backoff(message.attempts),
            lease_until=None,
        )


def _send(message: Message, claim: Claim, now: datetime) -> None:
    try:
        reference = CHANNELS[Channel(message.channel)](_render(message))
    except SendError as error:
        if error.is_retryable or message.lane == Lane.ALERT:
            _settle(
                claim,
                state=MessageState.PENDING,
                state_reason=error.reason,
                not_before=now + backoff(message.attempts),
                lease_until=None,
            )
        else:
            _settle(claim, state=MessageState.FAILED, state_reason=error.reason)
        return
    with transaction.atomic():
        if _settle(
            claim,
            state=MessageState.SENT,
            state_reason="",
            provider_ref=reference,
            sent_at=now,
            lease_until=None,
        ):
            audit.record(
                clinic_id=message.clinic_id,
                by=SYSTEM,
                now=now,
                action="message.sent",
                object_type="Message",
                object_id=message.pk,
                patient_id=message.patient_id,
                data={"kind": message.kind, "channel": message.channel},
            )


def _settle(claim: Claim, **columns: object) -> bool:
    """Record what became of a claimed message, unless somebody newer owns it."""
    owned = Message.objects.filter(
        pk=claim.message_id, fence=claim.fence, state=MessageState.SENDING
    )
    return owned.update(**columns) == 1


def backoff(attempts: int) -> timedelta:
    """Return a random wait: full jitter under a doubling ceiling of at most five minutes."""
    ceiling = min(BACKOFF_CAP_SECONDS, BACKOFF_BASE_SECONDS * 2 ** min(attempts, 10))
    return timedelta(seconds=random.uniform(1, ceiling))  # noqa: S311 - spreads load, no secret


def _postponed_until(message: Message, now: datetime) -> datetime | None:
    if message.lane == Lane.ALERT or message.patient is None:
        return None
    clinic = message.clinic
    return quiet.quiet_until(now, message.patient.time_zone, clinic.quiet_from, clinic.quiet_until)


def _reason_not_to_send(message: Message, now: datetime) -> str:
    """Return why the message must not go out any more; empty when it may."""
    if message.kind == MessageKind.ALERT:
        assert message.alert is not None
        return "" if message.alert.state == "open" else "alert acknowledged"
    assert message.patient is not None
    if message.expires_at is not None and message.expires_at <= now:
        return "too late"
    if message.link is None or message.link.revoked_at is not None:
        return "link revoked"
    invitation = message.link.invitation
    if invitation.locked_at:
        return "link locked"
    if invitation.revoked_at or invitation.completed_at or not invitation.has_open_assignments():
        return "nothing left to answer"
    if not message.patient.contacts.filter(channel=message.channel).exists():
        return "no contact"
    consent = Consent.objects.latest_for(message.patient, message.channel)
    if consent is None or not consent.is_given:
        return "no consent"
    return ""


def _render(message: Message) -> Outgoing:
    """Write the text at the moment of sending; nothing of it is stored."""
    if message.kind == MessageKind.ALERT:
        assert message.user is not None
        to, language = message.user.email, message.clinic.language
        path = reverse("clinic_site:alert", args=[message.clinic.slug, message.alert_id])
        address = f"{settings.BASE_URL}{path}"
    else:
        assert message.patient is not None
        assert message.link is not None
        to = message.patient.contacts.get(channel=message.channel).value
        language, address = message.patient.language, address_of(message.link)
    context = {"clinic": message.clinic, "address": address, "message": message}
    with translation.override(language):
        subject, text, html = (
            render_to_string(f"emails/{message.kind}-{part}.html", context)
            for part in ("subject", "body-text", "body-html")
        )
    return Outgoing(
        to=to, subject=" ".join(subject.split()), text=text, html=html, key=str(message.pk)
    )
