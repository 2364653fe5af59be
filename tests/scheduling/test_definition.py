"""Schedules as data: what is read, and what is refused with which reason."""

from __future__ import annotations

import re
from contextlib import suppress
from copy import deepcopy
from datetime import date, time
from typing import Any

import pytest

from outcomes.scheduling.definition import (
    Offset,
    RepeatUntil,
    RuleSpec,
    ScheduleError,
    faults_of,
    parse_rule,
    parse_schedule,
)

# An admin reads what is refused on the page, which has words of its own.
WORDS_OF_THE_FILE = re.compile(r"_|'|\b(offset|anchor|rules?|instruments?|spacing|window)\b")

RULE: dict[str, Any] = {
    "code": "day-7",
    "title": "One week after",
    "instruments": ["PHQ-9", "GAD-7"],
    "anchor": "each_session",
    "offset": {"value": 7, "unit": "days"},
    "time_of_day": "18:00",
    "opens_before": 10,
    "closes_after": 48,
    "repeat_every_days": 7,
    "repeat_until": {"next_session": True, "days": 56},
    "only_if_older_than_days": 7,
    "indications": ["bipolar"],
    "reminders_after_hours": [24, 48],
    "basis": "design choice",
}


def schedule_with(**changes: Any) -> dict[str, Any]:
    rule = {**deepcopy(RULE), **changes}
    rule = {name: value for name, value in rule.items() if value is not ...}
    return {
        "code": "weekly",
        "version": 1,
        "name": "Weekly",
        "spacing_days": {"PHQ-9": 7},
        "rules": [rule],
    }


def test_it_reads_every_field() -> None:
    spec = parse_schedule(schedule_with(), known_instruments={"PHQ-9", "GAD-7"})
    assert (spec.code, spec.version, spec.name, spec.description) == ("weekly", 1, "Weekly", "")
    assert spec.spacing_days == {"PHQ-9": 7}
    assert spec.rules == (
        RuleSpec(
            code="day-7",
            instruments=("PHQ-9", "GAD-7"),
            anchor="each_session",
            offset=Offset(7, "days"),
            opens_before=10,
            closes_after=48,
            time_of_day=time(18),
            repeat_every_days=7,
            repeat_until=RepeatUntil(next_session=True, days=56),
            only_if_older_than_days=7,
            indications=("bipolar",),
            reminders_after_hours=(24, 48),
            title="One week after",
            basis="design choice",
        ),
    )


def test_next_session_may_be_written_as_one_word() -> None:
    spec = parse_schedule(schedule_with(repeat_until="next_session"))
    assert spec.rules[0].repeat_until == RepeatUntil(next_session=True)


def test_the_end_of_repeating_may_be_in_weeks_or_on_a_date() -> None:
    eight_weeks = parse_schedule(schedule_with(repeat_until={"weeks": 8}))
    assert eight_weeks.rules[0].repeat_until == RepeatUntil(days=56)
    until = {"next_session": True, "weeks": 8, "date": "2026-03-31"}
    all_three = parse_schedule(schedule_with(repeat_until=until))
    assert all_three.rules[0].repeat_until == RepeatUntil(True, 56, date(2026, 3, 31))


ALWAYS = {"only_if_older_than_days": ...}
ONCE = {"repeat_every_days": ..., "repeat_until": ...}
BEFORE = {**ONCE, "time_of_day": ..., "closes_after": ..., "closes_at_anchor": True}
HOURLY: dict[str, Any] = {
    "repeat_every_days": ..., "repeat_every_hours": 12, "time_of_day": ...,
    "instruments": ["GAD-7"], "only_if_older_than_days": ...,
}  # fmt: skip
AT_START = {**BEFORE, "offset": {"value": 0, "unit": "hours"}}
REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"code": ""}, "code", "a text"),
    ({"instruments": []}, "instruments", "at least one"),
    ({"instruments": "PHQ-9"}, "instruments", "list of texts"),
    ({"instruments": ["PHQ-9", "PHQ-9"]}, "instruments", "twice"),
    ({"instruments": ["PHQ-99"]}, "instruments", "'PHQ-99' is not a known"),
    ({"anchor": "birthday"}, "anchor", "one of enrolment"),
    ({"offset": 7}, "offset", "an object"),
    ({"offset": {"value": 7, "unit": "weeks"}}, "offset.unit", "one of hours, days"),
    ({"offset": {"value": True, "unit": "days"}}, "offset.value", "whole number"),
    ({"time_of_day": "6 pm"}, "time_of_day", "clock time"),
    ({"time_of_day": "24:00"}, "time_of_day", "clock time"),
    ({"offset": {"value": 24, "unit": "hours"}}, "time_of_day", "counted in days"),
    ({"opens_before": 0}, "opens_before", "at least 1 hour"),
    ({"opens_before": "10"}, "opens_before", "whole number"),
    ({"opens_before": -60}, "opens_before", "could never be asked"),
    ({"closes_after": -1}, "closes_after", "before it is due"),
    ({**AT_START, "opens_before": 48, "closes_after": 2}, "closes_after", "contradicts"),
    (BEFORE, "offset", "could never be asked"),
    ({"closes_at_anchor": "yes"}, "closes_at_anchor", "true or false"),
    ({"closes_at_anchor": True, "closes_after": 0, "offset": {"value": -7, "unit": "days"}},
     "closes_at_anchor", "contradicts repeating"),
    ({"repeat_every_days": 0}, "repeat_every_days", "at least 1"),
    ({"repeat_every_days": ...}, "repeat_every_days", "nothing to begin or end"),
    ({**ALWAYS, "repeat_every_days": 6}, "repeat_every_days", "PHQ-9 more often"),
    ({"repeat_from": 14}, "repeat_from", "an object"),
    ({"repeat_from": {"days": 7}}, "repeat_from", "later than the day"),
    ({"repeat_until": {"days": 6}}, "repeat_until", "before it is first due"),
    ({"repeat_from": {"days": 60}}, "repeat_until", "before it is first due"),
    ({"repeat_until": {}}, "repeat_until", "must name"),
    ({"repeat_until": {"months": 8}}, "repeat_until.months", "not a field"),
    ({"repeat_until": {"weeks": 8, "days": 56}}, "repeat_until.weeks", "one of the two"),
    ({"repeat_until": {"weeks": 0}}, "repeat_until.weeks", "at least 1"),
    ({"repeat_until": {"date": "2026-02-30"}}, "repeat_until.date", "'2026-02-30'"),
    ({"repeat_until": {"date": "1 March"}}, "repeat_until.date", "a day written like"),
    ({"repeat_until": {"date": 20260301}}, "repeat_until.date", "a text"),
    ({**HOURLY, "repeat_every_hours": 3}, "repeat_every_hours", "at least 4"),
    ({**HOURLY, "repeat_every_days": 1}, "repeat_every_hours", "one of the two"),
    ({**HOURLY, "time_of_day": "18:00"}, "repeat_every_hours", "fixed time of day"),
    ({**HOURLY, "repeat_from": {"days": 9}}, "repeat_from", "a repeat in days"),
    ({**HOURLY, "only_if_older_than_days": 1}, "only_if_older_than_days", "never asked"),
    ({**HOURLY, "instruments": ["PHQ-9"]}, "repeat_every_hours", "PHQ-9 more often"),
    ({"anchor": "last_session"}, "repeat_until", "there is none"),
    ({"only_if_older_than_days": 0}, "only_if_older_than_days", "at least 1"),
    ({"only_if_older_than_days": 8}, "only_if_older_than_days", "never asked"),
    ({"reminders_after_hours": [58]}, "reminders_after_hours", "after it closes"),
    ({"reminders_after_hours": [0]}, "reminders_after_hours", "at least 1 hour"),
    ({"reminders_after_hours": [True]}, "reminders_after_hours", "whole numbers"),
    ({**AT_START, "reminders_after_hours": [10]}, "reminders_after_hours", "after it closes"),
    ({"advice": "book another"}, "advice", "not a field"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "field", "words"), REFUSED)
def test_it_refuses_a_rule_that_cannot_stand(
    changes: dict[str, Any], field: str, words: str
) -> None:
    with pytest.raises(ScheduleError) as refusal:
        parse_schedule(schedule_with(**changes), known_instruments={"PHQ-9", "GAD-7"})
    assert refusal.value.path == f"rules[0].{field}"
    assert words in refusal.value.reason
    assert str(refusal.value).startswith(f"rules[0].{field}: ")
    assert refusal.value.reason.endswith(".")


def test_no_fault_of_a_line_is_told_in_the_words_of_the_file() -> None:
    told = 0
    for changes, _field, _words in REFUSED:
        entry = schedule_with(**changes)["rules"][0]
        with suppress(ScheduleError):
            for _field, reason in faults_of(parse_rule(entry, "rule"), {"PHQ-9": 7}):
                assert not WORDS_OF_THE_FILE.search(reason), reason
                told += 1
    assert told > 20


@pytest.mark.parametrize(
    ("changes", "path", "words"),
    [
        ({"version": 0}, "version", "at least 1"),
        ({"name": None}, "name", "a text"),
        ({"rules": []}, "rules", "at least one rule"),
        ({"rules": ["daily"]}, "rules[0]", "an object"),
        ({"rules": [RULE, RULE]}, "rules[1].code", "used by another line"),
        ({"spacing_days": {"PHQ-9": 0}}, "spacing_days.PHQ-9", "at least 1"),
        ({"spacing_days": {"HAM-X": 7}}, "spacing_days", "'HAM-X' is not a known"),
        ({"spacing_days": 7}, "spacing_days", "an object"),
        ({"doses": 6}, "doses", "not a field"),
    ],
)
def test_it_refuses_a_schedule_that_cannot_stand(
    changes: dict[str, Any], path: str, words: str
) -> None:
    with pytest.raises(ScheduleError) as refusal:
        parse_schedule({**schedule_with(), **changes}, known_instruments={"PHQ-9", "GAD-7"})
    assert (refusal.value.path, words in refusal.value.reason) == (path, True)


def test_something_that_is_no_object_is_refused() -> None:
    with pytest.raises(ScheduleError, match="must be an object"):
        parse_schedule(["weekly"])  # type: ignore[arg-type]
