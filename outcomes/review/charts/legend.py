"""The legend: what each mark means, in words, and only for marks that are on this chart."""

from collections.abc import Callable

from outcomes.review.charts import svg, words
from outcomes.review.charts.data import ChartData, MarkerKind, Point, SessionStatus, WindowState
from outcomes.review.charts.ground import (
    CLINIC,
    CLINIC_DASH,
    CLINIC_OPACITY,
    CUTOFF_DASH,
    MARKER_DASH,
    RELIABLE_DASH,
    RELIABLE_OPACITY,
    REMISSION_DASH,
    RESPONSE_DASH,
)
from outcomes.review.charts.lanes import dose_key, marker_key, session_shape
from outcomes.review.charts.layout import width_of, wrap
from outcomes.review.charts.light import FAINT
from outcomes.review.charts.marks import cross, point_shape
from outcomes.review.charts.sheet import Sheet
from outcomes.review.charts.strip import NARROWEST, STRIP, is_gathered, strip_line, strip_shapes
from outcomes.review.tongue import gettext as _

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
    start = form.left + width_of(_("Sessions"), form.size, bold=True) + 16
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
    return [
        (_("Scores"), _scores(sheet)),
        (_("Lines"), _lines(sheet.data)),
        (_("Sessions"), _sessions(sheet)),
        (_("Asked"), _askings(sheet)),
        (_("Clinic"), _clinic(sheet)),
    ]


def _scores(sheet: Sheet) -> list[Entry]:
    heavy = [panel for panel in sheet.data.panels if not panel.is_light]
    points = [point for panel in heavy for point in sheet.points(panel)]
    is_light = any(panel.is_light and sheet.points(panel) for panel in sheet.data.panels)
    return [
        (any(map(_is_plain, points)), _score(), _("score")),
        (any(point.late for point in points), _score(late=True), _("answered late")),
        (
            any(point.prorated for point in points),
            _score(prorated=True),
            _("prorated, items missing"),
        ),
        (any(point.imported for point in points), _score(imported=True), _("imported")),
        (any(map(sheet.blanks, heavy)), cross, _("answered, no total")),
        (any(point.safety for point in points), _safety, _("safety answer positive")),
        (is_light, _faint, _("daily check, one question")),
    ]


def _lines(data: ChartData) -> list[Entry]:
    based = [panel for panel in data.panels if panel.baseline is not None]
    reliable = any(panel.reliable_half_width is not None for panel in based)
    response = any(panel.response_line is not None for panel in data.panels)
    remission = any(panel.remission_line is not None for panel in data.panels)
    cutoff = any(panel.cutoff_line is not None for panel in data.panels)
    return [
        (bool(based), _ring, _("baseline, last before session 1")),
        (reliable, _reliable, _("change too small to be reliable")),
        (response, _dashed(RESPONSE_DASH), _("response, from this baseline")),
        (remission, _dashed(REMISSION_DASH), _("remission")),
        (cutoff, _dashed(CUTOFF_DASH), _("published cut-off, at which an alert is raised")),
    ]


def _sessions(sheet: Sheet) -> list[Entry]:
    statuses = {mark.status for mark in sheet.sessions}
    kinds = {marker.kind for marker in sheet.data.markers if sheet.x.holds(marker.at)}
    return [
        ("held" in statuses, _session("held"), _("held")),
        ("planned" in statuses, _session("planned"), _("planned")),
        ("not_held" in statuses, _session("not_held"), _("not held")),
        ("change" in kinds, _marker("change"), _("treatment change")),
        ("note" in kinds, _marker("note"), _("note")),
    ]


def _askings(sheet: Sheet) -> list[Entry]:
    panels = sheet.data.panels
    states = {window.state for panel in panels for window in sheet.windows(panel)}
    gathered = any(is_gathered(sheet, panel) for panel in panels)
    return [
        ("answered" in states, _asked("answered"), _("answered")),
        ("late" in states, _asked("late"), _("answered late")),
        ("missed" in states, _asked("missed"), _("missed, the line is broken")),
        ("pending" in states, _asked("pending"), _("not closed yet")),
        (gathered, _gathered, _("close together: one mark for several")),
    ]


def _clinic(sheet: Sheet) -> list[Entry]:
    points = [point for panel in sheet.data.panels for point in panel.clinic_band]
    told = words.clinic_band_words(points)
    return [
        (bool(points), _middle_half, told),
        (bool(points), _median, _("their median")),
    ]


def _middle_half(x: float, y: float) -> str:
    return svg.rect(x - 11, y - 6, 22, 12, fill=CLINIC, stroke=CLINIC, opacity=CLINIC_OPACITY)


def _median(x: float, y: float) -> str:
    return svg.line(x - 11, y, x + 11, y, stroke=CLINIC, width=1.4, dash=CLINIC_DASH)


def _is_plain(point: Point) -> bool:
    return not (point.late or point.prorated or point.imported)


def _score(*, late: bool = False, prorated: bool = False, imported: bool = False) -> Glyph:
    return lambda x, y: point_shape(x, y, 4, late=late, prorated=prorated, imported=imported)


def _faint(x: float, y: float) -> str:
    return svg.dots([(x - 6, y), (x, y - 2), (x + 6, y + 1)], opacity=FAINT)


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


def _marker(kind: MarkerKind) -> Glyph:
    dash = MARKER_DASH[kind]
    return lambda x, y: svg.line(x, y - 7, x, y + 7, stroke=svg.CHANGE, width=1.4, dash=dash)


def _asked(state: WindowState) -> Glyph:
    return lambda x, y: (
        strip_line(x - 8, x + 8, y - STRIP / 2) + strip_shapes([x], y - STRIP / 2, 9, state)
    )


def _gathered(x: float, y: float) -> str:
    top = y - STRIP / 2
    shapes = (strip_shapes([x], top, NARROWEST, state) for state in ("answered", "missed"))
    return strip_line(x - 8, x + 8, top) + "".join(shapes)
