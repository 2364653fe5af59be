"""Scores that need a person, besides single answers (pure): which scales, from which value on.

The mania watch. Which scale is watched is this product's choice; the threshold, its citation and
whether it was read are the instrument's own data. Every score at or above it counts, the first and
each later one: nothing is held back because it was known before.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from outcomes.instruments.definition import Definition, Rule, Scale
from outcomes.instruments.scoring import ScoreResult

# The shipped instruments, whose codes no clinic's own instrument can take.
WATCHED = {"ASRM": "total"}


@dataclass(frozen=True, slots=True)
class ScaleHit:
    """Report a score at or above its published cut-off; `value` is the whole points it reached."""

    scale: str
    value: int
    at_least: int


def watched_scale(definition: Definition) -> tuple[Scale, Rule] | None:
    """Return the watched scale of an instrument with its cut-off; None for all others."""
    scale = definition.scale(WATCHED.get(definition.code, ""))
    if scale is None:
        return None
    rules = (rule for rule in scale.cutoffs if rule.kind == "at_least")
    cutoff = next(rules, None)
    return None if cutoff is None else (scale, cutoff)


def scale_hits(
    definition: Definition, answers: Mapping[str, int | None], result: ScoreResult
) -> tuple[ScaleHit, ...]:
    """Return the watched scale where it has reached its cut-off.

    Where too many answers are missing for a score, what was answered may reach it alone: whatever
    the missing answers are, the score would be no lower.
    """
    found = watched_scale(definition)
    if found is None:
        return ()
    scale, cutoff = found
    score = result.scores[scale.code].value
    value = least_of(scale, answers) if score is None else score
    if value is None or value < cutoff.value:
        return ()
    return (ScaleHit(scale.code, math.floor(value), math.ceil(cutoff.value)),)


def least_of(scale: Scale, answers: Mapping[str, int | None]) -> int | None:
    """Return the least that a plain sum can come to, given the answers there are; else None."""
    if scale.method != "sum" or scale.multiplier != 1 or scale.maxima:
        return None
    total = 0
    for link_id, points in scale.points:
        answer = answers.get(link_id)
        if answer is None:
            total += min(score or 0 for score in points.values())
        else:
            total += points[answer] or 0
    return total
