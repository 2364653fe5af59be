"""Sort patients into classes of change by a stated rule: pure arithmetic over one sample.

Improvement and deterioration are mirror images: turning the instrument round swaps them. Sources:
Jacobson & Truax 1991 for reliable change and the cut-off; the class "harmed", their mirror image of
"recovered", is that of the R package clinicalsignificance (Claus, version 2.1).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean, stdev
from typing import Literal, Self

from outcomes.review.change import Direction, gain, rci_threshold

Category = Literal["recovered", "improved", "unchanged", "deteriorated", "harmed"]
CATEGORIES: tuple[Category, ...] = (
    "recovered", "improved", "unchanged", "deteriorated", "harmed",
)  # fmt: skip

MINIMAL_DIFFERENCE = (
    "Improved and deteriorated are a change of at least the difference given (anchor-based; "
    "Jaeschke et al. 1989, Control Clin Trials 10:407)."
)
RELIABLE_CHANGE = (
    "Improved and deteriorated are a change of more than 1.96 x sqrt(2) x SD x sqrt(1 - "
    "reliability), SD being that of the sample at the first measurement (Jacobson & Truax 1991, "
    "J Consult Clin Psychol 59:12-19)."
)
CUTOFF_C = (
    "Recovered is improved, worse than cut-off c before and better than it after; c lies where a "
    "score is equally likely in the sample and in the functional population (Jacobson & Truax "
    "1991). Harmed is deteriorated, not worse than c before and not better than it after (R "
    "package clinicalsignificance 2.1)."
)

_NUMBER = re.compile(r"-?[0-9]{1,9}(\.[0-9]{1,9})?")
# Prorated scores are fractions: a difference of 7 may come out as 6.999999999999998.
_HAIR = 1e-9


class RuleRefused(Exception):
    """Say in one sentence why a rule cannot be read or applied."""


@dataclass(frozen=True, slots=True)
class Functional:
    """Hold the mean and the standard deviation of people without the disorder."""

    mean: float
    sd: float


@dataclass(frozen=True, slots=True)
class Yardstick:
    """Hold what a rule asks of one sample: the change it takes, and the cut-off if it has one.

    The sample is of those measured both times; its figures are of the first. `sd` is None for
    fewer than two patients.
    """

    threshold: float
    is_reached: bool  #: a change of exactly the threshold counts
    cutoff: float | None
    n: int
    mean: float | None
    sd: float | None

    def classify(self, first: float, last: float, direction: Direction) -> Category:
        """Return the one class in which a change lies."""
        better = gain(first, last, direction)
        if self._counts(better):
            return "recovered" if self._crosses(first, last, direction) else "improved"
        if self._counts(-better):
            return "harmed" if self._never_was(first, last, direction) else "deteriorated"
        return "unchanged"

    def _counts(self, better: float) -> bool:
        over = better - self.threshold
        return over >= -_HAIR if self.is_reached else over > _HAIR

    def _crosses(self, first: float, last: float, direction: Direction) -> bool:
        if self.cutoff is None:
            return False
        return gain(self.cutoff, first, direction) < 0 < gain(self.cutoff, last, direction)

    def _never_was(self, first: float, last: float, direction: Direction) -> bool:
        if self.cutoff is None:
            return False
        return gain(self.cutoff, first, direction) >= 0 >= gain(self.cutoff, last, direction)


@dataclass(frozen=True, slots=True)
class ChangeRule:
    """Hold a rule as asked for: a difference in points or a reliability, and perhaps cut-off c."""

    text: str
    difference: float | None
    reliability: float | None
    functional: Functional | None

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Read a rule; raises RuleRefused.

        `mid=7` or `jt,reliability=0.80`, either with `,cutoff=c,functional=MEAN/SD`.
        """
        parts = _parts(text)
        if ("mid" in parts) == ("jt" in parts):
            raise RuleRefused(f"--rule “{text}”: begin with mid=POINTS or with jt.")
        if "jt" in parts and "reliability" not in parts:
            raise RuleRefused(f"--rule “{text}”: jt needs reliability=, from 0 to below 1.")
        if "mid" in parts and "reliability" in parts:
            raise RuleRefused(f"--rule “{text}”: reliability= goes with jt, not with mid=.")
        if ("cutoff" in parts) != ("functional" in parts):
            raise RuleRefused(f"--rule “{text}”: cutoff=c and functional=MEAN/SD go together.")
        return cls(
            text=text,
            difference=_difference(parts["mid"]) if "mid" in parts else None,
            reliability=_reliability(parts["reliability"]) if "jt" in parts else None,
            functional=_functional(parts) if "cutoff" in parts else None,
        )

    @property
    def sentences(self) -> list[str]:
        """Return what the rule says, each sentence with its source."""
        kind = RELIABLE_CHANGE if self.difference is None else MINIMAL_DIFFERENCE
        return [kind, *([CUTOFF_C] if self.functional else [])]

    def applied_to(self, firsts: Sequence[float], direction: Direction) -> Yardstick:
        """Return the rule for a sample, given its scores at the first measurement.

        Raises RuleRefused where the sample has no spread to judge by.
        """
        middle = mean(firsts) if firsts else None
        spread = stdev(firsts) if len(firsts) > 1 else None
        cutoff = None
        if self.difference is None or self.functional:
            if middle is None or not spread:
                raise RuleRefused(_no_spread(self.text, len(firsts)))
            if self.functional:
                cutoff = self._cutoff(self.functional, middle, spread, direction)
        if self.difference is not None:
            threshold = self.difference
        else:
            assert spread is not None
            assert self.reliability is not None
            threshold = rci_threshold(spread, self.reliability)
        return Yardstick(
            threshold, self.difference is not None, cutoff, len(firsts), middle, spread
        )

    def _cutoff(
        self, functional: Functional, middle: float, spread: float, direction: Direction
    ) -> float:
        """Return Jacobson and Truax's c: where both populations are equally likely."""
        if gain(middle, functional.mean, direction) <= 0:
            raise RuleRefused(
                f"--rule “{self.text}”: the functional mean {functional.mean:g} is not better than "
                f"the sample's, {middle:.4g}."
            )
        return (spread * functional.mean + functional.sd * middle) / (spread + functional.sd)


def _no_spread(text: str, n: int) -> str:
    if n < 2:
        return f"--rule “{text}”: needs two patients with both measurements, and there are {n}."
    return (
        f"--rule “{text}”: the standard deviation is 0, for all {n} patients have the same score "
        "at --from."
    )


def _parts(text: str) -> Mapping[str, str]:
    parts: dict[str, str] = {}
    for part in text.split(","):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        known = name in ("mid", "reliability", "cutoff", "functional")
        if not (known and equals and value) and (name, equals) != ("jt", ""):
            raise RuleRefused(
                f"--rule “{text}”: “{part.strip()}” is no part of a rule; these are: mid=POINTS, "
                "jt, reliability=R, cutoff=c, functional=MEAN/SD."
            )
        if name in parts:
            raise RuleRefused(f"--rule “{text}”: {name} stands twice.")
        parts[name] = value
    return parts


def _number(text: str) -> float:
    return float(text) if _NUMBER.fullmatch(text) else math.nan


def _difference(text: str) -> float:
    points = _number(text)
    if not points > 0:
        raise RuleRefused(f"--rule mid={text}: the difference must be a number above 0.")
    return points


def _reliability(text: str) -> float:
    reliability = _number(text)
    if not 0 <= reliability < 1:
        raise RuleRefused(
            f"--rule reliability={text}: the reliability must be a number from 0 to below 1."
        )
    return reliability


def _functional(parts: Mapping[str, str]) -> Functional:
    if parts["cutoff"] != "c":
        raise RuleRefused(f"--rule cutoff={parts['cutoff']}: the only cut-off is c.")
    middle, _slash, spread = parts["functional"].partition("/")
    found = Functional(_number(middle), _number(spread))
    if math.isnan(found.mean):
        raise RuleRefused(
            f"--rule functional={parts['functional']}: give the mean and the standard deviation "
            "of the functional population, like 8/8."
        )
    if not found.sd > 0:
        raise RuleRefused(
            f"--rule functional={parts['functional']}: the standard deviation must be a number "
            "above 0."
        )
    return found
