"""A panel's scores and askings: the broken line, the labelled marks, the coverage strip."""

from collections.abc import Sequence
from datetime import datetime

from outcomes.review.charts import svg, words
from outcomes.review.charts.axis import ValueScale
from outcomes.review.charts.data import Panel, Point, Window, WindowState
from outcomes.review.charts.layout import wrap
from outcomes.review.charts.names import safety_names
from outcomes.review.charts.sheet import Place, Sheet, rule_values, runs

STRIP = 10.0
"""The height of the coverage strip."""

_SMALLEST_TARGET = 2.0


def draw_scores(sheet: Sheet, panel: Panel, points: list[Point], scale: ValueScale) -> list[str]:
    """Draw the misses, the line broken at them, and every score."""
    missed = sorted(window.due for window in sheet.windows(panel) if window.state == "missed")
    places = [(sheet.x(point.at), scale(point.value)) for point in points]
    line = _line(points, places, missed, 2 if sheet.radius(len(points)) > 3 else 1.4)
    return [
        svg.hidden(_misses(sheet, missed, scale), line),
        *_marks(sheet, panel, points, places, scale),
    ]


def _misses(sheet: Sheet, missed: Sequence[datetime], scale: ValueScale) -> str:
    """Mark each missed window low in the panel, where the line is broken."""
    size = 3.4 if len(missed) <= 20 else 2.2
    xs = [sheet.x(at) for at in missed]
    return svg.crosses(xs, scale.bottom - 13, size, stroke=svg.MUTED)


def _line(
    points: list[Point], places: Sequence[Place], missed: list[datetime], width: float
) -> str:
    """Join the scores by straight lines, broken at every missed window."""
    cut = runs([point.at for point in points], missed)
    steps = ["M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in places[run]) for run in cut]
    return svg.path("".join(steps), stroke=svg.DATA, width=width)


def point_shape(
    x: float,
    y: float,
    r: float,
    *,
    late: bool = False,
    prorated: bool = False,
    imported: bool = False,
) -> str:
    """Draw a score's mark: diamond when prorated, square when imported, hollow when late."""
    fill = svg.WHITE if late else svg.DATA
    if prorated:
        return svg.diamond(x, y, r * 1.35, fill=fill, stroke=svg.DATA)
    if imported:
        r *= 0.9
        return svg.rect(x - r, y - r, 2 * r, 2 * r, fill=fill, stroke=svg.DATA)
    return svg.circle(x, y, r, fill=fill, stroke=svg.DATA)


def _marks(
    sheet: Sheet,
    panel: Panel,
    points: list[Point],
    places: Sequence[Place],
    scale: ValueScale,
) -> list[str]:
    """Draw every score; the baseline in a ring, a safety answer under a triangle."""
    r = sheet.radius(len(points))
    rules = [scale(value) for value in rule_values(panel)]
    named = safety_names(sheet, points, places, rules, scale.top)
    based_at = panel.baseline.at if panel.baseline else None
    drawn = []
    for index, (point, (x, y)) in enumerate(zip(points, places, strict=True)):
        mark = point_shape(
            x, y, r, late=point.late, prorated=point.prorated, imported=point.imported
        )
        ringed = point.at == based_at
        if ringed:
            mark += svg.circle(x, y, r + 3.4, fill="none", stroke=svg.INK, width=1.4)
        if point.safety:
            lift = r + (11 if ringed else 8)
            mark += svg.triangle(x, y - lift, min(5.5, r + 1.8)) + named.get(index, "")
        drawn.append(_told(sheet, panel, point, mark, r))
    if points:
        drawn.append(_last_value(sheet, points[-1], places[-1], r, rules))
    return drawn


def _told(sheet: Sheet, panel: Panel, point: Point, mark: str, r: float) -> str:
    """Add a score's label to its mark, unless the mark is too small to point at."""
    if r <= _SMALLEST_TARGET:
        return mark
    since = words.since_session(point.at, sheet.held, sheet.starts)
    label = words.point_label(panel, point, since, sheet.data.zone)
    if sheet.focusable:
        return svg.labelled(label, mark, focusable=True)
    return svg.titled(label, mark)


def _last_value(sheet: Sheet, point: Point, place: Place, r: float, rules: Sequence[float]) -> str:
    """Print the last value beside its mark, a little higher where a rule line would cross it."""
    size = sheet.form.size + 1
    x, y = place
    crossed = any(abs(rule - y) < size * 0.6 for rule in rules)
    foot = y + size * 0.36 - (size * 0.7 if crossed else 0)
    value = words.number(point.value)
    return svg.hidden(svg.text(x + r + 5, foot, value, size=size, fill=svg.DATA, bold=True))


def strip_shapes(xs: Sequence[float], y: float, width: float, state: WindowState) -> str:
    """Draw askings in a row: full if answered, half if late, crossed if missed, open if pending."""
    middle, foot = y + STRIP / 2, y + STRIP
    if state == "answered":
        return svg.uprights(xs, y, foot, stroke=svg.MUTED, width=width)
    if state == "late":
        lower = svg.uprights(xs, middle, foot, stroke=svg.MUTED, width=width)
        if width < 4:
            return lower
        half = width / 2
        d = "".join(
            f"M{x - half:.1f} {y + 0.5:.1f}h{width:.1f}v{STRIP - 1}h-{width:.1f}Z" for x in xs
        )
        return lower + svg.path(d, stroke=svg.MUTED)
    if state == "missed":
        return svg.crosses(xs, middle, min(3.6, width / 2 + 1), stroke=svg.INK)
    r = min(2.6, width / 2 + 0.6)
    return "".join(svg.circle(x, middle, r, fill=svg.WHITE, stroke=svg.FRAME) for x in xs)


def draw_strip(parts: list[str], sheet: Sheet, panel: Panel, y: float) -> float:
    """Draw what was asked and what came of it, and count it in words; return the next y."""
    form = sheet.form
    shown = sheet.windows(panel)
    if not shown:
        return y + 16
    width = min(9.0, max(0.5, 0.6 * (sheet.x.right - sheet.x.left) / max(len(shown), 1)))
    by_state: dict[WindowState, list[float]] = {}
    for window in shown:
        by_state.setdefault(window.state, []).append(sheet.x(window.due))
    drawn = [strip_shapes(xs, y + 7, width, state) for state, xs in by_state.items()]
    parts.append(svg.hidden(*drawn, *_strip_words(sheet, shown, y + 7 + form.size * 0.85)))
    return y + 7 + STRIP + 4


def _strip_words(sheet: Sheet, shown: Sequence[Window], foot: float) -> list[str]:
    """Write how many of the closed askings were answered."""
    form = sheet.form
    counts = words.tally(shown)
    answered = counts["answered"] + counts["late"]
    told = f"{answered} of {answered + counts['missed']} answered"
    drawn = [
        svg.text(form.right + 10, foot + row * form.leading, words_, size=form.size, fill=svg.MUTED)
        for row, words_ in enumerate(wrap(told, form.gutter - 12, form.size))
    ]
    if form.margin_words:
        name = svg.text(form.left - 6, foot, "Asked", size=form.size, fill=svg.MUTED, anchor="end")
        drawn.append(name)
    return drawn
