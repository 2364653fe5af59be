"""Scores from answers, by the instrument's own data; nothing here knows any one instrument.

Pure: no Django. A score is a function of the answers, the definition and SCORING_VERSION only.
`batch.py` does the same for many answers at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from outcomes.instruments import conditions
from outcomes.instruments.conditions import Given, Number
from outcomes.instruments.definition import Definition, Item, Levels, Maximum, Scale

#: changes whenever this program could score the same answers by the same data differently
SCORING_VERSION = "1"


def version_of(definition: Definition) -> str:
    """Return the scoring version: the program's, and what of the definition decides a score."""
    return f"{SCORING_VERSION}-{definition.scoring_hash[:12]}"


class AnswerError(ValueError):
    """Refuse an answer that the instrument does not have.

    The message names the item and what it takes, never the value, which may be a patient's.
    """

    def __init__(self, link_id: str, value: object, message: str) -> None:
        self.link_id, self.value, self.message = link_id, value, message
        super().__init__(f"item {str(link_id)[:40]}: {message}")


@dataclass(frozen=True, slots=True)
class ScaleScore:
    """Hold one result: a number with its band, or a word alone in `band`; else the reason why not.

    `standard_error` is in points of the scale. Skipped items are neither answered nor missing.
    """

    value: Number | None
    band: str | None
    prorated: bool
    answered: int
    missing: tuple[str, ...]
    reason: str
    standard_error: float | None = None


@dataclass(frozen=True, slots=True)
class SafetyHit:
    """Report an answer at or above its item's safety threshold."""

    link_id: str
    value: int
    at_least: int


@dataclass(frozen=True, slots=True)
class ScoreResult:
    """Hold all results of one filling-in; complete when every required item is met.

    `skipped` are the items that the branching rules did not ask.
    """

    complete: bool
    scores: dict[str, ScaleScore]
    safety: tuple[SafetyHit, ...]
    skipped: frozenset[str]


def score(definition: Definition, answers: Mapping[str, int | None]) -> ScoreResult:
    """Score answers by item; an absent item and None are both missing, unless it was skipped.

    Safety is looked at whether or not the form is complete. Raises AnswerError for an unknown
    item, a value outside the item's options, or any type but int (True, 1.0 and "1" too).
    """
    given = checked(definition, answers)
    skipped = skipped_items(definition, given)
    scores = {scale.code: _score_scale(scale, given, skipped) for scale in definition.scales}
    if definition.levels:
        facts = Given(given, skipped, {code: each.value for code, each in scores.items()})
        scores.update((row.code, _find_level(row, facts)) for row in definition.levels)
    met = {*given, *skipped, *(key for scale in definition.scales for key in _chosen(scale, given))}
    return ScoreResult(
        complete=all(item.link_id in met for item in definition.items if item.required),
        scores=scores,
        safety=tuple(_hits(definition, given)),
        skipped=skipped,
    )


def safety(definition: Definition, answers: Mapping[str, int | None]) -> tuple[SafetyHit, ...]:
    """Return the positive safety answers alone, of answers that were checked before."""
    given = {link_id: value for link_id, value in answers.items() if value is not None}
    return tuple(_hits(definition, given))


def checked(definition: Definition, answers: Mapping[str, int | None]) -> dict[str, int]:
    """Return the answers given, without those left open; raises AnswerError."""
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


def skipped_items(definition: Definition, given: Mapping[str, int]) -> frozenset[str]:
    """Return the unanswered items that earlier answers rule out.

    Where a question that decides it is itself unanswered, nothing is ruled out: that is missing.
    """
    if not definition.branches:
        return frozenset()
    skipped: set[str] = set()
    for item in definition.items:
        if item.link_id not in given and is_asked(item, given, skipped) is False:
            skipped.add(item.link_id)
    return frozenset(skipped)


def is_asked(
    item: Item, given: Mapping[str, int], skipped: frozenset[str] | set[str] = frozenset()
) -> bool | None:
    """Say whether the branching rules ask an item; None where an open question decides it."""
    if item.enabled_when is None:
        return True
    return conditions.holds(item.enabled_when, Given(given, skipped))


def complete(definition: Definition, answers: Mapping[str, int | None]) -> dict[str, int | None]:
    """Return answers as they are kept for good: None for an item left open, no key if skipped.

    Every answer given is kept. Raises AnswerError.
    """
    given = checked(definition, answers)
    skipped = skipped_items(definition, given)
    items = (item.link_id for item in definition.items)
    return {link_id: given.get(link_id) for link_id in items if link_id not in skipped}


def asked_items(definition: Definition, answers: Mapping[str, int | None]) -> list[Item]:
    """Return the items that a form asks, as its answers stand, in order.

    One whose branch is not decided yet is not asked yet.
    """
    kept: dict[str, int] = {}
    skipped: set[str] = set()
    asked = []
    for item in definition.items:
        is_asked_now = is_asked(item, kept, skipped)
        if is_asked_now is False:
            skipped.add(item.link_id)
        elif is_asked_now:
            asked.append(item)
            value = answers.get(item.link_id)
            if value is not None:
                kept[item.link_id] = value
    return asked


def prune(definition: Definition, answers: Mapping[str, int | None]) -> dict[str, int | None]:
    """Return a form's answers as they are kept, without those that an earlier answer took back.

    Whoever goes back and answers otherwise is not asked what followed; nor may it count.
    Raises AnswerError.
    """
    given = checked(definition, answers)
    asked = [item.link_id for item in asked_items(definition, given)]
    return complete(definition, {key: given[key] for key in asked if key in given})


def _hits(definition: Definition, given: Mapping[str, int]) -> Iterator[SafetyHit]:
    for item in definition.items:
        if item.safety and item.link_id in given:
            value = given[item.link_id]
            if value >= item.safety.at_least:
                yield SafetyHit(item.link_id, value, item.safety.at_least)


def _score_scale(scale: Scale, given: Mapping[str, int], skipped: frozenset[str]) -> ScaleScore:
    counted: dict[str, int] = {}
    out_of_it = 0
    for link_id, points in scale.points:
        point = points[given[link_id]] if link_id in given else None
        if point is not None:
            counted[link_id] = point
        elif link_id in given or link_id in skipped:
            out_of_it += 1
    if len(counted) + out_of_it < len(scale.points):
        missing = _missing(scale, given, skipped)
    else:
        missing = ()
    # What branching ruled out was answered before: it adds nothing to a sum.
    is_empty = not counted and (scale.method != "sum" or not skipped)
    if len(missing) > scale.missing.max_missing or is_empty:
        reason = _too_many(missing, len(scale.points), scale.missing.max_missing)
        return ScaleScore(None, None, False, len(counted), missing, reason)
    total: Number = sum(counted.values())
    for maximum in scale.maxima:
        total -= _surplus(maximum, counted)
    answered = len(counted)
    if missing:
        total = total * (answered + len(missing)) / answered
    value, error = value_of_sum(scale, total, answered + len(missing))
    return ScaleScore(value, scale.band_of(value), bool(missing), answered, missing, "", error)


def _chosen(scale: Scale, given: Mapping[str, int]) -> set[str]:
    """Return the items of every set of alternatives of which one is answered."""
    if not scale.maxima:
        return set()
    return {
        key
        for maximum in scale.maxima
        for alternatives in maximum.alternatives
        if any(key in given for key in alternatives)
        for key in alternatives
    }


def _missing(scale: Scale, given: Mapping[str, int], skipped: frozenset[str]) -> tuple[str, ...]:
    chosen = _chosen(scale, given)
    return tuple(
        link_id
        for link_id, _ in scale.points
        if link_id not in given and link_id not in skipped and link_id not in chosen
    )


def _surplus(maximum: Maximum, counted: Mapping[str, int]) -> int:
    """Return what the items of a maximum add beyond the highest of them."""
    points = [counted[link_id] for link_id in maximum.items if link_id in counted]
    return sum(points) - max(points, default=0)


def value_of_sum(scale: Scale, total: Number, items: int) -> tuple[Number, float | None]:
    """Return what a scale makes of the sum of so many items, and its standard error."""
    if scale.method == "mean":
        return total / items, None
    if scale.method == "percent":
        low, high = scale.sums
        return (total - low) / (high - low) * 100, None
    if scale.method == "table":
        return scale.table[round(total)]
    return total * scale.multiplier, None


def _too_many(missing: tuple[str, ...], size: int, limit: int) -> str:
    if not missing:
        return "no question of it applies"
    names = ", ".join(missing)
    rule = f"at most {limit} may be" if limit else "all are needed"
    return f"{len(missing)} of {size} items unanswered ({names}): {rule}"


def _find_level(levels: Levels, facts: Given) -> ScaleScore:
    answered = len({key for key in _named(levels) if key in facts.values})
    for rank in levels.ranks:
        result = conditions.holds(rank.when, facts)
        if result is None:
            return _undecided(levels, facts, answered)
        if result:
            return ScaleScore(None, rank.label, False, answered, (), "")
    return ScaleScore(None, levels.otherwise, False, answered, (), "")


def _undecided(levels: Levels, facts: Given, answered: int) -> ScaleScore:
    open_ = tuple(
        key for key in _named(levels) if key not in facts.values and key not in facts.skipped
    )
    reason = f"cannot be told: {', '.join(open_)} unanswered" if open_ else "needs the score"
    return ScaleScore(None, None, False, answered, open_, reason)


def _named(levels: Levels) -> list[str]:
    return list(
        dict.fromkeys(key for rank in levels.ranks for key in conditions.items_of(rank.when))
    )
