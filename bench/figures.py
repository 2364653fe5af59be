"""Figures: timed, compared, and printed one to a line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """One thing measured: ours, the rival's if there is one, and the target with its verdict."""

    name: str
    ours: str
    rival: str = ""
    ratio: float | None = None
    target: str = ""
    is_held: bool | None = None

    def line(self) -> str:
        """Return the figure as one line of the table."""
        ratio = "" if self.ratio is None else f"{self.ratio:.2f}"
        verdict = {None: "", True: "held", False: "short"}[self.is_held]
        cells = (self.ours.rjust(15), self.rival.rjust(15), ratio.rjust(6), self.target.rjust(12))
        return f"{self.name:<46} {' '.join(cells)}  {verdict}".rstrip()


HEADER = Figure("", "ours", "rival", None, "target").line()


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value that this share of the values does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def milliseconds(seconds: float) -> str:
    """Return a time in words."""
    return f"{seconds * 1000:,.1f} ms"
