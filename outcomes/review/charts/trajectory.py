"""The trajectory: scores over true time in small multiples, as one SVG."""

from typing import NamedTuple

from outcomes.review.charts import svg
from outcomes.review.charts.data import ChartData
from outcomes.review.charts.lanes import draw_dates, draw_markers, draw_sessions
from outcomes.review.charts.layout import Layout
from outcomes.review.charts.legend import draw_legend
from outcomes.review.charts.light import draw_light
from outcomes.review.charts.panels import draw_panel
from outcomes.review.charts.sheet import Sheet, lay_out
from outcomes.review.tongue import gettext as _

GAP = 14


def draw_trajectory(data: ChartData, layout: Layout = "wide") -> str:
    """Draw the panels over one true time axis, with sessions, treatment changes and a legend.

    The SVG uses presentation attributes only (no style, class, id or script), every text in it is
    escaped, and its own ground is white. Up to 40 points each can be focused; of more, each panel
    can, and says its points one by one.
    """
    return _draw(lay_out(data, layout))


class Drawn(NamedTuple):
    """Hold one chart wide and narrow, and each panel of it told in one factual line."""

    wide: str
    narrow: str
    told: tuple[str, ...]


def draw_layouts(data: ChartData) -> Drawn:
    """Draw a chart as `draw_trajectory` does in both forms, working out once what both show."""
    sheet = lay_out(data, "wide")
    told = tuple(sheet.told(panel) for panel in data.panels)
    return Drawn(_draw(sheet), _draw(sheet.in_form("narrow")), told)


def _draw(sheet: Sheet) -> str:
    data = sheet.data
    parts: list[str] = []
    if not data.panels:
        parts.append(svg.text(sheet.form.left, 28, _("No scores yet"), size=14, fill=svg.MUTED))
        return root(sheet, 48, parts)
    y = draw_markers(parts, sheet, 4)
    y = draw_sessions(parts, sheet, y)
    for panel in data.panels:
        draw = draw_light if panel.is_light else draw_panel
        y = draw(parts, sheet, panel, y + GAP)
    if any(True for _ in data.instants()):
        y = draw_legend(parts, sheet, draw_dates(parts, sheet, y) + GAP)
    return root(sheet, y, parts)


def root(sheet: Sheet, height: float, parts: list[str]) -> str:
    """Wrap the parts: a group of what can be focused."""
    width, tall = f"{sheet.form.width:g}", f"{height:.0f}"
    told = " ".join(sheet.told(panel) for panel in sheet.data.panels)
    label = svg.safe(f"{sheet.data.title}. {told}".strip())
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {tall}"'
        f' width="{width}" height="{tall}" role="group" aria-label="{label}"'
        ' font-family="system-ui, sans-serif">'
        f'<rect width="100%" height="100%" fill="{svg.WHITE}"/>{"".join(parts)}</svg>'
    )
