"""Scoring: against programs that others wrote, against a second one written here, and by law."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import accumulate, product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outcomes.instruments.definition import Definition, Scale
from outcomes.instruments.scoring import AnswerError, SafetyHit, complete, prune, score
from tests.library import LIBRARY

PHQ9, GAD7 = LIBRARY["PHQ-9"], LIBRARY["GAD-7"]
FULL_PHQ9 = {str(item): 1 for item in range(1, 10)}


def test_the_official_manuals_example_is_sixteen_and_moderately_severe() -> None:
    answers = dict(zip(FULL_PHQ9, (1, 1, 1, 2, 2, 3, 3, 3, 0), strict=True))
    total = score(PHQ9, answers).scores["total"]
    assert (total.value, total.band) == (16, "moderately severe")


# -- exhaustively, against a second implementation ---------------------------------------------


def _every_form(items: int, starts: Mapping[int, str]) -> Iterator[tuple[int, str]]:
    """Yield total and severity of every form in counting order, knowing only arithmetic.

    A form is a number in base four whose digits are its answers: its total is the total of
    all digits but the last, plus the last.
    """
    totals = [0]
    for number in range(1, 4**items):
        totals.append(totals[number // 4] + number % 4)
    names = [starts.get(total, "") for total in range(3 * items + 1)]
    severity = list(accumulate(names, lambda kept, new: new or kept))
    return ((total, severity[total]) for total in totals)


@pytest.mark.thorough
def test_every_possible_phq9_agrees_with_a_second_implementation() -> None:
    starts = {0: "none-minimal", 5: "mild", 10: "moderate", 15: "moderately severe", 20: "severe"}
    link_ids = [str(number) for number in range(1, 10)]
    seen = 0
    forms = product((0, 1, 2, 3), repeat=9)
    for answers, expected in zip(forms, _every_form(9, starts), strict=True):
        result = score(PHQ9, dict(zip(link_ids, answers, strict=True)))
        total = result.scores["total"]
        assert (total.value, total.band) == expected
        assert bool(result.safety) == (answers[8] > 0)
        assert result.complete
        seen += 1
    assert seen == 262_144


def test_every_possible_gad7_agrees_with_a_second_implementation() -> None:
    starts = {0: "minimal", 5: "mild", 10: "moderate", 15: "severe"}
    link_ids = [str(number) for number in range(1, 8)]
    forms = product((0, 1, 2, 3), repeat=7)
    for answers, expected in zip(forms, _every_form(7, starts), strict=True):
        result = score(GAD7, dict(zip(link_ids, answers, strict=True)))
        total = result.scores["total"]
        assert (total.value, total.band, result.safety) == (*expected, ())


# -- laws that hold for every instrument -------------------------------------------------------

instruments = st.sampled_from(list(LIBRARY.values()))


@st.composite
def filled_in(draw: st.DrawFn) -> tuple[Definition, dict[str, int]]:
    """Draw an instrument and a form with every question of it answered, and applicable."""
    definition = draw(instruments)
    return definition, {
        item.link_id: draw(
            st.sampled_from([option.value for option in item.options if option.score is not None])
        )
        for item in definition.items
    }


def steps(definition: Definition, link_id: str) -> list[int]:
    """Return an item's answers in the order of what they count, those that apply."""
    item = next(item for item in definition.items if item.link_id == link_id)
    points = {o.value: o.score for o in item.options if o.score is not None}
    return sorted(points, key=lambda value: points[value])


@given(filled_in())
@settings(deadline=None)
def test_a_score_lies_within_its_range_and_its_band(
    form: tuple[Definition, dict[str, int]],
) -> None:
    definition, answers = form
    result = score(definition, answers)
    assert result.complete
    for scale in definition.scales:
        found = result.scores[scale.code]
        assert found.value is not None
        assert scale.low <= found.value <= scale.high
        assert (found.missing, found.prorated, found.reason) == ((), False, "")
        holding = [b.label for b in scale.bands if b.low <= found.value <= b.high]
        assert holding == ([found.band] if scale.bands else [])


@given(filled_in(), st.data())
@settings(deadline=None)
def test_a_higher_answer_never_lowers_a_score_nor_raises_a_reversed_one(
    form: tuple[Definition, dict[str, int]], data: st.DataObject
) -> None:
    definition, answers = form
    link_id = data.draw(st.sampled_from(sorted(answers)))
    order = steps(definition, link_id)
    other = data.draw(st.sampled_from(order))
    low, high = sorted((answers[link_id], other), key=order.index)
    before = score(definition, {**answers, link_id: low})
    after = score(definition, {**answers, link_id: high})
    for scale in definition.scales:
        first, second = before.scores[scale.code].value, after.scores[scale.code].value
        assert first is not None
        assert second is not None
        points = dict(scale.points).get(link_id)
        if points is None:
            assert first == second
        elif (points[high] or 0) >= (points[low] or 0):
            assert first <= second
        else:
            assert first >= second


@given(filled_in(), st.randoms(use_true_random=False))
@settings(deadline=None)
def test_the_order_of_answers_does_not_matter(
    form: tuple[Definition, dict[str, int]], random: Any
) -> None:
    definition, answers = form
    shuffled = list(answers.items())
    random.shuffle(shuffled)
    assert score(definition, dict(shuffled)) == score(definition, answers)


@given(filled_in(), st.data())
@settings(deadline=None)
def test_a_missing_item_is_never_counted_as_zero(
    form: tuple[Definition, dict[str, int]], data: st.DataObject
) -> None:
    definition, answers = form
    link_id = data.draw(st.sampled_from([item.link_id for item in definition.items]))
    nothing: dict[str, int | None] = {**answers, link_id: None}
    absent = {name: value for name, value in answers.items() if name != link_id}
    result = score(definition, nothing)
    assert result == score(definition, absent)
    item = next(item for item in definition.items if item.link_id == link_id)
    maxima = [maximum for scale in definition.scales for maximum in scale.maxima]
    has_other = any(link_id in chosen for each in maxima for chosen in each.alternatives)
    assert result.complete == (not item.required or link_id in result.skipped or has_other)
    for scale in definition.scales:
        found = result.scores[scale.code]
        named = link_id in found.missing
        assert found.value is None or not named or found.prorated
        if link_id not in dict(scale.points) or link_id in result.skipped:
            assert not named
        elif not has_other:
            assert named
            assert link_id in found.reason or found.prorated


@given(instruments, st.data())
@settings(deadline=None)
def test_a_bad_value_is_refused_by_item(definition: Definition, data: st.DataObject) -> None:
    item = data.draw(st.sampled_from(definition.items))
    allowed = definition.allowed[item.link_id]
    bad = data.draw(
        st.booleans()
        | st.floats()
        | st.text(max_size=3)
        | st.integers().filter(lambda value: value not in allowed)
    )
    with pytest.raises(AnswerError) as caught:
        score(definition, {item.link_id: bad})
    assert caught.value.link_id == item.link_id
    assert caught.value.value is bad
    assert str(caught.value).startswith(f"item {item.link_id}: must be one of")


def _form_with_total(scale: Scale, total: float) -> dict[str, int]:
    """Fill in a scale so that it comes to a total, item after item."""
    each = {
        key: sorted((score, value) for value, score in points.items() if score is not None)
        for key, points in scale.points
    }
    left = total / scale.multiplier - sum(steps[0][0] for steps in each.values())
    answers = {}
    for key, steps in each.items():
        gain, value = max((s - steps[0][0], v) for s, v in steps if s - steps[0][0] <= left)
        answers[key] = value
        left -= gain
    assert left == 0
    return answers


BANDS = [
    (definition, scale, number)
    for definition in LIBRARY.values()
    for scale in definition.scales
    for number in range(len(scale.bands))
]


@pytest.mark.parametrize(
    ("definition", "scale", "number"),
    BANDS,
    ids=[f"{d.code}-{s.code}-{s.bands[n].label}" for d, s, n in BANDS],
)
def test_band_edges_are_exact(definition: Definition, scale: Scale, number: int) -> None:
    band = scale.bands[number]
    for edge in (band.low, band.high):
        assert scale.band_of(edge) == band.label
        if scale.method == "sum" and not scale.maxima:
            found = score(definition, _form_with_total(scale, edge)).scores[scale.code]
            assert (found.value, found.band) == (edge, band.label)
    if number:
        assert scale.band_of(band.low - 0.01) == scale.bands[number - 1].label


# -- refusals, missing items and safety --------------------------------------------------------


@pytest.mark.parametrize("bad", [True, 1.0, "1", 4, -1, [1], float("nan")])
def test_only_the_numbers_on_the_form_are_answers(bad: Any) -> None:
    with pytest.raises(AnswerError, match="item 9: must be one of the whole numbers 0, 1, 2, 3"):
        score(PHQ9, {**FULL_PHQ9, "9": bad})


@pytest.mark.parametrize("unknown", ["11", "0", "total", " 1", ""])
def test_an_item_the_form_does_not_have_is_refused(unknown: str) -> None:
    with pytest.raises(AnswerError, match="PHQ-9 has no such item") as caught:
        score(PHQ9, {**FULL_PHQ9, unknown: 1})
    assert caught.value.link_id == unknown


def test_a_refusal_does_not_repeat_what_the_patient_wrote() -> None:
    with pytest.raises(AnswerError) as caught:
        score(PHQ9, {"9": "I cannot go on"})  # type: ignore[dict-item]
    assert "cannot" not in str(caught.value)
    assert "cannot" not in repr(caught.value)


def test_the_difficulty_item_changes_neither_total_nor_completeness() -> None:
    without = score(PHQ9, FULL_PHQ9)
    assert without.complete
    assert score(PHQ9, {**FULL_PHQ9, "10": 3}) == without
    with pytest.raises(AnswerError, match="item 10"):
        score(PHQ9, {**FULL_PHQ9, "10": 4})


def test_an_incomplete_form_has_no_total_and_says_why() -> None:
    answers = {**FULL_PHQ9, "3": None, "7": None}
    result = score(PHQ9, answers)
    total = result.scores["total"]
    assert not result.complete
    assert (total.value, total.band, total.answered) == (None, None, 7)
    assert total.missing == ("3", "7")
    assert total.reason == "2 of 9 items unanswered (3, 7): all are needed"


def test_safety_is_seen_in_an_unfinished_form() -> None:
    assert score(PHQ9, {"9": 1}).safety == (SafetyHit("9", 1, 1),)
    assert score(PHQ9, {"9": 0}).safety == ()
    assert score(PHQ9, {}).safety == ()


def test_each_safety_item_has_its_own_threshold() -> None:
    bdi = LIBRARY["BDI-II"]
    assert score(bdi, {"2": 1, "9": 0}).safety == ()
    assert score(bdi, {"2": 2, "9": 1}).safety == (SafetyHit("2", 2, 2), SafetyHit("9", 1, 1))


def test_either_agreement_on_the_shaps_counts_nothing() -> None:
    shaps = LIBRARY["SHAPS"]
    for answer, total in ((1, 0), (2, 0), (3, 14), (4, 14)):
        answers = {item.link_id: answer for item in shaps.items}
        assert score(shaps, answers).scores["total"].value == total


# -- what branches, what does not apply, what is a word -----------------------------------------


def test_a_skipped_question_is_not_missing_and_adds_nothing() -> None:
    audit = LIBRARY["AUDIT"]
    result = score(audit, {"1": 0, "9": 2, "10": 0})
    assert result.skipped == {"2", "3", "4", "5", "6", "7", "8"}
    assert (result.complete, result.scores["total"].value) == (True, 2)
    assert result.scores["dependence"].value == 0


def test_a_question_whose_branch_is_undecided_is_missing() -> None:
    audit = LIBRARY["AUDIT"]
    result = score(audit, {"9": 0, "10": 0})
    assert (result.complete, result.skipped) == (False, frozenset())
    assert result.scores["total"].value is None


def test_what_a_later_answer_took_back_is_not_kept_by_a_form_and_is_kept_from_paper() -> None:
    audit = LIBRARY["AUDIT"]
    answers = {"1": 0, "2": 3, "9": 0, "10": 0}
    assert prune(audit, answers) == {"1": 0, "9": 0, "10": 0}
    assert complete(audit, answers)["2"] == 3


def test_a_screen_gives_a_word_and_never_one_that_an_open_question_could_change() -> None:
    screener = LIBRARY["C-SSRS-screener"]
    no = {"1": 0, "2": 0, "6": 0}
    assert score(screener, no).scores["level"].band == "none identified"
    assert score(screener, {**no, "1": 1}).scores["level"].band == "low"
    open_ = score(screener, {"1": 1, "2": 1, "3": 0, "5": 0, "6": 0}).scores["level"]
    assert (open_.value, open_.band) == (None, None)
    assert "4" in open_.reason
    assert score(screener, {"4": 1}).scores["level"].band == "high"


def test_what_does_not_apply_is_neither_counted_nor_missing() -> None:
    somatic = LIBRARY["PHQ-15"]
    answers = {item.link_id: 2 for item in somatic.items} | {"4": 9}
    total = score(somatic, answers).scores["total"]
    assert (total.value, total.missing, total.answered) == (28, (), 14)


def test_of_alternatives_one_answer_is_enough() -> None:
    qids = LIBRARY["QIDS-SR16"]
    answers = {item.link_id: 1 for item in qids.items}
    del answers["7"], answers["9"]
    result = score(qids, {**answers, "6": 3})
    total = result.scores["total"]
    assert (result.complete, total.value, total.missing) == (True, 11, ())
    del answers["6"]
    assert score(qids, answers).scores["total"].missing == ("6", "7")


def test_a_t_score_comes_from_its_table_with_its_standard_error() -> None:
    promis = LIBRARY["PROMIS-DEP-4A"]
    found = score(promis, {"1": 1, "2": 1, "3": 1, "4": 1}).scores["t_score"]
    assert (found.value, found.standard_error) == (41.0, 6.2)


# -- the arithmetic that few instruments need ----------------------------------------------------

SOURCE = {"citation": "Written for this test", "verified": True}


def _made_up() -> dict[str, Any]:
    """Return an instrument with subscales, a reversed item, a multiplier and proration."""
    scale = {"low": 0, "high": 18, "missing": {"rule": "mean", "max_missing": 1, **SOURCE}}
    bands = [{"low": 0, "high": 8, "label": "low"}, {"low": 10, "high": 18, "label": "high"}]
    summed = {"method": "sum", "multiplier": 2, **SOURCE}
    return {
        "code": "TEST",
        "title": "Test",
        "version": "1.0.0",
        "measures": "nothing",
        "respondent": "patient",
        "validated": False,
        "direction": "higher_is_worse",
        "recall": {"days": 7, **SOURCE},
        "minutes": {"estimate": 1, **SOURCE},
        "licence": {"class": "bundle", "text": "none", **SOURCE},
        "response_options": {"four": [{"value": value} for value in range(4)]},
        "items": [{"link_id": str(number), "options": "four"} for number in range(1, 7)],
        "scales": [
            {
                **scale,
                "code": "first",
                "title": "First half",
                "scoring": {**summed, "items": ["1", "2", "3"], "reversed": ["3"]},
                "bands": {"ranges": bands, **SOURCE},
            },
            {
                **scale,
                "code": "second",
                "title": "Second half",
                "scoring": {**summed, "items": ["4", "5", "6"]},
            },
        ],
        "wording": {},
        "notes": [],
    }


MADE_UP = Definition.from_json(_made_up())


def test_subscales_reversed_items_and_multipliers_are_summed_as_data_says() -> None:
    result = score(MADE_UP, {"1": 1, "2": 2, "3": 0, "4": 3, "5": 3, "6": 3})
    assert {code: found.value for code, found in result.scores.items()} == {
        "first": 12,
        "second": 18,
    }
    assert result.scores["first"].band == "high"
    assert result.scores["second"].band is None


def test_a_published_allowance_takes_the_mean_of_the_others_and_says_so() -> None:
    result = score(MADE_UP, {"1": 1, "2": 2, "4": 1, "5": 0})
    first, second = result.scores["first"], result.scores["second"]
    assert (first.value, first.prorated, first.answered, first.missing) == (9, True, 2, ("3",))
    assert first.band == "low"  # 9 has left the band that ends at 8 and not reached 10
    assert (second.value, second.prorated) == (3, True)
    assert not result.complete


def test_one_missing_item_too_many_leaves_no_score() -> None:
    first = score(MADE_UP, {"1": 1}).scores["first"]
    assert (first.value, first.prorated) == (None, False)
    assert first.reason == "2 of 3 items unanswered (2, 3): at most 1 may be"
