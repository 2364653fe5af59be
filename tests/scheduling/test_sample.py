"""What a sample course is asked, and why a line is never asked in it."""

from __future__ import annotations

from itertools import pairwise

from outcomes.scheduling.sample import SAMPLE, Sample, asks_of, day_of, silences
from tests.scheduling.test_burden import schedule, shipped

ONE = Sample(session_days=(0,), weeks=8)
DAY_7 = {"offset": {"value": 7, "unit": "days"}}
AT_END = {"anchor": "course_end", "offset": {"value": 1, "unit": "days"}}


def test_days_count_from_the_first_session() -> None:
    baseline, *later = asks_of(shipped("single-infusion"), ONE)
    assert (day_of(baseline.opens_at), day_of(baseline.due_at)) == (-7, 0)
    phq9 = [day_of(ask.due_at) for ask in later if ask.instrument == "PHQ-9"]
    assert phq9 == [7, 14, 21, 28]


def test_nothing_is_looked_at_beyond_the_weeks() -> None:
    short = Sample(session_days=(0,), weeks=2)
    assert max(day_of(ask.due_at) for ask in asks_of(shipped("single-infusion"), short)) == 13


def test_a_patient_has_the_one_condition_that_is_chosen() -> None:
    default = shipped("ketamine-default")
    asked = {ask.instrument for ask in asks_of(default, Sample(indications=("ptsd",)))}
    assert "PCL-5" in asked
    assert "ASRM" not in asked
    assert {"PCL-5", "ASRM"} <= {ask.instrument for ask in asks_of(default, SAMPLE)}


def test_after_the_end_only_what_counts_from_it_is_asked() -> None:
    spec = schedule(
        {"instruments": ["MOOD-1"], "repeat_every_days": 1, "repeat_until": {"days": 30}},
        {"instruments": ["PHQ-9"], **AT_END},
    )
    asks = asks_of(spec, Sample(session_days=(0,), weeks=8, end_day=10))
    # The one that opened before the end stays, though it is due after.
    assert [day_of(ask.due_at) for ask in asks if ask.instrument == "MOOD-1"] == list(range(11))
    assert [day_of(ask.due_at) for ask in asks if ask.instrument == "PHQ-9"] == [11]
    assert {ask.instrument for ask in asks_of(spec, ONE)} == {"MOOD-1"}


def test_what_was_answered_before_the_end_spaces_what_follows_it() -> None:
    spec = schedule(
        {"instruments": ["PHQ-9"], **DAY_7},
        {"instruments": ["PHQ-9"], **AT_END, "closes_after": 24 * 9},
        spacing={"PHQ-9": 7},
    )
    asks = asks_of(spec, Sample(session_days=(0,), weeks=8, end_day=8))
    first, second = asks
    assert (day_of(first.due_at), day_of(second.opens_at)) == (7, 14)
    assert all(b.due_at > a.due_at for a, b in pairwise(asks))


def test_every_silence_has_its_reason() -> None:
    spec = schedule(
        {"instruments": ["PHQ-9"], **DAY_7},
        {"instruments": ["PHQ-9"], "offset": {"value": 8, "unit": "days"}},
        {"instruments": ["PCL-5"], "indications": ["ptsd"]},
        {"instruments": ["MOOD-1"], **AT_END},
        {"instruments": ["GAD-7"], "offset": {"value": 90, "unit": "days"}},
        spacing={"PHQ-9": 7},
    )
    found = [
        (silence.rule.code, silence.why, silence.by and silence.by.code)
        for silence in silences(spec, Sample(session_days=(0,), weeks=8, indications=("trd",)))
    ]
    assert found == [
        ("rule-1", "earlier", "rule-0"),
        ("rule-2", "condition", None),
        ("rule-3", "moment", None),
        ("rule-4", "moment", None),
    ]
