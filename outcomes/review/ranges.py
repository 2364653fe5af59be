"""Which stretch of time a chart shows. Pure: no Django."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Literal, get_args

from outcomes.review.change import ScorePoint

Range = Literal["course", "3m", "1y", "all"]
RANGES: tuple[Range, ...] = get_args(Range)
BACK: dict[Range, timedelta] = {"3m": timedelta(days=92), "1y": timedelta(days=366)}


def range_of(asked: str) -> Range:
    """Return the range asked for by name, the current course where there is none of that name."""
    return next((name for name in RANGES if name == asked), "course")


def start_of(
    shown: Range,
    now: datetime,
    *,
    course_began: datetime | None,
    held: Sequence[datetime],
    points: Iterable[ScorePoint],
) -> datetime | None:
    """Return where a chart begins; None shows everything there is.

    A course is shown with its own baseline, the last score before its first session. `held` are the
    course's held sessions in order of time; without a course everything is shown.
    """
    if shown in BACK:
        return now - BACK[shown]
    if shown == "all" or course_began is None:
        return None
    first = held[0] if held else course_began
    before = [point.at for point in points if point.at < first]
    return min(course_began, max(before, default=course_began), first)
