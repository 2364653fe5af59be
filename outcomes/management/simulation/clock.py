"""A clock that jumps from one interesting moment to the next, instead of ticking through a year."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from datetime import datetime
from itertools import count

Act = Callable[[datetime], None]


class Clock:
    """Do what was put down for each moment, in order of time; equal moments in order of entry."""

    def __init__(self) -> None:
        self._acts: list[tuple[datetime, int, Act]] = []
        self._entries = count()

    def at(self, moment: datetime, act: Act) -> None:
        """Put down what happens at a moment."""
        heapq.heappush(self._acts, (moment, next(self._entries), act))

    def run(self, ends_at: datetime) -> None:
        """Do everything up to and including the end; acts may put down further ones."""
        while self._acts and self._acts[0][0] <= ends_at:
            moment, _, act = heapq.heappop(self._acts)
            act(moment)
