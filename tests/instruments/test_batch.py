"""Scoring many forms at once: the same as one by one, for the library and for what may come."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from outcomes.instruments import batch
from outcomes.instruments.batch import MISSING, RowError, as_matrix, score_many
from outcomes.instruments.conditions import Answered, Condition, Not, Reached, Several
from outcomes.instruments.definition import (
    Band,
    Definition,
    Item,
    Levels,
    Maximum,
    MissingRule,
    Option,
    Rank,
    Scale,
)
from outcomes.instruments.scoring import ScaleScore, prune, score
from tests.library import LIBRARY

PHQ9 = LIBRARY["PHQ-9"]
Form = Mapping[str, int | None]


def assert_the_same(definition: Definition, forms: Sequence[Form]) -> None:
    """Compare every field of every form's results, whichever way it was scored."""
    result = score_many(definition, as_matrix(definition, forms))
    singly = [score(definition, form).scores for form in forms]
    assert list(result.scales) == [scale.code for scale in definition.scales]
    assert list(result.levels) == [levels.code for levels in definition.levels]
    for code, scale in result.scales.items():
        found = zip(
            scale.values.tolist(),
            scale.standard_errors.tolist(),
            scale.prorated.tolist(),
            [None if i < 0 else scale.labels[i] for i in scale.bands.tolist()],
            scale.missing.tolist(),
            strict=True,
        )
        for one, many in zip([scores[code] for scores in singly], found, strict=True):
            assert repr(many) == repr(as_row(one))
            assert np.isnan(many[0]) == bool(one.reason)
    for code, levels in result.levels.items():
        words = [None if i < 0 else levels.labels[i] for i in levels.ranks.tolist()]
        assert words == [scores[code].band for scores in singly]
        assert [word is None for word in words] == [bool(s[code].reason) for s in singly]


def as_row(one: ScaleScore) -> tuple[Any, ...]:
    value = np.nan if one.value is None else float(one.value)
    error = np.nan if one.standard_error is None else one.standard_error
    return value, error, one.prorated, one.band, len(one.missing)


def forms_of(definition: Definition, seed: int, count: int) -> list[Form]:
    """Make up forms, from whole to empty, as a page that branches leaves them and as paper may."""
    rng = np.random.default_rng(seed)
    forms: list[Form] = []
    for _ in range(count):
        share = rng.choice([0, 0, 0.03, 0.1, 0.4, 1])
        form: Form = {
            item.link_id: rng.choice([option.value for option in item.options]).item()
            for item in definition.items
            if rng.random() >= share
        }
        forms.append(form if rng.random() < 0.5 else prune(definition, form))
    return forms


# -- the same as one by one ----------------------------------------------------------------------


@pytest.mark.parametrize("definition", LIBRARY.values(), ids=LIBRARY)
@given(seed=st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=8)
def test_many_forms_score_as_each_does_alone(definition: Definition, seed: int) -> None:
    assert_the_same(definition, forms_of(definition, seed, 30))


@pytest.mark.parametrize("definition", LIBRARY.values(), ids=LIBRARY)
def test_whole_forms_score_as_each_does_alone(definition: Definition) -> None:
    rng = np.random.default_rng(7)
    choices = {item.link_id: [option.value for option in item.options] for item in definition.items}
    assert_the_same(
        definition,
        [{key: rng.choice(of).item() for key, of in choices.items()} for _ in range(100)],
    )


@st.composite
def items(draw: st.DrawFn) -> tuple[Item, ...]:
    """Draw items with negative, gapped, large and inapplicable answers, and branches."""
    lists = [
        draw(
            st.dictionaries(
                st.integers(-5, 5) | st.just(300), st.integers(-3, 4) | st.none(), min_size=2
            ).filter(lambda points: len(set(points.values()) - {None}) > 1)
        )
        for _ in range(2)
    ]
    lists.append({0: 0, 1: 1, 2: 2})
    found: list[Item] = []
    for number in range(draw(st.integers(2, 6))):
        options = draw(st.sampled_from(lists))
        asked_before = {item.link_id: draw(st.integers(-2, 2)) for item in found[:2]}
        branch = Answered(asked_before, 1) if asked_before and draw(st.booleans()) else None
        found.append(
            replace(
                PHQ9.items[0],
                link_id=f"i{number}",
                options=tuple(Option(value, points, None) for value, points in options.items()),
                enabled_when=branch,
            )
        )
    return tuple(found)


@st.composite
def scales(draw: st.DrawFn, code: str, items: Sequence[Item]) -> Scale:
    """Draw a scale of some of the items."""
    chosen = draw(st.lists(st.sampled_from(items), min_size=1, unique_by=lambda i: i.link_id))
    ids = [item.link_id for item in chosen]
    split = draw(st.integers(0, len(ids)))
    with_maximum = split > 1 and draw(st.booleans())
    alternatives = ((tuple(ids[:2]),) if draw(st.booleans()) else ()) if with_maximum else ()
    scale = replace(
        PHQ9.scales[0],
        code=code,
        method=draw(st.sampled_from(["sum", "mean", "percent", "table"])),
        multiplier=draw(st.integers(1, 3)),
        points=tuple((i.link_id, {o.value: o.score for o in i.options}) for i in chosen),
        maxima=(Maximum(tuple(ids[:split]), alternatives),) if with_maximum else (),
        missing=MissingRule(
            max_missing=draw(st.integers(0, len(ids) - 1)), citation="-", verified=True
        ),
        bands=tuple(
            Band(low, low, f"from {low}")
            for low in sorted(draw(st.sets(st.integers(-9, 12) | st.just(4.5))))
        ),
    )
    low, high = scale.sums
    assume(low < high)
    table = {total: (total * 1.7, total / 3 or None) for total in range(low, high + 1)}
    return replace(scale, table=table if scale.method == "table" else {})


def ranks(ids: Sequence[str], codes: Sequence[str]) -> st.SearchStrategy[tuple[Rank, ...]]:
    """Return a strategy for words, each with the condition it is given under."""
    values = st.integers(-4, 4) | st.just(-200)
    thresholds = st.dictionaries(st.sampled_from(ids), values, min_size=1)
    leaves: st.SearchStrategy[Condition] = st.builds(Answered, thresholds, st.integers(1, 3))
    leaves |= st.builds(Reached, st.sampled_from(codes), st.integers(-3, 9))
    whole = st.recursive(
        leaves,
        lambda inner: (
            st.builds(Not, inner)
            | st.builds(
                Several,
                st.lists(inner, min_size=1, max_size=3).map(tuple),
                st.integers(1, 3),
            )
        ),
        max_leaves=5,
    )
    found = st.lists(whole, min_size=1, max_size=3)
    return found.map(lambda all_: tuple(Rank(f"rank {i}", when) for i, when in enumerate(all_)))


@st.composite
def definitions(draw: st.DrawFn) -> Definition:
    """Draw an instrument such as none in the library is."""
    asked = draw(items())
    codes = [f"s{number}" for number in range(draw(st.integers(1, 3)))]
    words = draw(ranks([item.link_id for item in asked], codes))
    source = {"citation": "-", "verified": True}
    return replace(
        PHQ9,
        items=asked,
        scales=tuple(draw(scales(code, asked)) for code in codes),
        levels=(Levels(code="l", title="-", loinc=None, ranks=words, otherwise="other", **source),),
        allowed={item.link_id: frozenset(o.value for o in item.options) for item in asked},
    )


@pytest.mark.thorough
@given(definitions(), st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=120)
def test_instruments_that_nobody_has_written_yet_agree_too(
    definition: Definition, seed: int
) -> None:
    forms = forms_of(definition, seed, 25)
    try:
        for form in forms:
            score(definition, form)
    except (KeyError, ZeroDivisionError) as error:
        with pytest.raises((KeyError, ZeroDivisionError)):
            score_many(definition, as_matrix(definition, forms))
        assume(not error)
    assert_the_same(definition, forms)


def test_a_total_just_beyond_the_smallest_type_is_not_cut() -> None:
    points = {0: 0, 1: 64}
    scale = replace(PHQ9.scales[0], points=(("1", points), ("2", points)), bands=())
    assert_the_same(replace(PHQ9, scales=(scale,)), [{"1": 1, "2": 1}, {"1": 1, "2": 0}])


def test_a_long_matrix_is_scored_to_its_end_block_by_block(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    forms = forms_of(PHQ9, 3, 50)
    monkeypatch.setattr(batch, "ROWS", 7)
    assert_the_same(PHQ9, forms)


def test_no_forms_have_no_scores() -> None:
    result = score_many(PHQ9, as_matrix(PHQ9, []))
    assert result.scales["total"].values.shape == (0,)
    assert result.levels["syndrome"].ranks.shape == (0,)


@pytest.mark.parametrize("kind", [np.int8, np.int16, np.int32, np.int64])
@pytest.mark.parametrize("order", ["C", "F"])
def test_neither_type_nor_layout_of_the_matrix_matters(kind: type, order: Any) -> None:
    matrix = as_matrix(PHQ9, forms_of(PHQ9, 5, 200))
    expected = score_many(PHQ9, matrix)
    wide = np.zeros((400, 11), kind, order)
    wide[::2, 1:] = matrix
    found = score_many(PHQ9, wide[::2, 1:])
    np.testing.assert_array_equal(found.scales["total"].values, expected.scales["total"].values)
    np.testing.assert_array_equal(found.levels["syndrome"].ranks, expected.levels["syndrome"].ranks)


def test_the_matrix_is_left_as_it_was() -> None:
    matrix = as_matrix(PHQ9, forms_of(PHQ9, 6, 100))
    before = matrix.copy()
    score_many(PHQ9, matrix)
    np.testing.assert_array_equal(matrix, before)


# -- the matrix, and what it refuses -------------------------------------------------------------


def test_forms_become_rows_and_items_columns_with_a_sign_for_no_answer() -> None:
    matrix = as_matrix(PHQ9, [{"1": 3, "2": None}, {"10": 2}])
    assert matrix.dtype == np.int8
    assert matrix.tolist() == [[3, *[MISSING] * 9], [*[MISSING] * 9, 2]]


@pytest.mark.parametrize("bad", [True, 1.0, "1", 4, -1, 1000, MISSING])
def test_a_form_with_what_is_no_answer_is_refused_by_row_and_item(bad: Any) -> None:
    with pytest.raises(RowError, match="row 2, item 9: must be one of the whole numbers") as caught:
        as_matrix(PHQ9, [{}, {"9": 3}, {"9": bad}])
    assert (caught.value.row, caught.value.link_id, caught.value.value) == (2, "9", bad)


def test_a_form_with_an_unknown_item_is_refused() -> None:
    with pytest.raises(RowError, match="row 0, item 11: PHQ-9 has no such item"):
        as_matrix(PHQ9, [{"11": 1}])


@pytest.mark.parametrize("definition", LIBRARY.values(), ids=LIBRARY)
@given(data=st.data())
@settings(deadline=None, max_examples=6)
def test_a_value_outside_its_items_options_is_refused_by_row_and_item(
    definition: Definition, data: st.DataObject
) -> None:
    matrix = as_matrix(definition, forms_of(definition, 11, 40))
    column = data.draw(st.integers(0, len(definition.items) - 1))
    item, row = definition.items[column], data.draw(st.integers(0, 39))
    kind = data.draw(st.sampled_from([np.int8, np.int16, np.int64]))
    limits = np.iinfo(kind)
    near = st.integers(-130, 130).filter(lambda value: limits.min <= value <= limits.max)
    bad = data.draw(
        (near | st.integers(int(limits.min), int(limits.max))).filter(
            lambda value: value not in definition.allowed[item.link_id] and value != MISSING
        )
    )
    spoilt = matrix.astype(kind)
    spoilt[row, column] = bad
    with pytest.raises(RowError) as caught:
        score_many(definition, spoilt)
    assert (caught.value.row, caught.value.link_id, caught.value.value) == (row, item.link_id, bad)


@pytest.mark.parametrize(
    ("code", "link_id", "bad"), [("AUDIT", "9", 1), ("AUDIT", "10", 3), ("PHQ-15", "4", 5)]
)
def test_a_value_between_the_options_is_refused(code: str, link_id: str, bad: int) -> None:
    definition = LIBRARY[code]
    column = [item.link_id for item in definition.items].index(link_id)
    matrix = np.full((1, len(definition.items)), MISSING, np.int8)
    matrix[0, column] = bad
    with pytest.raises(RowError, match=f"item {link_id}:"):
        score_many(definition, matrix)


def test_a_refusal_counts_rows_from_the_first_block() -> None:
    matrix = np.zeros((batch.ROWS + 10, 10), np.int8)
    matrix[batch.ROWS + 3, 4] = 77
    with pytest.raises(RowError) as caught:
        score_many(PHQ9, matrix)
    assert (caught.value.row, caught.value.link_id) == (batch.ROWS + 3, "5")
    assert "77" not in str(caught.value)
    assert "77" not in repr(caught.value)


@pytest.mark.parametrize("kind", [np.uint8, np.float64, np.bool_, object])
def test_only_signed_integers_are_taken(kind: type) -> None:
    with pytest.raises(TypeError, match="signed integers"):
        score_many(PHQ9, np.zeros((1, 10), kind))


@pytest.mark.parametrize("shape", [(1, 9), (10,), (1, 10, 1)])
def test_a_matrix_of_another_shape_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="PHQ-9 takes 10 columns"):
        score_many(PHQ9, np.zeros(shape, np.int8))


@pytest.mark.parametrize("value", [MISSING, 2**15])
def test_an_instrument_whose_answers_no_matrix_holds_is_refused(value: int) -> None:
    allowed = {**PHQ9.allowed, "1": frozenset({0, value})}
    with pytest.raises(ValueError, match="beyond what a matrix holds"):
        as_matrix(replace(PHQ9, allowed=allowed), [])
