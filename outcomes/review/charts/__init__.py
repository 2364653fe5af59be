"""Server-drawn SVG charts: pure functions from facts to markup, no Django."""

from outcomes.review.charts.aligned import Aligned, draw_aligned
from outcomes.review.charts.data import (
    Band,
    Blank,
    ChartData,
    Comparison,
    CourseMark,
    Marker,
    Panel,
    Point,
    QuartilePoint,
    SessionMark,
    SessionStatus,
    Window,
    WindowState,
)
from outcomes.review.charts.intervals import draw_intervals, interval_words
from outcomes.review.charts.layout import Layout
from outcomes.review.charts.sparkline import draw_sparkline
from outcomes.review.charts.trajectory import Drawn, draw_layouts, draw_trajectory
from outcomes.review.charts.words import describe

__all__ = [
    "Aligned",
    "Band",
    "Blank",
    "ChartData",
    "Comparison",
    "CourseMark",
    "Drawn",
    "Layout",
    "Marker",
    "Panel",
    "Point",
    "QuartilePoint",
    "SessionMark",
    "SessionStatus",
    "Window",
    "WindowState",
    "describe",
    "draw_aligned",
    "draw_intervals",
    "draw_layouts",
    "draw_sparkline",
    "draw_trajectory",
    "interval_words",
]
