"""What a chart is drawn from: plain facts, no database, no drawing."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from itertools import chain
from typing import Literal, NamedTuple

from outcomes.review.change import Direction, ScorePoint

WindowState = Literal["answered", "late", "missed", "pending"]
SessionStatus = Literal["held", "planned", "not_held"]
MarkerKind = Literal["change", "note"]
Comparison = Literal["below", "at_most", "at_least"]


@dataclass(frozen=True, slots=True)
class Band:
    """Name a severity range; `low` and `high` both belong to it."""

    low: float
    high: float
    label: str


@dataclass(frozen=True, slots=True)
class Point(ScorePoint):
    """Add to a score what its mark must show; `safety` names the positive item, else ""."""

    band: str = ""
    safety: str = ""
    late: bool = False
    imported: bool = False


class Window(NamedTuple):
    """Hold one asking: when it was due, and what came of it."""

    due: datetime
    state: WindowState


@dataclass(frozen=True, slots=True)
class SessionMark:
    """Hold one treatment session; `label` is the recorded fact, as "IV ketamine 40 mg".

    `short` is its route and dose alone, as "IV 40 mg"; it may break at its last space.
    """

    at: datetime
    number: int
    label: str = ""
    status: SessionStatus = "held"
    short: str = ""


@dataclass(frozen=True, slots=True)
class CourseMark:
    """Hold where a course begins and what the clinic calls it."""

    at: datetime
    label: str


@dataclass(frozen=True, slots=True)
class Marker:
    """Hold a treatment change or a note at its instant."""

    at: datetime
    text: str
    kind: MarkerKind = "change"


@dataclass(frozen=True, slots=True)
class Blank:
    """Hold a filling-in that came to no value, and why."""

    at: datetime
    reason: str
    late: bool = False


@dataclass(frozen=True, slots=True)
class QuartilePoint:
    """Hold the middle half of a clinic's comparable starters at an instant of this time axis.

    `q1`, `median` and `q3` are in points of the scale; `n` counts the scores behind them.
    """

    at: datetime
    q1: float
    median: float
    q3: float
    n: int


@dataclass(frozen=True, slots=True)
class Panel:
    """Hold one scale of one instrument, always drawn over its full range `low` to `high`.

    `response_line` is half of THIS patient's baseline; `remission_kind` says on which side of
    `remission_line` a score must lie; `reliable_half_width` is the reliable change threshold in
    points; `cutoff_line` is where a watched scale raises an alert. Each is None where its rule does
    not apply. `baseline_reason` says why there is no baseline. Points, blanks and windows are in
    order of time. `clinic_band`, in order of time, is drawn behind everything else; empty where
    nobody asked for it or too few patients compare. A panel that `is_light` is a thin layer of
    faint dots under the others, without lines and rules.
    """

    code: str
    title: str
    low: float
    high: float
    direction: Direction = "higher_is_worse"
    bands: tuple[Band, ...] = ()
    points: tuple[Point, ...] = ()
    blanks: tuple[Blank, ...] = ()
    windows: tuple[Window, ...] = ()
    baseline: ScorePoint | None = None
    baseline_reason: str = ""
    response_line: float | None = None
    remission_line: float | None = None
    remission_kind: Comparison = "below"
    cutoff_line: float | None = None
    reliable_half_width: float | None = None
    clinic_band: tuple[QuartilePoint, ...] = ()
    is_light: bool = False


@dataclass(frozen=True, slots=True)
class ChartData:
    """Hold all that one chart shows; without `start` and `end` it spans everything given.

    With `now`, it reaches at least that far, so that silence since the last mark is seen.
    """

    title: str
    panels: tuple[Panel, ...]
    sessions: tuple[SessionMark, ...] = ()
    markers: tuple[Marker, ...] = ()
    courses: tuple[CourseMark, ...] = ()
    zone: tzinfo = UTC
    start: datetime | None = None
    end: datetime | None = None
    now: datetime | None = None

    def instants(self) -> Iterator[datetime]:
        """Yield every instant that the chart must reach."""
        windows = chain.from_iterable(panel.windows for panel in self.panels)
        points = chain.from_iterable(panel.points for panel in self.panels)
        blanks = chain.from_iterable(panel.blanks for panel in self.panels)
        marked: Iterable[ScorePoint | Blank | SessionMark | Marker | CourseMark] = chain(
            points, blanks, self.sessions, self.markers, self.courses
        )
        yield from (mark.at for mark in marked)
        yield from (window.due for window in windows)
