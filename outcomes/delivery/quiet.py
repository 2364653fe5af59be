"""When a bulk message may reach a phone: quiet hours, and the patient's own hour (pure)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from outcomes.scheduling.local_time import local_instant


def count_of_the_day(moments: Iterable[datetime], now: datetime, zone: str) -> int:
    """Return how many of the moments are on the same local day as `now`."""
    local = ZoneInfo(zone)
    today = now.astimezone(local).date()
    return sum(at.astimezone(local).date() == today for at in moments)


def quiet_until(now: datetime, zone: str, start: time, end: time) -> datetime | None:
    """Return when the quiet hours around `now` end, as UTC; None when it is not quiet.

    `start` and `end` are local clock times in `zone`; equal ones mean no quiet hours. The span may
    cross midnight. Clock changes follow `local_instant`: a skipped time is the first moment after.
    """
    if start == end:
        return None
    today = now.astimezone(ZoneInfo(zone)).date()
    for day in (today - timedelta(days=1), today):
        begins = local_instant(day, start, zone)
        ends = local_instant(day if start < end else day + timedelta(days=1), end, zone)
        if begins <= now < ends:
            return ends.astimezone(UTC)
    return None


def is_quiet_at(clock: time, start: time, end: time) -> bool:
    """Say whether a local clock time lies in the quiet hours; equal ones mean none."""
    return start <= clock < end if start <= end else clock >= start or clock < end


def own_hour_after(now: datetime, zone: str, clock: time) -> datetime | None:
    """Return when the patient's own hour begins today, as UTC; None once it has."""
    begins = local_instant(now.astimezone(ZoneInfo(zone)).date(), clock, zone)
    return begins.astimezone(UTC) if now < begins else None
