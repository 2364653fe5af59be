"""How a positive answer stands to the last positive one; no database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outcomes.alerts.ranking import Earlier, Rank, standing_of

NOW = datetime(2026, 2, 2, 9, tzinfo=UTC)


def ago(days: float, value: float) -> Earlier:
    return Earlier(value, NOW - timedelta(days=days))


@pytest.mark.parametrize(
    ("value", "earlier", "rank", "before"),
    [
        (1, [], Rank.FIRST, None),
        (2, [(7, 1)], Rank.WORSE, (7, 1)),
        (2, [(7, 2)], Rank.SAME, (7, 2)),
        (1, [(7, 3)], Rank.LESS, (7, 3)),
        (2, [(14, 3), (7, 1)], Rank.WORSE, (7, 1)),  # the last one, not the highest
        (2, [(7, 1), (7, 3)], Rank.LESS, (7, 3)),  # of one moment the higher
        (2, [(0, 1)], Rank.FIRST, None),  # itself, or what came with it
        (2, [(-7, 1)], Rank.FIRST, None),  # what came later is no earlier one
        (6, [(7, 6.25)], Rank.LESS, (7, 6.25)),
    ],
)
def test_it_ranks_against_the_last_positive_one(
    value: float, earlier: list[tuple[float, float]], rank: Rank, before: tuple[float, float] | None
) -> None:
    found = standing_of(value, NOW, [ago(*one) for one in earlier])
    assert (found.rank, found.before) == (rank, before and ago(*before))


def test_the_order_in_which_they_are_read_does_not_matter() -> None:
    earlier = [ago(21, 3), ago(14, 1), ago(7, 2)]
    found = {standing_of(2, NOW, order) for order in permutations(earlier)}
    assert {(one.rank, one.before) for one in found} == {(Rank.SAME, ago(7, 2))}


@given(st.integers(1, 3), st.lists(st.tuples(st.integers(-30, 30), st.integers(1, 3))))
def test_every_positive_answer_has_exactly_one_rank(
    value: int, others: list[tuple[int, int]]
) -> None:
    earlier = [ago(days, other) for days, other in others]
    found = standing_of(value, NOW, earlier)
    past = [one for one in earlier if one.at < NOW]
    assert (found.rank == Rank.FIRST) == (not past)
    if found.before is not None:
        assert found.before.at == max(one.at for one in past)
