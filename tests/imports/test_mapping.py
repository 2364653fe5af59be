"""What a map may say, and how it is refused."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from outcomes.imports.mapping import Map
from tests.imports.conftest import MAP, plan_of, refusal_of

TIME = MAP["time"]
DAYS = {"zone": "UTC", "at": "12:00", "start_on": "2025-01-01", "day": {"column": "day"}}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"title": ""}, "Map: title: '' should be non-empty."),
        ({"patient": {}}, "Map: patient: 'column' is a required property."),
        ({"colour": 1}, "Map: Additional properties are not allowed ('colour' was unexpected)."),
        ({"measures": []}, "Map: measures: [] should be non-empty."),
        ({"indication": "flu"}, "Map: indication: 'flu' is not one of ["),
        ({"time": TIME | {"at": "noon"}}, "Map: time.at: 'noon' does not match"),
        ({"time": TIME | {"zone": "Mars"}}, "Map: time.zone: “Mars” is not a time zone name."),
        ({"time": DAYS | TIME}, "Map: time: needs either date or day"),
        ({"time": {"zone": "UTC", "at": "12:00"}}, "Map: time: needs either date or day"),
        (
            {"time": {"zone": "UTC", "at": "12:00", "day": {"column": "d"}}},
            "Map: time.start_on: is needed to count days from.",
        ),
        ({"time": DAYS | {"start_on": "2025-02-30"}}, "Map: time.start_on: “2025-02-30” is not a"),
        ({"time": DAYS | {"start_on": "0001-01-01"}}, "Map: time.start_on: “0001-01-01” is not a"),
        (
            {"course": {"kind": "other", "day": 0, "at": "13:00"}},
            "Map: course.day: needs time.start_on to count from.",
        ),
        ({"measures": [{"instrument": "BDI-II"}]}, "Map: measures[0]: needs either column"),
        (
            {"measures": [{"instrument": "BDI-II", "column": "b", "items": {"1": "c"}}]},
            "Map: measures[0]: needs either column",
        ),
        (
            {"measures": [{"instrument": "PHQ-9", "items": {"1": "c"}, "multiply": 2}]},
            "Map: measures[0]: answers are scored here",
        ),
        (
            {"measures": [{"instrument": "BDI-II", "column": "b", "day": 0}]},
            "Map: measures[0].day: needs time.start_on to count from.",
        ),
        (
            {"measures": [{"instrument": "BDI-II", "column": name} for name in "ab"]},
            "Map: measures[1]: BDI-II is read twice for the same time.",
        ),
        (
            {
                "measures": [
                    {"instrument": "PHQ-9", "items": {"1": "c"}},
                    {"instrument": "PHQ-9", "column": "total"},
                ]
            },
            "Map: measures[1]: PHQ-9 is read twice for the same time.",
        ),
    ],
)
def test_a_map_that_means_nothing_is_refused(changes: dict[str, Any], sentence: str) -> None:
    (problem,) = refusal_of(lambda: plan_of(**changes))
    assert problem.startswith(sentence)


@pytest.mark.parametrize("text", [b"", b"{", b"\xff\xfe{", b"[" * 100_000])
def test_a_map_that_is_not_json_is_refused(text: bytes) -> None:
    (problem,) = refusal_of(lambda: Map.from_text(text))
    assert problem.startswith("The map is not JSON: ")


@pytest.mark.parametrize(
    ("time", "cell", "instant"),
    [
        (TIME, "2025-01-10", datetime(2025, 1, 10, 11, 0, tzinfo=UTC)),
        (TIME, "2025-07-10", datetime(2025, 7, 10, 10, 0, tzinfo=UTC)),
        (
            TIME | {"date": {"column": "on", "format": "%d.%m.%Y %H:%M"}},
            "10.01.2025 08:30",
            datetime(2025, 1, 10, 7, 30, tzinfo=UTC),
        ),
        (DAYS, "14", datetime(2025, 1, 15, 12, 0, tzinfo=UTC)),
        (DAYS, "-1", datetime(2024, 12, 31, 12, 0, tzinfo=UTC)),
        (
            DAYS | {"day": {"column": "visit", "days": {"post": 28}}},
            "post",
            datetime(2025, 1, 29, 12, 0, tzinfo=UTC),
        ),
    ],
)
def test_a_time_is_read_in_its_zone(time: dict[str, Any], cell: str, instant: datetime) -> None:
    assert plan_of(time=time).clock.read(cell) == instant


def test_clocks_that_change_keep_noon_at_noon() -> None:
    clock = plan_of(time=DAYS | {"zone": "Europe/Berlin", "start_on": "2025-03-29"}).clock
    assert [clock.on_day(day).hour for day in (0, 1)] == [11, 10]
