"""Schedules that may not be put in force, each with the reason; and what should be known before."""

from __future__ import annotations

import json
from copy import deepcopy
from datetime import date
from typing import Any

import pytest

from outcomes.care.models import Indication
from outcomes.instruments.definition import load_library
from outcomes.scheduling import engine
from outcomes.scheduling.checking import Finding, Sending, findings_on
from outcomes.scheduling.services import LIBRARY
from tests.scheduling.test_definition import WORDS_OF_THE_FILE

TODAY = date(2026, 2, 2)
KINDS: dict[str, Sending] = {
    "PHQ-9": "sendable",
    "PHQ-8": "sendable",
    "PHQ-ADS": "sendable",
    "PHQ-9-SHORT": "sendable",
    "GAD-7": "sendable",
    "MOOD-1": "sendable",
    "PCL-5": "sendable",
    "ASRM": "no_wording",
    "HAM-D17": "by_clinician",
}

WEEKLY: dict[str, Any] = {
    "code": "weekly",
    "instruments": ["PHQ-9"],
    "anchor": "each_session",
    "offset": {"value": 7, "unit": "days"},
    "opens_before": 10,
    "closes_after": 48,
    "repeat_every_days": 7,
    "repeat_until": {"next_session": True, "days": 56},
}
# Where sessions are a week apart, a repeat until the next one leaves day 7 to others.
FIRST: dict[str, Any] = {"anchor": "first_session", "repeat_until": {"days": 56}}
ONCE: dict[str, Any] = {"repeat_every_days": ..., "repeat_until": ...}


def rule(code: str = "weekly", **changes: Any) -> dict[str, Any]:
    entry = {**deepcopy(WEEKLY), "code": code, **changes}
    return {name: value for name, value in entry.items() if value is not ...}


def found(*rules: dict[str, Any], **spacing: int) -> list[Finding]:
    days = {name.replace("_", "-"): n for name, n in ({"PHQ_9": 7} | spacing).items()}
    content = {
        "code": "ours",
        "version": 1,
        "name": "Ours",
        "spacing_days": days,
        "rules": list(rules),
    }
    findings = findings_on(content, KINDS, set(Indication.values), TODAY)
    told = " ".join(finding.reason for finding in findings)
    assert not WORDS_OF_THE_FILE.search(told), told
    return findings


def refused(*rules: dict[str, Any], **spacing: int) -> dict[str, str]:
    return {f.path: f.reason for f in found(*rules, **spacing) if f.is_refusal}


def noted(*rules: dict[str, Any], **spacing: int) -> dict[str, str]:
    findings = found(*rules, **spacing)
    assert not [f for f in findings if f.is_refusal]
    return {f.path: f.reason for f in findings}


def test_nothing_speaks_against_a_plain_schedule() -> None:
    assert found(rule()) == []


@pytest.mark.parametrize("path", sorted(LIBRARY.glob("*.json")), ids=lambda path: path.stem)
def test_nothing_speaks_against_what_ships(path: Any) -> None:
    kinds: dict[str, Sending] = {
        code: "sendable" if definition.is_sendable else "no_wording"
        for code, definition in load_library().items()
    }
    findings = findings_on(json.loads(path.read_text()), kinds, set(Indication.values), TODAY)
    assert [str(finding) for finding in findings if finding.is_refusal] == []
    assert {finding.reason.split()[0] for finding in findings} <= {"ASRM", "WSAS"}


# A rule by itself


def test_every_broken_line_is_named_with_its_first_fault() -> None:
    broken = refused(rule(offset=3), rule("fine"), rule("open", opens_before=0))
    assert broken == {
        "rules[0].offset": "must be an object.",
        "rules[2].opens_before": "must be at least 1 hour before it is due.",
    }


def test_a_schedule_without_lines_or_with_too_many_is_refused() -> None:
    assert refused() == {"rules": "none is written yet: nothing would be asked."}
    many = [rule(f"r{n}") for n in range(41)]
    assert refused(*many) == {"rules": "are 41; at most 40 can stand together."}


def test_two_lines_of_one_code_are_refused() -> None:
    twice = refused(rule(), rule(offset={"value": 3, "unit": "days"}))
    assert twice == {"rules[1].code": "“weekly” is used by another line."}


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"repeat_until": ...}, "repeat_until", "is missing: name the next session"),
        ({"repeat_until": {"date": "2026-02-01"}}, "repeat_until", "2026-02-01, which has passed"),
        ({"offset": {"value": 401, "unit": "days"}, **ONCE}, "offset", "is 401 days"),
        ({"offset": {"value": -9999, "unit": "hours"}, **ONCE}, "offset", "is -9999 hours"),
        ({"offset": {"value": 10001, "unit": "days"}, **ONCE}, "offset.value", "is 10001"),
        ({"instruments": ["HAM-D17"]}, "instruments", "HAM-D17 is rated by a clinician"),
        ({"instruments": ["PHQ-99"]}, "instruments", "“PHQ-99” is not known here"),
        ({"indications": ["grief"]}, "indications", "“grief” is not a condition"),
        ({"anchor": "enrolment", "offset": {"value": -3, "unit": "days"}, **ONCE},
         "offset", "PHQ-9 is never asked: it has closed"),
        ({"anchor": "course_end", "offset": {"value": -3, "unit": "days"}, **ONCE},
         "offset", "PHQ-9 is never asked: it has closed"),
    ],
)  # fmt: skip
def test_a_line_that_can_never_ask_is_refused(
    changes: dict[str, Any], field: str, words: str
) -> None:
    (path, reason), *others = refused(rule(**changes)).items()
    assert (path, others) == (f"rules[0].{field}", [])
    assert words in reason


def test_a_day_that_has_not_passed_stands() -> None:
    assert found(rule(repeat_until={"date": "2026-02-02"})) == []


def test_what_has_no_wording_here_is_said() -> None:
    assert noted(rule(), rule("mania", instruments=["ASRM"])) == {
        "rules[1].instruments": "ASRM has no wording here: "
        "it is left out until the clinic loads it."
    }


def test_a_mania_watch_that_is_switched_off_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(KINDS, "ASRM", "switched_off")
    assert noted(rule(), rule("mania", instruments=["ASRM"])) == {
        "rules[1].instruments": "ASRM is left out: the mania watch is switched off in the settings."
    }


def test_a_spacing_that_no_line_asks_for_is_said() -> None:
    assert noted(rule(), PCL_5=30) == {
        "spacing_days": "PCL-5 is asked by no line, so its days say nothing."
    }


# One full PHQ-9 in 7 days


@pytest.mark.parametrize("code", ["PHQ-9", "PHQ-8", "PHQ-ADS", "PHQ-9-SHORT"])
def test_two_full_phq9_within_a_week_are_refused(code: str) -> None:
    once = rule(instruments=[code], **ONCE)
    for spacing in ({}, {code: 6}):
        content = {"code": "ours", "version": 1, "name": "Ours", "rules": [once]}
        content["spacing_days"] = spacing
        (finding,) = findings_on(content, KINDS, set(), TODAY)
        assert (finding.path, finding.is_refusal) == (f"spacing_days.{code}", True)
        assert "at least 7 are needed" in finding.reason
        content["spacing_days"] = {code: 7}
        assert findings_on(content, KINDS, set(), TODAY) == []


def test_two_kinds_that_share_the_questions_of_the_phq9_are_refused() -> None:
    both = refused(rule(), rule("short", instruments=["PHQ-8"], **ONCE), PHQ_8=7)
    assert "PHQ-9 and PHQ-8 share their questions" in both["rules"]


def test_a_repeat_shorter_than_the_spacing_is_refused() -> None:
    often = refused(rule(repeat_every_days=3))
    assert often == {
        "rules[0].repeat_every_days": "asks PHQ-9 more often than the days between two of a kind "
        "allow."
    }


# One rule against another


def test_a_line_that_another_always_swallows_is_refused_and_the_other_named() -> None:
    day_6 = rule("day-6", **{**FIRST, **ONCE}, offset={"value": 6, "unit": "days"})
    # The one due first is asked; the weekly line goes on from its second week.
    assert refused(rule(**FIRST), day_6) == {}
    twin = refused(
        rule(**FIRST), rule("twin", **{**FIRST, **ONCE, "instruments": ["PHQ-9", "GAD-7"]})
    )
    assert twin == {
        "rules[1].instruments": "PHQ-9 is never asked in any course tried: "
        "“weekly” asks it first, or too near."
    }


def test_overlapping_windows_are_refused_where_one_is_always_withdrawn() -> None:
    mood = {"instruments": ["MOOD-1"], "repeat_every_days": 1, "closes_after": 12}
    daily = rule(**{**FIRST, **mood})
    later = {"offset": {"value": 175, "unit": "hours"}, "closes_after": 2}
    inside = rule("inside", **{**FIRST, **ONCE, **later, "instruments": ["MOOD-1"]})
    assert refused(daily, inside) == {
        "rules[1].instruments": "MOOD-1 is never asked in any course tried: "
        "“weekly” asks it first, or too near."
    }


def test_a_line_for_one_condition_is_tried_on_a_patient_who_has_it() -> None:
    assert found(rule(), rule("ptsd", instruments=["PCL-5"], indications=["ptsd"], **ONCE)) == []
    ptsd = rule("ptsd", **{**FIRST, **ONCE}, indications=["ptsd", "pain"])
    swallowed = refused(rule(**FIRST), ptsd)
    assert list(swallowed) == ["rules[1].instruments"]
    other = rule("other", indications=["pain"], **ONCE)
    assert found(rule(indications=["ptsd"]), other) == []


def test_a_line_that_only_makes_up_for_a_miss_stands_and_is_said() -> None:
    once = {**FIRST, **ONCE}
    catch_up = rule("catch-up", offset={"value": 10, "unit": "days"}, **once)
    said = noted(rule(**once), catch_up)
    assert said["rules[1].instruments"].startswith(
        "PHQ-9 is asked only where an earlier one was missed: “weekly”"
    )
    titled = {**rule(**once), "title": "Once a week"}
    assert "missed: “Once a week” asks" in noted(titled, catch_up)["rules[1].instruments"]


def test_a_line_at_the_end_of_the_course_is_tried_on_courses_that_end() -> None:
    end = rule("end", anchor="course_end", offset={"value": 8, "unit": "days"}, **ONCE)
    assert found(rule(), end) == []


def test_a_line_that_ends_on_a_date_is_tried_without_it() -> None:
    assert found(rule(repeat_until={"date": "2026-03-01", "next_session": True})) == []


# -- A page waits for it -------------------------------------------------------------------------


def often(code: str, days: int) -> dict[str, Any]:
    repeats = {"repeat_every_days": ..., "repeat_every_hours": 4, "repeat_until": {"days": days}}
    hours = {"offset": {"value": 0, "unit": "hours"}, "opens_before": 1, "closes_after": 1}
    return rule(code, instruments=["GAD-7"], **hours, **repeats)


def planned_while(monkeypatch: pytest.MonkeyPatch, *rules: dict[str, Any]) -> tuple[int, str]:
    """Return how much was planned to judge these lines, and the first finding."""
    plan, size = engine.plan, 0

    def counted(*args: Any, **options: Any) -> Any:
        nonlocal size
        made = plan(*args, **options)
        size += len(made)
        return made

    monkeypatch.setattr(engine, "plan", counted)
    first = next(iter(found(rule(), *rules)))
    return size, str(first)


def test_lines_that_repeat_too_often_are_refused_untried(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [often(f"line-{n}", 1000) for n in range(3)]
    size, said = planned_while(monkeypatch, *lines)
    assert said.startswith("rules: ask too often to be tried")
    assert size == 0


def test_a_line_that_stands_twice_is_refused_before_long(monkeypatch: pytest.MonkeyPatch) -> None:
    size, said = planned_while(monkeypatch, often("one", 60), often("two", 60))
    assert "rules[2].instruments: GAD-7 is never asked in any course tried" in said
    assert size < 250_000
