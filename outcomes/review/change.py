"""Rules that compare a score with the baseline: pure arithmetic, each result with its citation.

Improvement and deterioration are treated alike: every rule works on the signed difference, turned
so that "better" is positive whichever way the instrument runs. Nothing here predicts or advises.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from outcomes.review.tongue import gettext as _
from outcomes.review.tongue import gettext_noop

Direction = Literal["higher_is_worse", "higher_is_better"]
Outcome = Literal["improved", "no_reliable_change", "deteriorated"]
Towards = Literal["better", "worse", "same"]

BASELINE_MIN = 10.0
"""Below this baseline a percentage means little (HEDIS DRR-E asks for a PHQ-9 above 9)."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Name a published rule; `verified` is False while its source has not been read.

    `statement` is in English, to be translated where it is shown.
    """

    statement: str
    citation: str
    verified: bool = True
    version: str = "1"


BASELINE = Rule(
    gettext_noop("Baseline is the last valid score before session 1."),
    "This product's definition",
)
CHANGE = Rule(
    gettext_noop("Change is the score minus the baseline; no percentage from a baseline below 10."),
    "This product's definition, after NCQA HEDIS DRR-E (PHQ-9 above 9 at baseline)",
)
RESPONSE = Rule(
    # xgettext:no-python-format
    gettext_noop("Response is an improvement of at least 50 % from baseline."),
    "NCQA HEDIS DRR-E; McInnes 2022, J Affect Disord, doi:10.1016/j.jad.2021.12.097",
)
JACOBSON_TRUAX = Rule(
    gettext_noop(
        "Reliable change is a difference of at least 1.96 x sqrt(2) x SD x sqrt(1 - reliability)."
    ),
    "Jacobson & Truax 1991, J Consult Clin Psychol 59:12-19",
)


@dataclass(frozen=True, slots=True)
class ScorePoint:
    """Hold one valid score at an instant; a filling-in without a total is no ScorePoint."""

    at: datetime
    value: float
    prorated: bool = False

    def __post_init__(self) -> None:
        """Refuse an instant without a zone and a value that is not a finite number."""
        if self.at.tzinfo is None:
            raise ValueError("a score needs an aware datetime")
        if not math.isfinite(self.value):
            raise ValueError("a score needs a finite value")


@dataclass(frozen=True, slots=True)
class Baseline:
    """Hold the baseline score, or None and the reason why there is none."""

    point: ScorePoint | None
    age: timedelta | None
    reason: str
    rule: Rule = BASELINE


@dataclass(frozen=True, slots=True)
class Change:
    """Hold a change from baseline in points (negative = fell) and per cent, or why no per cent."""

    absolute: float
    percent: float | None
    towards: Towards
    reason: str
    rule: Rule = CHANGE


@dataclass(frozen=True, slots=True)
class Verdict:
    """Say whether a named rule is met; None and a reason where it cannot be applied."""

    met: bool | None
    reason: str
    rule: Rule


@dataclass(frozen=True, slots=True)
class ReliableChange:
    """Hold the outcome of the reliable change rule; None and a reason without a threshold."""

    outcome: Outcome | None
    threshold: float | None
    reason: str
    rule: Rule


def baseline(
    points: Iterable[ScorePoint],
    first_session_at: datetime | None,
    max_age_days: float | None = None,
) -> Baseline:
    """Find the last valid score before session 1.

    `max_age_days` is the clinic's limit on its age at session 1; None sets no limit. `age` is how
    long before session 1 the score was taken.
    """
    if first_session_at is None:
        return Baseline(None, None, _("No session has been held yet."))
    before = [point for point in points if point.at < first_session_at]
    if not before:
        return Baseline(None, None, _("There is no score before session 1."))
    last = max(before, key=lambda point: point.at)
    age = first_session_at.astimezone(UTC) - last.at.astimezone(UTC)
    if max_age_days is not None and age > timedelta(days=max_age_days):
        reason = _("The last score before session 1 is more than %(days)s days older.")
        return Baseline(None, None, reason % {"days": f"{max_age_days:g}"})
    return Baseline(last, age, "")


def gain(baseline: float, value: float, direction: Direction = "higher_is_worse") -> float:
    """Return the change from baseline turned so that better is positive, in points."""
    return baseline - value if direction == "higher_is_worse" else value - baseline


def change_from(
    baseline: float,
    value: float,
    direction: Direction = "higher_is_worse",
    *,
    baseline_min: float = BASELINE_MIN,
) -> Change:
    """Return the change in points, and in per cent unless the baseline is below `baseline_min`."""
    absolute = value - baseline
    better = gain(baseline, value, direction)
    towards: Towards = "better" if better > 0 else "worse" if better < 0 else "same"
    reason = _too_low(baseline, baseline_min)
    percent = None if reason else 100.0 * absolute / baseline
    return Change(absolute, percent, towards, reason)


def is_response(
    baseline: float,
    value: float,
    direction: Direction = "higher_is_worse",
    *,
    share: float = 0.5,
    baseline_min: float = BASELINE_MIN,
    rule: Rule = RESPONSE,
) -> Verdict:
    """Say whether the gain is at least `share` of this patient's own baseline.

    None from a baseline below `baseline_min`: half of little is within the noise.
    """
    reason = _too_low(baseline, baseline_min)
    if reason:
        return Verdict(None, reason, rule)
    return Verdict(gain(baseline, value, direction) >= share * baseline, "", rule)


def response_value(
    baseline: float,
    direction: Direction = "higher_is_worse",
    *,
    share: float = 0.5,
    baseline_min: float = BASELINE_MIN,
) -> float | None:
    """Return the score at which `is_response` begins to hold, or None where it cannot apply."""
    if _too_low(baseline, baseline_min):
        return None
    return baseline * (1 - share if direction == "higher_is_worse" else 1 + share)


def rci_threshold(sd: float, reliability: float) -> float:
    """Return the Jacobson-Truax 95 % threshold in points: 1.96 x sqrt(2) x SD x sqrt(1 - r).

    `sd` > 0 in points; 0 <= `reliability` < 1. Raises ValueError otherwise.
    """
    if not (math.isfinite(sd) and sd > 0):
        raise ValueError("the standard deviation must be above 0")
    if not 0 <= reliability < 1:
        raise ValueError("the reliability must be from 0 to below 1")
    return 1.96 * math.sqrt(2) * sd * math.sqrt(1 - reliability)


def reliable_change(
    baseline: float,
    value: float,
    threshold: float | None,
    direction: Direction = "higher_is_worse",
    *,
    rule: Rule = JACOBSON_TRUAX,
) -> ReliableChange:
    """Sort a change into improved, no_reliable_change or deteriorated.

    A change of exactly the threshold counts, both ways. None without a threshold; a threshold that
    is not above 0 raises ValueError.
    """
    if threshold is None:
        reason = _("This instrument has no published reliable change threshold.")
        return ReliableChange(None, None, reason, rule)
    if not threshold > 0:
        raise ValueError("the reliable change threshold must be above 0")
    better = gain(baseline, value, direction)
    outcome: Outcome = "no_reliable_change"
    if better >= threshold:
        outcome = "improved"
    elif better <= -threshold:
        outcome = "deteriorated"
    return ReliableChange(outcome, threshold, "", rule)


def _too_low(baseline: float, baseline_min: float) -> str:
    """Say why a share of this baseline means little, or "" where it does not."""
    if baseline <= 0:
        return "A percentage of a baseline of 0 or less has no meaning."
    if baseline < baseline_min:
        return _("The baseline is below %(low)s: a percentage would mislead.") % {
            "low": f"{baseline_min:g}"
        }
    return ""
