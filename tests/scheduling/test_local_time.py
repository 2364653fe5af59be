"""Local clock times through every clock change of every zone."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outcomes.scheduling.local_time import local_instant, shift_days

ZONES = sorted(available_timezones())
FIRST_DAY = date(2026, 1, 1)
DAYS = [FIRST_DAY + timedelta(days=number) for number in range(730)]
CLOCKS = [time(0, 0), time(2, 30), time(1, 59, 59), time(18, 0), time(9, 0), time(23, 59)]
EVERY_HALF_HOUR = [time(hour, minute) for hour in range(24) for minute in (0, 30)]


def wall_time(instant: datetime, tz: ZoneInfo) -> datetime:
    return instant.astimezone(tz).replace(tzinfo=None)


def assert_asked_or_end_of_gap(instant: datetime, day: date, clock: time, zone: str) -> None:
    """Check by looking at the clock, not by the way the instant was found."""
    assert instant.tzinfo is UTC
    tz, asked = ZoneInfo(zone), datetime.combine(day, clock)
    if wall_time(instant, tz) == asked:
        second_showing = asked.replace(tzinfo=tz, fold=1).astimezone(UTC)
        assert wall_time(second_showing, tz) != asked or instant <= second_showing
    else:
        just_before = wall_time(instant - timedelta(seconds=1), tz)
        assert just_before < asked < wall_time(instant, tz)


def days_of_clock_change(zone: str) -> list[date]:
    tz = ZoneInfo(zone)
    noons = [datetime.combine(day, time(12), tz).utcoffset() for day in DAYS]
    changed = [day for day, (old, new) in zip(DAYS[1:], pairwise(noons), strict=True) if old != new]
    return [day - timedelta(days=back) for day in changed for back in (0, 1)]


@pytest.mark.parametrize(
    ("zone", "day", "clock", "expected"),
    [
        ("Europe/London", "2026-07-01", "18:00", "2026-07-01T17:00"),
        ("Europe/London", "2026-03-29", "01:30", "2026-03-29T01:00"),
        ("Europe/London", "2026-10-25", "01:30", "2026-10-25T00:30"),
        ("America/New_York", "2026-03-08", "02:30", "2026-03-08T07:00"),
        ("America/New_York", "2026-11-01", "01:30", "2026-11-01T05:30"),
        ("Australia/Lord_Howe", "2026-10-04", "02:15", "2026-10-03T15:30"),
        ("America/Santiago", "2026-09-06", "00:00", "2026-09-06T04:00"),
        ("Asia/Kathmandu", "2026-01-01", "00:00", "2025-12-31T18:15"),
        ("Pacific/Apia", "2011-12-30", "18:00", "2011-12-30T10:00"),
    ],
)
def test_it_knows_clock_changes(zone: str, day: str, clock: str, expected: str) -> None:
    instant = local_instant(date.fromisoformat(day), time.fromisoformat(clock), zone)
    assert instant == datetime.fromisoformat(expected).replace(tzinfo=UTC)


@pytest.mark.thorough
def test_every_zone_has_one_instant_per_day_for_two_years(
    capsys: pytest.CaptureFixture[str],
) -> None:
    occurrences = 0
    for number, zone in enumerate(ZONES):
        clock = CLOCKS[number % len(CLOCKS)]
        instants = [local_instant(day, clock, zone) for day in DAYS]
        assert all(earlier < later for earlier, later in pairwise(instants)), zone
        for day, instant in zip(DAYS, instants, strict=True):
            assert_asked_or_end_of_gap(instant, day, clock, zone)
        occurrences += len(instants)
    with capsys.disabled():
        print(f"\nR14 local times held: {occurrences} occurrences, {len(ZONES)} zones x 730 days")


def test_every_clock_change_of_two_years_is_met_at_every_half_hour() -> None:
    changes = 0
    for zone in ZONES:
        for day in days_of_clock_change(zone):
            changes += 1
            instants = [local_instant(day, clock, zone) for clock in EVERY_HALF_HOUR]
            assert instants == sorted(instants), (zone, day)
            for clock, instant in zip(EVERY_HALF_HOUR, instants, strict=True):
                assert_asked_or_end_of_gap(instant, day, clock, zone)
    assert changes > 1000


@settings(max_examples=300, deadline=None)
@given(
    zone=st.sampled_from(ZONES),
    day=st.dates(date(1971, 1, 1), date(2080, 1, 1)),
    clock=st.times(),
)
def test_any_time_in_any_zone_is_asked_or_the_end_of_a_gap(
    zone: str, day: date, clock: time
) -> None:
    assert_asked_or_end_of_gap(local_instant(day, clock, zone), day, clock, zone)


def test_a_fold_in_the_clock_time_is_ignored() -> None:
    day, zone = date(2026, 10, 25), "Europe/London"
    assert local_instant(day, time(1, 30, fold=1), zone) == local_instant(day, time(1, 30), zone)


def test_days_keep_the_clock_across_a_change_and_none_keeps_the_instant() -> None:
    before = datetime(2026, 3, 28, 18, tzinfo=UTC)
    assert shift_days(before, 1, "Europe/London") == before + timedelta(hours=23)
    assert shift_days(shift_days(before, 1, "Europe/London"), -1, "Europe/London") == before
    second_half_past_one = datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
    assert shift_days(second_half_past_one, 0, "Europe/London") == second_half_past_one
