"""The two axes: true time across, the instrument's full range upward; dates sensibly spaced."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

SHORTEST = timedelta(days=7)
"""A chart of less than a week is drawn as a week, so that hours do not look like a course."""

_STEPS = (
    ("day", 1, 1.0),
    ("day", 2, 2.0),
    ("week", 1, 7.0),
    ("week", 2, 14.0),
    ("month", 1, 30.4),
    ("month", 2, 60.9),
    ("month", 3, 91.3),
    ("month", 6, 182.6),
    ("year", 1, 365.2),
    ("year", 2, 730.5),
    ("year", 5, 1826.2),
    ("year", 10, 3652.5),
    ("year", 20, 7305.0),
)


@dataclass(frozen=True, slots=True)
class TimeScale:
    """Place instants on a true time axis: equal times are equal lengths."""

    start: datetime
    end: datetime
    left: float
    right: float

    def __call__(self, at: datetime) -> float:
        """Return the x of an instant."""
        share = (at - self.start) / (self.end - self.start)
        return self.left + share * (self.right - self.left)

    def places(self, moments: Sequence[datetime]) -> list[float]:
        """Return the x of each of many instants."""
        left, start, period = self.left, self.start, self.end - self.start
        width = self.right - left
        return [left + (at - start) / period * width for at in moments]

    def holds(self, at: datetime) -> bool:
        """Say whether an instant lies within the chart."""
        return self.start <= at <= self.end


@dataclass(frozen=True, slots=True)
class ValueScale:
    """Place values on the instrument's full range; the highest value is always at the top."""

    low: float
    high: float
    top: float
    bottom: float

    def __call__(self, value: float) -> float:
        """Return the y of a value; one outside the range is held at its edge."""
        share = (value - self.low) / (self.high - self.low)
        if not 0 <= share <= 1:
            share = 0 if share < 0 else 1
        return self.bottom - share * (self.bottom - self.top)


def span(start: datetime, end: datetime) -> tuple[datetime, datetime]:
    """Widen a period to the shortest that is drawn."""
    start, end = start.astimezone(UTC), end.astimezone(UTC)
    return start, max(end, start + SHORTEST)


def date_ticks(start: datetime, end: datetime, zone: tzinfo, most: float) -> list[datetime]:
    """List local midnights inside the period, at the finest step of which at most `most` fit."""
    days = (end - start) / timedelta(days=1)
    unit, every, _ = next((step for step in _STEPS if days / step[2] <= most), _STEPS[-1])
    ticks: list[datetime] = []
    for day in _dates(start.astimezone(zone).date(), unit, every):
        at = datetime.combine(day, time(), zone).astimezone(UTC)
        if at > end:
            return ticks
        if at >= start:
            ticks.append(at)
    return ticks


def _dates(first: date, unit: str, every: int) -> Iterator[date]:
    """Count dates on from the last round one at or before `first` (Monday, 1st, 1 January)."""
    if unit in ("day", "week"):
        day = first - timedelta(days=first.weekday() if unit == "week" else 0)
        while True:
            yield day
            day += timedelta(days=every * (7 if unit == "week" else 1))
    months = every * (12 if unit == "year" else 1)
    index = (first.year * 12 + first.month - 1) // months * months
    while True:
        yield date(index // 12, index % 12 + 1, 1)
        index += months


def value_ticks(low: float, high: float, edges: tuple[float, ...], most: int) -> list[float]:
    """List the values to print: the band edges, or round steps where there are no bands."""
    if edges:
        return sorted({low, high, *edges})
    width = high - low
    steps = (1, 2, 5, 10, 20, 25, 50, 100, 200, 500)
    step = next((step for step in steps if width / step <= most), width)
    ticks, value = [low], (low // step + 1) * step
    while value < high:
        ticks.append(value)
        value += step
    return [*ticks, high]
