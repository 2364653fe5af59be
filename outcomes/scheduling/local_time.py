"""Local clock times as instants, through every clock change.

Pure: days are counted on the local calendar with zoneinfo, never by adding 24 hours.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo


def local_instant(day: date, clock: time, zone: str) -> datetime:
    """Return the one UTC instant at which this zone's clocks show this time on this day.

    A time skipped by a clock change gives the first moment after the gap, a time shown twice gives
    the first of the two.
    """
    tz = ZoneInfo(zone)
    wall = datetime.combine(day, clock.replace(tzinfo=None, fold=0))
    instant = wall.replace(tzinfo=tz).astimezone(UTC)
    if instant.astimezone(tz).replace(tzinfo=None) == wall:
        return instant
    return _end_of_gap(wall, tz)


def _end_of_gap(wall: datetime, tz: ZoneInfo) -> datetime:
    """Return the clock change that skipped this wall time, by halving the span around it."""
    before = int(wall.replace(tzinfo=tz, fold=1).timestamp())
    after = int(wall.replace(tzinfo=tz, fold=0).timestamp())
    offset = datetime.fromtimestamp(after, tz).utcoffset()
    while after - before > 1:
        middle = (before + after) // 2
        if datetime.fromtimestamp(middle, tz).utcoffset() == offset:
            after = middle
        else:
            before = middle
    return datetime.fromtimestamp(after, UTC)


def shift_days(at: datetime, days: int, zone: str) -> datetime:
    """Return the same local clock time so many calendar days later (earlier when negative)."""
    if days == 0:
        return at
    local = at.astimezone(ZoneInfo(zone))
    return local_instant(local.date() + timedelta(days=days), local.time(), zone)
