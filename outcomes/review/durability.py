"""When a response was first met, when it was lost and how long it held: pure, and no forecast.

Response is the questionnaire's own published rule. Loss of response is a convention that each
clinic chooses, not validated for ketamine. The caseload, a patient's page, the printed summary and
the scores as a file tell it by this one rule.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from outcomes.instruments.definition import Definition, Scale
from outcomes.review.change import Direction, ScorePoint, gain, is_response

LossKind = Literal["cutoff", "improvement", "points", "percent"]

# A mean of items comes a little under the whole number that it is.
_NEARLY = 1e-9


@dataclass(frozen=True, slots=True)
class LossRule:
    """Hold a clinic's rule: what a score after response must show, on so many scores in a row.

    One is enough where a clinician confirms it. `cutoff`: at or above the published cut-off, with
    at least `amount` per cent of the best gain lost. `improvement`: less than `amount` per cent
    better than the baseline. `points`: at least `amount` points worse than the best score since the
    baseline, in the questionnaire `instrument` and no other. `percent`: worse than that best score
    by at least `amount` per cent of the baseline. A score that meets response is no loss by any of
    them.
    """

    kind: LossKind = "cutoff"
    amount: int = 50
    in_a_row: int = 2
    instrument: str = ""  #: whose points those of the kind `points` are


@dataclass(frozen=True, slots=True)
class Rules:
    """Hold what is response in one scale, and what is its loss.

    `share` is that of the baseline to be gained, 0 to 1. `loss` is None where the clinic's rule
    says nothing of this scale: it has no cut-off, or the points are another questionnaire's.
    """

    direction: Direction = "higher_is_worse"
    share: float = 0.5
    baseline_min: float = 0.0
    cutoff: float | None = None
    loss: LossRule | None = None


@dataclass(frozen=True, slots=True)
class Story:
    """Hold which scores met and lost response, as places in the sequence; None: none did.

    `lost` is the score by which it is lost now: None again once response is met again.
    `unconfirmed` is the last score, where it shows a loss that nothing has confirmed.
    """

    responded: int | None = None
    first_lost: int | None = None
    lost: int | None = None
    unconfirmed: int | None = None


@dataclass(frozen=True, slots=True)
class Durability:
    """Hold when response was first met and when it was first lost.

    `lost_at` is None where it was not seen lost: then `until` is the last assessment, where what is
    known ends (censored). `days` counts from response to `until`, in days of 24 hours. Response
    need not have been met all the while: of the `assessed` scores from the first response on, that
    by which it is lost left out, `met` meet it, the last one at `last_met_at`.
    """

    responded_at: datetime
    lost_at: datetime | None
    until: datetime
    assessed: int
    met: int
    last_met_at: datetime

    @property
    def is_censored(self) -> bool:
        """Tell whether no loss was seen."""
        return self.lost_at is None

    @property
    def days(self) -> float:
        """Return how long response is known to have held."""
        # In UTC: across a change of clocks Python subtracts the times on the wall.
        held = self.until.astimezone(UTC) - self.responded_at.astimezone(UTC)
        return held / timedelta(days=1)


def rules_of(definition: Definition, scale: Scale, loss: LossRule) -> Rules | None:
    """Return what a scale publishes of response with a clinic's rule of its loss.

    None where it publishes no rule of response.
    """
    if scale.response is None:
        return None
    cutoff = next((rule.value for rule in scale.cutoffs if rule.kind == "at_least"), None)
    if definition.direction != "higher_is_worse":
        cutoff = None
    is_told = {"cutoff": cutoff is not None, "points": definition.code == loss.instrument}
    return Rules(
        direction=definition.direction,
        share=scale.response.value / 100,
        baseline_min=scale.baseline_min.value if scale.baseline_min else 0.0,
        cutoff=cutoff,
        loss=loss if is_told.get(loss.kind, True) else None,
    )


def tell(
    baseline: ScorePoint | None,
    points: Sequence[ScorePoint],
    rules: Rules,
    confirmed: Collection[int] = (),
) -> Story:
    """Tell the story of scores in order of time; those not later than the baseline are passed by.

    Nothing is told without a baseline, or from one below `baseline_min`. Loss is dated to the score
    at which the rule is met: the last of so many in a row, or one in `confirmed`, the places of
    scores that a clinician has confirmed, where that one shows it.
    """
    if baseline is None:
        return Story()
    responded: int | None = None
    first_lost: int | None = None
    lost: int | None = None
    unconfirmed: int | None = None
    best, in_a_row = 0.0, 0
    for place, point in enumerate(points):
        if point.at <= baseline.at:
            continue
        gained = gain(baseline.value, point.value, rules.direction)
        best, unconfirmed = max(best, gained), None
        if meets_response(baseline, point, rules):
            responded = place if responded is None else responded
            lost, in_a_row = None, 0
        elif responded is not None and rules.loss is not None:
            shows = _shows_loss(point.value, gained, best, baseline.value, rules, rules.loss)
            in_a_row = in_a_row + 1 if shows else 0
            if lost is None and shows:
                if in_a_row >= rules.loss.in_a_row or place in confirmed:
                    lost = place
                    first_lost = place if first_lost is None else first_lost
                else:
                    unconfirmed = place
    return Story(responded, first_lost, lost, unconfirmed)


def durability(
    baseline: ScorePoint | None,
    points: Sequence[ScorePoint],
    rules: Rules,
    confirmed: Collection[int] = (),
) -> Durability | None:
    """Return how long the first response held; None where there was none, or no loss is told.

    `points` are in order of time, `confirmed` as `tell` has it.
    """
    story = tell(baseline, points, rules, confirmed)
    if story.responded is None or rules.loss is None:
        return None
    assert baseline is not None  # there is no response without
    between = points[story.responded : story.first_lost]
    met = [point for point in between if meets_response(baseline, point, rules)]
    lost_at = None if story.first_lost is None else points[story.first_lost].at
    return Durability(
        responded_at=between[0].at,
        lost_at=lost_at,
        until=lost_at or points[-1].at,
        assessed=len(between),
        met=len(met),
        last_met_at=met[-1].at,
    )


def meets_response(baseline: ScorePoint, point: ScorePoint, rules: Rules) -> bool:
    """Say whether a score meets response; none does from a baseline below `baseline_min`."""
    verdict = is_response(
        baseline.value,
        point.value,
        rules.direction,
        share=rules.share,
        baseline_min=rules.baseline_min,
    )
    return bool(verdict.met)


def _shows_loss(
    value: float, gained: float, best: float, baseline: float, rules: Rules, loss: LossRule
) -> bool:
    given_up = best - gained + _NEARLY
    if loss.kind == "points":
        return given_up >= loss.amount
    if loss.kind == "percent":
        return 100 * given_up >= loss.amount * baseline
    if loss.kind == "improvement":
        return 100 * (gained + _NEARLY) < loss.amount * baseline
    is_back = rules.cutoff is not None and gain(rules.cutoff, value, rules.direction) <= 0
    return is_back and 100 * given_up >= loss.amount * best
