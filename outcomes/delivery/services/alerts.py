"""Queue and cancel the messages to staff: pages of alerts, tests of the path, notices, welcomes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from uuid import UUID

from django.urls import reverse

from outcomes.care.models import Channel
from outcomes.clinics.models import User
from outcomes.delivery import channels
from outcomes.delivery.models import Lane, Message, MessageKind, MessageState, Topic

# The page of the clinic that a notice leads to.
NOTICE_PAGES = {
    Topic.UNREACHED: "caseload",
    Topic.SET_ASIDE: "messages",
    Topic.NO_RECIPIENT: "recipients",
    Topic.PAGE_FAILED: "recipients",
    Topic.CALL_ME: "alerts",
}
# A notice goes by e-mail; one that a patient waits for goes wherever an alert would.
BY_EVERY_CHANNEL = (Topic.CALL_ME,)
# An admin who invites again and again fills nobody's mailbox.
INVITED_AGAIN_AFTER = timedelta(days=1)


def channels_of(user: User) -> tuple[str, ...]:
    """Return every channel that this installation has and this member of staff can be reached by.

    E-mail always; a text message beside it for who gave a number.
    """
    has_text = bool(user.phone) and Channel.SMS in channels.in_use()
    return (Channel.EMAIL, Channel.SMS) if has_text else (Channel.EMAIL,)


def queue_pages(
    *, alert_id: UUID, clinic_id: UUID, users: Iterable[User], page: int, now: datetime
) -> None:
    """Queue one page to each person by each of their channels, once.

    It never expires and never waits behind bulk.
    """
    key = f"alert:{alert_id}:{page}"
    _queue(_messages(MessageKind.ALERT, clinic_id, users, key, now, alert_id=alert_id))


def queue_tests(*, clinic_id: UUID, user: User, now: datetime) -> int:
    """Queue a test of the alert path by each of the person's channels; return how many."""
    key = f"test:{clinic_id}:{now.isoformat()}"
    return _queue(_messages(MessageKind.TEST, clinic_id, [user], key, now))


def queue_notice(
    *, topic: Topic, clinic_id: UUID, users: Iterable[User], key: str, now: datetime
) -> None:
    """Queue a notice to each person, once per key: nothing clinical, a page to look at.

    `key` names the occurrence, so that telling it again tells nobody twice.
    """
    rows = _messages(
        MessageKind.NOTICE, clinic_id, users, f"notice:{topic}:{key}", now, topic=topic
    )
    _queue(row for row in rows if topic in BY_EVERY_CHANNEL or row.channel == Channel.EMAIL)


def queue_membership_mail(*, clinic_id: UUID, user: User, now: datetime) -> None:
    """Queue the mail that a clinic invites a person to work there, at most one a day."""
    sent = Message.objects.filter(kind=MessageKind.MEMBERSHIP, clinic=clinic_id, user=user)
    lately = sent.filter(created_at__gt=now - INVITED_AGAIN_AFTER)
    if lately.exclude(state=MessageState.CANCELLED).exists():
        return
    key = f"membership:{clinic_id}:{now.isoformat()}"
    rows = _messages(MessageKind.MEMBERSHIP, clinic_id, [user], key, now)
    _queue(row for row in rows if row.channel == Channel.EMAIL)


def _messages(
    kind: MessageKind,
    clinic_id: UUID,
    users: Iterable[User],
    key: str,
    now: datetime,
    *,
    alert_id: UUID | None = None,
    topic: Topic | str = "",
) -> Iterator[Message]:
    for user in users:
        for channel in channels_of(user):
            yield Message(
                clinic_id=clinic_id,
                kind=kind,
                lane=Lane.ALERT,
                channel=channel,
                dedupe=f"{key}:{user.pk}:{channel}",
                user=user,
                alert_id=alert_id,
                topic=topic,
                not_before=now,
                created_at=now,
            )


def _queue(rows: Iterable[Message]) -> int:
    made = list(rows)
    # What was queued before, by the same key, stays as it is.
    Message.objects.bulk_create(made, ignore_conflicts=True)
    return len(made)


def cancel_alert_messages(*, alert_id: UUID) -> None:
    """Stop paging: a person has taken the alert."""
    Message.objects.filter(alert_id=alert_id).unsent().update(
        state=MessageState.CANCELLED, state_reason="alert acknowledged"
    )


def path_of(message: Message) -> str:
    """Return the path of the page that a message to staff leads to.

    Of two pages about one alert each has its own: a provider that is searched for a text would else
    find an earlier one in place of one that was lost.
    """
    slug = message.clinic.slug
    if message.kind == MessageKind.ALERT:
        path = reverse("clinic_site:alert", args=[slug, message.alert_id])
        return f"{path}#{message.pk.hex[-8:]}"
    if message.kind == MessageKind.TEST:
        return reverse("clinic_site:alert_test", args=[slug, message.pk])
    if message.kind == MessageKind.MEMBERSHIP:
        return reverse("clinic_site:home")
    return reverse(f"clinic_site:{NOTICE_PAGES[Topic(message.topic)]}", args=[slug])
