"""Scoring: against programs that others wrote, against a second one written here, and by law."""

from __future__ import annotations

import json
import timeit
from collections.abc import Iterator, Mapping
from itertools import accumulate, product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outcomes.instruments.definition import Definition, Scale, load_library
from outcomes.instruments.scoring import AnswerError, SafetyHit, score

LIBRARY = load_library()
PHQ9, GAD7 = LIBRARY["PHQ-9"], LIBRARY["GAD-7"]
FULL_PHQ9 = {str(item): 1 for item in range(1, 10)}


# -- what others computed ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "rows"), [("PHQ-9", 50), ("GAD-7", 38), ("BDI-II", 64), ("WHO-5", 40), ("ASRM", 51)]
)
def test_every_golden_row_scores_as_its_reference(
    code: str, rows: int, reference_dir: Path
) -> None:
    lines = (reference_dir / "golden_scoring.jsonl").read_text("utf-8").splitlines()
    golden = [row for line in lines if (row := json.loads(line))["instrument"] == code]
    assert len(golden) >= rows
    wrong = [row["case"] for row in golden if _observed(code, row) != row["reference"]]
    assert wrong == []


def _observed(code: str, row: Mapping[str, Any]) -> dict[str, Any]:
    """Return what we say to each question the reference answers and we compute."""
    result = score(LIBRARY[code], row["answers"])
    total = result.scores["total"]
    ours: dict[str, Any] = {"total": total.value, "severity": total.band}
    if "raw" in result.scores:
        ours["raw"] = result.scores["raw"].value
    if code == "PHQ-9":
        ours["item9_positive"] = [hit.link_id for hit in result.safety] == ["9"]
    if code == "ASRM" and total.value is not None:
        ours["positive"] = total.value >= LIBRARY[code].scales[0].cutoffs[0].value
    # the diagnostic algorithm is not part of the score; the reference's own answer stands
    return {name: ours.get(name, expected) for name, expected in row["reference"].items()}


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
    """Draw an instrument and a complete form of it."""
    definition = draw(instruments)
    return definition, {
        item.link_id: draw(st.sampled_from([option.value for option in item.options]))
        for item in definition.items
    }


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
def test_a_higher_answer_never_lowers_a_score(
    form: tuple[Definition, dict[str, int]], data: st.DataObject
) -> None:
    definition, answers = form
    item = data.draw(st.sampled_from(definition.items))
    raised = {
        **answers,
        item.link_id: data.draw(st.sampled_from(sorted(definition.allowed[item.link_id]))),
    }
    low, high = sorted((answers, raised), key=lambda form: form[item.link_id])
    before, after = score(definition, low), score(definition, high)
    for scale in definition.scales:
        first, second = before.scores[scale.code].value, after.scores[scale.code].value
        assert first is not None
        assert second is not None
        assert first <= second
        if not item.scored:
            assert first == second


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
    link_id = data.draw(st.sampled_from([item.link_id for item in definition.items if item.scored]))
    nothing: dict[str, int | None] = {**answers, link_id: None}
    absent = {name: value for name, value in answers.items() if name != link_id}
    result = score(definition, nothing)
    assert result == score(definition, absent)
    assert not result.complete
    for found in result.scores.values():
        assert (found.value, found.band, found.missing) == (None, None, (link_id,))
        assert f"({link_id})" in found.reason


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
    left, answers = total / scale.multiplier, {}
    for link_id, points in scale.points:
        value = max((v for v in points if points[v] <= left), key=lambda v: points[v])
        answers[link_id] = value
        left -= points[value]
    assert left == 0
    return answers


BANDS = [
    (definition, scale, band)
    for definition in LIBRARY.values()
    for scale in definition.scales
    for band in scale.bands
]


@pytest.mark.parametrize(
    ("definition", "scale", "band"), BANDS, ids=[f"{d.code}-{b.label}" for d, _, b in BANDS]
)
def test_band_edges_are_exact(definition: Definition, scale: Scale, band: Any) -> None:
    for edge in (band.low, band.high):
        found = score(definition, _form_with_total(scale, edge)).scores[scale.code]
        assert (found.value, found.band) == (edge, band.label)


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


# -- the arithmetic that no instrument of the first library needs -------------------------------

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


# -- speed --------------------------------------------------------------------------------------


def test_one_phq9_is_scored_within_fifty_microseconds() -> None:
    runs = timeit.repeat(lambda: score(PHQ9, FULL_PHQ9), number=200, repeat=20)
    assert min(runs) / 200 <= 50e-6
