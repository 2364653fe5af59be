"""Where things stand: the two sheet sizes, and labels kept from overlapping."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Layout = Literal["wide", "narrow"]

_WIDTHS = (("Iil.,:;'|!j-ftr ()\u00a0", 0.36), ("MWmw%@", 0.92), ("ABCDEGHKNOPQRSTUVXYZ", 0.68))
_WIDTH = {letter: width for letters, width in _WIDTHS for letter in letters}
"""Widths of letters as shares of the font size, as in the widest of the usual fonts."""


@dataclass(frozen=True, slots=True)
class Form:
    """Hold the measures of one layout, in user units (CSS pixels at full width)."""

    width: float
    left: float
    gutter: float
    plot: float
    inset: float
    last: float
    size: float
    heading: float
    margin_words: bool

    @property
    def right(self) -> float:
        """Return the x where the plot ends and the gutter of words begins."""
        return self.width - self.gutter

    @property
    def leading(self) -> float:
        """Return the distance between two lines of words."""
        return self.size + 3


WIDE = Form(960, 46, 132, 196, 18, 34, 12, 16, margin_words=True)
NARROW = Form(360, 30, 82, 236, 10, 24, 11, 15, margin_words=False)
FORMS: dict[Layout, Form] = {"wide": WIDE, "narrow": NARROW}


def width_of(words: str, size: float, *, bold: bool = False) -> float:
    """Estimate the width of a line of words, on the generous side."""
    return sum([_WIDTH.get(letter, 0.61) for letter in words]) * size * (1.13 if bold else 1)


def wrap(words: str, width: float, size: float, *, bold: bool = False) -> tuple[str, ...]:
    """Break words at spaces into lines no wider than `width`; a longer word stands alone."""
    lines: list[str] = []
    for word in words.split(" "):
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and width_of(longer, size, bold=bold) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return tuple(lines)


def spread(
    wanted: Sequence[float], heights: Sequence[float], top: float, bottom: float
) -> list[float]:
    """Move label centres apart just enough that none overlaps, keeping them within the frame.

    `wanted` runs from top to bottom. Each label takes its height around its centre.
    """
    centres: list[float] = []
    floor = top
    for centre, height in zip(wanted, heights, strict=True):
        centres.append(max(centre, floor + height / 2))
        floor = centres[-1] + height / 2
    ceiling = bottom
    for index in range(len(centres) - 1, -1, -1):
        centres[index] = min(centres[index], ceiling - heights[index] / 2)
        ceiling = centres[index] - heights[index] / 2
    return centres


def roomiest(
    top: float, bottom: float, taken: Sequence[tuple[float, float]]
) -> tuple[float, float]:
    """Return the tallest free stretch between `top` and `bottom`, around what is taken."""
    best = (top, top)
    edge = top
    for low, high in [*sorted(taken), (bottom, bottom)]:
        upto = min(low, bottom)
        if upto - edge > best[1] - best[0]:
            best = (edge, upto)
        edge = max(edge, high)
    return best


def rows(spans: Sequence[tuple[float, float, float]], most: int) -> list[int] | None:
    """Give each label a row so that no label overlaps another or is crossed by another's line.

    A span is (left, right, x of the line that falls from the label through the rows below it).
    None where `most` rows are not enough.
    """
    placed: list[int] = []
    for index, span in enumerate(spans):
        free = (
            row
            for row in range(most)
            if not any(
                _clash(row, span, other_row, other)
                for other_row, other in zip(placed, spans[:index], strict=True)
            )
        )
        row = next(free, None)
        if row is None:
            return None
        placed.append(row)
    return placed


def _clash(
    row: int,
    span: tuple[float, float, float],
    other_row: int,
    other: tuple[float, float, float],
) -> bool:
    """Say whether two labels on their rows would touch."""
    if row == other_row:
        return span[0] < other[1] + 8 and other[0] < span[1] + 8
    upper, lower = (span, other) if row < other_row else (other, span)
    return lower[0] - 3 < upper[2] < lower[1] + 3
