"""What a schedule asks of a patient, week by week, in a course that stands for many.

Pure: the plan is the engine's own, for sessions on sample days.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from outcomes.scheduling.definition import ScheduleSpec
from outcomes.scheduling.sample import SAMPLE, Sample, asks_of, day_of

__all__ = ["SAMPLE", "Sample", "Week", "minutes_per_week"]


@dataclass(frozen=True, slots=True)
class Week:
    """Give what falls due in one week, counted from 1 at the first session."""

    number: int
    administrations: Mapping[str, int]  #: by instrument, in the order in which they fall due
    minutes: float


def minutes_per_week(
    spec: ScheduleSpec, minutes_by_code: Mapping[str, float], sample: Sample = SAMPLE
) -> tuple[Week, ...]:
    """Return every week of the sample with what it asks and the minutes that takes.

    What is due before the first session counts to its week. An instrument without minutes is one
    that cannot be sent: it is left out.
    """
    counts: dict[int, Counter[str]] = {n: Counter() for n in range(1, sample.weeks + 1)}
    for ask in asks_of(spec, sample):
        number = max(1, day_of(ask.due_at) // 7 + 1)
        if number in counts and ask.instrument in minutes_by_code:
            counts[number][ask.instrument] += 1
    return tuple(
        Week(n, dict(asked), sum(minutes_by_code[code] * times for code, times in asked.items()))
        for n, asked in counts.items()
    )
