"""How long a response held: pure, and no forecast.

Loss of response is the clinic's convention, not validated for ketamine: back at or above a score
and a share of the best gain lost, on so many assessments in a row, or on one that a clinician
confirmed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from outcomes.review.change import Direction, ScorePoint, gain, is_response

CONVENTION = "A convention of the clinic, not validated for ketamine."


@dataclass(frozen=True, slots=True)
class LossRule:
    """Hold a clinic's rule; the defaults are those of PHQ-9 and this product."""

    back_at: float = 10.0
    share_lost: float = 0.5
    in_a_row: int = 2


@dataclass(frozen=True, slots=True)
class Durability:
    """Hold when response was first met and when it was lost.

    `lost_at` is None where it was not seen lost: then `until` is the last assessment, where what is
    known ends (censored). `days` counts from response to `until`, in days of 24 hours.
    """

    responded_at: datetime
    lost_at: datetime | None
    until: datetime

    @property
    def is_censored(self) -> bool:
        """Tell whether no loss was seen."""
        return self.lost_at is None

    @property
    def days(self) -> float:
        """Return how long response is known to have held."""
        return _days(self.responded_at, self.until)


def durability(
    baseline: ScorePoint,
    points: Iterable[ScorePoint],
    direction: Direction = "higher_is_worse",
    *,
    rule: LossRule = LossRule(),
    share: float = 0.5,
    baseline_min: float = 10.0,
    confirmed_at: frozenset[datetime] = frozenset(),
) -> Durability | None:
    """Return how long the first response held; None where there was none, or none can be told.

    Loss is dated to the assessment at which the rule is met. `confirmed_at` are the times of
    scores of which a clinician confirmed the loss.
    """
    later = sorted((p for p in points if p.at > baseline.at), key=lambda p: p.at)
    responded: ScorePoint | None = None
    best, back = 0.0, 0
    for point in later:
        gained = gain(baseline.value, point.value, direction)
        if responded is None:
            met = is_response(
                baseline.value, point.value, direction, share=share, baseline_min=baseline_min
            ).met
            responded = point if met else None
            best = max(best, gained)
            continue
        best = max(best, gained)
        is_back = gain(rule.back_at, point.value, direction) <= 0
        is_lost = is_back and gained <= (1 - rule.share_lost) * best
        back = back + 1 if is_lost else 0
        if back >= rule.in_a_row or (is_lost and point.at in confirmed_at):
            return Durability(responded.at, point.at, point.at)
    return Durability(responded.at, None, later[-1].at) if responded else None


def _days(one: datetime, other: datetime) -> float:
    # In UTC: across a change of clocks Python subtracts the times on the wall.
    return (other.astimezone(UTC) - one.astimezone(UTC)) / timedelta(days=1)
