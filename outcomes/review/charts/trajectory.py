"""The trajectory: scores over true time in small multiples, as one SVG."""

from outcomes.review.charts import svg, words
from outcomes.review.charts.data import ChartData
from outcomes.review.charts.lanes import draw_dates, draw_markers, draw_sessions
from outcomes.review.charts.layout import Layout
from outcomes.review.charts.legend import draw_legend
from outcomes.review.charts.panels import draw_panel
from outcomes.review.charts.sheet import Sheet, lay_out

_GAP = 14


def draw_trajectory(data: ChartData, layout: Layout = "wide") -> str:
    """Draw the panels over one true time axis, with sessions, treatment changes and a legend.

    The SVG uses presentation attributes only (no style, class, id or script), every text in it is
    escaped, and its own ground is white. Up to 40 points each can be focused; with more the chart
    is one labelled image and the table beside it is the accessible form.
    """
    sheet = lay_out(data, layout)
    parts: list[str] = []
    if not data.panels:
        parts.append(svg.text(sheet.form.left, 28, "No scores yet", size=14, fill=svg.MUTED))
        return _root(sheet, 48, parts)
    y = draw_markers(parts, sheet, 4)
    y = draw_sessions(parts, sheet, y)
    for panel in data.panels:
        y = draw_panel(parts, sheet, panel, y + _GAP)
    if any(True for _ in data.instants()):
        y = draw_legend(parts, sheet, draw_dates(parts, sheet, y) + _GAP)
    return _root(sheet, y, parts)


def _root(sheet: Sheet, height: float, parts: list[str]) -> str:
    """Wrap the parts: a group of labelled points, or one labelled image where they are many."""
    width, tall = f"{sheet.form.width:g}", f"{height:.0f}"
    told = " ".join(words.describe(panel, sheet.data.zone) for panel in sheet.data.panels)
    role = "group" if sheet.focusable else "img"
    label = svg.safe(f"{sheet.data.title}. {told}".strip())
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {tall}"'
        f' width="{width}" height="{tall}" role="{role}" aria-label="{label}"'
        ' font-family="system-ui, sans-serif">'
        f'<rect width="100%" height="100%" fill="{svg.WHITE}"/>{"".join(parts)}</svg>'
    )
