"""The outcome rules: tables from the published definitions, and laws that hold for every pair."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outcomes.review.change import (
    JACOBSON_TRUAX,
    RESPONSE,
    Direction,
    Rule,
    ScorePoint,
    baseline,
    change_from,
    gain,
    is_response,
    rci_threshold,
    reliable_change,
    response_value,
)

SESSION_1 = datetime(2026, 8, 3, 10, tzinfo=UTC)
WORSE: Direction = "higher_is_worse"
BETTER: Direction = "higher_is_better"
scores = st.integers(min_value=0, max_value=100).map(float)
directions = st.sampled_from([WORSE, BETTER])
thresholds = st.floats(min_value=0.5, max_value=30)


def score(value: float, days: float) -> ScorePoint:
    return ScorePoint(SESSION_1 + timedelta(days=days), value)


# -- Baseline ------------------------------------------------------------------------------------


def test_baseline_is_the_last_score_before_session_1() -> None:
    points = [score(22, -9), score(20, -0.5), score(21, -3), score(9, 4)]
    found = baseline(points, SESSION_1)
    assert found.point == score(20, -0.5)
    assert found.age == timedelta(hours=12)
    assert found.reason == ""


def test_a_score_at_the_very_start_of_session_1_is_not_a_baseline() -> None:
    found = baseline([score(20, 0)], SESSION_1)
    assert found.point is None
    assert found.reason == "There is no score before session 1."


@pytest.mark.parametrize("points", [[], [score(12, 1)]])
def test_it_says_that_there_is_no_score_before_session_1(points: list[ScorePoint]) -> None:
    assert baseline(points, SESSION_1).reason == "There is no score before session 1."


def test_it_says_that_no_session_has_been_held() -> None:
    found = baseline([score(12, 1)], None)
    assert (found.point, found.age) == (None, None)
    assert found.reason == "No session has been held yet."


def test_a_clinic_may_limit_the_age_of_a_baseline() -> None:
    points = [score(20, -14)]
    assert baseline(points, SESSION_1, max_age_days=14).point == points[0]
    refused = baseline(points, SESSION_1, max_age_days=13.9)
    assert refused.point is None
    assert refused.reason == "The last score before session 1 is more than 13.9 days older."


def test_a_prorated_score_may_be_the_baseline_and_says_so() -> None:
    prorated = ScorePoint(SESSION_1 - timedelta(days=1), 18.0, prorated=True)
    found = baseline([prorated], SESSION_1)
    assert found.point is not None
    assert found.point.prorated


def test_the_age_of_a_baseline_is_true_time_across_a_clock_change() -> None:
    london = ZoneInfo("Europe/London")
    taken = ScorePoint(datetime(2026, 10, 24, 12, tzinfo=london), 20)
    found = baseline([taken], datetime(2026, 10, 25, 12, tzinfo=london))
    assert found.age == timedelta(hours=25)


@given(st.lists(st.tuples(scores, st.floats(min_value=-400, max_value=400)), max_size=12))
def test_a_baseline_is_always_before_session_1_and_nothing_lies_between(
    facts: list[tuple[float, float]],
) -> None:
    points = [score(value, days) for value, days in facts]
    found = baseline(points, SESSION_1).point
    before = [point.at for point in points if point.at < SESSION_1]
    assert (found.at if found else None) == max(before, default=None)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_score_must_be_a_finite_number(value: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        ScorePoint(SESSION_1, value)


def test_a_score_must_have_a_time_zone() -> None:
    with pytest.raises(ValueError, match="aware"):
        ScorePoint(datetime(2026, 8, 3), 12)


# -- Change --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "value", "direction", "absolute", "percent", "towards"),
    [
        (20, 10, WORSE, -10, -50, "better"),
        (20, 25, WORSE, 5, 25, "worse"),
        (20, 20, WORSE, 0, 0, "same"),
        (20, 30, BETTER, 10, 50, "better"),
        (40, 30, BETTER, -10, -25, "worse"),
        (10, 5, WORSE, -5, -50, "better"),
    ],
)
def test_change_is_told_in_points_and_per_cent(
    start: float, value: float, direction: Direction, absolute: float, percent: float, towards: str
) -> None:
    change = change_from(start, value, direction)
    assert (change.absolute, change.percent, change.towards) == (absolute, percent, towards)
    assert change.reason == ""


@pytest.mark.parametrize(
    ("start", "reason"),
    [
        (9.9, "The baseline is below 10: a percentage would mislead."),
        (1, "The baseline is below 10: a percentage would mislead."),
        (0, "A percentage of a baseline of 0 or less has no meaning."),
    ],
)
def test_no_percentage_is_told_from_a_low_baseline(start: float, reason: str) -> None:
    change = change_from(start, 4)
    assert change.percent is None
    assert change.reason == reason
    assert change.absolute == 4 - start


def test_a_clinic_may_set_the_lowest_baseline_for_a_percentage() -> None:
    assert change_from(8, 4, baseline_min=8).percent == -50
    assert change_from(0, 4, baseline_min=0).percent is None


# -- Response and remission ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "value", "direction", "met"),
    [
        (20, 10, WORSE, True),
        (20, 10.1, WORSE, False),
        (21, 10, WORSE, True),
        (21, 11, WORSE, False),
        (20, 27, WORSE, False),
        (20, 0, WORSE, True),
        (40, 60, BETTER, True),
        (40, 59, BETTER, False),
        (40, 10, BETTER, False),
        (9, 2, WORSE, None),
        (0, 0, WORSE, None),
    ],
)
def test_response_is_half_of_this_patients_own_baseline(
    start: float, value: float, direction: Direction, met: bool | None
) -> None:
    verdict = is_response(start, value, direction)
    assert verdict.met is met
    assert bool(verdict.reason) == (met is None)
    assert verdict.rule is RESPONSE


@given(scores, scores, directions)
def test_response_begins_exactly_at_its_line(
    start: float, value: float, direction: Direction
) -> None:
    line = response_value(start, direction)
    met = is_response(start, value, direction).met
    if line is None:
        assert met is None
    else:
        assert met == (gain(line, value, direction) >= 0)


# -- Reliable change -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sd", "reliability", "expected"),
    [
        # The worked example usually shown: standard error of the difference 4.743.
        (7.5, 0.80, 1.96 * 4.743),
        (6.1, 0.84, 6.763),
        (1, 0.0, 2.772),
    ],
)
def test_the_threshold_is_the_jacobson_truax_formula(
    sd: float, reliability: float, expected: float
) -> None:
    assert rci_threshold(sd, reliability) == pytest.approx(expected, abs=0.001)


def test_the_threshold_agrees_with_the_reference_example(reference_dir: Path) -> None:
    examples = json.loads((reference_dir / "worked_examples.json").read_text())
    example = examples["Jacobson-Truax 1991 DAS"]
    index = (example["post"] - example["pre"]) * 1.96
    assert index / rci_threshold(example["SD"], example["rxx"]) == pytest.approx(
        example["RCI"], abs=0.001
    )


@pytest.mark.parametrize(
    ("sd", "reliability"), [(0, 0.8), (-1, 0.8), (float("nan"), 0.8), (6, 1.0), (6, -0.1), (6, 1.2)]
)
def test_the_threshold_refuses_what_no_instrument_has(sd: float, reliability: float) -> None:
    with pytest.raises(ValueError, match="must be"):
        rci_threshold(sd, reliability)


@pytest.mark.parametrize(
    ("start", "value", "direction", "outcome"),
    [
        (20, 14, WORSE, "improved"),
        (20, 15, WORSE, "no_reliable_change"),
        (20, 20, WORSE, "no_reliable_change"),
        (20, 25, WORSE, "no_reliable_change"),
        (20, 26, WORSE, "deteriorated"),
        (20, 26, BETTER, "improved"),
        (20, 14, BETTER, "deteriorated"),
        (3, 9, WORSE, "deteriorated"),
    ],
)
def test_reliable_change_counts_both_ways(
    start: float, value: float, direction: Direction, outcome: str
) -> None:
    assert reliable_change(start, value, 6, direction).outcome == outcome


def test_without_a_published_threshold_it_says_so() -> None:
    result = reliable_change(20, 2, None)
    assert result.outcome is None
    assert result.reason == "This instrument has no published reliable change threshold."


@pytest.mark.parametrize("threshold", [0, -1, float("nan")])
def test_a_threshold_must_be_above_nothing(threshold: float) -> None:
    with pytest.raises(ValueError, match="above 0"):
        reliable_change(20, 2, threshold)


@given(scores, scores, thresholds, directions)
def test_deterioration_is_improvement_seen_backwards(
    start: float, value: float, threshold: float, direction: Direction
) -> None:
    forth = reliable_change(start, value, threshold, direction).outcome
    back = reliable_change(value, start, threshold, direction).outcome
    mirror = {"improved": "deteriorated", "deteriorated": "improved"}
    assert forth is not None
    assert back == mirror.get(forth, forth)


@given(scores, scores, thresholds)
def test_turning_the_instrument_round_turns_the_verdict_round(
    start: float, value: float, threshold: float
) -> None:
    worse = reliable_change(start, value, threshold, WORSE).outcome
    better = reliable_change(start, value, threshold, BETTER).outcome
    assert {worse, better} in ({"improved", "deteriorated"}, {"no_reliable_change"})


@given(scores, scores, directions)
def test_the_three_rules_never_contradict_one_another(
    start: float, value: float, direction: Direction
) -> None:
    towards = change_from(start, value, direction).towards
    if is_response(start, value, direction).met:
        assert towards == "better"
    if reliable_change(start, value, 6, direction).outcome == "deteriorated":
        assert towards == "worse"
        assert not is_response(start, value, direction).met


# -- Citations -----------------------------------------------------------------------------------


def test_every_result_names_its_rule_and_citation() -> None:
    own = Rule("Half again.", "Nobody 2026", verified=False)
    results = [
        baseline([], None),
        change_from(20, 10),
        is_response(20, 10),
        reliable_change(20, 10, 6),
    ]
    assert all(result.rule.citation and result.rule.statement for result in results)
    assert reliable_change(20, 10, 6).rule is JACOBSON_TRUAX
    assert is_response(20, 10, rule=own).rule is own
