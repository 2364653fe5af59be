"""How a synthetic person fares and answers (pure): severity over time, answers and habits.

Only the numbers with a source are published ones; the others are design choices that have to look
plausible and nothing more. No real person goes in, and nothing that comes out is about one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from enum import StrEnum
from itertools import pairwise
from random import Random
from zoneinfo import ZoneInfo

from outcomes.instruments.definition import Definition, Item
from outcomes.scheduling.local_time import local_instant

# PHQ-9 before treatment in published series of ketamine clinics: about 17, SD 6.
BASELINE_MEAN, BASELINE_SD = 19.0, 8.5  # cut to the range, and scattered by the items
BASELINE_RANGE = (4.0, 27.0)
WORST = 27.0
# Relief comes within a day, holds for about a week, and then fades.
ONSET = timedelta(hours=24)
PLATEAU = timedelta(days=7)
# About one in four first forms has a positive item 9: a third of people, with these odds.
DARK_THOUGHTS = 1 / 3
DARK_SHARE, OTHER_SHARE = 0.55, 0.008
# How much each item carries of a depression of a given severity; tiredness more, slowness less.
WEIGHTS: dict[str, dict[str, float]] = {
    "PHQ-9": dict(zip("12345678", (1.15, 1.2, 1.2, 1.3, 1.05, 1.2, 1.05, 0.85), strict=True)),
    "GAD-7": dict(zip("1234567", (1.15, 1.05, 1.15, 1.0, 0.8, 1.05, 0.8), strict=True)),
}
ONE_ITEM_SKIPPED = 0.02
AWAKE = (time(7, 30), time(22, 30))


class Kind(StrEnum):
    """How a person's course goes."""

    RESPONDER = "responder"
    PARTIAL = "partial"
    NON_RESPONDER = "non_responder"
    RELAPSING = "relapsing"
    DETERIORATING = "deteriorating"


@dataclass(frozen=True, slots=True)
class Person:
    """Hold what makes one synthetic person's course their own.

    `baseline` is on the PHQ-9's 0-27; `ceiling` is the largest relief as a share of it and `gain`
    the share of the way there that one session covers.
    """

    kind: Kind
    baseline: float
    ceiling: float
    gain: float
    half_life: timedelta
    worsening_per_day: float
    anxiety: float
    has_dark_thoughts: bool
    diligence: float
    phase: float


# (ceiling, gain, half-life in days, points gained per day), each with its spread
HABITS: dict[Kind, tuple[tuple[float, float], tuple[float, float], tuple[float, float], float]] = {
    Kind.RESPONDER: ((0.72, 0.92), (0.28, 0.45), (25, 50), 0),
    Kind.PARTIAL: ((0.32, 0.48), (0.22, 0.35), (12, 25), 0),
    Kind.NON_RESPONDER: ((0.02, 0.15), (0.1, 0.2), (5, 12), 0),
    Kind.RELAPSING: ((0.7, 0.85), (0.3, 0.45), (12, 20), 0),
    Kind.DETERIORATING: ((0.0, 0.08), (0.1, 0.2), (5, 10), 0.09),
}


def draw_person(kind: Kind, rng: Random) -> Person:
    """Draw one person of this kind."""
    ceiling, gain, half_life, worsening = HABITS[kind]
    top = BASELINE_RANGE[1] - (6 if worsening else 0)
    return Person(
        kind=kind,
        baseline=_bounded_normal(rng, BASELINE_MEAN, BASELINE_SD, BASELINE_RANGE[0], top),
        ceiling=rng.uniform(*ceiling),
        gain=rng.uniform(*gain),
        half_life=timedelta(days=rng.uniform(*half_life)),
        worsening_per_day=worsening,
        anxiety=_bounded_normal(rng, 0.85, 0.2, 0.4, 1.2),
        has_dark_thoughts=rng.random() < DARK_THOUGHTS,
        diligence=rng.betavariate(8, 2.6),
        phase=rng.random(),
    )


def _bounded_normal(rng: Random, mean: float, deviation: float, low: float, high: float) -> float:
    while not low <= (value := rng.gauss(mean, deviation)) <= high:
        pass
    return value


def severity(person: Person, sessions: Sequence[datetime], at: datetime) -> float:
    """Return how ill the person is at a moment, 0 to 27, given the sessions held, in order."""
    held = [session for session in sessions if session <= at]
    level = person.baseline * (1 - _relief(person, held, at))
    if held:
        level += min(person.worsening_per_day * _days(at - held[0]), 6)
    # Good and bad weeks that no session explains.
    level += 1.3 * math.sin(math.tau * (at.timestamp() / 86400 / 23 + person.phase))
    return min(max(level, 0.0), WORST)


def _relief(person: Person, held: Sequence[datetime], at: datetime) -> float:
    level = 0.0
    for session, following in pairwise([*held, at]):
        ceiling = _ceiling(person, session - held[0])
        risen = min(1.0, (following - session) / ONSET)
        level += person.gain * (ceiling - level) * risen
        fading = max(following - session - PLATEAU, timedelta(0))
        level *= 0.5 ** (fading / person.half_life)
    return level


def _ceiling(person: Person, since_first: timedelta) -> float:
    if person.kind is not Kind.RELAPSING:
        return person.ceiling
    # After six weeks each session does less than the one before.
    return person.ceiling * max(0.2, 1 - max(0.0, _days(since_first) - 45) / 75)


def _days(span: timedelta) -> float:
    return span / timedelta(days=1)


def answer(
    definition: Definition, person: Person, level: float, rng: Random
) -> dict[str, int | None]:
    """Fill in a questionnaire as somebody this ill would, now and then skipping an item."""
    share = level / WORST * (person.anxiety if definition.code == "GAD-7" else 1)
    if definition.direction == "higher_is_better":
        share = 1 - share
    weights = WEIGHTS.get(definition.code, {})
    answers: dict[str, int | None] = {
        item.link_id: _choose(item, share * weights.get(item.link_id, 1), person, rng)
        for item in definition.items
    }
    if len(answers) > 1 and rng.random() < ONE_ITEM_SKIPPED:
        answers[rng.choice(list(answers))] = None
    return answers


def _choose(item: Item, share: float, person: Person, rng: Random) -> int:
    chance = min(max(share, 0.01), 0.97)
    if item.safety is not None:
        chance *= DARK_SHARE if person.has_dark_thoughts else OTHER_SHARE
    steps = sum(rng.random() < chance for _ in range(len(item.options) - 1))
    return sorted(option.value for option in item.options)[steps]


def answers_at(
    person: Person,
    asked_at: datetime,
    reminders: Sequence[datetime],
    closes_at: datetime,
    zone: str,
    rng: Random,
) -> datetime | None:
    """Return when the person answers what they were asked, or None when they do not.

    Most answer within the day, some only when reminded, some too late.
    """
    if rng.random() > person.diligence:
        return None
    start, mean_hours = asked_at, 7.0
    if reminders and rng.random() < 0.3:
        start, mean_hours = rng.choice(list(reminders)), 4.0
    at = _when_awake(start + timedelta(hours=rng.expovariate(1 / mean_hours)), zone)
    return at if at < closes_at else None


def _when_awake(at: datetime, zone: str) -> datetime:
    local = at.astimezone(ZoneInfo(zone))
    wakes, sleeps = AWAKE
    if wakes <= local.time() <= sleeps:
        return at
    day = local.date() + timedelta(days=local.time() > sleeps)
    return local_instant(day, wakes, zone) + timedelta(minutes=local.minute)
