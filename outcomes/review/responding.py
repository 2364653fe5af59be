"""When a patient first responded, and whether that was lost: pure, for the caseload.

Response is the instrument's own published rule. Loss of response is a convention, not validated for
ketamine: back at or above the instrument's cut-off and at least half of the best gain lost, on two
assessments in a row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from outcomes.review.change import Direction, ScorePoint, gain, is_response

IN_A_ROW = 2
HALF = 0.5


@dataclass(frozen=True, slots=True)
class Rules:
    """Hold what an instrument says: the share of baseline gained, and the cut-off to be back at."""

    direction: Direction
    share: float
    baseline_min: float
    cutoff: float | None  #: None: no loss of response is told


@dataclass(frozen=True, slots=True)
class Story:
    """Hold which score first met response, and which last lost it, as places in the sequence."""

    responded: int | None = None
    lost: int | None = None  #: None again once response is regained


def tell(baseline: ScorePoint | None, points: Sequence[ScorePoint], rules: Rules) -> Story:
    """Tell the story of scores in order of time; those not later than the baseline are passed by.

    Nothing is told without a baseline, or from one below `baseline_min`.
    """
    responded: int | None = None
    lost: int | None = None
    best, back = 0.0, 0
    for place, point in enumerate(points):
        if baseline is None or point.at <= baseline.at:
            continue
        met = is_response(
            baseline.value,
            point.value,
            rules.direction,
            share=rules.share,
            baseline_min=rules.baseline_min,
        ).met
        if met:
            responded = place if responded is None else responded
            lost, back = None, 0
        if responded is None:
            continue
        gained = gain(baseline.value, point.value, rules.direction)
        best = max(best, gained)
        back = back + 1 if _is_back(point.value, gained, best, rules) else 0
        if back == IN_A_ROW:
            lost = place
    return Story(responded, lost)


def _is_back(value: float, gained: float, best: float, rules: Rules) -> bool:
    if rules.cutoff is None:
        return False
    return gain(rules.cutoff, value, rules.direction) <= 0 and gained <= HALF * best
