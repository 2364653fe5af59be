"""What a schedule asks of a patient, week by week, in a course that stands for many.

Pure: the plan is the engine's own, for sessions on sample days.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

from outcomes.scheduling import engine
from outcomes.scheduling.definition import ScheduleSpec

# A Monday at noon; any other day gives the same weeks, in a zone whose clocks never change.
_FIRST_SESSION = datetime.combine(datetime(2024, 1, 8, tzinfo=UTC), time(12), UTC)


@dataclass(frozen=True, slots=True)
class Sample:
    """Describe a course: sessions by days after the first, and how many weeks are looked at.

    The patient is enrolled a week before the first session, and has every condition that a rule
    names, so that nothing a patient can be asked is left out.
    """

    session_days: tuple[int, ...] = (0, 3, 7, 10, 14, 17)
    weeks: int = 12


#: Six sessions in three weeks, then none.
SAMPLE = Sample()


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

    An instrument without minutes is one that cannot be sent: it is left out.
    """
    counts: dict[int, Counter[str]] = {n: Counter() for n in range(1, sample.weeks + 1)}
    for ask in engine.plan(spec.rules, spec.spacing_days, _facts(spec, sample), _enrolled_at()):
        number = max(1, (ask.due_at.date() - _FIRST_SESSION.date()).days // 7 + 1)
        if number in counts and ask.instrument in minutes_by_code:
            counts[number][ask.instrument] += 1
    return tuple(
        Week(n, dict(asked), sum(minutes_by_code[code] * times for code, times in asked.items()))
        for n, asked in counts.items()
    )


def _enrolled_at() -> datetime:
    return _FIRST_SESSION - timedelta(days=7)


def _facts(spec: ScheduleSpec, sample: Sample) -> engine.CourseFacts:
    return engine.CourseFacts(
        enrolled_at=_enrolled_at(),
        ended_at=None,
        indications=tuple(sorted({name for rule in spec.rules for name in rule.indications})),
        zone="UTC",
        sessions=tuple(
            engine.SessionFact(str(i), _FIRST_SESSION + timedelta(days=days), "planned")
            for i, days in enumerate(sample.session_days)
        ),
        answers=(),
        fixed=(),
    )
