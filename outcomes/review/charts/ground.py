"""A panel's ground: bands with their words, guides of sessions, rule lines, values of the axis."""

from collections.abc import Sequence

from outcomes.review.charts import svg, words
from outcomes.review.charts.axis import ValueScale, value_ticks
from outcomes.review.charts.data import Band, Comparison, MarkerKind, Panel
from outcomes.review.charts.layout import roomiest, spread, width_of, wrap
from outcomes.review.charts.sheet import Sheet
from outcomes.review.tongue import gettext as _

TINTS = ("#ffffff", "#f5f6f7", "#eceef0", "#e2e6e9", "#d9dee2", "#d0d6db")
RESPONSE_DASH = "8 4"
REMISSION_DASH = "2 3"
CUTOFF_DASH = "10 3 2 3"
GRID = "#dde2e6"
SIGNS: dict[Comparison, str] = {"below": "<", "at_most": "≤", "at_least": "≥"}
MARKER_DASH: dict[MarkerKind, str] = {"change": "5 3", "note": "1 3"}
RELIABLE_DASH = "1 2.5"
RELIABLE_OPACITY = 0.06
CLINIC = "#3d5a45"
CLINIC_OPACITY = 0.16
CLINIC_DASH = "6 2 1 2"


def draw_ground(sheet: Sheet, panel: Panel, scale: ValueScale) -> str:
    """Draw all that lies behind a panel's scores."""
    return svg.hidden(
        *_bands(sheet, panel, scale),
        *_values(sheet, panel, scale),
        *_clinic_band(sheet, panel, scale),
        *_reliable(sheet, panel, scale),
        *draw_guides(sheet, scale),
        *_rule_lines(sheet, panel, scale),
        *_gutter(sheet, panel, scale),
    )


def _extent(panel: Panel, index: int) -> tuple[float, float]:
    """Return the values a band covers when drawn: up to where the next one begins."""
    bands = sorted(panel.bands, key=lambda band: band.low)
    upper = bands[index + 1].low if index + 1 < len(bands) else panel.high
    return bands[index].low, upper


def _bands(sheet: Sheet, panel: Panel, scale: ValueScale) -> list[str]:
    """Shade the severity bands, darker for worse, out to the words in the gutter."""
    form = sheet.form
    width = form.width - form.left
    drawn = []
    count = len(panel.bands)
    for index in range(count):
        low, high = _extent(panel, index)
        worse = index if panel.direction == "higher_is_worse" else count - 1 - index
        y = scale(high)
        tint = TINTS[min(worse, len(TINTS) - 1)]
        drawn.append(svg.rect(form.left, y, width, scale(low) - y, fill=tint))
    return drawn


def _reliable(sheet: Sheet, panel: Panel, scale: ValueScale) -> list[str]:
    """Shade the values that differ from the baseline by less than the reliable change."""
    if panel.baseline is None or panel.reliable_half_width is None:
        return []
    form, middle, half = sheet.form, panel.baseline.value, panel.reliable_half_width
    top, bottom = scale(middle + half), scale(middle - half)
    width = form.right - form.left
    drawn = [svg.rect(form.left, top, width, bottom - top, fill=svg.DATA, opacity=RELIABLE_OPACITY)]
    for value in (middle - half, middle + half):
        if panel.low < value < panel.high:
            y = scale(value)
            drawn.append(
                svg.line(
                    form.left, y, form.right, y, stroke=svg.DATA, width=0.9, dash=RELIABLE_DASH
                )
            )
    return drawn


def _clinic_band(sheet: Sheet, panel: Panel, scale: ValueScale) -> list[str]:
    """Draw the middle half of the clinic's comparable starters, with its median as a line."""
    shown = [point for point in panel.clinic_band if sheet.x.holds(point.at)]
    if not shown:
        return []
    xs = [sheet.x(point.at) for point in shown]
    tops = [scale(point.q3) for point in shown]
    feet = [scale(point.q1) for point in shown]
    upper, lower = list(zip(xs, tops, strict=True)), list(zip(xs, feet, strict=True))
    middle = list(zip(xs, (scale(point.median) for point in shown), strict=True))
    return [
        svg.area([*upper, *reversed(lower)], fill=CLINIC, opacity=CLINIC_OPACITY),
        svg.polyline(upper, stroke=CLINIC, width=0.8),
        svg.polyline(lower, stroke=CLINIC, width=0.8),
        svg.polyline(middle, stroke=CLINIC, width=1.4, dash=CLINIC_DASH),
    ]


def draw_guides(sheet: Sheet, scale: ValueScale) -> list[str]:
    """Drop a hairline from each session, each treatment change and today through the panel."""
    top, bottom = scale.top, scale.bottom
    held = [sheet.x(mark.at) for mark in sheet.sessions if mark.status == "held"]
    planned = [sheet.x(mark.at) for mark in sheet.sessions if mark.status == "planned"]
    markers = [marker for marker in sheet.data.markers if sheet.x.holds(marker.at)]
    marked = [
        (kind, [sheet.x(marker.at) for marker in markers if marker.kind == kind])
        for kind in MARKER_DASH
    ]
    return [
        svg.uprights(held, top, bottom, stroke=svg.GUIDE, width=0.7),
        svg.uprights(held, bottom - 5, bottom, stroke=svg.INK, width=1.2),
        svg.uprights(planned, top, bottom, stroke=svg.FRAME, width=0.8, dash="1 4"),
        svg.uprights(sheet.today, top, bottom, stroke=svg.FRAME, width=0.8, dash="6 4"),
        *(
            svg.uprights(xs, top, bottom, stroke=svg.CHANGE, width=1.2, dash=MARKER_DASH[kind])
            for kind, xs in marked
        ),
    ]


def _rules(panel: Panel) -> list[tuple[float, str, str]]:
    """List the rule lines inside the range: value, words, dash."""
    falling = panel.direction == "higher_is_worse"
    found: list[tuple[float, str, str]] = []
    if panel.baseline is not None:
        value = panel.baseline.value
        found.append((value, _("Baseline %(value)s") % {"value": words.number(value)}, ""))
    if panel.response_line is not None:
        limit = f"{'≤' if falling else '≥'}\u00a0{words.number(panel.response_line)}"
        told = _("Response %(limit)s") % {"limit": limit}
        found.append((panel.response_line, told, RESPONSE_DASH))
    if panel.remission_line is not None:
        limit = f"{SIGNS[panel.remission_kind]}\u00a0{words.number(panel.remission_line)}"
        told = _("Remission %(limit)s") % {"limit": limit}
        found.append((panel.remission_line, told, REMISSION_DASH))
    if panel.cutoff_line is not None:
        limit = f"{'≥' if falling else '≤'}\u00a0{words.number(panel.cutoff_line)}"
        found.append((panel.cutoff_line, _("Cut-off %(limit)s") % {"limit": limit}, CUTOFF_DASH))
    return [rule for rule in found if panel.low <= rule[0] <= panel.high]


def _rule_lines(sheet: Sheet, panel: Panel, scale: ValueScale) -> list[str]:
    """Draw the baseline, response, remission and cut-off lines, each with its own dash."""
    form = sheet.form
    return [
        svg.line(
            form.left, scale(value), form.right + 6, scale(value), stroke=svg.MUTED, dash=dash,
            width=1.5 if dash == REMISSION_DASH else 1.1,
        )
        for value, _, dash in _rules(panel)
    ]  # fmt: skip


def _values(sheet: Sheet, panel: Panel, scale: ValueScale) -> list[str]:
    """Print the axis: its frame line and the values at the band edges."""
    form = sheet.form
    drawn = [
        svg.line(form.left, scale.bottom, form.width, scale.bottom, stroke=svg.FRAME),
        svg.line(form.left, scale.top, form.left, scale.bottom, stroke=svg.FRAME),
    ]
    edge = float("inf")
    ticks = value_ticks(panel.low, panel.high, tuple(band.low for band in panel.bands), 5)
    for value in ticks:
        y = scale(value)
        crowded = y > edge - form.size or (value != panel.high and y < scale.top + form.size)
        if crowded and value != panel.low:
            continue
        edge = y
        if not panel.bands and value != panel.low:
            drawn.append(svg.line(form.left, y, form.right, y, stroke=GRID, width=0.8))
        label = words.number(value)
        drawn.append(svg.line(form.left - 4, y, form.left, y, stroke=svg.FRAME))
        drawn.append(
            svg.text(
                form.left - 6,
                y + form.size * 0.36,
                label,
                size=form.size,
                fill=svg.MUTED,
                anchor="end",
            )
        )
    return drawn


def _gutter(sheet: Sheet, panel: Panel, scale: ValueScale) -> list[str]:
    """Write the rule labels beside their lines, and each band's word where room is left."""
    form = sheet.form
    room = form.gutter - 12
    rules = sorted(_rules(panel), key=lambda rule: -rule[0])
    lines = [wrap(label, room, form.size) for _, label, _ in rules]
    heights = [len(words_) * form.leading for words_ in lines]
    wanted = [scale(value) for value, _, _ in rules]
    centres = spread(wanted, heights, scale.top - 6, scale.bottom + 6)
    drawn = []
    taken = []
    for words_, height, centre in zip(lines, heights, centres, strict=True):
        taken.append((centre - height / 2, centre + height / 2))
        drawn += _stack(sheet, words_, centre, svg.INK)
    for index, band in enumerate(sorted(panel.bands, key=lambda band: band.low)):
        drawn += _band_word(sheet, band, _extent(panel, index), scale, taken)
    return drawn


def _band_word(
    sheet: Sheet,
    band: Band,
    extent: tuple[float, float],
    scale: ValueScale,
    taken: Sequence[tuple[float, float]],
) -> list[str]:
    """Write a band's word in the roomiest free part of the band; leave it out where none fits.

    The line of bands under the panel's heading names it in any case.
    """
    form = sheet.form
    room = form.gutter - 12
    lines = _broken(band.label, room, form.size)
    top, bottom = roomiest(scale(extent[1]), scale(extent[0]), taken)
    too_tall = bottom - top < len(lines) * form.leading - 2
    if too_tall or any(width_of(line, form.size) > room for line in lines):
        return []
    return _stack(sheet, lines, (top + bottom) / 2, svg.MUTED)


def _broken(label: str, room: float, size: float) -> list[str]:
    """Break a band's word at spaces, and after a hyphen where a line would still be too long."""
    lines: list[str] = []
    for line in wrap(label, room, size):
        lines += line.replace("-", "-\n").split("\n") if width_of(line, size) > room else [line]
    return [line for line in lines if line]


def _stack(sheet: Sheet, lines: Sequence[str], centre: float, fill: str) -> list[str]:
    """Write lines of words in the gutter around a centre; a word too long for it is smaller."""
    form = sheet.form
    room = form.gutter - 12
    first = centre - (len(lines) - 1) * form.leading / 2 + form.size * 0.36
    drawn = []
    for index, words_ in enumerate(lines):
        size = form.size * min(1.0, room / width_of(words_, form.size))
        y = first + index * form.leading
        drawn.append(svg.text(form.right + 10, y, words_, size=size, fill=fill))
    return drawn
