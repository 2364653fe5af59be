"""When response was first met and when it was lost."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from outcomes.review.change import ScorePoint
from outcomes.review.responding import Rules, Story, tell

PHQ9 = Rules("higher_is_worse", share=0.5, baseline_min=10, cutoff=10)
START = datetime(2026, 1, 5, tzinfo=UTC)


def points(*values: float) -> list[ScorePoint]:
    return [ScorePoint(START + timedelta(weeks=week), value) for week, value in enumerate(values)]


@pytest.mark.parametrize(
    ("values", "story"),
    [
        ((20, 15, 11), Story()),
        ((20, 10), Story(1)),
        ((20, 15, 9, 4), Story(2)),
        # Back once is no loss; twice in a row is.
        ((20, 4, 15), Story(1)),
        ((20, 4, 15, 15), Story(1, 3)),
        ((20, 4, 15, 8, 15), Story(1)),
        # Half of the best gain must be gone, and the cut-off reached.
        ((20, 4, 11, 11), Story(1)),
        ((14, 2, 9, 9), Story(1)),
        # Regained: nothing is lost now.
        ((20, 4, 15, 15, 6), Story(1)),
        # Half of a low baseline says little.
        ((8, 1), Story()),
    ],
)
def test_response_and_its_loss(values: tuple[float, ...], story: Story) -> None:
    scores = points(*values)
    assert tell(scores[0], scores, PHQ9) == story


def test_without_a_baseline_there_is_nothing_to_tell() -> None:
    assert tell(None, points(20, 4), PHQ9) == Story()


def test_without_a_cut_off_no_loss_is_told() -> None:
    scores = points(20, 4, 20, 20)
    assert tell(scores[0], scores, Rules("higher_is_worse", 0.5, 10, None)) == Story(1)


def test_what_came_before_the_baseline_is_passed_by() -> None:
    scores = points(2, 20, 9)
    assert tell(scores[1], scores, PHQ9) == Story(2)
