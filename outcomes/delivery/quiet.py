"""Quiet hours: when a bulk message may reach a phone (pure)."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from outcomes.scheduling.local_time import local_instant


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
