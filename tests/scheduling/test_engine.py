"""Which questionnaire is due when: one rule form, one spacing case at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import Any

import pytest

from outcomes.scheduling.engine import (
    AnswerFact,
    CourseFacts,
    Fixed,
    Offset,
    Planned,
    RepeatUntil,
    RuleSpec,
    SessionFact,
    WeekBurden,
    minutes_per_week,
    plan,
)


def at(text: str) -> datetime:
    """Read an instant of March 2026 written "day hour:minute", in UTC."""
    day, clock = text.split()
    return datetime.combine(
        datetime(2026, 3, 1) + timedelta(days=int(day) - 1), time.fromisoformat(clock), UTC
    )


def session(name: str, when: str, state: Any = "planned") -> SessionFact:
    return SessionFact(name, at(when), state)


def course(*sessions: SessionFact, **changes: Any) -> CourseFacts:
    facts = CourseFacts(
        enrolled_at=at("1 09:00"),
        ended_at=None,
        indications=("trd",),
        zone="UTC",
        sessions=sessions,
        answers=(),
        fixed=(),
    )
    return replace(facts, **changes)


def rule(anchor: Any = "each_session", **changes: Any) -> RuleSpec:
    spec = RuleSpec(
        "rule", ("PHQ-9",), anchor, Offset(24, "hours"), opens_before=6, closes_after=12
    )
    return replace(spec, **changes)


BEFORE = rule(
    code="before", offset=Offset(0, "hours"), opens_before=48, closes_after=0, closes_at_anchor=True
)
DAY_7 = rule(
    code="day-7", offset=Offset(7, "days"), time_of_day=time(18), opens_before=10, closes_after=48
)


def planned(
    rules: RuleSpec | Sequence[RuleSpec],
    facts: CourseFacts,
    now: str = "1 09:00",
    horizon_days: int = 400,
    **spacing: int,
) -> tuple[Planned, ...]:
    rules = (rules,) if isinstance(rules, RuleSpec) else rules
    spacing_days = {name.replace("_", "-"): days for name, days in spacing.items()}
    return plan(rules, spacing_days, facts, at(now), horizon_days)


def due_times(*args: Any, **kwargs: Any) -> list[datetime]:
    return [ask.due_at for ask in planned(*args, **kwargs)]


# Anchors, offsets and windows


def test_a_check_a_day_after_a_session_is_open_from_18_to_36_hours() -> None:
    (ask,) = planned(rule(), course(session("s1", "10 10:00")))
    assert ask.key == ("rule", 0, "s1", "PHQ-9")
    assert (ask.opens_at, ask.due_at, ask.closes_at) == (
        at("11 04:00"), at("11 10:00"), at("11 22:00"),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("anchor", "expected"),
    [
        ("enrolment", [(None, "2 09:00")]),
        ("each_session", [("s1", "11 10:00"), ("s2", "14 10:00"), ("s3", "18 10:00")]),
        ("first_session", [("s1", "11 10:00")]),
        ("last_session", [("s3", "18 10:00")]),
        ("course_end", [(None, "21 09:00")]),
    ],
)
def test_every_anchor_counts_from_its_own_moment(
    anchor: str, expected: list[tuple[str | None, str]]
) -> None:
    facts = course(
        session("s0", "9 10:00", "not_held"),
        session("s3", "17 10:00"),
        session("s1", "10 10:00", "held"),
        session("s2", "13 10:00"),
        session("s4", "18 10:00", "not_held"),
        ended_at=at("20 09:00"),
    )
    asks = planned(rule(anchor), facts)
    assert [(ask.anchor_session, ask.due_at) for ask in asks] == [
        (name, at(when)) for name, when in expected
    ]


@pytest.mark.parametrize("anchor", ["each_session", "first_session", "last_session", "course_end"])
def test_without_its_anchor_a_rule_asks_nothing(anchor: str) -> None:
    assert planned(rule(anchor), course(session("s1", "10 10:00", "not_held"))) == ()


def test_days_keep_the_local_clock_and_hours_do_not() -> None:
    # The clocks of London go forward in the night to 29 March 2026.
    facts = course(session("s1", "28 18:00"), zone="Europe/London")
    assert due_times(rule(), facts) == [at("29 18:00")]
    assert due_times(rule(offset=Offset(1, "days")), facts) == [at("29 17:00")]
    evening = rule(offset=Offset(1, "days"), time_of_day=time(20))
    assert due_times(evening, facts) == [at("29 19:00")]


def test_a_rule_may_look_back_from_its_anchor() -> None:
    three_days_before = rule(offset=Offset(-3, "days"))
    assert due_times(three_days_before, course(session("s1", "10 10:00"))) == [at("7 10:00")]


def test_a_window_that_closes_at_the_session_is_due_by_then() -> None:
    (ask,) = planned(BEFORE, course(session("s1", "10 10:00")))
    assert (ask.opens_at, ask.due_at, ask.closes_at) == (
        at("8 10:00"), at("10 10:00"), at("10 10:00"),
    )  # fmt: skip
    evening = replace(BEFORE, offset=Offset(0, "days"), time_of_day=time(18))
    (ask,) = planned(evening, course(session("s1", "10 10:00")))
    assert (ask.due_at, ask.closes_at) == (at("10 10:00"), at("10 10:00"))


def test_nobody_is_asked_before_they_are_enrolled() -> None:
    week_before = replace(BEFORE, opens_before=168, reminders_after_hours=(24,))
    (ask,) = planned(week_before, course(session("s1", "3 10:00")))
    assert (ask.opens_at, ask.reminders_at) == (at("1 09:00"), (at("2 09:00"),))
    assert planned(week_before, course(session("s1", "1 08:00"))) == ()


def test_a_rule_for_some_indications_leaves_others_alone() -> None:
    facts = course(session("s1", "10 10:00"))
    assert planned(rule(indications=("bipolar",)), facts) == ()
    assert len(planned(rule(indications=("bipolar", "trd")), facts)) == 1


def test_reminders_count_from_the_opening_and_stop_at_the_close() -> None:
    (ask,) = planned(rule(reminders_after_hours=(6, 17, 18, 30)), course(session("s1", "10 10:00")))
    assert ask.reminders_at == (at("11 10:00"), at("11 21:00"))


# Repeats

IDES = date(2026, 3, 15)

DAILY = rule(
    code="daily", instruments=("MOOD-1",), offset=Offset(2, "days"), time_of_day=time(18),
    opens_before=1, closes_after=5, repeat_every_days=1,
)  # fmt: skip


def test_a_repeat_stops_before_the_next_session() -> None:
    facts = course(session("s1", "10 10:00"), session("s2", "15 10:00"))
    until_next = replace(DAILY, repeat_until=RepeatUntil(next_session=True, days=4))
    asks = planned(until_next, facts)
    assert [(ask.occurrence, ask.anchor_session, ask.due_at) for ask in asks] == [
        (0, "s1", at("12 18:00")),
        (1, "s1", at("13 18:00")),
        (2, "s1", at("14 18:00")),
        (0, "s2", at("17 18:00")),
        (1, "s2", at("18 18:00")),
        (2, "s2", at("19 18:00")),
    ]


def test_a_window_between_sessions_closes_when_the_next_one_starts() -> None:
    facts = course(session("s1", "10 10:00"), session("s2", "12 19:00"))
    asks = planned(replace(DAILY, repeat_until=RepeatUntil(next_session=True, days=2)), facts)
    assert [ask.closes_at for ask in asks] == [at("12 19:00"), at("14 23:00")]


def test_a_repeat_may_begin_on_a_later_day_than_the_first_ask() -> None:
    weekly_later = rule(
        offset=Offset(3, "days"), repeat_every_days=7, repeat_from=14,
        repeat_until=RepeatUntil(days=28),
    )  # fmt: skip
    assert due_times(weekly_later, course(session("s1", "10 10:00"))) == [
        at("13 10:00"), at("24 10:00"), at("31 10:00"), at("38 10:00"),
    ]  # fmt: skip


def test_a_repeat_in_hours_ends_by_days_too() -> None:
    daily = rule(offset=Offset(36, "hours"), repeat_every_days=1, repeat_until=RepeatUntil(days=3))
    assert due_times(daily, course(session("s1", "10 10:00"))) == [at("11 22:00"), at("12 22:00")]


def test_a_repeat_ends_with_a_day_of_the_patients_calendar() -> None:
    # 15 March has begun in Auckland (UTC+13) when it is 11:00 UTC on the 14th.
    daily = rule(offset=Offset(1, "days"), repeat_every_days=1, repeat_until=RepeatUntil(date=IDES))
    assert due_times(daily, course(session("s1", "11 12:00"))) == [
        at("12 12:00"), at("13 12:00"), at("14 12:00"), at("15 12:00"),
    ]  # fmt: skip
    auckland = course(session("s1", "11 12:00"), zone="Pacific/Auckland")
    assert due_times(daily, auckland) == [at("12 12:00"), at("13 12:00"), at("14 12:00")]


def test_a_repeat_in_hours_is_a_true_number_of_hours() -> None:
    twice_a_day = rule(offset=Offset(1, "days"), opens_before=2, closes_after=4,
                       repeat_every_hours=12, repeat_until=RepeatUntil(days=2))  # fmt: skip
    assert due_times(twice_a_day, course(session("s1", "10 10:00"))) == [
        at("11 10:00"), at("11 22:00"), at("12 10:00"),
    ]  # fmt: skip
    # The clocks of London go forward in the night to 29 March 2026.
    facts = course(session("s1", "27 18:00"), zone="Europe/London")
    assert due_times(twice_a_day, facts) == [at("28 18:00"), at("29 06:00"), at("29 18:00")]


def test_an_endless_repeat_is_planned_to_the_horizon() -> None:
    asks = planned(DAILY, course(session("s1", "1 10:00")), horizon_days=30)
    assert asks[-1].due_at == at("30 18:00")
    assert len(asks) == 28


# Now, and what is fixed


def test_what_has_closed_is_never_planned_late() -> None:
    backdated = course(*(session(f"s{day}", f"{day} 10:00", "held") for day in range(1, 20)))
    asks = planned(rule(), backdated, now="20 09:00")
    assert [ask.anchor_session for ask in asks] == ["s19"]


def test_a_fixed_ask_stays_and_is_not_planned_again() -> None:
    facts = course(session("s1", "12 10:00"))
    sent = Fixed(("rule", 0, "s1", "PHQ-9"), at("11 04:00"), at("11 10:00"), at("11 22:00"))
    assert planned(rule(), replace(facts, fixed=(sent,)), now="11 05:00") == ()


@pytest.mark.parametrize(("opened", "asked"), [("11 04:00", 0), ("3 04:00", 1)])
def test_what_another_version_asked_is_the_same_ask_only_where_windows_meet(
    opened: str, asked: int
) -> None:
    facts = course(session("s1", "10 10:00"))
    day = int(opened.split()[0])
    sent = Fixed(
        ("rule", 0, "s1", "PHQ-9"), at(opened), at(f"{day} 10:00"), at(f"{day} 22:00"),
        is_of_other_version=True,
    )  # fmt: skip
    answered = (AnswerFact("PHQ-9", at(opened) + timedelta(hours=1)),)
    facts = replace(facts, fixed=(sent,), answers=answered)
    assert len(planned(rule(), facts, now=f"{day} 06:00", PHQ_9=7)) == asked
    own = replace(facts, fixed=(replace(sent, is_of_other_version=False),))
    assert planned(rule(), own, now=f"{day} 06:00", PHQ_9=7) == ()


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="without a time zone"):
        planned(rule(), course(SessionFact("s1", datetime(2026, 3, 10), "planned")))


def test_any_time_zone_of_the_facts_gives_instants_in_utc() -> None:
    paris = SessionFact("s1", datetime.fromisoformat("2026-03-10T11:00+01:00"), "planned")
    assert planned(rule(), course(paris)) == planned(rule(), course(session("s1", "10 10:00")))


# Spacing


def test_of_two_asks_too_close_the_one_due_earlier_wins() -> None:
    facts = course(session("s1", "3 10:00"), session("s2", "10 10:00"))
    asks = planned((BEFORE, DAY_7), facts, PHQ_9=7)
    assert [ask.key[:3] for ask in asks] == [
        ("before", 0, "s1"), ("before", 0, "s2"), ("day-7", 0, "s2"),
    ]  # fmt: skip


def test_a_tie_goes_to_the_rule_named_first() -> None:
    facts = course(session("s1", "10 10:00"))
    twin = replace(BEFORE, code="twin")
    assert [ask.rule_code for ask in planned((twin, BEFORE), facts, PHQ_9=7)] == ["twin"]
    assert [ask.rule_code for ask in planned((BEFORE, twin), facts)] == ["before"]


def test_an_answer_pushes_the_next_opening_by_the_spacing() -> None:
    answered = (AnswerFact("PHQ-9", at("9 20:00")), AnswerFact("PHQ-9", at("2 09:00")))
    facts = course(session("s1", "10 10:00"), answers=answered)
    (ask,) = planned(replace(DAY_7, reminders_after_hours=(24,)), facts, now="10 11:00", PHQ_9=7)
    assert (ask.opens_at, ask.due_at) == (at("17 08:00"), at("17 18:00"))
    late = replace(facts, answers=(AnswerFact("PHQ-9", at("11 20:00")), *answered))
    (ask,) = planned(replace(DAY_7, reminders_after_hours=(24,)), late, now="11 21:00", PHQ_9=7)
    assert (ask.opens_at, ask.due_at) == (at("18 20:00"), ask.closes_at)
    assert ask.reminders_at == ()


def test_spacing_keeps_the_local_clock_when_the_clocks_change() -> None:
    # The clocks of London go forward in the night to 29 March 2026.
    answers = (AnswerFact("PHQ-9", at("25 20:00")),)
    facts = course(session("s1", "24 19:00"), answers=answers, zone="Europe/London")
    (ask,) = planned(DAY_7, facts, now="25 21:00", PHQ_9=7)
    assert ask.opens_at == at("32 19:00")


@pytest.mark.parametrize(("answered", "asked"), [("3 09:00", 1), ("3 09:01", 0)])
def test_a_window_with_less_than_an_hour_left_is_left_out(answered: str, asked: int) -> None:
    facts = course(session("s1", "10 10:00"), answers=(AnswerFact("PHQ-9", at(answered)),))
    assert len(planned(BEFORE, facts, now="4 09:00", PHQ_9=7)) == asked


def test_only_if_older_looks_at_the_last_answer_and_at_earlier_asks() -> None:
    older = replace(BEFORE, only_if_older_than_days=7)
    facts = course(session("s1", "10 10:00"), session("s2", "13 10:00"))
    assert [ask.anchor_session for ask in planned(older, facts)] == ["s1"]
    answered = replace(facts, answers=(AnswerFact("PHQ-9", at("5 10:00")),))
    (ask,) = planned(older, answered, now="6 09:00")
    assert (ask.anchor_session, ask.opens_at) == ("s2", at("12 10:00"))
    assert len(planned(BEFORE, replace(facts, sessions=facts.sessions[:1]), PHQ_9=7)) == 1


SENT = Fixed(("other", 0, None, "PHQ-9"), at("8 08:00"), at("9 10:00"), at("10 12:00"))


def test_what_is_sent_and_open_counts_at_its_due_time() -> None:
    facts = course(session("s1", "6 10:00"), session("s2", "16 10:00"), fixed=(SENT,))
    assert [ask.due_at for ask in planned((BEFORE, DAY_7), facts, now="9 09:00", PHQ_9=7)] == [
        at("16 10:00"), at("23 18:00"),
    ]  # fmt: skip


def test_what_expired_unanswered_does_not_count() -> None:
    facts = course(session("s1", "6 10:00"), fixed=(SENT,))
    assert planned(DAY_7, facts, now="10 11:00", PHQ_9=7) == ()
    assert due_times(DAY_7, facts, now="10 12:00", PHQ_9=7) == [at("13 18:00")]


def test_what_is_answered_counts_by_its_answer_not_by_its_due_time() -> None:
    facts = course(session("s1", "15 09:30"), fixed=(SENT,))
    assert planned(BEFORE, facts, now="8 08:30", PHQ_9=7) == ()
    answered = replace(facts, answers=(AnswerFact("PHQ-9", at("8 08:15")),))
    assert [ask.opens_at for ask in planned(BEFORE, answered, now="8 08:30", PHQ_9=7)] == [
        at("15 08:15")
    ]


def test_a_window_waits_until_the_earlier_one_of_its_kind_has_closed() -> None:
    long_before = replace(BEFORE, opens_before=200)
    facts = course(session("s1", "9 11:00"), session("s2", "16 11:00"))
    first, second = planned(long_before, facts, PHQ_9=7)
    assert second.opens_at == first.closes_at


def test_nothing_is_slipped_in_shortly_before_what_is_already_open() -> None:
    open_long = replace(SENT, due_at=at("20 10:00"), closes_at=at("20 10:00"))
    facts = course(session("s1", "12 10:00"), fixed=(open_long,))
    assert planned(BEFORE, facts, now="10 11:00", PHQ_9=7) == ()


def test_two_sessions_on_one_day_give_one_check_the_day_after() -> None:
    mood = rule(instruments=("MOOD-1",))
    facts = course(session("s1", "10 10:00"), session("s2", "10 15:00"))
    assert [ask.anchor_session for ask in planned(mood, facts)] == ["s1"]


def test_an_answered_daily_question_is_not_asked_twice_when_its_session_moves() -> None:
    key = ("daily", 3, "s1", "MOOD-1")
    sent = Fixed(key, at("15 17:00"), at("15 18:00"), at("15 23:00"))
    answered = (AnswerFact("MOOD-1", at("15 17:10")),)
    moved = course(session("s1", "9 10:00"), answers=answered, fixed=(sent,))
    assert due_times(DAILY, moved, now="15 17:30", horizon_days=3) == [
        at("16 18:00"),
        at("17 18:00"),
    ]


# Instruments of one rule


PAIR = replace(DAY_7, instruments=("PHQ-9", "GAD-7"))


def test_instruments_answered_minutes_apart_are_asked_together_again() -> None:
    answers = (AnswerFact("PHQ-9", at("11 20:00")), AnswerFact("GAD-7", at("11 20:03")))
    asks = planned(PAIR, course(session("s1", "10 10:00"), answers=answers), PHQ_9=7, GAD_7=7)
    assert [(ask.instrument, ask.opens_at) for ask in asks] == [
        ("PHQ-9", at("18 20:03")), ("GAD-7", at("18 20:03")),
    ]  # fmt: skip


def test_what_opens_together_counts_from_where_it_is_due_in_the_end() -> None:
    # Weekly at 18:00; the GAD-7 can open only after that, so both are due when the window closes.
    weekly = replace(PAIR, repeat_every_days=7, repeat_until=RepeatUntil(days=21))
    answers = (AnswerFact("PHQ-9", at("10 17:00")), AnswerFact("GAD-7", at("10 19:00")))
    asks = planned(weekly, course(session("s1", "10 10:00"), answers=answers), PHQ_9=7, GAD_7=7)
    due = [ask.due_at for ask in asks if ask.instrument == "PHQ-9"]
    assert due[0] == at("19 18:00")
    assert all(later - earlier >= timedelta(days=7) for earlier, later in pairwise(due))


def test_instruments_answered_days_apart_are_asked_apart() -> None:
    answers = (AnswerFact("GAD-7", at("11 20:00")),)
    asks = planned(PAIR, course(session("s1", "10 10:00"), answers=answers), PHQ_9=7, GAD_7=7)
    assert [(ask.instrument, ask.opens_at) for ask in asks] == [
        ("PHQ-9", at("17 08:00")), ("GAD-7", at("18 20:00")),
    ]  # fmt: skip


def test_each_instrument_has_its_own_spacing() -> None:
    facts = course(session("s1", "10 10:00"), session("s2", "13 10:00"))
    asks = planned(PAIR, facts, PHQ_9=7)
    assert [ask.instrument for ask in asks] == ["PHQ-9", "GAD-7", "GAD-7"]


# Burden


def test_minutes_are_summed_by_local_week_with_empty_weeks_shown() -> None:
    asks = planned(PAIR, course(session("s1", "1 10:00"), session("s2", "15 23:30")))
    assert minutes_per_week(asks, {"PHQ-9": 3, "GAD-7": 2}, "Asia/Tokyo") == (
        WeekBurden(2026, 11, 5),
        WeekBurden(2026, 12, 0),
        WeekBurden(2026, 13, 5),
    )
    assert minutes_per_week((), {}, "UTC") == ()
