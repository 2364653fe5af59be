"""What each session did: the last score before it, and those a day and a week after it. Pure.

A score belongs to the last held session before it and stands in no other's row: nothing is carried
forward. Hours are true elapsed ones, whatever the clocks did.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import pairwise
from typing import Literal

from outcomes.review.change import ScorePoint

Missing = Literal["", "none", "next_session", "not_yet"]

HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Window:
    """Hold a time after a session: the score nearest `target` from `first` to `last` counts."""

    target: timedelta
    first: timedelta
    last: timedelta


DAY = Window(timedelta(hours=24), timedelta(hours=18), timedelta(hours=36))
"""The 24 h window of the shipped schedule: 18 to 36 hours."""
WEEK = Window(timedelta(days=7), timedelta(days=6), timedelta(days=10))
"""Day 7 of the shipped schedule, from a day before it until its questions have closed."""


@dataclass(frozen=True, slots=True)
class Series:
    """Hold one scale's valid scores in order of time, and what they are compared with.

    `recall_days` is how far back the questions look; None is not a number of days. Below
    `baseline_min` a percentage of the baseline means little.
    """

    points: Sequence[ScorePoint]
    baseline: ScorePoint | None = None
    baseline_min: float = 0.0
    recall_days: int | None = None


@dataclass(frozen=True, slots=True)
class Cell:
    """Hold one score of a session's row, or why there is none (`missing`).

    `hours` are those from the session to the score, negative before it. `percent` is the score as a
    share of the baseline; None where that has no meaning. `overlaps` says that the questions reach
    back past the session before the score.
    """

    point: ScorePoint | None
    missing: Missing = ""
    hours: float = 0.0
    from_before: float | None = None
    from_baseline: float | None = None
    percent: float | None = None
    overlaps: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """Hold what one scale says about one session."""

    session_at: datetime
    before: Cell
    day: Cell
    week: Cell


def lines_of(
    sessions: Sequence[datetime], series: Series, now: datetime, at_most: int | None = None
) -> list[Line]:
    """Return a line for each held session, or the newest; `sessions` are in order of time."""
    starts = [at.astimezone(UTC) for at in sessions]
    ends: list[datetime | None] = [*starts[1:], None][: len(starts)]
    befores: list[datetime | None] = [None, *starts][: len(starts)]
    told = list(zip(befores, starts, ends, strict=True))
    newest = told if at_most is None else told[max(0, len(told) - at_most) :]
    return [_line(before, at, end, series, now) for before, at, end in newest]


def intervals_of(
    sessions: Sequence[datetime], now: datetime, zone: tzinfo
) -> tuple[list[int], int | None]:
    """Return the days between sessions that followed one another, and since the last one.

    Days of the calendar where the patient is, as people count them: a session on a Monday and one
    a little earlier in the day a week on are 7 days apart. None since the last where there is none.
    It says what was, not what is to come.
    """
    days = sorted(at.astimezone(zone).date() for at in sessions)
    between = [(later - earlier).days for earlier, later in pairwise(days)]
    return between, (now.astimezone(zone).date() - days[-1]).days if days else None


def _line(
    earlier: datetime | None, at: datetime, end: datetime | None, series: Series, now: datetime
) -> Line:
    own = _between(series.points, at, end)
    before = _between(series.points, earlier, at)
    start = before[-1] if before else None
    return Line(
        at,
        _cell(start, at, earlier, None, series),
        *(_after(window, own, at, end, start, series, now) for window in (DAY, WEEK)),
    )


def _between(
    points: Sequence[ScorePoint], first: datetime | None, end: datetime | None
) -> Sequence[ScorePoint]:
    """Return the scores from `first` until before `end`."""
    low = bisect_left(points, first, key=lambda point: point.at) if first else 0
    high = bisect_left(points, end, key=lambda point: point.at) if end else len(points)
    return points[low:high]


def _after(
    window: Window,
    own: Sequence[ScorePoint],
    at: datetime,
    end: datetime | None,
    start: ScorePoint | None,
    series: Series,
    now: datetime,
) -> Cell:
    inside = [point for point in own if window.first <= _since(at, point.at) <= window.last]
    if inside:
        nearest = min(inside, key=lambda point: abs(_since(at, point.at) - window.target))
        return _cell(nearest, at, at, start, series)
    # Later than that the next session takes no time away that would have been the nearest.
    if end is not None and _since(at, end) < window.target:
        return Cell(None, "next_session")
    return Cell(None, "not_yet" if now - at < window.last else "none")


def _since(at: datetime, later: datetime) -> timedelta:
    """Return the true time between two instants, across any change of the clocks."""
    return later.astimezone(UTC) - at.astimezone(UTC)


def _cell(
    point: ScorePoint | None,
    at: datetime,
    owner: datetime | None,
    start: ScorePoint | None,
    series: Series,
) -> Cell:
    """Return a score's cell in the row of the session at `at`; `owner` is the one before it."""
    if point is None:
        return Cell(None, "none")
    base = series.baseline if series.baseline and point.at > series.baseline.at else None
    recall = series.recall_days
    overlaps = bool(owner and recall and _since(owner, point.at) < timedelta(days=recall))
    has_share = base is not None and base.value > 0 and base.value >= series.baseline_min
    return Cell(
        point,
        hours=_since(at, point.at) / HOUR,
        from_before=point.value - start.value if start else None,
        from_baseline=point.value - base.value if base else None,
        percent=100 * point.value / base.value if base and has_share else None,
        overlaps=overlaps,
    )
