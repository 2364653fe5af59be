"""What a schedule asks of a patient per week, in the sample course."""

from __future__ import annotations

import json
from typing import Any

from outcomes.scheduling.burden import SAMPLE, Sample, minutes_per_week
from outcomes.scheduling.definition import ScheduleSpec, parse_schedule
from outcomes.scheduling.services import LIBRARY

MINUTES = {"PHQ-9": 2, "GAD-7": 1.5, "MOOD-1": 0.5}


def schedule(*rules: dict[str, Any], spacing: dict[str, int] | None = None) -> ScheduleSpec:
    filled = [
        {
            "code": f"rule-{i}",
            "anchor": "each_session",
            "offset": {"value": 0, "unit": "days"},
            "opens_before": 1,
            "closes_after": 4,
            **rule,
        }
        for i, rule in enumerate(rules)
    ]
    return parse_schedule(
        {
            "code": "test",
            "version": 1,
            "name": "Test",
            "spacing_days": spacing or {},
            "rules": filled,
        }
    )


def shipped(code: str) -> ScheduleSpec:
    return parse_schedule(json.loads((LIBRARY / f"{code}.json").read_text()))


def test_every_week_looked_at_is_listed_even_when_nothing_is_asked() -> None:
    weeks = minutes_per_week(schedule({"instruments": ["MOOD-1"]}), MINUTES)

    assert [week.number for week in weeks] == list(range(1, 13))
    assert [dict(week.administrations) for week in weeks[:4]] == [{"MOOD-1": 2}] * 3 + [{}]
    assert [week.minutes for week in weeks[:4]] == [1, 1, 1, 0]


def test_what_is_due_before_the_first_session_counts_to_its_week() -> None:
    before = {"instruments": ["PHQ-9"], "anchor": "enrolment", "opens_before": 1}
    (first, *_others) = minutes_per_week(schedule(before), MINUTES)

    assert first.administrations == {"PHQ-9": 1}


def test_an_instrument_that_cannot_be_sent_is_left_out() -> None:
    rule = {"instruments": ["PHQ-9", "QIDS-SR16"], "anchor": "first_session"}
    (first, *_others) = minutes_per_week(schedule(rule), MINUTES)

    assert (first.administrations, first.minutes) == ({"PHQ-9": 1}, 2)


def test_the_spacing_between_two_of_a_kind_counts() -> None:
    spec = schedule({"instruments": ["PHQ-9"]}, spacing={"PHQ-9": 7})
    weeks = minutes_per_week(spec, MINUTES)

    assert [week.administrations.get("PHQ-9", 0) for week in weeks[:4]] == [1, 1, 1, 0]


def test_a_rule_for_one_condition_counts_for_the_sample() -> None:
    rule = {"instruments": ["PHQ-9"], "anchor": "first_session", "indications": ["ptsd"]}

    assert minutes_per_week(schedule(rule), MINUTES)[0].minutes == 2


def test_another_sample_gives_other_weeks() -> None:
    spec = schedule({"instruments": ["MOOD-1"]})
    weeks = minutes_per_week(spec, MINUTES, Sample(session_days=(0, 28), weeks=5))

    assert [week.minutes for week in weeks] == [0.5, 0, 0, 0, 0.5]


def test_the_shipped_schedules_ask_most_while_sessions_are_held() -> None:
    for code in ("ketamine-default", "phq9-gad7-only"):
        weeks = minutes_per_week(shipped(code), MINUTES)
        total = sum(week.minutes for week in weeks)
        assert len(weeks) == SAMPLE.weeks, code
        assert 0 < max(week.minutes for week in weeks) < 15, code
        assert total == sum(
            MINUTES[name] * times for week in weeks for name, times in week.administrations.items()
        )


def test_phq9_and_gad7_are_asked_together() -> None:
    for week in minutes_per_week(shipped("phq9-gad7-only"), MINUTES):
        asked = week.administrations
        assert asked.get("PHQ-9", 0) == asked.get("GAD-7", 0), week.number
