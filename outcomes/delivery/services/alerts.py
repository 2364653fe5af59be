"""Queue and cancel the messages that page staff about an alert."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from outcomes.care.models import Channel
from outcomes.clinics.models import User
from outcomes.delivery.models import Lane, Message, MessageKind, MessageState


def queue_alert_message(
    *, alert_id: UUID, clinic_id: UUID, user: User, page: int, now: datetime
) -> Message:
    """Queue one page to one person, once; it never expires and never waits behind bulk."""
    message, _created = Message.objects.get_or_create(
        dedupe=f"alert:{alert_id}:{page}:{user.pk}",
        defaults={
            "clinic_id": clinic_id,
            "kind": MessageKind.ALERT,
            "lane": Lane.ALERT,
            "channel": Channel.EMAIL,
            "user": user,
            "alert_id": alert_id,
            "not_before": now,
            "created_at": now,
        },
    )
    return message


def cancel_alert_messages(*, alert_id: UUID) -> None:
    """Stop paging: a person has taken the alert."""
    Message.objects.filter(alert_id=alert_id).unsent().update(
        state=MessageState.CANCELLED, state_reason="alert acknowledged"
    )
