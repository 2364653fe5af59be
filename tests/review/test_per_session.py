"""What each session did: nothing carried forward, true hours, missing as missing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outcomes.review.change import ScorePoint
from outcomes.review.per_session import DAY, WEEK, Line, Series, Window, intervals_of, lines_of

START = datetime(2026, 3, 20, 9, tzinfo=UTC)
LATER = START + timedelta(days=400)


def hours(number: float) -> datetime:
    return START + timedelta(hours=number)


def scored(*facts: tuple[float, float]) -> list[ScorePoint]:
    return [ScorePoint(hours(at), value) for at, value in facts]


def lines(
    sessions: list[float], *facts: tuple[float, float], now: datetime = LATER, **options: object
) -> list[Line]:
    points = scored(*facts)
    return lines_of([hours(at) for at in sessions], Series(points, **options), now)  # type: ignore[arg-type]


def test_a_session_shows_the_score_before_and_those_a_day_and_a_week_after() -> None:
    base = ScorePoint(hours(-30), 20)
    (line,) = lines([0], (-30, 20), (25, 15), (170, 9), baseline=base, baseline_min=10)

    assert (line.before.point, line.before.hours) == (base, -30)
    assert (line.day.hours, line.day.from_before, line.day.from_baseline) == (25, -5, -5)
    assert (line.week.hours, line.week.from_before, line.week.percent) == (170, -11, 45)
    assert line.before.from_baseline is None


@pytest.mark.parametrize(("at", "found"), [(17.9, False), (18, True), (36, True), (36.1, False)])
def test_the_day_after_is_18_to_36_hours(at: float, found: bool) -> None:
    (line,) = lines([0], (at, 12))
    assert (line.day.point is not None) is found


@pytest.mark.parametrize(("at", "found"), [(143, False), (144, True), (240, True), (241, False)])
def test_the_week_after_is_day_6_to_day_10(at: float, found: bool) -> None:
    (line,) = lines([0], (at, 12))
    assert (line.week.point is not None) is found


@pytest.mark.parametrize(
    ("next_at", "why"), [(143, "next_session"), (167, "next_session"), (168, "none"), (228, "none")]
)
def test_a_session_after_day_7_does_not_hide_that_nothing_was_answered(
    next_at: float, why: str
) -> None:
    first, _second = lines([0, next_at], now=hours(1000))
    assert first.week.missing == why


def test_what_is_missing_says_why() -> None:
    first, second = lines([0, 72], now=hours(80))
    assert (first.before.missing, first.day.missing, first.week.missing) == (
        "none",
        "none",
        "next_session",
    )
    assert (second.day.missing, second.week.missing) == ("not_yet", "not_yet")
    assert lines([0])[0].week.missing == "none"


@pytest.mark.parametrize(("low", "percent"), [(0, 50), (9, None), (-3, None)])
def test_there_is_no_percentage_of_a_low_baseline(low: float, percent: float | None) -> None:
    value = 20 if percent else low
    base = ScorePoint(hours(-1), value)
    (line,) = lines([0], (-1, value), (24, 10), baseline=base, baseline_min=10)
    assert line.day.percent == percent
    assert line.day.from_baseline == 10 - value


@pytest.mark.parametrize(
    ("recall", "overlaps"), [(None, False), (0, False), (1, False), (14, True)]
)
def test_questions_that_reach_back_past_the_session_are_flagged(
    recall: int | None, overlaps: bool
) -> None:
    (line,) = lines([0], (-3, 20), (24, 10), recall_days=recall)
    assert line.day.overlaps is overlaps
    assert not line.before.overlaps


@pytest.mark.parametrize("day", [datetime(2026, 3, 28, 12), datetime(2026, 10, 24, 12)])
def test_hours_are_true_across_a_change_of_the_clocks(day: datetime) -> None:
    london = ZoneInfo("Europe/London")
    session, answered = day.replace(tzinfo=london), (day + timedelta(days=1)).replace(tzinfo=london)
    (line,) = lines_of([session], Series([ScorePoint(answered, 9)]), LATER)
    assert line.day.hours == (23 if day.month == 3 else 25)
    assert intervals_of([session, session + timedelta(days=7)], LATER, london)[0] == [7]


moments = st.integers(0, 2000)
histories = st.tuples(
    st.lists(moments, unique=True, max_size=8).map(sorted),
    st.lists(st.tuples(moments, st.integers(0, 27)), max_size=25, unique_by=lambda fact: fact[0]),
)


@given(histories)
def test_a_score_is_never_carried_forward(
    history: tuple[list[int], list[tuple[int, int]]],
) -> None:
    sessions, facts = history
    found = lines([float(at) for at in sessions], *sorted(facts))
    for cells in ([line.before for line in found], [line.day for line in found]):
        used = [cell.point.at for cell in cells if cell.point]
        assert len(set(used)) == len(used)
    starts = [hours(at) for at in sessions]
    for index, line in enumerate(found):
        earlier = starts[index - 1] if index else None
        later = starts[index + 1] if index + 1 < len(starts) else None
        if line.before.point:
            assert line.before.point.at < line.session_at
            assert earlier is None or line.before.point.at >= earlier
        for cell in (line.day, line.week):
            if cell.point:
                assert cell.point.at >= line.session_at
                assert later is None or cell.point.at < later


@given(histories, st.sampled_from([DAY, WEEK]))
def test_a_cell_holds_a_score_of_its_window_or_none(
    history: tuple[list[int], list[tuple[int, int]]], window: Window
) -> None:
    sessions, facts = history
    for line in lines([float(at) for at in sessions], *sorted(facts)):
        cell = line.day if window is DAY else line.week
        if cell.point is None:
            assert cell.missing
        else:
            assert not cell.missing
            assert window.first <= timedelta(hours=cell.hours) <= window.last
            assert ((cell.point.at - START) // timedelta(hours=1), cell.point.value) in facts


@given(histories, st.integers(0, 2000))
def test_later_sessions_and_scores_change_no_earlier_window_that_had_closed(
    history: tuple[list[int], list[tuple[int, int]]], more: int
) -> None:
    sessions, facts = history
    known = [float(at) for at in sessions if at < more]
    earlier = lines(known, *sorted(fact for fact in facts if fact[0] < more))
    whole = lines([float(at) for at in sessions], *sorted(facts))
    for before, after in zip(earlier, whole, strict=False):
        assert before.before == after.before
        if hours(more) - before.session_at > WEEK.last:
            assert (before.day.point, before.week.point) == (after.day.point, after.week.point)


@given(st.lists(st.integers(0, 50000), max_size=20))
def test_intervals_are_days_of_the_calendar_in_any_order(minutes: list[int]) -> None:
    at = [START + timedelta(minutes=minute) for minute in minutes]
    shuffled = list(reversed(at))
    between, since = intervals_of(at, LATER, UTC)
    assert intervals_of(shuffled, LATER, UTC) == (between, since)
    assert len(between) == max(0, len(at) - 1)
    assert since == ((LATER.date() - max(at).date()).days if at else None)


def test_a_session_earlier_in_the_day_a_week_on_is_seven_days_after() -> None:
    monday = datetime(2026, 6, 1, 9, 30, tzinfo=UTC)
    week_on = datetime(2026, 6, 8, 8, 45, tzinfo=UTC)
    assert intervals_of([monday, week_on], week_on, UTC) == ([7], 0)


def test_the_newest_lines_alone_are_those_of_the_whole() -> None:
    points, sessions = scored((-30, 20), (25, 15), (170, 9), (190, 11)), [hours(0), hours(180)]
    every = lines_of(sessions, Series(points), LATER)

    assert lines_of(sessions, Series(points), LATER, 1) == every[-1:]
    assert lines_of(sessions, Series(points), LATER, 5) == every
    assert lines_of(sessions, Series(points), LATER, 0) == []
