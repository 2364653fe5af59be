"""Laws that hold for every change: mirrors, edges, missing values, one class and no more."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outcomes.instruments.definition import load_library
from outcomes.review.classifying import CATEGORIES, ChangeRule, RuleRefused
from outcomes.review.measurements import Measurements, Moment
from outcomes.review.statements import statements

LIBRARY = load_library()
START = datetime(2026, 1, 5, 12, tzinfo=UTC)
scores = st.integers(0, 63).map(float)
samples = st.lists(scores, min_size=2, max_size=20).filter(lambda found: len(set(found)) > 1)
rules = st.sampled_from(["mid=7", "jt,reliability=0.80", "jt,reliability=0"]).map(
    ChangeRule.from_text
)
combined = st.sampled_from(["mid=7", "jt,reliability=0.80"]).map(
    lambda text: ChangeRule.from_text(f"{text},cutoff=c,functional=-5/8")
)
MIRROR = {"improved": "deteriorated", "deteriorated": "improved", "unchanged": "unchanged"}


@given(samples, rules, scores, scores)
def test_turning_the_instrument_round_swaps_better_and_worse(sample, rule, first, last) -> None:
    yardstick = rule.applied_to(sample, "higher_is_worse")
    there = yardstick.classify(first, last, "higher_is_worse")
    assert yardstick.classify(first, last, "higher_is_better") == MIRROR[there]
    assert yardstick.classify(last, first, "higher_is_worse") == MIRROR[there]


@given(samples, combined, scores, scores)
def test_a_change_back_is_harm_where_the_change_was_recovery(sample, rule, first, last) -> None:
    yardstick = rule.applied_to(sample, "higher_is_worse")
    there = yardstick.classify(first, last, "higher_is_worse")
    assert there in CATEGORIES
    if yardstick.cutoff not in (first, last):
        back = yardstick.classify(last, first, "higher_is_worse")
        assert (there == "recovered") == (back == "harmed")


@given(samples, combined, scores, scores, st.integers(0, 20))
def test_a_better_score_is_never_a_worse_class(sample, rule, first, last, more) -> None:
    yardstick = rule.applied_to(sample, "higher_is_worse")
    one, other = (
        CATEGORIES.index(yardstick.classify(first, value, "higher_is_worse"))
        for value in (last, last - more)
    )
    assert other <= one


def test_a_minimal_difference_counts_when_reached_a_reliable_one_when_exceeded() -> None:
    reached = ChangeRule.from_text("mid=7").applied_to([20, 30], "higher_is_worse")
    assert reached.classify(20, 13, "higher_is_worse") == "improved"
    assert reached.classify(20.1, 13.1, "higher_is_worse") == "improved"
    assert reached.classify(20, 13.1, "higher_is_worse") == "unchanged"
    exceeded = ChangeRule.from_text("jt,reliability=0").applied_to([20, 30], "higher_is_worse")
    edge = 40 - exceeded.threshold
    assert exceeded.classify(40, edge, "higher_is_worse") == "unchanged"
    assert exceeded.classify(40, edge - 0.001, "higher_is_worse") == "improved"


@pytest.mark.parametrize(
    "text",
    ["", "mid", "mid=0", "mid=-7", "mid=nan", "jt", "jt,reliability=1", "jt,reliability=-0.1",
     "mid=7,mid=8", "mid=7,reliability=0.8", "jt,reliability=0.8,cutoff=c", "mid=7,cutoff=a",
     "mid=7,cutoff=a,functional=8/8", "mid=7,cutoff=c,functional=8",
     "mid=7,cutoff=c,functional=8/0", "jt=1,reliability=0.8", "mid=7,"],
)  # fmt: skip
def test_a_rule_that_cannot_be_read_is_refused_in_one_sentence(text: str) -> None:
    with pytest.raises(RuleRefused) as refusal:
        ChangeRule.from_text(text)
    assert str(refusal.value).startswith("--rule")


def test_a_missing_measurement_keeps_its_number() -> None:
    days = [START + timedelta(days=7 * n) for n in range(4)]
    own = [Moment(days[n], None, 20.0 - n, "") for n in (0, 3)]
    asked = Moment(days[1], None, None, "it was asked and not answered")
    found = Measurements([*own, asked], [Moment(at, None, None, "not measured") for at in days])
    assert [found.get(n).value for n in (1, 2, 3, 4)] == [20, None, None, 17]
    assert found.get(2).reason == "Measurement 2: it was asked and not answered."
    assert found.get(5).reason == "Measurement 5: there is none."
    twice = Measurements([Moment(at, 1, 5.0, "") for at in days[:2]])
    assert twice.get(1).reason == "Measurement 1: 2 have this number."


@given(st.sampled_from(sorted(LIBRARY)), st.none() | scores, st.none() | scores)
def test_every_rule_says_yes_no_or_why_not(code, baseline, value) -> None:
    definition = LIBRARY[code]
    for scale in definition.scales:
        for one in statements(definition, scale, baseline, value):
            assert (one.met is None) == bool(one.why)
            assert one.met is None or one.citation
            if baseline == 0 and one.rule and one.rule.kind == "percent_fall":
                assert one.met is None


def test_the_statements_of_a_phq_9_that_fell_from_19_to_8() -> None:
    definition = LIBRARY["PHQ-9"]
    told = {one.name: one for one in statements(definition, definition.scales[0], 19, 8)}
    assert {name: one.met for name, one in told.items()} == {
        "response": True, "remission": False,
        "reliable_improvement": True, "reliable_deterioration": False,
        "minimal_improvement": True, "minimal_deterioration": False,
    }  # fmt: skip
    assert told["minimal_improvement"].is_verified
    assert not told["reliable_improvement"].is_verified
