"""When response was first met, when it was lost by the clinic's rule, and how long it held."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outcomes.clinics.models import LOSS_BOUNDS, Clinic, LossKind
from outcomes.instruments.definition import load_library
from outcomes.review import durability as pure
from outcomes.review.change import ScorePoint
from outcomes.review.durability import LossRule, Rules, Story, durability, rules_of, tell

LIBRARY = load_library()
PHQ9 = Rules(share=0.5, baseline_min=10, cutoff=10, loss=LossRule())
START = datetime(2026, 1, 5, tzinfo=UTC)

losses = st.sampled_from(LossKind).flatmap(
    lambda kind: st.builds(
        LossRule, st.just(kind.value), st.integers(*LOSS_BOUNDS[kind]), st.integers(1, 2)
    )
)
courses = st.lists(st.integers(0, 27).map(float), min_size=1, max_size=15)


def points(*values: float) -> list[ScorePoint]:
    return [ScorePoint(START + timedelta(weeks=week), value) for week, value in enumerate(values)]


def told(*values: float, **loss: object) -> Story:
    scores = points(*values)
    return tell(scores[0], scores, replace(PHQ9, loss=LossRule(**loss)))  # type: ignore[arg-type]


def lost_at(*values: float, **loss: object) -> int | None:
    return told(*values, **loss).lost


@pytest.mark.parametrize(
    ("values", "story"),
    [
        ((20, 15, 11), Story()),
        ((20, 10), Story(1)),
        ((20, 15, 9, 4), Story(2)),
        # Back once is no loss; twice in a row is.
        ((20, 4, 15), Story(1, unconfirmed=2)),
        ((20, 4, 15, 15), Story(1, 3, 3)),
        ((20, 4, 15, 8, 15), Story(1, unconfirmed=4)),
        # Half of the best gain must be gone, and the cut-off reached.
        ((20, 4, 11, 11), Story(1)),
        ((14, 2, 9, 9), Story(1)),
        # What still meets response is no loss, though it is at the cut-off.
        ((20, 0, 10, 10), Story(1)),
        ((20, 0, 10, 15), Story(1, unconfirmed=3)),
        # It is lost since it was lost first, until it is regained; then nothing is lost now.
        ((20, 4, 15, 15, 11, 15, 15), Story(1, 3, 3)),
        ((20, 4, 15, 15, 6), Story(1, 3, None)),
        ((20, 4, 15, 15, 6, 15, 15), Story(1, 3, 6)),
        # Half of a low baseline says little.
        ((8, 1), Story()),
    ],
)
def test_response_and_its_loss_by_the_rule_that_ships(
    values: tuple[float, ...], story: Story
) -> None:
    assert told(*values) == story


@pytest.mark.parametrize(
    ("values", "confirmed", "story"),
    [
        ((20, 4, 15), {2}, Story(1, 2, 2)),
        ((20, 4, 15, 15), {2}, Story(1, 2, 2)),
        ((20, 4, 15, 6), {2}, Story(1, 2, None)),
        ((20, 4, 15, 6, 15), {2}, Story(1, 2, None, 4)),
        # What shows no loss is none, whoever confirms it.
        ((20, 4, 11), {2}, Story(1)),
        ((20, 15, 15), {1, 2}, Story()),
    ],
)
def test_one_score_that_shows_a_loss_is_enough_where_a_clinician_confirms_it(
    values: tuple[float, ...], confirmed: set[int], story: Story
) -> None:
    scores = points(*values)
    assert tell(scores[0], scores, PHQ9, confirmed) == story


@given(courses, losses)
def test_to_confirm_every_score_is_to_ask_for_one(values: list[float], loss: LossRule) -> None:
    scores = points(20, *values)
    twice, once = (replace(PHQ9, loss=replace(loss, in_a_row=n)) for n in (2, 1))
    assert tell(scores[0], scores, twice, range(len(scores))) == tell(scores[0], scores, once)


@pytest.mark.parametrize(
    ("values", "loss", "place"),
    [
        # The cut-off alone, where no share of the gain is asked for.
        ((14, 0, 10), {"kind": "cutoff", "amount": 0}, 2),
        ((14, 0, 9), {"kind": "cutoff", "amount": 0}, None),
        ((24, 4, 19), {"kind": "cutoff", "amount": 75}, 2),
        ((24, 4, 18), {"kind": "cutoff", "amount": 75}, None),
        # Less than so many per cent better than the baseline: exactly as many is no loss.
        ((20, 8, 16), {"kind": "improvement", "amount": 25}, 2),
        ((20, 8, 15), {"kind": "improvement", "amount": 25}, None),
        # Points and per cent of the baseline are counted from the best score, not the last.
        ((20, 2, 6, 11), {"kind": "points", "amount": 9}, 3),
        ((20, 2, 6, 11), {"kind": "points", "amount": 10}, None),
        ((20, 2, 6, 12), {"kind": "percent", "amount": 50}, 3),
        ((20, 2, 6, 11), {"kind": "percent", "amount": 50}, None),
        # Five points worse is no loss while it is still a response.
        ((20, 2, 7), {"kind": "points", "amount": 5}, None),
    ],
)
def test_each_kind_of_loss_at_its_edge(
    values: tuple[float, ...], loss: dict[str, object], place: int | None
) -> None:
    assert lost_at(*values, **loss, in_a_row=1) == place
    assert lost_at(*values, **loss, in_a_row=2) is None
    if place is not None:
        assert lost_at(*values, values[-1], **loss, in_a_row=2) == place + 1


def test_a_mean_of_items_reaches_the_points_that_it_shows() -> None:
    assert (
        lost_at(20, 8 - 14 / 3, 11 - 14 / 3, 14 - 1 / 3, kind="points", amount=6, in_a_row=1) == 3
    )
    rules = Rules(share=0.3, loss=LossRule("points", 3, 1))
    scores = points(6, 10 / 3, 19 / 3)
    assert tell(scores[0], scores, rules).lost == 2


def test_without_a_baseline_there_is_nothing_to_tell() -> None:
    assert tell(None, points(20, 4), PHQ9) == Story()


def test_where_the_clinics_rule_says_nothing_response_is_told_and_no_loss() -> None:
    scores = points(20, 4, 20, 20)
    rules = replace(PHQ9, loss=None)
    assert tell(scores[0], scores, rules) == Story(1)
    assert durability(scores[0], scores, rules) is None


def test_what_came_before_the_baseline_is_passed_by() -> None:
    scores = points(2, 20, 9)
    assert tell(scores[1], scores, PHQ9) == Story(2)


def test_how_long_the_first_response_held() -> None:
    def held(*values: float) -> tuple[float, bool] | None:
        scores = points(*values)
        found = durability(scores[0], scores, PHQ9)
        return (found.days, found.is_censored) if found else None

    assert held(20, 8, 14, 9, 15, 16) == (28, False)
    assert held(20, 8, 15) == (7, True)  # as far as the last assessment
    assert held(20, 8, 15, 15, 4, 4) == (14, False)  # regained later
    assert held(20) is held(20, 11) is held(8, 1) is None


def test_it_counts_the_scores_that_met_response_before_the_loss() -> None:
    def met(*values: float) -> tuple[int, int, int]:
        scores = points(*values)
        found = durability(scores[0], scores, PHQ9)
        assert found is not None
        return found.met, found.assessed, (found.last_met_at - START).days // 7

    assert met(20, 8, 14, 9, 15, 16) == (2, 4, 3)  # the first of two that show it is no loss yet
    assert met(20, 15, 8, 12, 11, 13) == (1, 4, 2)
    assert met(20, 8, 9) == (2, 2, 2)


@given(courses, losses)
def test_a_loss_follows_a_response_and_is_none_itself(values: list[float], loss: LossRule) -> None:
    scores = points(20, *values)
    story = tell(scores[0], scores, replace(PHQ9, loss=loss))
    assert (story.responded is None) == all(value > 10 for value in values)
    for place in (story.first_lost, story.lost):
        if place is not None:
            assert story.responded is not None
            assert story.responded < place
            assert scores[place].value > 10
    if story.lost is not None:
        assert all(point.value > 10 for point in scores[story.lost :])


@given(courses, losses)
def test_confirmation_only_delays_a_loss(values: list[float], loss: LossRule) -> None:
    scores = points(20, *values)
    once, twice = (
        tell(scores[0], scores, replace(PHQ9, loss=replace(loss, in_a_row=n))).first_lost
        for n in (1, 2)
    )
    assert twice is None or (once is not None and once < twice)


@given(courses, losses, st.integers(1, 50))
def test_a_rule_that_asks_more_of_a_loss_finds_none_sooner(
    values: list[float], loss: LossRule, more: int
) -> None:
    amount = loss.amount + (-more if loss.kind == "improvement" else more)
    scores = points(20, *values)
    lax, strict = (
        tell(scores[0], scores, replace(PHQ9, loss=rule)).first_lost
        for rule in (loss, replace(loss, amount=amount))
    )
    assert strict is None or (lax is not None and lax <= strict)


@given(courses, losses)
def test_an_instrument_turned_round_tells_the_same(values: list[float], loss: LossRule) -> None:
    rules = replace(PHQ9, share=0.25, cutoff=None, loss=loss)
    scores = points(20, *values)
    turned = [replace(point, value=40 - point.value) for point in scores]
    there = tell(scores[0], scores, rules)
    back = tell(turned[0], turned, replace(rules, direction="higher_is_better"))
    assert there == back


@given(courses, losses)
def test_what_lasted_is_never_negative_and_ends_at_an_assessment(
    values: list[float], loss: LossRule
) -> None:
    scores = points(20, *values)
    held = durability(scores[0], scores, replace(PHQ9, loss=loss))
    if held is not None:
        assert held.days >= 0
        assert held.until in {point.at for point in scores}
        assert held.lost_at in (None, held.until)


# -- Which rule stands for which questionnaire ---------------------------------------------------


def rules_for(code: str, loss: LossRule) -> Rules | None:
    return rules_of(LIBRARY[code], LIBRARY[code].scales[0], loss)


def test_a_questionnaire_brings_its_own_rule_of_response_and_cut_off() -> None:
    assert rules_for("PHQ-9", LossRule()) == PHQ9
    assert rules_for("PCL-5", LossRule()) is None  # it publishes no rule of response


def test_no_loss_is_told_without_the_cut_off_that_the_rule_names() -> None:
    peg, percent = LossRule(), LossRule("percent", 20)
    assert [rules_for("PEG", loss).loss for loss in (peg, percent)] == [None, percent]  # type: ignore[union-attr]


def test_points_tell_of_the_one_questionnaire_they_were_chosen_for() -> None:
    five = LossRule("points", 5, 1, "PHQ-9")
    assert [rules_for(code, five).loss for code in ("PHQ-9", "GAD-7")] == [five, None]  # type: ignore[union-attr]


def test_a_clinic_begins_with_the_rule_that_ships() -> None:
    clinic = Clinic()
    assert LossRule(clinic.loss_kind, clinic.loss_amount, clinic.loss_in_a_row) == LossRule()  # type: ignore[arg-type]
    assert set(LossKind.values) == set(get_args(pure.LossKind))
