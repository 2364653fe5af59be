"""Any schedule that is let through, on any course: never two full PHQ-9 within 7 days."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from outcomes.care.models import Indication
from outcomes.scheduling import engine
from outcomes.scheduling.checking import Sending, findings_on
from outcomes.scheduling.definition import ScheduleSpec, parse_schedule
from outcomes.scheduling.engine import CourseFacts, Fixed, Key
from tests.scheduling.test_histories import EVENTS, SPEC, Life

KINDS: dict[str, Sending] = {"PHQ-9": "sendable", "GAD-7": "sendable", "MOOD-1": "sendable"}
TODAY = date(2026, 2, 2)


def _is_kept(value: object) -> bool:
    return value is not None


@st.composite
def rules(draw: st.DrawFn, code: str) -> dict[str, Any]:
    """Write any line that stands by itself more often than not."""
    unit = draw(st.sampled_from(["days", "days", "hours"]))
    every = draw(st.sampled_from([None, None, 1, 7, 7, 10, 14]))
    if every == 1:
        asked = [["MOOD-1"]]
    else:
        asked = [["PHQ-9"], ["PHQ-9"], ["PHQ-9", "GAD-7"], ["GAD-7", "PHQ-9", "MOOD-1"]]
    at_anchor = every is None and draw(st.booleans())
    limit = draw(st.integers(20, 60))
    rule = {
        "code": code,
        "instruments": draw(st.sampled_from(asked)),
        "anchor": draw(st.sampled_from(["each_session", "each_session", "first_session",
                                        "last_session", "enrolment"])),
        "offset": {
            "value": draw(st.integers(-10, 0) if at_anchor else st.integers(0, 15)),
            "unit": unit,
        },
        "opens_before": draw(st.sampled_from([1, 6, 10, 48, 100, 168])),
        "closes_at_anchor": True if at_anchor else None,
        "closes_after": None if at_anchor else draw(st.sampled_from([0, 5, 12, 48, 72, 150, 200])),
        "time_of_day": draw(st.sampled_from([None, "18:00"])) if unit == "days" else None,
        "repeat_every_days": every,
        "repeat_until": {"next_session": draw(st.booleans()), "days": limit} if every else None,
        "only_if_older_than_days": draw(st.sampled_from([None, None, 7, 10])),
    }  # fmt: skip
    return {name: value for name, value in rule.items() if _is_kept(value)}


@st.composite
def accepted(draw: st.DrawFn) -> ScheduleSpec:
    """Write a schedule that may be published."""
    content = {
        "code": "any",
        "version": 1,
        "name": "Any",
        "spacing_days": {
            "PHQ-9": draw(st.integers(7, 10)),
            "GAD-7": draw(st.sampled_from([1, 5, 7, 9])),
        },
        "rules": [draw(rules(f"rule-{n}")) for n in range(draw(st.integers(1, 3)))],
    }
    found = findings_on(content, KINDS, set(Indication.values), TODAY)
    assume(not any(finding.is_refusal for finding in found))
    return parse_schedule(content)


@settings(
    max_examples=120,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
)
@example(
    # An answer pushed one ask of a mood check behind others, which were sent before it.
    parse_schedule(
        {
            "code": "any",
            "version": 1,
            "name": "Any",
            "spacing_days": {"PHQ-9": 7, "GAD-7": 1},
            "rules": [
                {
                    "code": "rule-0",
                    "instruments": ["GAD-7", "PHQ-9", "MOOD-1"],
                    "anchor": "enrolment",
                    "offset": {"value": 11, "unit": "days"},
                    "opens_before": 1,
                    "closes_after": 150,
                    "only_if_older_than_days": 7,
                },
                {
                    "code": "rule-1",
                    "instruments": ["MOOD-1"],
                    "anchor": "each_session",
                    "offset": {"value": 0, "unit": "days"},
                    "opens_before": 6,
                    "repeat_every_days": 1,
                    "repeat_until": {"days": 20},
                },
            ],
        }
    ),
    [("wait", 162), ("answer", 0), ("wait", 23)],
)
@given(accepted(), st.lists(EVENTS, max_size=12))
def test_no_accepted_schedule_asks_two_phq9_within_its_spacing(
    spec: ScheduleSpec, events: list[tuple[str, int]]
) -> None:
    life = Life(spec)
    for number in (12, 15):
        life.add(number)
    for event, n in events:
        before = dict(life.fixed)
        getattr(life, event)(n)
        life.replan()
        # Every two asks that stand have their due times apart, every two answers lie apart.
        life.assert_sound()
        life.send()
        assert before.items() <= life.fixed.items()
        assert life.plan(turned=True) == tuple(life.unsent.values())


class Mover(Life):
    """A course that is moved between versions; what was sent keeps the version that sent it."""

    def __init__(self, versions: list[ScheduleSpec]) -> None:
        super().__init__(versions[0])
        self.versions = versions
        self.number = 0

    def switch(self, n: int) -> None:
        self.number = n % len(self.versions)
        self.spec = self.versions[self.number]

    def facts(self, turned: bool = False) -> CourseFacts:
        facts = super().facts(turned)
        return replace(facts, fixed=tuple(self._as_seen(item) for item in facts.fixed))

    def _as_seen(self, item: Fixed) -> Fixed:
        number, code = item.key[0].split("|")
        return replace(
            item, key=(code, *item.key[1:]), is_of_other_version=int(number) != self.number
        )

    def replan(self) -> None:
        asks = self.plan()
        fresh = {self._named(ask.key): ask for ask in asks}
        assert len(fresh) == len(asks)
        assert not fresh.keys() & self.fixed.keys()
        self.unsent = fresh

    def _named(self, key: Key) -> Key:
        return (f"{self.number}|{key[0]}", *key[1:])


MOVES = st.one_of(EVENTS, EVENTS, st.tuples(st.just("switch"), st.integers(0, 999)))


@pytest.mark.thorough
@settings(
    max_examples=120,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
)
@given(st.lists(accepted(), min_size=2, max_size=3), st.lists(MOVES, max_size=12))
def test_moving_between_versions_loses_and_crowds_nothing(
    versions: list[ScheduleSpec], events: list[tuple[str, int]]
) -> None:
    life = Mover(versions)
    for number in (12, 15):
        life.add(number)
    for event, n in events:
        before = dict(life.fixed)
        getattr(life, event)(n)
        life.replan()
        life.assert_sound()
        life.send()
        assert before.items() <= life.fixed.items()


def test_moving_there_and_back_gives_the_plan_that_was() -> None:
    short = replace(SPEC, rules=SPEC.rules[:2])
    life = Mover([SPEC, short])
    for number in (12, 15):
        life.add(number)
    life.replan()
    before = life.plan()
    life.switch(1)
    life.replan()
    assert life.plan() != before
    life.switch(0)
    life.replan()
    assert life.plan() == before
    assert engine.plan(SPEC.rules, SPEC.spacing_days, life.facts(), life.now, 14) == before
