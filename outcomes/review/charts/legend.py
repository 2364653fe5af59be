"""The legend: what each mark means, in words, and only for marks that are on this chart."""

from collections.abc import Callable

from outcomes.review.charts import svg
from outcomes.review.charts.data import ChartData, Point, SessionStatus, WindowState
from outcomes.review.charts.ground import (
    RELIABLE_DASH,
    RELIABLE_OPACITY,
    REMISSION_DASH,
    RESPONSE_DASH,
)
from outcomes.review.charts.lanes import dose_key, marker_key, session_shape
from outcomes.review.charts.layout import width_of, wrap
from outcomes.review.charts.marks import point_shape
from outcomes.review.charts.sheet import Sheet
from outcomes.review.charts.strip import NARROWEST, STRIP, is_gathered, strip_line, strip_shapes

Glyph = Callable[[float, float], str]
Entry = tuple[bool, Glyph, str]

_SAMPLE = 28.0


def draw_legend(parts: list[str], sheet: Sheet, y: float) -> float:
    """Write the legend under the chart, a row or more for each subject; return the next y."""
    form = sheet.form
    base = y
    drawn: list[str] = []
    for subject, entries in _subjects(sheet):
        occurring = [(glyph, meaning) for occurs, glyph, meaning in entries if occurs]
        if occurring:
            base = _draw_row(drawn, sheet, base + form.leading + 5, subject, occurring)
    parts.append(svg.hidden(*drawn))
    keys = [(key, svg.INK) for key in dose_key(sheet)]
    keys += [(key, svg.CHANGE) for key in marker_key(sheet)]
    for key, fill in keys:
        base += 4
        for told in wrap(key, form.width - form.left, form.size):
            base += form.leading
            parts.append(svg.text(form.left, base, told, size=form.size, fill=fill))
    return base + 12


def _draw_row(
    drawn: list[str], sheet: Sheet, base: float, subject: str, entries: list[tuple[Glyph, str]]
) -> float:
    """Write one subject and its entries, wrapping under them; return the last baseline."""
    form = sheet.form
    drawn.append(svg.text(form.left, base, subject, size=form.size, bold=True))
    start = form.left + width_of("Sessions", form.size, bold=True) + 16
    x = start
    for glyph, meaning in entries:
        width = _SAMPLE + width_of(meaning, form.size)
        if x > start and x + width > form.width:
            x, base = start, base + form.leading + 4
        drawn.append(glyph(x + 11, base - form.size * 0.36))
        drawn.append(svg.text(x + _SAMPLE, base, meaning, size=form.size, fill=svg.MUTED))
        x += width + 10
    return base


def _subjects(sheet: Sheet) -> list[tuple[str, list[Entry]]]:
    """List the subjects of the legend with all their entries."""
    data = sheet.data
    return [
        ("Scores", _scores(data)),
        ("Lines", _lines(data)),
        ("Sessions", _sessions(data)),
        ("Asked", _askings(sheet)),
    ]


def _scores(data: ChartData) -> list[Entry]:
    points = [point for panel in data.panels for point in panel.points]
    return [
        (any(map(_is_plain, points)), _score(), "score"),
        (any(point.late for point in points), _score(late=True), "answered late"),
        (any(point.prorated for point in points), _score(prorated=True), "prorated, items missing"),
        (any(point.imported for point in points), _score(imported=True), "imported"),
        (any(point.safety for point in points), _safety, "safety answer positive"),
    ]


def _lines(data: ChartData) -> list[Entry]:
    based = [panel for panel in data.panels if panel.baseline is not None]
    reliable = any(panel.reliable_half_width is not None for panel in based)
    response = any(panel.response_line is not None for panel in data.panels)
    remission = any(panel.remission_line is not None for panel in data.panels)
    return [
        (bool(based), _ring, "baseline, last before session 1"),
        (reliable, _reliable, "change too small to be reliable"),
        (response, _dashed(RESPONSE_DASH), "response, 50 % better"),
        (remission, _dashed(REMISSION_DASH), "remission"),
    ]


def _sessions(data: ChartData) -> list[Entry]:
    statuses = {mark.status for mark in data.sessions}
    return [
        ("held" in statuses, _session("held"), "held"),
        ("planned" in statuses, _session("planned"), "planned"),
        ("not_held" in statuses, _session("not_held"), "not held"),
        (bool(data.markers), _change, "treatment change or note"),
    ]


def _askings(sheet: Sheet) -> list[Entry]:
    panels = sheet.data.panels
    states = {window.state for panel in panels for window in panel.windows}
    gathered = any(is_gathered(sheet, panel) for panel in panels)
    return [
        ("answered" in states, _asked("answered"), "answered"),
        ("late" in states, _asked("late"), "answered late"),
        ("missed" in states, _asked("missed"), "missed, the line is broken"),
        ("pending" in states, _asked("pending"), "not closed yet"),
        (gathered, _gathered, "close together: one mark for several"),
    ]


def _is_plain(point: Point) -> bool:
    return not (point.late or point.prorated or point.imported)


def _score(*, late: bool = False, prorated: bool = False, imported: bool = False) -> Glyph:
    return lambda x, y: point_shape(x, y, 4, late=late, prorated=prorated, imported=imported)


def _safety(x: float, y: float) -> str:
    return svg.triangle(x, y, 5.5)


def _ring(x: float, y: float) -> str:
    return _score()(x, y) + svg.circle(x, y, 7, fill="none", stroke=svg.INK, width=1.4)


def _reliable(x: float, y: float) -> str:
    left, right = x - 11, x + 11
    edges = (
        svg.line(left, y + step, right, y + step, stroke=svg.DATA, dash=RELIABLE_DASH)
        for step in (-6, 6)
    )
    return svg.rect(left, y - 6, 22, 12, fill=svg.DATA, opacity=RELIABLE_OPACITY) + "".join(edges)


def _dashed(dash: str) -> Glyph:
    return lambda x, y: svg.line(x - 11, y, x + 11, y, stroke=svg.MUTED, width=1.5, dash=dash)


def _session(status: SessionStatus) -> Glyph:
    return lambda x, y: session_shape(x, y, status)


def _change(x: float, y: float) -> str:
    return svg.line(x, y - 7, x, y + 7, stroke=svg.CHANGE, width=1.4, dash="5 3")


def _asked(state: WindowState) -> Glyph:
    return lambda x, y: (
        strip_line(x - 8, x + 8, y - STRIP / 2) + strip_shapes([x], y - STRIP / 2, 9, state)
    )


def _gathered(x: float, y: float) -> str:
    top = y - STRIP / 2
    shapes = (strip_shapes([x], top, NARROWEST, state) for state in ("answered", "missed"))
    return strip_line(x - 8, x + 8, top) + "".join(shapes)
