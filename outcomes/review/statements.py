"""What the published rules say of a change, in order, each with its source: pure.

Words are the reader's: templates translate a statement by its name, verdict and reason.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from outcomes.instruments.definition import Definition, Rule, Scale
from outcomes.review.change import gain

Name = Literal["response", "remission", "reliable_improvement", "reliable_deterioration",
               "minimal_improvement", "minimal_deterioration"]  # fmt: skip
Why = Literal["", "no_rule", "no_baseline", "no_score", "baseline_zero", "baseline_low"]


@dataclass(frozen=True, slots=True)
class Statement:
    """Say whether one rule is met: None where it cannot be computed, and `why`.

    `threshold` is what the rule takes: points of change, or for remission the score.
    `is_verified` is False where no source that states the rule was read for this project.
    """

    name: Name
    met: bool | None
    why: Why
    baseline: float | None
    value: float | None
    threshold: float | None
    rule: Rule | None

    @property
    def is_verified(self) -> bool:
        """Tell whether a source of the rule was read."""
        return self.rule is not None and self.rule.verified

    @property
    def citation(self) -> str:
        """Return who states the rule."""
        return self.rule.citation if self.rule else ""


def statements(
    definition: Definition, scale: Scale, baseline: float | None, value: float | None
) -> tuple[Statement, ...]:
    """Return what each published rule says, improvement and deterioration side by side.

    A minimal change that was not verified is not told; the rest is told with its mark.
    """
    return tuple(_statements(definition, scale, baseline, value))


def _statements(
    definition: Definition, scale: Scale, baseline: float | None, value: float | None
) -> Iterator[Statement]:
    minimal = (
        scale.minimal_change if scale.minimal_change and scale.minimal_change.verified else None
    )
    yield _changed("response", scale.response, definition, scale, baseline, value)
    yield _remission(scale.remission, baseline, value)
    for better, worse, rule in (
        ("reliable_improvement", "reliable_deterioration", scale.reliable_change),
        ("minimal_improvement", "minimal_deterioration", minimal),
    ):
        yield _changed(better, rule, definition, scale, baseline, value)  # type: ignore[arg-type]
        yield _changed(worse, rule, definition, scale, baseline, value)  # type: ignore[arg-type]


def _changed(
    name: Name,
    rule: Rule | None,
    definition: Definition,
    scale: Scale,
    baseline: float | None,
    value: float | None,
) -> Statement:
    why: Why = ""
    threshold: float | None = None
    if rule is None:
        why = "no_rule"
    elif baseline is None:
        why = "no_baseline"
    elif value is None:
        why = "no_score"
    elif rule.kind != "percent_fall":
        threshold = rule.value
    elif baseline <= 0:
        why = "baseline_zero"
    elif scale.baseline_min and baseline < scale.baseline_min.value:
        why = "baseline_low"
    else:
        threshold = baseline * rule.value / 100
    if threshold is None or baseline is None or value is None:
        return Statement(name, None, why, baseline, value, None, rule)
    better = gain(baseline, value, definition.direction)
    towards = -better if name.endswith("deterioration") else better
    return Statement(name, towards >= threshold - 1e-9, "", baseline, value, threshold, rule)


def _remission(rule: Rule | None, baseline: float | None, value: float | None) -> Statement:
    if rule is None or value is None:
        why: Why = "no_rule" if rule is None else "no_score"
        return Statement("remission", None, why, baseline, value, None, rule)
    met = {
        "below": value < rule.value,
        "at_most": value <= rule.value,
        "at_least": value >= rule.value,
    }[rule.kind]
    return Statement("remission", met, "", baseline, value, rule.value, rule)
