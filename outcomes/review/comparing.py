"""Quartiles of scores at the same step of treatment: pure arithmetic, nothing carried forward."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import quantiles

from outcomes.review.change import ScorePoint

FEWEST = 20
"""Below so many scores nothing is told: fewer say little, and might be recognised."""


@dataclass(frozen=True, slots=True)
class Quartiles:
    """Hold the middle half of `n` scores, in points of the scale."""

    q1: float
    median: float
    q3: float
    n: int


def scores_before(
    sessions: Sequence[datetime], points: Sequence[ScorePoint]
) -> tuple[float | None, ...]:
    """Return, for each session, the last score since the session before it; None where missing.

    Sessions and points in any order. Before the first session any earlier score counts: the
    baseline.
    """
    starts = sorted(at.astimezone(UTC) for at in sessions)
    scored = sorted((point.at.astimezone(UTC), point.value) for point in points)
    found: list[float | None] = []
    since = None
    for start in starts:
        own = [value for at, value in scored if at < start and (since is None or at >= since)]
        found.append(own[-1] if own else None)
        since = start
    return tuple(found)


def quartiles_at(
    rows: Iterable[Sequence[float | None]], step: int, fewest: int = FEWEST
) -> Quartiles | None:
    """Return the quartiles of what stands at `step` of each row; None of fewer than `fewest`."""
    values = [row[step] for row in rows if step < len(row)]
    known = [value for value in values if value is not None]
    if len(known) < max(fewest, 2):
        return None
    q1, median, q3 = quantiles(known, n=4, method="inclusive")
    return Quartiles(q1, median, q3, len(known))
