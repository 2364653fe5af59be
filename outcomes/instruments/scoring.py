"""Scores from answers, by the instrument's own data; nothing here knows any one instrument.

Pure: no Django. A score is a function of the answers, the definition and SCORING_VERSION only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from outcomes.instruments.definition import Definition, Number, Scale

#: stored with every score; changes whenever the same answers could score differently
SCORING_VERSION = "1"


class AnswerError(ValueError):
    """Refuse an answer that the instrument does not have.

    The message names the item and what it takes, never the value, which may be a patient's.
    """

    def __init__(self, link_id: str, value: object, message: str) -> None:
        self.link_id, self.value, self.message = link_id, value, message
        super().__init__(f"item {str(link_id)[:40]}: {message}")


@dataclass(frozen=True, slots=True)
class ScaleScore:
    """Hold one scale's score; value is None where too much is missing, and reason says so."""

    value: Number | None
    band: str | None
    prorated: bool
    answered: int
    missing: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class SafetyHit:
    """Report an answer at or above its item's safety threshold."""

    link_id: str
    value: int
    at_least: int


@dataclass(frozen=True, slots=True)
class ScoreResult:
    """Hold all scores of one filling-in; complete when every required item is answered."""

    complete: bool
    scores: dict[str, ScaleScore]
    safety: tuple[SafetyHit, ...]


def score(definition: Definition, answers: Mapping[str, int | None]) -> ScoreResult:
    """Score answers by item; an absent item and None are both missing.

    Safety is looked at whether or not the form is complete. Raises AnswerError for an unknown
    item, a value outside the item's options, or any type but int (True, 1.0 and "1" too).
    """
    given = _checked(definition, answers)
    return ScoreResult(
        complete=all(item.link_id in given for item in definition.items if item.required),
        scores={scale.code: _score_scale(scale, given) for scale in definition.scales},
        safety=tuple(_hits(definition, given)),
    )


def _checked(definition: Definition, answers: Mapping[str, int | None]) -> dict[str, int]:
    given = {}
    for link_id, value in answers.items():
        allowed = definition.allowed.get(link_id)
        if allowed is None:
            raise AnswerError(link_id, value, f"{definition.code} has no such item")
        if value is None:
            continue
        if type(value) is not int or value not in allowed:
            takes = ", ".join(str(option) for option in sorted(allowed))
            raise AnswerError(link_id, value, f"must be one of the whole numbers {takes}")
        given[link_id] = value
    return given


def _hits(definition: Definition, given: Mapping[str, int]) -> Iterator[SafetyHit]:
    for item in definition.items:
        if item.safety and item.link_id in given:
            value = given[item.link_id]
            if value >= item.safety.at_least:
                yield SafetyHit(item.link_id, value, item.safety.at_least)


def _score_scale(scale: Scale, given: Mapping[str, int]) -> ScaleScore:
    counted = [points[given[link_id]] for link_id, points in scale.points if link_id in given]
    value: Number = sum(counted) * scale.multiplier
    size, answered = len(scale.points), len(counted)
    if answered == size:
        return ScaleScore(value, scale.band_of(value), False, answered, (), "")
    missing = tuple(link_id for link_id, _ in scale.points if link_id not in given)
    if len(missing) > scale.missing.max_missing:
        reason = _too_many(missing, size, scale.missing.max_missing)
        return ScaleScore(None, None, False, answered, missing, reason)
    value = value * size / answered
    return ScaleScore(value, scale.band_of(value), True, answered, missing, "")


def _too_many(missing: tuple[str, ...], size: int, limit: int) -> str:
    names = ", ".join(missing)
    rule = f"at most {limit} may be" if limit else "all are needed"
    return f"{len(missing)} of {size} items unanswered ({names}): {rule}"
