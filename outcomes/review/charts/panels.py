"""One panel: its heading, its ground, its scores, its coverage strip."""

from outcomes.review.charts import svg, words
from outcomes.review.charts.axis import ValueScale
from outcomes.review.charts.data import Panel
from outcomes.review.charts.ground import draw_ground
from outcomes.review.charts.layout import width_of, wrap
from outcomes.review.charts.marks import draw_scores
from outcomes.review.charts.sheet import Sheet
from outcomes.review.charts.strip import draw_strip
from outcomes.review.tongue import gettext as _


def draw_panel(parts: list[str], sheet: Sheet, panel: Panel, y: float) -> float:
    """Draw one panel under `y`; return the next y."""
    form = sheet.form
    top = _draw_bands(parts, sheet, panel, _draw_heading(parts, sheet, panel, y)) + 20
    scale = ValueScale(panel.low, panel.high, top, top + form.plot)
    points = sheet.points(panel)
    parts.append(draw_ground(sheet, panel, scale))
    parts.extend(draw_scores(sheet, panel, points, scale))
    if not points:
        middle, size = (form.left + form.right) / 2, form.size + 2
        lines = wrap(_silence(sheet, panel), form.right - form.left - 8, size)
        foot = (top + scale.bottom) / 2 - (len(lines) - 1) * (size + 3) / 2
        for row, line in enumerate(lines):
            y, width = foot + row * (size + 3), width_of(line, size) + 8
            ground = svg.rect(middle - width / 2, y - size, width, size + 5, fill=svg.WHITE)
            parts.append(svg.hidden(ground))
            parts.append(svg.text(middle, y, line, size=size, fill=svg.MUTED, anchor="middle"))
    return draw_strip(parts, sheet, panel, scale.bottom)


def _silence(sheet: Sheet, panel: Panel) -> str:
    """Say why a panel shows no scores."""
    before = [point for point in panel.points if point.at < sheet.x.start]
    if not before:
        return _("No scores yet") if not panel.points else _("No scores in this period")
    last = words.day(before[-1].at, sheet.data.zone)
    return _("No scores in this period; the last one is of %(day)s") % {"day": last}


def _draw_heading(parts: list[str], sheet: Sheet, panel: Panel, y: float) -> float:
    """Name the panel, its range and direction, and its baseline; return the last line's y."""
    form = sheet.form
    names = wrap(panel.code, form.width - form.left, form.heading, bold=True)
    base = y + form.heading + (len(names) - 1) * (form.heading + 3)
    x = form.left + width_of(names[-1], form.heading, bold=True) + 9
    facts = f"{words.number(panel.low)}–{words.number(panel.high)}, {words.direction_words(panel)}"
    titled = f"{panel.title} · {facts}" if panel.title and panel.title != panel.code else facts
    room = form.width - x
    shown = titled if width_of(titled, form.size) <= room else facts
    for row, name in enumerate(names):
        line = y + form.heading + row * (form.heading + 3)
        parts.append(svg.text(form.left, line, name, size=form.heading, bold=True))
    if width_of(shown, form.size) > room:
        base, x = base + form.leading, form.left
    parts.append(svg.text(x, base, shown, size=form.size, fill=svg.MUTED))
    told = baseline_words(sheet, panel)
    if not told:
        return base
    over = x + width_of(shown, form.size) + 24 + width_of(told, form.size) > form.width
    if not over:
        told_line = svg.text(form.width - 2, base, told, size=form.size, fill=svg.INK, anchor="end")
        parts.append(told_line)
        return base
    for told_part in wrap(told, form.width - form.left, form.size):
        base += form.leading
        parts.append(svg.text(form.left, base, told_part, size=form.size, fill=svg.INK))
    return base


def _draw_bands(parts: list[str], sheet: Sheet, panel: Panel, base: float) -> float:
    """Name every band with its range under the heading; return the last line's y."""
    form = sheet.form
    for told in wrap(words.band_words(panel), form.width - form.left, form.size):
        base += form.leading if told else 0
        parts.append(svg.text(form.left, base, told, size=form.size, fill=svg.MUTED))
    return base


def baseline_words(sheet: Sheet, panel: Panel) -> str:
    """State the baseline with its date and reliable change, or why there is none."""
    if panel.baseline is None:
        reason = panel.baseline_reason
        return _("No baseline: %(reason)s") % {"reason": reason} if reason else ""
    told = _("Baseline %(value)s on %(day)s") % {
        "value": words.number(panel.baseline.value),
        "day": words.day(panel.baseline.at, sheet.data.zone),
    }
    if panel.reliable_half_width is not None:
        width = words.number(panel.reliable_half_width)
        told += " · " + _("reliable change ±%(width)s") % {"width": width}
    return told
