"""What a chart of one episode is made of, read in a counted handful of queries."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from django.db.models import Case, F, Q, Subquery, When

from outcomes.alerts.models import Alert, AlertReason
from outcomes.care.models import EpisodeOfCare
from outcomes.responses import services as responses
from outcomes.responses.models import Mode, Score
from outcomes.review.charts import Point, Window, WindowState
from outcomes.scheduling.models import Assignment, AssignmentState

# What came of an asking that was not answered late; any other state is not closed yet.
OUTCOMES: dict[str, WindowState] = {
    AssignmentState.COMPLETED: "answered",
    AssignmentState.EXPIRED: "missed",
}
# Asked daily and read as a layer under the charts: only what a dot needs is read of each.
LIGHT = ("MOOD-1",)
# A page lists so many of the newest scores, or all of them when it is asked to.
LISTED = 20


class StoredScore(NamedTuple):
    """One stored score, with what the chart needs of its response and of what asked for it."""

    response_id: UUID
    instrument_code: str
    scale: str
    value: float | None
    band: str
    is_prorated: bool
    missing_reason: str
    at: datetime
    content_hash: str
    mode: str
    loss_confirmed_at: datetime | None
    is_late: bool


class Light(NamedTuple):
    """One scale of a light layer: the version answered last, and its scores in order of time."""

    content_hash: str
    scale: str
    points: tuple[Point, ...]


class Positive(NamedTuple):
    """One positive safety item."""

    response_id: UUID
    link_id: str
    value: int | None


def scores_of(episode: EpisodeOfCare) -> list[StoredScore]:
    """Return every score but those of light layers, in order of time."""
    # Plain tuples: three model instances for each score would cost more than the chart.
    rows = Score.objects.current().filter(episode=episode).exclude(instrument_code__in=LIGHT)
    columns = rows.order_by("at", "pk").values_list(
        "response_id",
        "instrument_code",
        "scale",
        "value",
        "band",
        "is_prorated",
        "missing_reason",
        "at",
        "response__content_hash",
        "response__mode",
        "response__loss_confirmed_at",
        Case(When(at__gt=F("response__assignment__due_at"), then=True), default=False),
    )
    return [StoredScore(*row) for row in columns]


def light_scores_of(
    episode: EpisodeOfCare, since: datetime | None = None
) -> dict[str, list[Light]]:
    """Return, by instrument, the valid scores of light layers.

    Of those before `since` the first, which the words of a panel name, and as many of the newest as
    a page lists.
    """
    rows = Score.objects.current().filter(episode=episode, instrument_code__in=LIGHT)
    rows = rows.exclude(value=None)
    if since is not None:
        first = rows.order_by("at").values("at")[:1]
        newest = rows.order_by("-at").values("pk")[:LISTED]
        rows = rows.filter(Q(at__gte=since) | Q(at__lte=Subquery(first)) | Q(pk__in=newest))
    columns = rows.order_by("at").values_list(
        "instrument_code", "scale", "response__content_hash", "at", "value"
    )
    points: dict[tuple[str, str], list[Point]] = defaultdict(list)
    last: dict[tuple[str, str], str] = {}
    for code, scale, content, at, value in columns:
        points[code, scale].append(Point(at, value))  # type: ignore[arg-type]  # none without one
        last[code, scale] = content
    light: dict[str, list[Light]] = defaultdict(list)
    for code, scale in sorted(points):
        light[code].append(Light(last[code, scale], scale, tuple(points[code, scale])))
    return light


def windows_of(episode: EpisodeOfCare) -> dict[str, tuple[Window, ...]]:
    """Return, by instrument, every asking and what came of it."""
    asked = Assignment.objects.filter(episode=episode).exclude(
        state__in=(
            AssignmentState.PLANNED,
            AssignmentState.CANCELLED,
            AssignmentState.SUPERSEDED,
        )
    )
    is_answered_late = Q(state=AssignmentState.COMPLETED, completed_at__gt=F("due_at"))
    is_late = Case(When(is_answered_late, then=True), default=False)
    columns = asked.order_by("due_at").values_list("instrument__code", "due_at", "state", is_late)
    by_code: dict[str, list[Window]] = defaultdict(list)
    for code, due, state, late in columns:
        by_code[code].append(Window(due, "late" if late else OUTCOMES.get(state, "pending")))
    return {code: tuple(windows) for code, windows in by_code.items()}


def positives_of(episode: EpisodeOfCare) -> list[Positive]:
    """Return the positive safety items for which an alert was raised."""
    alerts = Alert.objects.filter(episode=episode, reason=AlertReason.ANSWER)
    return [
        Positive(*row)
        for row in alerts.values_list("response_id", "rule__link_id", "value")
        if row[1]
    ]


def imported_positives_of(episode: EpisodeOfCare) -> Iterator[Positive]:
    """Yield the positive safety items of imported answers, which raise no alert."""
    imported = episode.responses.filter(mode=Mode.IMPORT).exclude(answers={})
    version = "instrument_version"
    for response in imported.select_related(version).defer(f"{version}__content"):
        for hit in responses.safety_of(response):
            yield Positive(response.pk, hit.link_id, hit.value)


def safety_words(positive: Iterable[Positive]) -> Mapping[UUID, str]:
    """Return, by response, its positive safety items in words."""
    found: dict[UUID, list[str]] = defaultdict(list)
    for row in positive:
        found[row.response_id].append(f"item {row.link_id}: {row.value}")
    return {response_id: ", ".join(told) for response_id, told in found.items()}
