"""A light layer: one thin panel of faint dots under the others, on the same time axis."""

from outcomes.review.charts import svg, words
from outcomes.review.charts.axis import ValueScale
from outcomes.review.charts.data import Panel
from outcomes.review.charts.ground import GRID, draw_guides
from outcomes.review.charts.layout import width_of
from outcomes.review.charts.sheet import Sheet
from outcomes.review.charts.strip import draw_strip

FAINT = 0.55
_PLOT = 44.0


def draw_light(parts: list[str], sheet: Sheet, panel: Panel, y: float) -> float:
    """Draw a light panel under `y`: all its dots are one path; return the next y."""
    form = sheet.form
    base = y + form.size
    x = form.left + width_of(panel.code, form.size, bold=True) + 9
    ranged = f"{words.number(panel.low)}–{words.number(panel.high)}"
    told = f"{panel.title} · {ranged}, {words.direction_words(panel)}"
    parts.append(svg.text(form.left, base, panel.code, size=form.size, bold=True))
    parts.append(svg.text(x, base, told, size=form.size, fill=svg.MUTED))
    scale = ValueScale(panel.low, panel.high, base + 10, base + 10 + _PLOT)
    edges = [
        svg.line(form.left, scale(value), form.right, scale(value), stroke=GRID, width=0.8)
        + svg.text(
            form.left - 6,
            scale(value) + form.size * 0.36,
            words.number(value),
            size=form.size,
            fill=svg.MUTED,
            anchor="end",
        )
        for value in (panel.low, panel.high)
    ]
    parts.append(svg.hidden(*edges, *draw_guides(sheet, scale)))
    points = sheet.points(panel)
    if points:
        ys = {value: scale(value) for value in {point.value for point in points}}
        xs = sheet.x.places([point.at for point in points])
        places = zip(xs, [ys[point.value] for point in points], strict=True)
        dots = svg.dots(places, opacity=FAINT)
        parts.append(svg.traced(sheet.told(panel), dots, sheet.steps(panel)))
    return draw_strip(parts, sheet, panel, scale.bottom)
