"""Quiet hours in every zone, through every clock change."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outcomes.delivery.quiet import count_of_the_day, quiet_until

NIGHT, MORNING = time(21, 0), time(8, 0)


@pytest.mark.parametrize(
    ("local", "ends"),
    [
        ("2026-02-02 20:59", None),
        ("2026-02-02 21:00", "2026-02-03 08:00"),
        ("2026-02-03 03:00", "2026-02-03 08:00"),
        ("2026-02-03 07:59", "2026-02-03 08:00"),
        ("2026-02-03 08:00", None),
        ("2026-03-28 23:00", "2026-03-29 08:00"),  # the night the clocks go forward
        ("2026-10-24 23:00", "2026-10-25 08:00"),  # and back
    ],
)
def test_the_night_is_quiet_in_the_patients_zone(local: str, ends: str | None) -> None:
    zone = ZoneInfo("Europe/London")
    at = datetime.fromisoformat(local).replace(tzinfo=zone)

    until = quiet_until(at.astimezone(UTC), "Europe/London", NIGHT, MORNING)

    expected = datetime.fromisoformat(ends).replace(tzinfo=zone) if ends else None
    assert until == expected


def test_equal_times_mean_no_quiet_hours() -> None:
    assert quiet_until(datetime(2026, 2, 2, 3, tzinfo=UTC), "UTC", NIGHT, NIGHT) is None


def test_a_span_within_one_day_is_quiet_too() -> None:
    noon = datetime(2026, 2, 2, 12, tzinfo=UTC)

    assert quiet_until(noon, "UTC", time(11), time(13)) == noon + timedelta(hours=1)
    assert quiet_until(noon, "UTC", time(13), time(15)) is None


@settings(max_examples=400, deadline=None)
@given(
    st.datetimes(datetime(2025, 1, 1), datetime(2026, 12, 31), timezones=st.just(UTC)),
    st.sampled_from(sorted(available_timezones() - {"localtime"})),
)
def test_after_the_wait_it_is_never_quiet(at: datetime, zone: str) -> None:
    until = quiet_until(at, zone, NIGHT, MORNING)

    if until is None:
        assert MORNING <= at.astimezone(ZoneInfo(zone)).time() < NIGHT
    else:
        assert at < until <= at + timedelta(hours=13)
        assert quiet_until(until, zone, NIGHT, MORNING) is None


@pytest.mark.parametrize(
    ("zone", "now", "count"),
    [
        ("UTC", "2026-02-02 09:00", 2),
        ("UTC", "2026-02-01 23:59", 1),
        ("UTC", "2026-02-03 00:00", 0),
        ("Asia/Tokyo", "2026-02-02 09:00", 3),  # 18:00 there, and the day began at 15:00 UTC
        ("America/Los_Angeles", "2026-02-02 07:00", 3),  # still the evening of the first
        ("America/Los_Angeles", "2026-02-02 08:00", 0),
    ],
)
def test_a_day_is_the_patients_own(zone: str, now: str, count: int) -> None:
    sent = ["2026-02-01 16:00", "2026-02-02 00:00", "2026-02-02 07:00"]
    moments = [datetime.fromisoformat(at).replace(tzinfo=UTC) for at in sent]
    asked_at = datetime.fromisoformat(now).replace(tzinfo=UTC)
    assert count_of_the_day(moments, asked_at, zone) == count
