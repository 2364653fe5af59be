"""The coverage strip: what was asked, above its line what came back, below it what was missed."""

from collections import Counter
from collections.abc import Sequence, Set
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from outcomes.review.charts import svg, words
from outcomes.review.charts.data import Panel, Window, WindowState
from outcomes.review.charts.layout import wrap
from outcomes.review.charts.sheet import Sheet
from outcomes.review.tongue import gettext as _

STRIP = 16.0
"""The height of the coverage strip: its line, what stands on it and what hangs under it."""

NARROWEST = 3.0
_WIDEST = 9.0
_CLEAR = 1.0
_BAR = 9.0
_WORST_FIRST: tuple[WindowState, ...] = ("late", "answered", "pending")


@dataclass(frozen=True, slots=True)
class Slot:
    """Hold the askings that one mark stands for, placed at the first of them."""

    due: datetime
    states: Set[WindowState]


def slots(windows: Sequence[Window], step: timedelta) -> list[Slot]:
    """Gather askings, in order of time, that would stand less than `step` apart."""
    found: list[Slot] = []
    states: set[WindowState] = set()
    first = None
    for window in windows:
        if first is None or window.due - first >= step:
            first, states = window.due, set()
            found.append(Slot(first, states))
        states.add(window.state)
    return found


def step_of(sheet: Sheet) -> timedelta:
    """Return the time that the narrowest mark and the gap after it take on the sheet."""
    scale = sheet.x
    return (scale.end - scale.start) * ((NARROWEST + _CLEAR) / (scale.right - scale.left))


def is_gathered(sheet: Sheet, panel: Panel) -> bool:
    """Say whether some mark of the strip stands for several askings."""
    step = step_of(sheet)
    return any(later.due - window.due < step for window, later in pairwise(sheet.windows(panel)))


def strip_shapes(xs: Sequence[float], y: float, width: float, state: WindowState) -> str:
    """Draw askings in a row: a bar if answered, half of it if late, open if pending.

    What was missed hangs under the line instead, in a darker block.
    """
    foot = y + _BAR
    if state == "missed":
        return svg.uprights(xs, foot + 1, y + STRIP, stroke=svg.INK, width=width)
    if state == "answered":
        return svg.uprights(xs, y, foot, stroke=svg.MUTED, width=width)
    half = width / 2 - 0.5
    d = "".join(
        f"M{x - half:.1f} {y + 0.5:.1f}h{2 * half:.1f}v{_BAR - 1}h-{2 * half:.1f}Z" for x in xs
    )
    if state == "pending":
        return svg.path(d, stroke=svg.FRAME, fill=svg.WHITE)
    lower = svg.uprights(xs, y + _BAR / 2, foot, stroke=svg.MUTED, width=width)
    return lower if width < 4 else lower + svg.path(d, stroke=svg.MUTED)


def strip_line(left: float, right: float, y: float) -> str:
    """Draw the line between what came back and what was missed."""
    return svg.line(left, y + _BAR + 0.5, right, y + _BAR + 0.5, stroke=svg.FRAME, width=0.8)


def draw_strip(parts: list[str], sheet: Sheet, panel: Panel, y: float) -> float:
    """Draw what was asked and what came of it, and count it in words; return the next y.

    A mark shows a miss always, and above the line the worst of what else came of its askings.
    """
    form = sheet.form
    shown = sheet.windows(panel)
    if not shown:
        return y + 16
    top = y + 6
    placed = slots(shown, step_of(sheet))
    xs = [sheet.x(slot.due) for slot in placed]
    width = _width(xs)
    drawn = strip_line(form.left, form.right, top)
    left = list(zip(placed, xs, strict=True))
    missed = [x for slot, x in left if "missed" in slot.states]
    drawn += strip_shapes(missed, top, width, "missed")
    for state in _WORST_FIRST:
        drawn += strip_shapes([x for slot, x in left if state in slot.states], top, width, state)
        left = [pair for pair in left if state not in pair[0].states]
    counts = words.tally(shown)
    told = words.strip_label(panel.code, counts)
    parts.append(svg.labelled(told, drawn) if sheet.focusable else svg.titled(told, drawn))
    parts.append(svg.hidden(*_strip_words(sheet, counts, top + form.size * 0.85)))
    return top + STRIP + 4


def _width(xs: Sequence[float]) -> float:
    """Make the marks as wide as the two nearest of them allow."""
    nearest = min((right - left for left, right in pairwise(xs)), default=_WIDEST)
    return round(min(_WIDEST, max(NARROWEST, nearest - _CLEAR)), 1)


def _strip_words(sheet: Sheet, counts: Counter[WindowState], foot: float) -> list[str]:
    """Write how many of the closed askings were answered."""
    form = sheet.form
    answered = counts["answered"] + counts["late"]
    told = _("%(answered)d of %(asked)d answered") % {
        "answered": answered,
        "asked": answered + counts["missed"],
    }
    drawn = [
        svg.text(form.right + 10, foot + row * form.leading, words_, size=form.size, fill=svg.MUTED)
        for row, words_ in enumerate(wrap(told, form.gutter - 12, form.size))
    ]
    if form.margin_words:
        name = svg.text(
            form.left - 6, foot, _("Asked"), size=form.size, fill=svg.MUTED, anchor="end"
        )
        drawn.append(name)
    return drawn
