"""The cover calendar as its page shows it: a week of days, cut where the cover changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from outcomes.alerts.cover import spans_of
from outcomes.alerts.models import Cover
from outcomes.clinics.models import Clinic

WEEK = 7


@dataclass(frozen=True, slots=True)
class Stretch:
    """Hours of a day and who is on cover then; nobody is a gap."""

    begins: str
    ends: str
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Day:
    """One day of the calendar, whole."""

    on: date
    stretches: list[Stretch]

    @property
    def gaps(self) -> list[Stretch]:
        """Return the hours in which nobody is on cover."""
        return [stretch for stretch in self.stretches if not stretch.names]


def week_of(clinic: Clinic, rows: Sequence[Cover], first: date) -> list[Day]:
    """Return seven days from the first on; `rows` come with their users."""
    names = {row.user_id: str(row.user) for row in rows}
    lines = [row.line for row in rows]
    zone = ZoneInfo(clinic.time_zone)
    days = []
    for number in range(WEEK):
        day = first + timedelta(days=number)
        stretches = [
            Stretch(
                _clock(span.begins, zone, day),
                _clock(span.ends, zone, day),
                tuple(names[person] for person in span.people),  # type: ignore[index]
            )
            for span in spans_of(lines, day, clinic.time_zone)
        ]
        days.append(Day(day, stretches))
    return days


def _clock(at: datetime, zone: ZoneInfo, day: date) -> str:
    local = at.astimezone(zone)
    return "24:00" if local.date() > day else f"{local:%H:%M}"
