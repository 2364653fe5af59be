"""The calendar on the clinic's clock: weekly and dated lines, midnight, clock changes, gaps."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outcomes.alerts.cover import Line, on_duty, spans_of

LONDON, NEW_YORK = "Europe/London", "America/New_York"
NINE, FIVE, MIDNIGHT = time(9), time(17), time(0)
MONDAY = date(2026, 2, 2)


def at(zone: str, *moment: int, fold: int = 0) -> datetime:
    return datetime(*moment, tzinfo=ZoneInfo(zone), fold=fold).astimezone(UTC)  # type: ignore[misc,arg-type]


def weekly(person: str, weekday: int, starts: time = NINE, ends: time = FIVE) -> Line:
    return Line(person, starts, ends, weekday=weekday)


def dated(
    person: str, first: date, last: date, starts: time = MIDNIGHT, ends: time = MIDNIGHT
) -> Line:
    return Line(person, starts, ends, starts_on=first, ends_on=last)


@pytest.mark.parametrize(
    ("hour", "minute", "people"),
    [(8, 59, ()), (9, 0, ("Clara",)), (16, 59, ("Clara",)), (17, 0, ())],
)
def test_a_weekly_line_holds_from_its_first_minute_to_before_its_last(
    hour: int, minute: int, people: tuple[str, ...]
) -> None:
    moment = at(NEW_YORK, 2026, 2, 2, hour, minute)
    assert on_duty([weekly("Clara", 0)], moment, NEW_YORK) == people
    assert on_duty([weekly("Clara", 0)], moment + timedelta(days=1), NEW_YORK) == ()
    assert on_duty([weekly("Clara", 0)], moment + timedelta(days=7), NEW_YORK) == people


def test_hours_may_cross_midnight_into_the_next_week() -> None:
    sunday_night = [weekly("Dora", 6, time(22), time(6))]
    assert on_duty(sunday_night, at(LONDON, 2026, 2, 1, 23), LONDON) == ("Dora",)
    assert on_duty(sunday_night, at(LONDON, 2026, 2, 2, 5, 59), LONDON) == ("Dora",)
    assert on_duty(sunday_night, at(LONDON, 2026, 2, 2, 6), LONDON) == ()
    assert on_duty(sunday_night, at(LONDON, 2026, 2, 1, 5), LONDON) == ()


def test_equal_hours_last_a_whole_day() -> None:
    line = [weekly("Dora", 0, NINE, NINE)]
    assert on_duty(line, at(LONDON, 2026, 2, 2, 9), LONDON) == ("Dora",)
    assert on_duty(line, at(LONDON, 2026, 2, 3, 8, 59), LONDON) == ("Dora",)
    assert on_duty(line, at(LONDON, 2026, 2, 3, 9), LONDON) == ()


def test_a_dated_line_goes_before_the_weekly_ones_and_only_in_its_hours() -> None:
    lines = [weekly("Clara", 0), dated("Dora", MONDAY, MONDAY, time(12), time(14))]
    hours = {hour: on_duty(lines, at(LONDON, 2026, 2, 2, hour), LONDON) for hour in (10, 13, 15)}
    assert hours == {10: ("Clara",), 13: ("Dora",), 15: ("Clara",)}


def test_several_people_are_on_cover_each_once() -> None:
    lines = [weekly("Clara", 0), weekly("Dora", 0, NINE, time(12)), weekly("Clara", 0, time(8))]
    assert on_duty(lines, at(LONDON, 2026, 2, 2, 10), LONDON) == ("Clara", "Dora")


def test_a_line_keeps_its_clock_times_when_the_clocks_change() -> None:
    # 29 March 2026: London's 01:00 becomes 02:00. 25 October: 02:00 becomes 01:00 again.
    night = [weekly("Dora", 6, time(0), time(4))]
    spring = spans_of(night, date(2026, 3, 29), LONDON)
    autumn = spans_of(night, date(2026, 10, 25), LONDON)
    assert [span.ends - span.begins for span in spring if span.people] == [timedelta(hours=3)]
    assert [span.ends - span.begins for span in autumn if span.people] == [timedelta(hours=5)]
    assert spring[-1].ends - spring[0].begins == timedelta(hours=23)
    assert autumn[-1].ends - autumn[0].begins == timedelta(hours=25)


def test_a_time_the_clocks_skip_begins_at_the_first_moment_after() -> None:
    line = [weekly("Dora", 6, time(1, 30), time(4))]
    assert on_duty(line, at(LONDON, 2026, 3, 29, 0, 59), LONDON) == ()
    assert on_duty(line, at(LONDON, 2026, 3, 29, 2, 0), LONDON) == ("Dora",)


def test_a_time_shown_twice_begins_at_the_first() -> None:
    line = [weekly("Dora", 6, time(1, 30), time(4))]
    assert on_duty(line, at(LONDON, 2026, 10, 25, 1, 30), LONDON) == ("Dora",)
    assert on_duty(line, at(LONDON, 2026, 10, 25, 1, 30, fold=1), LONDON) == ("Dora",)


def test_an_empty_calendar_is_one_gap_a_day() -> None:
    (span,) = spans_of([], MONDAY, NEW_YORK)
    assert (span.begins, span.ends) == (at(NEW_YORK, 2026, 2, 2), at(NEW_YORK, 2026, 2, 3))
    assert span.people == ()


lines_drawn = st.lists(
    st.builds(
        Line,
        st.sampled_from(["Clara", "Dora", "Ada"]),
        st.times(),
        st.times(),
        weekday=st.integers(0, 6),
    )
    | st.builds(
        lambda person, starts, ends, first, days: Line(
            person, starts, ends, starts_on=first, ends_on=first + timedelta(days=days)
        ),
        st.sampled_from(["Clara", "Dora", "Ada"]),
        st.times(),
        st.times(),
        st.dates(date(2026, 3, 20), date(2026, 4, 5)),
        st.integers(0, 5),
    ),
    max_size=6,
)


@settings(max_examples=300, deadline=None)
@given(
    lines=lines_drawn,
    day=st.dates(date(2026, 3, 25), date(2026, 4, 2)),
    zone=st.sampled_from([LONDON, NEW_YORK, "Australia/Lord_Howe", "America/Havana"]),
    millionths=st.integers(0, 10**6 - 1),
)
def test_a_day_is_cut_into_stretches_that_agree_with_every_moment(
    lines: list[Line], day: date, zone: str, millionths: int
) -> None:
    spans = spans_of(lines, day, zone)
    whole = spans[-1].ends - spans[0].begins
    moment = spans[0].begins + whole * millionths // 10**6
    (found,) = [span for span in spans if span.begins <= moment < span.ends]
    assert found.people == on_duty(lines, moment, zone)
    assert all(one.ends == two.begins and one.people != two.people for one, two in pairwise(spans))
