"""What a clinic asked and what became of it: counts with their denominators, and every row.

The unit is one questionnaire asked of one patient. Nothing here is an estimate: what a provider did
not report is "not reported", what was not opened is "not opened".
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from uuid import UUID

from django.db.models import Count, Exists, F, Min, OuterRef, Q, QuerySet, TextChoices
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from outcomes.clinics.models import Clinic
from outcomes.delivery.models import Invitation, Link, Message, MessageState
from outcomes.responses.models import QuestionnaireResponse
from outcomes.review import reach
from outcomes.review.delivery_words import (
    channel_words,
    delivered_words,
    state_words,
    why_not_sent,
    why_over,
)
from outcomes.scheduling.local_time import local_instant
from outcomes.scheduling.models import UNDER_WAY, Assignment, AssignmentQuerySet, AssignmentState

PAGE = 50
WITHDRAWN = (AssignmentState.CANCELLED, AssignmentState.SUPERSEDED)


@dataclass(frozen=True, slots=True)
class Period:
    """Whole days on the clinic's calendar, the last one included."""

    first: date
    last: date
    zone: str

    @property
    def bounds(self) -> tuple[datetime, datetime]:
        """Return its first instant and the first one after it."""
        after = self.last + timedelta(days=1)
        midnight = time(0)
        return (
            local_instant(self.first, midnight, self.zone),
            local_instant(after, midnight, self.zone),
        )


class Only(TextChoices):
    """Which rows to look at."""

    UNSENT = "unsent", gettext_lazy("No message went out")
    BOUNCED = "bounced", gettext_lazy("Bounced or failed")
    UNOPENED = "unopened", gettext_lazy("Sent, not opened")
    UNFINISHED = "unfinished", gettext_lazy("Opened, not answered")
    LATE = "late", gettext_lazy("Answered late")
    MISSED = "missed", gettext_lazy("Missed")
    OPEN = "open", gettext_lazy("Still open")


def asked_in(clinic: Clinic, period: Period) -> AssignmentQuerySet:
    """Return what was asked in a period."""
    begins, ends = period.bounds
    return Assignment.objects.filter(clinic=clinic, asked_at__gte=begins, asked_at__lt=ends)


# -- The counts ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the funnel: how many of how many, and what the number is made of."""

    label: str
    count: int
    of: int
    of_what: str
    notes: tuple[str, ...] = ()

    @property
    def percent(self) -> str:
        """Return the share, rounded; empty where there is nothing to share."""
        return f"{100 * self.count / self.of:.0f} %" if self.of else ""


def funnel(clinic: Clinic, period: Period) -> list[Step]:
    """Count what was asked in a period, step by step, in one query."""
    n = _counts(asked_in(clinic, period))
    asked, sent, what = n["asked"], n["sent"], _("asked")
    unreported = sent - n["delivered"] - n["bounced"]
    return [
        Step(
            _("Message sent"),
            sent,
            asked,
            what,
            _notes((n["handed"], _("handed over by staff")), (n["neither"], _("nothing sent"))),
        ),
        Step(
            _("Reported as delivered"),
            n["delivered"],
            sent,
            _("sent"),
            _notes((n["bounced"], _("bounced")), (unreported, _("not reported"))),
        ),
        Step(_("Opened"), n["opened"], asked, what),
        Step(_("Begun"), n["started"], asked, what),
        Step(
            _("Answered"),
            n["answered"],
            asked,
            what,
            _notes((n["answered"] - n["late"], _("in time")), (n["late"], _("late"))),
        ),
        Step(
            _("Not answered"),
            asked - n["answered"],
            asked,
            what,
            _notes(
                (n["missed"], _("missed")),
                (n["open"], _("still open")),
                (n["withdrawn"], _("withdrawn")),
            ),
        ),
    ]


def _notes(*parts: tuple[int, str]) -> tuple[str, ...]:
    return tuple(f"{count} {words}" for count, words in parts)


def _counts(rows: AssignmentQuerySet) -> dict[str, int]:
    message = "invitations__links__message"
    facts = rows.annotate(
        first_sent=Min(f"{message}__sent_at"),
        first_delivered=Min(f"{message}__delivered_at"),
        first_bounced=Min(f"{message}__bounced_at"),
        first_opened=Min("invitations__links__opened_at"),
        first_handed=Min(
            "invitations__links__created_at", filter=Q(**{f"{message}__isnull": True})
        ),
        first_started=Min("responses__started_at"),
    )
    was_late = Q(state=AssignmentState.COMPLETED, completed_at__gt=F("due_at"))
    unsent = Q(first_sent=None)
    was_begun = Q(state=AssignmentState.COMPLETED) | Q(first_started__isnull=False)
    return facts.aggregate(
        asked=Count("pk"),
        sent=Count("pk", filter=~unsent),
        handed=Count("pk", filter=unsent & Q(first_handed__isnull=False)),
        neither=Count("pk", filter=unsent & Q(first_handed=None)),
        delivered=Count("pk", filter=~unsent & Q(first_delivered__isnull=False)),
        bounced=Count("pk", filter=~unsent & Q(first_delivered=None, first_bounced__isnull=False)),
        opened=Count("pk", filter=Q(first_opened__isnull=False)),
        started=Count("pk", filter=was_begun),
        answered=Count("pk", filter=Q(state=AssignmentState.COMPLETED)),
        late=Count("pk", filter=was_late),
        missed=Count("pk", filter=Q(state=AssignmentState.EXPIRED)),
        open=Count("pk", filter=Q(state__in=UNDER_WAY)),
        withdrawn=Count("pk", filter=Q(state__in=WITHDRAWN)),
    )


# -- The rows ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Row:
    """One questionnaire asked, and what became of it."""

    assignment: Assignment
    channels: str
    sent_at: datetime | None
    sent_count: int
    delivered_at: datetime | None
    delivered: str  #: what stands in place of a moment
    opened_at: datetime | None
    started_at: datetime | None
    state: str
    reason: str

    @property
    def is_late(self) -> bool:
        """Say whether it was answered after it was due."""
        return _is_late(self.assignment)

    @property
    def hours_after_due(self) -> float | None:
        """Return by how many hours the answer was late."""
        done = self.assignment.completed_at
        return _hours(done, self.assignment.due_at) if done and self.is_late else None

    @property
    def hours_since_session(self) -> float | None:
        """Return the true hours from the session it hangs on to the answer."""
        session, done = self.assignment.anchor_session, self.assignment.completed_at
        return _hours(done, session.at) if session and done else None


def _is_late(assignment: Assignment) -> bool:
    done = assignment.completed_at
    return done is not None and done > assignment.due_at


def _hours(later: datetime, earlier: datetime) -> float:
    return (later - earlier) / timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Page:
    """Some rows, and the key after which the next page begins."""

    rows: tuple[Row, ...]
    next: UUID | None


def page(
    clinic: Clinic, period: Period, now: datetime, *, only: str = "", before: UUID | None = None
) -> Page:
    """Return one page of what was asked, newest first, in a constant number of queries."""
    chosen = _narrow(asked_in(clinic, period), only)
    last = Assignment.objects.filter(clinic=clinic, pk=before).first() if before else None
    if last is not None and last.asked_at is not None:
        same = Q(asked_at=last.asked_at, pk__lt=last.pk)
        chosen = chosen.filter(Q(asked_at__lt=last.asked_at) | same)
    related = chosen.select_related("patient", "instrument", "anchor_session")
    found = list(related.order_by("-asked_at", "-pk")[: PAGE + 1])
    shown = found[:PAGE]
    following = shown[-1].pk if len(found) > PAGE else None
    return Page(tuple(rows_of(shown, now)), following)


def _narrow(rows: AssignmentQuerySet, only: str) -> AssignmentQuerySet:
    links = Link.objects.filter(invitation__assignments=OuterRef("pk"))
    sent = Exists(links.filter(message__sent_at__isnull=False))
    opened = Exists(links.filter(opened_at__isnull=False))
    lost = Q(message__bounced_at__isnull=False) | Q(
        message__state__in=(MessageState.FAILED, MessageState.QUARANTINED)
    )
    match only:
        case Only.UNSENT:
            return rows.filter(~sent)
        case Only.BOUNCED:
            return rows.filter(Exists(links.filter(lost)))
        case Only.UNOPENED:
            return rows.filter(sent, ~opened)
        case Only.UNFINISHED:
            return rows.filter(opened).exclude(state=AssignmentState.COMPLETED)
        case Only.LATE:
            return rows.filter(state=AssignmentState.COMPLETED, completed_at__gt=F("due_at"))
        case Only.MISSED:
            return rows.filter(state=AssignmentState.EXPIRED)
        case Only.OPEN:
            return rows.filter(state__in=UNDER_WAY)
    return rows


@dataclass(slots=True)
class _Trail:
    """What led to one assignment: its invitations, oldest first, and their links."""

    invitations: list[Invitation] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)

    @property
    def messages(self) -> list[Message]:
        return [link.message for link in self.links if hasattr(link, "message")]


def rows_of(assignments: Sequence[Assignment], now: datetime) -> Iterable[Row]:
    """Return what became of each, in five queries and those of `reach` for all of them."""
    keys = [item.pk for item in assignments]
    trails = _trails(keys)
    begun = QuestionnaireResponse.objects.filter(assignment__in=keys).values("assignment")
    started = dict(begun.annotate(at=Min("started_at")).values_list("assignment", "at"))
    problems = reach.problems(list({item.patient_id for item in assignments}))
    for item in assignments:
        trail = trails.get(item.pk, _Trail())
        sent = sorted(
            (m for m in trail.messages if m.sent_at is not None), key=lambda m: (m.sent_at, m.pk)
        )
        delivered = [m.delivered_at for m in sent if m.delivered_at is not None]
        opened = [link.opened_at for link in trail.links if link.opened_at is not None]
        yield Row(
            assignment=item,
            channels=_ways(trail),
            sent_at=sent[0].sent_at if sent else None,
            sent_count=len(sent),
            delivered_at=min(delivered, default=None),
            delivered="" if delivered or not sent else delivered_words(sent[-1]),
            opened_at=min(opened, default=None),
            started_at=started.get(item.pk),
            state=state_words(item.state, _is_late(item)),
            reason=_reason(item, trail, problems.get(item.patient_id, ""), now),
        )


def _trails(assignments: Sequence[UUID]) -> dict[UUID, _Trail]:
    through = Invitation.assignments.through.objects.filter(assignment__in=assignments)
    pairs = list(through.values_list("assignment", "invitation"))
    wanted = {invitation for _assignment, invitation in pairs}
    invitations = Invitation.objects.in_bulk(wanted)
    by_invitation: dict[UUID, list[Link]] = defaultdict(list)
    links = Link.objects.filter(invitation__in=wanted).select_related("message")
    for link in links.order_by("created_at", "pk"):
        by_invitation[link.invitation_id].append(link)
    trails: dict[UUID, _Trail] = defaultdict(_Trail)
    for assignment, invitation in sorted(pairs, key=lambda pair: pair[1]):
        trails[assignment].invitations.append(invitations[invitation])
        trails[assignment].links += by_invitation[invitation]
    return trails


def _ways(trail: _Trail) -> str:
    names = dict.fromkeys(channel_words(message.channel) for message in trail.messages)
    if any(not hasattr(link, "message") for link in trail.links):
        names[_("handed over")] = None
    return ", ".join(names)


def _reason(item: Assignment, trail: _Trail, problem: str, now: datetime) -> str:
    """Return why an asked questionnaire is not answered; empty for one that is."""
    if item.state == AssignmentState.COMPLETED:
        return ""
    if item.state == AssignmentState.STARTED or any(link.opened_at for link in trail.links):
        return ""  # the patient has met it: only the patient knows why
    over = next((why_over(each, now) for each in reversed(trail.invitations)), "")
    sent = [message for message in trail.messages if message.state == MessageState.SENT]
    if over:
        return over
    if sent:
        return _("bounced") if sent[-1].bounced_at else _("not opened")
    if trail.messages:
        return why_not_sent(trail.messages[0], item.patient.time_zone, now)
    if trail.links:
        return _("handed over, not opened")
    return problem or _("nobody could be written to when it was asked")


def set_aside(clinic: Clinic) -> QuerySet[Message]:
    """Return the clinic's messages that crashed too often, for an admin to decide on."""
    return Message.objects.filter(clinic=clinic, state=MessageState.QUARANTINED)
