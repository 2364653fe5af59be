"""One patient's invitations: what each asked, and everything that happened to it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from outcomes.care.models import Patient
from outcomes.delivery.models import Invitation, Link, Message, MessageState
from outcomes.review.deliveries import Row, rows_of
from outcomes.review.delivery_words import channel_words, why_not_sent, why_over
from outcomes.scheduling.models import UNDER_WAY, Assignment


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened to an invitation, or is to happen."""

    at: datetime
    words: str
    detail: str = ""
    is_ahead: bool = False


@dataclass(frozen=True, slots=True)
class Story:
    """One invitation: what it asked, and everything that happened to it in order of time."""

    invitation: Invitation
    asks: tuple[Row, ...]
    events: tuple[Event, ...]
    is_live: bool
    over: str


def invitations_of(patient: Patient) -> QuerySet[Invitation]:
    """Return every invitation of a patient, newest first."""
    rows = Invitation.objects.filter(patient=patient).select_related("to_call_by")
    return rows.order_by("-created_at", "-pk")


def stories(patient: Patient, invitations: Sequence[Invitation], now: datetime) -> list[Story]:
    """Tell what happened to each of a patient's invitations, in a constant number of queries."""
    keys = [invitation.pk for invitation in invitations]
    links: dict[UUID, list[Link]] = defaultdict(list)
    for link in Link.objects.filter(invitation__in=keys).select_related("message", "hand_over"):
        links[link.invitation_id].append(link)
    through = Invitation.assignments.through.objects.filter(invitation__in=keys)
    pairs = list(through.values_list("invitation", "assignment"))
    related = Assignment.objects.filter(pk__in={key for _invitation, key in pairs})
    asked = list(related.select_related("instrument", "anchor_session").order_by("due_at", "pk"))
    for item in asked:
        item.patient = patient
    rows = {row.assignment.pk: row for row in rows_of(asked, now)}
    asks: dict[UUID, list[Row]] = defaultdict(list)
    wanted = set(pairs)
    for invitation in keys:
        asks[invitation] = [row for key, row in rows.items() if (invitation, key) in wanted]
    return [
        _story(patient, each, links[each.pk], tuple(asks[each.pk]), now) for each in invitations
    ]


def _story(
    patient: Patient,
    invitation: Invitation,
    links: list[Link],
    asks: tuple[Row, ...],
    now: datetime,
) -> Story:
    events = [Event(invitation.created_at, _("Asked"))]
    for link in links:
        events += _link_events(link, patient.time_zone, now)
    # Of one moment: the link was opened before everything was answered.
    events += _own_events(invitation)
    is_over = invitation.revoked_at or invitation.completed_at or invitation.closes_at <= now
    is_open = any(row.assignment.state in UNDER_WAY for row in asks)
    if not invitation.completed_at and not invitation.revoked_at:
        closed = invitation.closes_at <= now
        words = _("Closed") if closed else _("Closes")
        events.append(Event(invitation.closes_at, words, is_ahead=not closed))
    ordered = tuple(sorted(events, key=lambda event: event.at))
    return Story(invitation, asks, ordered, is_open and not is_over, why_over(invitation, now))


def _own_events(invitation: Invitation) -> list[Event]:
    told = [
        (invitation.confirmed_at, _("Date of birth confirmed"), ""),
        (invitation.locked_at, _("Locked"), _("date of birth wrong five times")),
        (
            invitation.to_call_at,
            _("Will be telephoned"),
            str(invitation.to_call_by or ""),
        ),
        (invitation.revoked_at, _("Revoked"), why_over(invitation, invitation.created_at)),
        (invitation.completed_at, _("Everything answered"), ""),
    ]
    return [Event(at, words, detail) for at, words, detail in told if at is not None]


def _link_events(link: Link, zone: str, now: datetime) -> list[Event]:
    events = _message_events(link.message, zone, now) if hasattr(link, "message") else []
    if hasattr(link, "hand_over"):
        events.append(Event(link.created_at, _("Code for a tablet made")))
        if link.hand_over.used_at is not None:
            events.append(Event(link.hand_over.used_at, _("Code typed on a tablet")))
    elif not events:
        events.append(Event(link.created_at, _("Link handed over by staff")))
    if link.opened_at is not None:
        events.append(Event(link.opened_at, _("Opened")))
    return events


def _message_events(message: Message, zone: str, now: datetime) -> list[Event]:
    by = {
        "kind": message.get_kind_display(),
        "channel": channel_words(message.channel),
    }
    name = _("%(kind)s by %(channel)s") % by
    if message.sent_at is None:
        reason = why_not_sent(message, zone, now)
        is_waiting = message.state in (MessageState.PENDING, MessageState.SENDING)
        if is_waiting and not message.state_reason and message.not_before > now:
            reason = _("planned")  # its hour stands before it
        is_ahead = is_waiting or message.not_before > now
        return [Event(message.not_before, name, reason, is_ahead=is_ahead)]
    note = "" if message.bounced_at or message.delivered_at else _("delivery not reported")
    events = [Event(message.sent_at, _("%(message)s sent") % {"message": name}, note)]
    if message.delivered_at is not None:
        events.append(Event(message.delivered_at, _("Reported as delivered"), by["channel"]))
    if message.bounced_at is not None:
        events.append(Event(message.bounced_at, _("Bounced"), by["channel"]))
    return events
