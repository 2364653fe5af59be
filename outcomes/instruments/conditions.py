"""Conditions on answers: when a question is asked, and which words a result is put in.

Pure: no Django. A condition is true, false, or None where an open question could decide it, so
that a result is never drawn from a question nobody answered.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

Number = int | float


@dataclass(frozen=True, slots=True)
class Given:
    """Hold what a filling-in says: values by item, items that were skipped, scores by scale."""

    values: Mapping[str, int]
    skipped: Collection[str] = ()
    scores: Mapping[str, Number | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answered:
    """Hold when at least so many of the items are answered at or above their values."""

    items: Mapping[str, int]
    at_least: int


@dataclass(frozen=True, slots=True)
class Several:
    """Hold when at least so many of the conditions do."""

    conditions: tuple[Condition, ...]
    at_least: int


@dataclass(frozen=True, slots=True)
class Not:
    """Hold when the condition does not."""

    condition: Condition


@dataclass(frozen=True, slots=True)
class Reached:
    """Hold when a scale's score is at or above a value."""

    scale: str
    at_least: Number


Condition = Answered | Several | Not | Reached


def parse(data: Mapping[str, Any]) -> Condition:
    """Read a condition that schema.json has let pass."""
    if "items" in data:
        return Answered(dict(data["items"]), data["at_least"])
    if "conditions" in data:
        return Several(tuple(parse(each) for each in data["conditions"]), data["at_least"])
    if "not" in data:
        return Not(parse(data["not"]))
    return Reached(data["scale"], data["at_least"])


def holds(condition: Condition, given: Given) -> bool | None:
    """Say whether a condition holds; None where a question left open could decide it."""
    match condition:
        case Answered(items, at_least):
            return _at_least(at_least, (_reaches(k, v, given) for k, v in items.items()))
        case Several(conditions, at_least):
            return _at_least(at_least, (holds(each, given) for each in conditions))
        case Not(inner):
            result = holds(inner, given)
            return None if result is None else not result
        case Reached(scale, value):
            score = given.scores.get(scale)
            return None if score is None else score >= value


def _reaches(link_id: str, value: int, given: Given) -> bool | None:
    if link_id in given.values:
        return given.values[link_id] >= value
    return False if link_id in given.skipped else None


def _at_least(needed: int, results: Iterable[bool | None]) -> bool | None:
    found = list(results)
    if sum(result is True for result in found) >= needed:
        return True
    return None if sum(result is not False for result in found) >= needed else False


def items_of(condition: Condition) -> Iterator[str]:
    """Yield every item that a condition names."""
    match condition:
        case Answered(items, _):
            yield from items
        case Several(conditions, _):
            for each in conditions:
                yield from items_of(each)
        case Not(inner):
            yield from items_of(inner)


def scales_of(condition: Condition) -> Iterator[str]:
    """Yield every scale that a condition names."""
    match condition:
        case Reached(scale, _):
            yield scale
        case Several(conditions, _):
            for each in conditions:
                yield from scales_of(each)
        case Not(inner):
            yield from scales_of(inner)
