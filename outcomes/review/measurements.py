"""Which measurement of a patient is number 1, 2, 3: pure.

A measurement that is missing keeps its number, so that the next one does not take it. Where the
source of imported scores numbers its measurements, that number holds. Else they are counted in
order of time, and everything counts at which the questionnaire was answered or might have been:
each asking, answered or missed, each filling-in that nobody asked for, and each moment at which
anything was imported.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

NumberedBy = Literal["source", "order"]


@dataclass(frozen=True, slots=True)
class Moment:
    """Hold one time at which the questionnaire was answered or might have been.

    `number` is its number in the source, if it has one. `value` is None with a `reason`.
    """

    at: datetime
    number: int | None
    value: float | None
    reason: str


@dataclass(frozen=True, slots=True)
class Measured:
    """Hold the score of a measurement, or None and the reason why there is none."""

    at: datetime | None
    value: float | None
    reason: str


class Measurements:
    """A patient's measurements by one questionnaire, by number."""

    def __init__(self, own: Iterable[Moment], other: Iterable[Moment] = ()) -> None:
        """Take the moments; `other` are those at which only something else was measured."""
        self._own = list(own)
        taken = {moment.at for moment in self._own}
        elsewhere = {moment.at: moment for moment in other if moment.at not in taken}
        in_order = sorted([*self._own, *elsewhere.values()], key=lambda moment: moment.at)
        is_numbered = any(moment.number is not None for moment in self._own)
        self.numbered_by: NumberedBy = "source" if is_numbered else "order"
        self._by_number: dict[int, list[Moment]] = defaultdict(list)
        for place, moment in enumerate(in_order, 1):
            number = moment.number if is_numbered else place
            if number is not None:
                self._by_number[number].append(moment)

    def get(self, number: int) -> Measured:
        """Return the measurement of this number."""
        found = self._by_number.get(number, [])
        own = [moment for moment in found if moment in self._own]
        if len(own) > 1:
            return Measured(None, None, f"Measurement {number}: {len(own)} have this number.")
        if not found:
            return Measured(None, None, f"Measurement {number}: there is none.")
        moment = (own or found)[0]
        reason = f"Measurement {number}: {moment.reason}." if moment.value is None else ""
        return Measured(moment.at, moment.value, reason)
