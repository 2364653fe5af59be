"""Which time belongs to which course, and on which day of it a score was given."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from outcomes.review.alignment import Stretch, stretch_of

LONDON = ZoneInfo("Europe/London")
MONDAY = datetime(2026, 2, 2, 9, tzinfo=UTC)
MOMENTS = st.integers(0, 400).map(lambda hours: MONDAY + timedelta(hours=hours))


def on(day: float) -> datetime:
    return MONDAY + timedelta(days=day)


def test_a_course_without_a_held_session_has_no_day_0() -> None:
    assert stretch_of([], [on(1)]) is None


def test_a_course_reaches_from_the_last_session_before_it_to_the_first_after_it() -> None:
    found = stretch_of([on(20), on(23)], [on(1), on(4), on(40), on(43)])

    assert found == Stretch(on(20), after=on(4), until=on(40))
    assert [found.holds(on(day)) for day in (4, 5, 19, 20, 39, 40)] == [
        False,
        True,
        True,
        True,
        True,
        False,
    ]


def test_the_only_course_has_all_the_time_there_is() -> None:
    found = stretch_of([on(3)], [])

    assert found is not None
    assert found.holds(on(-1000))
    assert found.holds(on(1000))


def test_days_are_elapsed_ones_across_a_change_of_clocks() -> None:
    began = datetime(2026, 3, 28, 12, tzinfo=LONDON)  # the clocks go forward that night
    course = Stretch(began)

    assert course.day(datetime(2026, 3, 29, 12, tzinfo=LONDON)) == 23 / 24
    assert course.day(began - timedelta(days=2)) == -2


@given(st.lists(MOMENTS, min_size=1), st.lists(MOMENTS, min_size=1), MOMENTS)
def test_between_two_courses_a_score_follows_the_first_and_leads_to_the_second(
    one: list[datetime], other: list[datetime], at: datetime
) -> None:
    shift = timedelta(hours=401)
    later = [moment + shift for moment in other]
    first, second = stretch_of(one, later), stretch_of(later, one)

    assert first is not None
    assert second is not None
    for moment in (at, at + shift):
        assert first.holds(moment) == (moment < min(later))
        assert second.holds(moment) == (moment > max(one))
        assert second.day(moment) < first.day(moment)
