"""How a positive answer stands to the patient's last positive one to the same question (pure).

A rank is for reading: it says what is there, in an order a person can see at once. It decides
nothing; an alert that ranks “same” or “less” is raised, paged and closed as any other.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Rank(StrEnum):
    """Where a positive answer stands; higher is worse in every safety question and mania scale."""

    FIRST = "first"
    WORSE = "worse"
    SAME = "same"
    LESS = "less"


@dataclass(frozen=True, slots=True)
class Earlier:
    """One earlier answer or score at or above the threshold, and when it was given."""

    value: float
    at: datetime


@dataclass(frozen=True, slots=True)
class Standing:
    """A rank, and the earlier one it was found against; None for the first."""

    rank: Rank
    before: Earlier | None


def standing_of(value: float, at: datetime, earlier: Iterable[Earlier]) -> Standing:
    """Compare with the last of those given before `at`, in whatever order they come.

    What was given at the same moment or later is no earlier one. Of two given at one moment the
    higher counts.
    """
    past = (one for one in earlier if one.at < at)
    before = max(past, key=lambda one: (one.at, one.value), default=None)
    if before is None:
        return Standing(Rank.FIRST, None)
    if value > before.value:
        return Standing(Rank.WORSE, before)
    return Standing(Rank.SAME if value == before.value else Rank.LESS, before)
