"""When the next people are told of an alert that nobody has taken (pure).

A clinic sets three times, in minutes after the alert opened; after the last it is every hour, for
ever. All follows from the opening: a late look neither drifts nor catches up in a burst.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from datetime import datetime, timedelta

THEN_EVERY = timedelta(hours=1)


def tier_at(minutes: Sequence[int], opened_at: datetime, at: datetime) -> int:
    """Return how many steps an alert opened then has taken by now; 0 are the first people told."""
    waited = at - opened_at
    taken = bisect_right([timedelta(minutes=minute) for minute in minutes], waited)
    return taken + max(0, (waited - timedelta(minutes=minutes[-1])) // THEN_EVERY)


def next_step_after(minutes: Sequence[int], opened_at: datetime, at: datetime) -> datetime:
    """Return the first moment after `at` at which people are told again."""
    taken = tier_at(minutes, opened_at, at)
    if taken < len(minutes):
        return opened_at + timedelta(minutes=minutes[taken])
    return opened_at + timedelta(minutes=minutes[-1]) + (taken - len(minutes) + 1) * THEN_EVERY
