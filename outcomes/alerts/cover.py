"""Who is on cover when (pure): the lines of a clinic's calendar, read on the clinic's clock.

A line begins and ends at local times of its days, whatever the clocks do meanwhile. It says whom a
new alert pages first; it never closes one.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from outcomes.scheduling.local_time import local_instant

ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Line:
    """Hours of one weekday (0 is Monday), or of every day between two dates, both included.

    Hours that end at or before their beginning end on the day after; equal ones last a whole day.
    """

    person: Hashable
    starts: time
    ends: time
    weekday: int | None = None
    starts_on: date | None = None
    ends_on: date | None = None

    @property
    def is_dated(self) -> bool:
        """Say whether the line is about dates, and so goes before the weekly ones."""
        return self.weekday is None

    def begins_on(self, day: date) -> bool:
        """Say whether these hours begin on this day."""
        if self.starts_on is None or self.ends_on is None:
            return day.weekday() == self.weekday
        return self.starts_on <= day <= self.ends_on

    def span(self, day: date, zone: str) -> tuple[datetime, datetime]:
        """Return the instants between which the hours that begin on this day last."""
        last = day if self.ends > self.starts else day + ONE_DAY
        return local_instant(day, self.starts, zone), local_instant(last, self.ends, zone)

    def holds(self, at: datetime, zone: str) -> bool:
        """Say whether the person is on cover at this instant."""
        today = at.astimezone(ZoneInfo(zone)).date()
        for day in (today - ONE_DAY, today):
            if self.begins_on(day):
                begins, ends = self.span(day, zone)
                if begins <= at < ends:
                    return True
        return False


def on_duty(lines: Sequence[Line], at: datetime, zone: str) -> tuple[Hashable, ...]:
    """Return who is on cover at an instant, each once; nobody in a gap.

    Where a dated line holds, the weekly ones do not count.
    """
    holding = [line for line in lines if line.holds(at, zone)]
    dated = [line for line in holding if line.is_dated]
    return tuple(dict.fromkeys(line.person for line in dated or holding))


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of one day during which the same people are on cover; nobody is a gap."""

    begins: datetime
    ends: datetime
    people: tuple[Hashable, ...]


def spans_of(lines: Sequence[Line], day: date, zone: str) -> list[Span]:
    """Return one local day from its first instant to its last, cut where the cover changes."""
    begins, ends = (local_instant(d, time(0), zone) for d in (day, day + ONE_DAY))
    inside = {at for at in _changes(lines, day, zone) if begins < at < ends}
    cuts = sorted({begins, ends, *inside})
    spans: list[Span] = []
    for start, end in pairwise(cuts):
        people = on_duty(lines, start, zone)
        if spans and spans[-1].people == people:
            spans[-1] = Span(spans[-1].begins, end, people)
        else:
            spans.append(Span(start, end, people))
    return spans


def _changes(lines: Sequence[Line], day: date, zone: str) -> Iterator[datetime]:
    for line in lines:
        for first in (day - ONE_DAY, day):
            if line.begins_on(first):
                yield from line.span(first, zone)
