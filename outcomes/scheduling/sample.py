"""What a schedule asks in a course that was made up to show it, and what it never asks there.

Pure: the plan is the engine's own, for sessions on sample days.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from typing import Literal

from outcomes.scheduling import engine
from outcomes.scheduling.definition import RuleSpec, ScheduleSpec
from outcomes.scheduling.engine import Planned

# A Monday at noon; any other day gives the same weeks, in a zone whose clocks never change.
FIRST_SESSION = datetime.combine(datetime(2024, 1, 8, tzinfo=UTC), time(12), UTC)


@dataclass(frozen=True, slots=True)
class Sample:
    """Describe a course: sessions by days after the first, and how many weeks are looked at.

    `indications` None means every condition that a rule names, so that nothing a patient can be
    asked is left out. Without `end_day` the course does not end.
    """

    session_days: tuple[int, ...] = (0, 3, 7, 10, 14, 17)
    weeks: int = 12
    indications: tuple[str, ...] | None = None
    end_day: int | None = None
    enrolled_before: int = 7

    @property
    def enrolled_at(self) -> datetime:
        """Return when the patient was enrolled, so many days before the first session."""
        return FIRST_SESSION - timedelta(days=self.enrolled_before)

    @property
    def until(self) -> datetime:
        """Return the end of the weeks that are looked at."""
        return FIRST_SESSION.replace(hour=0) + timedelta(weeks=self.weeks)

    def facts(self, spec: ScheduleSpec) -> engine.CourseFacts:
        """Return the course as the engine takes it, before anything is asked."""
        named = sorted({name for rule in spec.rules for name in rule.indications})
        return engine.CourseFacts(
            enrolled_at=self.enrolled_at,
            ended_at=None,
            indications=tuple(named) if self.indications is None else self.indications,
            zone="UTC",
            sessions=tuple(
                engine.SessionFact(str(n), FIRST_SESSION + timedelta(days=days), "planned")
                for n, days in enumerate(self.session_days, 1)
            ),
            answers=(),
            fixed=(),
        )


#: Six sessions in three weeks, then none.
SAMPLE = Sample()


def day_of(at: datetime) -> int:
    """Return the day after the first session; the one before it is -1."""
    return (at.date() - FIRST_SESSION.date()).days


def asks_of(spec: ScheduleSpec, sample: Sample = SAMPLE) -> tuple[Planned, ...]:
    """Return what the patient is asked until the end of the sample, each answered when due."""
    facts = sample.facts(spec)
    asks = engine.plan(spec.rules, spec.spacing_days, facts, sample.enrolled_at)
    if sample.end_day is not None:
        end = FIRST_SESSION + timedelta(days=sample.end_day)
        asked = tuple(ask for ask in asks if ask.opens_at < end)
        asks = (*asked, *_after_the_end(spec, facts, asked, end))
    return tuple(ask for ask in asks if ask.due_at < sample.until)


def _after_the_end(
    spec: ScheduleSpec, facts: engine.CourseFacts, asked: Sequence[Planned], end: datetime
) -> tuple[Planned, ...]:
    facts = replace(
        facts,
        ended_at=end,
        answers=tuple(
            engine.AnswerFact(ask.instrument, ask.due_at) for ask in asked if ask.due_at <= end
        ),
        fixed=tuple(
            engine.Fixed(ask.key, ask.opens_at, ask.due_at, ask.closes_at)
            for ask in asked
            if ask.due_at > end
        ),
    )
    return engine.plan(rules_at_the_end(spec), spec.spacing_days, facts, end)


def rules_at_the_end(spec: ScheduleSpec) -> tuple[RuleSpec, ...]:
    """Return what is still in force when a course has ended: what is anchored on that."""
    return tuple(rule for rule in spec.rules if rule.anchor == "course_end")


# -- What is never asked -------------------------------------------------------------------------

Why = Literal["condition", "moment", "earlier"]


@dataclass(frozen=True, slots=True)
class Silence:
    """Name an instrument of a rule that the sample is never asked, and why.

    `condition`: the rule is for other patients. `moment`: its moment does not come in the sample.
    `earlier`: the rule `by` asks the same, too near.
    """

    rule: RuleSpec
    instrument: str
    why: Why
    by: RuleSpec | None = None


def silences(spec: ScheduleSpec, sample: Sample = SAMPLE) -> Iterator[Silence]:
    """Yield each instrument of each rule that is never asked in the sample."""
    asks = asks_of(spec, sample)
    asked = {(ask.rule_code, ask.instrument) for ask in asks}
    for rule in spec.rules:
        for instrument in rule.instruments:
            if (rule.code, instrument) not in asked:
                yield _silence(spec, sample, rule, instrument, asks)


def _silence(
    spec: ScheduleSpec, sample: Sample, rule: RuleSpec, instrument: str, asks: Sequence[Planned]
) -> Silence:
    conditions = sample.facts(spec).indications
    if rule.indications and not set(rule.indications) & set(conditions):
        return Silence(rule, instrument, "condition")
    alone = asks_alone(spec, sample, rule, instrument)
    others = [ask for ask in asks if ask.instrument == instrument]
    if not alone or not others:
        return Silence(rule, instrument, "moment")
    nearest = min(others, key=lambda ask: abs(ask.due_at - alone[0].due_at))
    by = next(other for other in spec.rules if other.code == nearest.rule_code)
    return Silence(rule, instrument, "earlier", by)


def asks_alone(
    spec: ScheduleSpec, sample: Sample, rule: RuleSpec, instrument: str
) -> tuple[Planned, ...]:
    """Return what a rule would ask of one instrument if it were the only one."""
    only = replace(rule, instruments=(instrument,))
    return asks_of(replace(spec, rules=(only,), spacing_days={}), sample)
