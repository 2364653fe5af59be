"""R15: any order of adding, moving, cancelling and backdating gives the plan from scratch."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outcomes.scheduling import engine
from outcomes.scheduling.engine import (
    AnswerFact,
    CourseFacts,
    Fixed,
    Key,
    Planned,
    ScheduleSpec,
    SessionFact,
    SessionState,
)
from outcomes.scheduling.local_time import shift_days

LIBRARY = Path(engine.__file__).parent / "library"
SPEC = engine.parse_schedule(json.loads((LIBRARY / "ketamine-default.json").read_text()))
START = datetime(2026, 3, 2, 15, tzinfo=UTC)
ZONES = ("America/New_York", "Europe/London", "Australia/Lord_Howe", "America/Santiago", "UTC")
HORIZON = 14  # days: long enough for two asks of every kind to meet
EXAMPLES = 1000


def is_disjoint(windows: list[Fixed | Planned]) -> bool:
    ordered = sorted(windows, key=lambda window: window.opens_at)
    return all(earlier.closes_at <= later.opens_at for earlier, later in pairwise(ordered))


class Life:
    """Live one course as the product does: re-plan after every event, send what has opened."""

    def __init__(self, spec: ScheduleSpec = SPEC) -> None:
        self.spec = spec
        self.now = START
        self.zone = ZONES[0]
        self.sessions: dict[str, SessionFact] = {}
        self.answers: list[AnswerFact] = []
        self.fixed: dict[Key, Fixed] = {}
        self.zone_at_sending: dict[Key, str] = {}
        self.answered: set[Key] = set()
        self.unsent: dict[Key, Planned] = {}

    def facts(self, turned: bool = False) -> CourseFacts:
        step = -1 if turned else 1
        return CourseFacts(
            enrolled_at=START - timedelta(days=8),
            ended_at=None,
            indications=("trd",),
            zone=self.zone,
            sessions=tuple(self.sessions.values())[::step],
            answers=tuple(self.answers)[::step],
            fixed=tuple(self.fixed.values())[::step],
        )

    def plan(self, turned: bool = False) -> tuple[Planned, ...]:
        spec = self.spec
        return engine.plan(spec.rules, spec.spacing_days, self.facts(turned), self.now, HORIZON)

    def replan(self) -> None:
        """Let a plan replace what is unsent; what is fixed it may not even name."""
        asks = self.plan()
        fresh = {ask.key: ask for ask in asks}
        assert len(fresh) == len(asks)
        assert not fresh.keys() & self.fixed.keys()
        self.unsent = fresh

    def send(self) -> None:
        for key in [key for key, ask in self.unsent.items() if ask.opens_at <= self.now]:
            ask = self.unsent.pop(key)
            self.fixed[key] = Fixed(key, ask.opens_at, ask.due_at, ask.closes_at)
            self.zone_at_sending[key] = self.zone

    def open_asks(self) -> list[Fixed]:
        sent = (ask for key, ask in self.fixed.items() if key not in self.answered)
        return [ask for ask in sent if ask.closes_at > self.now]

    # What can happen; `n` chooses which and how far

    def add(self, n: int) -> None:
        name = f"s{len(self.sessions)}"
        at = self.now + timedelta(days=n % 30 - 10, hours=n % 11)
        self.sessions[name] = SessionFact(name, at, "planned" if at > self.now else "held")

    def move(self, n: int) -> None:
        old = self.sessions[f"s{n % len(self.sessions)}"]
        at = old.at + timedelta(days=n % 19 - 9, hours=n % 5)
        self.sessions[old.id] = SessionFact(old.id, at, old.state)

    def cancel(self, n: int) -> None:
        old = self.sessions[f"s{n % len(self.sessions)}"]
        self.sessions[old.id] = SessionFact(old.id, old.at, "not_held")

    def hold(self, n: int) -> None:
        old = self.sessions[f"s{n % len(self.sessions)}"]
        self.sessions[old.id] = SessionFact(old.id, min(old.at, self.now), "held")

    def answer(self, n: int) -> None:
        asks = self.open_asks()
        if asks:
            ask = asks[n % len(asks)]
            self.assert_week_apart(ask)
            self.answered.add(ask.key)
            self.answers.append(AnswerFact(ask.key[-1], self.now))

    def wait(self, n: int) -> None:
        self.now += timedelta(hours=n % 60 + 1)

    def travel(self, n: int) -> None:
        self.zone = ZONES[n % len(ZONES)]

    # What must hold

    def assert_week_apart(self, ask: Fixed) -> None:
        days = self.spec.spacing_days.get(ask.key[-1], 0)
        zone = self.zone_at_sending[ask.key]
        for earlier in self.answers:
            if earlier.instrument == ask.key[-1]:
                assert self.now >= shift_days(earlier.at, days, zone)

    def assert_sound(self) -> None:
        for ask in self.unsent.values():
            assert ask.opens_at < ask.due_at <= ask.closes_at
            assert ask.closes_at > self.now
            assert all(ask.opens_at < at < ask.closes_at for at in ask.reminders_at)
            assert {at.tzinfo for at in (ask.opens_at, ask.due_at, ask.closes_at)} == {UTC}
        for instrument in ("PHQ-9", "GAD-7", "MOOD-1"):
            standing = [ask for ask in self.unsent.values() if ask.instrument == instrument]
            is_open = [ask for ask in self.open_asks() if ask.key[-1] == instrument]
            assert is_disjoint([*standing, *is_open])
            assert len(is_open) <= 1
            self.assert_due_apart([*standing, *is_open], self.spec.spacing_days.get(instrument, 0))

    def assert_due_apart(self, asks: list[Fixed | Planned], days: int) -> None:
        due = sorted(ask.due_at for ask in asks)
        for earlier, later in pairwise(due):
            assert later >= shift_days(earlier, days, self.zone)


EVENTS = st.tuples(
    st.sampled_from(
        ["add", "move", "cancel", "hold", "answer", "answer", "wait", "wait", "travel"]
    ),
    st.integers(0, 999),
)


@pytest.mark.thorough
@settings(max_examples=EXAMPLES, deadline=None, database=None)
@given(st.lists(EVENTS, max_size=10))
def test_no_history_moves_doubles_or_crowds_what_was_asked(events: list[tuple[str, int]]) -> None:
    life = Life()
    for number in (12, 15):
        life.add(number)
    for event, n in events:
        before = dict(life.fixed)
        getattr(life, event)(n)
        life.replan()
        life.assert_sound()
        life.send()
        assert before.items() <= life.fixed.items()
        assert life.plan(turned=True) == tuple(life.unsent.values())


CHAINS = st.lists(
    st.lists(
        st.tuples(st.integers(-20 * 24, 20 * 24), st.sampled_from(["planned", "held", "not_held"])),
        min_size=1,
        max_size=3,
    ),
    min_size=1,
    max_size=5,
)


@settings(max_examples=EXAMPLES, deadline=None, database=None)
@given(lived=st.lists(EVENTS, max_size=3), chains=CHAINS, seed=st.integers(0, 2**32))
def test_any_order_of_changes_gives_the_plan_from_scratch(
    lived: list[tuple[str, int]], chains: list[list[tuple[int, SessionState]]], seed: int
) -> None:
    life = Life()
    life.add(11)
    for event, n in lived:
        getattr(life, event)(n)
        life.replan()
        life.send()
    kept = dict(life.sessions)
    order = [number for number, chain in enumerate(chains) for _ in chain]
    random.Random(seed).shuffle(order)
    steps = {number: iter(chain) for number, chain in enumerate(chains)}
    for number in order:
        hours, state = next(steps[number])
        at = START + timedelta(hours=hours)
        life.sessions[f"x{number}"] = SessionFact(f"x{number}", at, state)
        life.replan()
    life.sessions = kept | {
        f"x{number}": SessionFact(f"x{number}", START + timedelta(hours=chain[-1][0]), chain[-1][1])
        for number, chain in enumerate(chains)
    }
    assert tuple(life.unsent.values()) == life.plan()


def test_a_shorter_horizon_only_cuts_the_end() -> None:
    life = Life()
    for number in (11, 14, 18, 21, 25):
        life.add(number)
    rest = life.facts()
    long = engine.plan(SPEC.rules, SPEC.spacing_days, rest, START, 200)
    short = engine.plan(SPEC.rules, SPEC.spacing_days, rest, START, 30)
    assert long[: len(short)] == short
    assert long[len(short)].due_at > START + timedelta(days=30)


def test_of_two_sessions_on_one_day_the_earlier_asks_whichever_was_entered_first() -> None:
    anchors = set()
    for morning, evening in (("a", "b"), ("b", "a")):
        life = Life()
        life.sessions = {
            morning: SessionFact(morning, START + timedelta(days=3), "planned"),
            evening: SessionFact(evening, START + timedelta(days=3, hours=2), "planned"),
        }
        [asked] = {ask.anchor_session for ask in life.plan() if ask.rule_code == "day-7"}
        anchors.add(asked == morning)
    assert anchors == {True}
