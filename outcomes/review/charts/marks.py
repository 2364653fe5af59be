"""A panel's scores: the line broken at each miss, and the labelled marks."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from outcomes.review.charts import svg, words
from outcomes.review.charts.axis import ValueScale
from outcomes.review.charts.data import Blank, Panel, Point
from outcomes.review.charts.names import safety_names
from outcomes.review.charts.sheet import Place, Sheet, rule_values, runs

_SMALLEST_TARGET = 2.0


def draw_scores(sheet: Sheet, panel: Panel, points: list[Point], scale: ValueScale) -> list[str]:
    """Draw the line, broken where one was missed or came to nothing, and every score."""
    blanks = sheet.blanks(panel)
    missed = [window.due for window in sheet.windows(panel) if window.state == "missed"]
    gaps = sorted([*missed, *(blank.at for blank in blanks)])
    xs = sheet.x.places([point.at for point in points])
    places = [(x, scale(point.value)) for x, point in zip(xs, points, strict=True)]
    line = _line(points, places, gaps, 2 if sheet.radius(len(points)) > 3 else 1.4)
    marks = _marks(sheet, panel, points, places, scale)
    if not sheet.focusable and points:
        marks = [svg.traced(sheet.told(panel), "".join(marks), sheet.steps(panel))]
    last = [_last_value(sheet, panel, points[-1], places[-1], scale)] if points else []
    return [svg.hidden(line), *marks, *_crosses(sheet, panel, blanks, scale), *last]


def _crosses(
    sheet: Sheet, panel: Panel, blanks: Sequence[Blank], scale: ValueScale
) -> Iterator[str]:
    """Mark at the foot of the panel what was answered and has no total."""
    for blank in blanks:
        label = words.blank_label(panel, blank, sheet.data.zone)
        mark = cross(sheet.x(blank.at), scale.bottom - 8)
        yield svg.labelled(label, mark, focusable=sheet.focusable)


def cross(x: float, y: float) -> str:
    """Draw the mark of a filling-in without a total."""
    d = f"M{x - 4:.1f} {y - 4:.1f}l8 8M{x - 4:.1f} {y + 4:.1f}l8 -8"
    return svg.path(d, stroke=svg.DATA, width=1.6)


def _line(points: list[Point], places: Sequence[Place], gaps: list[datetime], width: float) -> str:
    """Join the scores by straight lines, broken at every gap."""
    cut = runs([point.at for point in points], gaps)
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
    """Draw a score's mark: diamond when prorated, square when imported, half full when late."""
    fill = svg.WHITE if late else svg.DATA
    if prorated:
        r *= 1.35
        mark = svg.diamond(x, y, r, fill=fill, stroke=svg.DATA)
        return (
            mark + svg.lower_half(x, y, r, f"l{r:.1f} {r:.1f} {r:.1f} {-r:.1f}") if late else mark
        )
    if imported:
        r *= 0.9
        mark = svg.rect(x - r, y - r, 2 * r, 2 * r, fill=fill, stroke=svg.DATA)
        return mark + svg.lower_half(x, y, r, f"v{r:.1f}h{2 * r:.1f}v{-r:.1f}") if late else mark
    mark = svg.circle(x, y, r, fill=fill, stroke=svg.DATA)
    return mark + svg.lower_half(x, y, r, f"a{r:.1f} {r:.1f} 0 0 0 {2 * r:.1f} 0") if late else mark


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
    named = safety_names(sheet, points, places, rules, scale)
    based_at = panel.baseline.at if panel.baseline else None
    # Marks too small to point at are dots of one path, but for what else some of them show.
    is_small = r <= _SMALLEST_TARGET and not sheet.focusable
    drawn = [svg.dots(places, width=2 * r + 1.6)] if is_small and points else []
    for index, (point, (x, y)) in enumerate(zip(points, places, strict=True)):
        is_dot = is_small and not (point.late or point.prorated or point.imported)
        mark = (
            ""
            if is_dot
            else point_shape(
                x, y, r, late=point.late, prorated=point.prorated, imported=point.imported
            )
        )
        ringed = point.at == based_at
        if ringed:
            mark += svg.circle(x, y, r + 3.4, fill="none", stroke=svg.INK, width=1.4)
        if point.safety:
            lift = r + (11 if ringed else 8)
            mark += svg.triangle(x, y - lift, min(5.5, r + 1.8)) + named.get(index, "")
        drawn.append(mark if is_small else _told(sheet, panel, point, mark))
    return drawn


def _told(sheet: Sheet, panel: Panel, point: Point, mark: str) -> str:
    """Add a score's label to its mark."""
    since = words.since_session(point.at, sheet.held, sheet.starts)
    label = words.point_label(panel, point, since, sheet.data.zone)
    if sheet.focusable:
        return svg.labelled(label, mark, focusable=True)
    return svg.titled(label, mark)


def _last_value(sheet: Sheet, panel: Panel, point: Point, place: Place, scale: ValueScale) -> str:
    """Print the last value beside its mark, a little higher where a rule line would cross it."""
    size, r = sheet.form.size + 1, sheet.radius(len(sheet.points(panel)))
    rules = [scale(value) for value in rule_values(panel)]
    x, y = place
    crossed = any(abs(rule - y) < size * 0.6 for rule in rules)
    foot = y + size * 0.36 - (size * 0.7 if crossed else 0)
    value = words.number(point.value)
    return svg.hidden(svg.text(x + r + 5, foot, value, size=size, fill=svg.DATA, bold=True))
