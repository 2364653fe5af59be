"""Two courses on one axis of days: for each scale a panel of each, one under the other."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from outcomes.review.charts import svg
from outcomes.review.charts.data import ChartData
from outcomes.review.charts.lanes import dose_key, draw_days, draw_sessions
from outcomes.review.charts.layout import Layout, wrap
from outcomes.review.charts.legend import draw_legend
from outcomes.review.charts.panels import draw_panel
from outcomes.review.charts.sheet import Sheet, lay_out
from outcomes.review.charts.trajectory import GAP, root


@dataclass(frozen=True, slots=True)
class Aligned:
    """Hold one of the courses: its name, its own chart, and its first held session, day 0."""

    name: str
    data: ChartData
    began: datetime


def draw_aligned(title: str, courses: Sequence[Aligned]) -> tuple[str, str]:
    """Draw courses over the same days since the first session of each, wide and narrow.

    Equal days are equal lengths. Every mark tells its true date; panels of one `code` stand
    together, each named after its course.
    """
    began = [course.began.astimezone(UTC) for course in courses]
    instants = [sorted(at.astimezone(UTC) for at in row.data.instants()) for row in courses]
    before = max(day_0 - shown[0] for day_0, shown in zip(began, instants, strict=True))
    after = max(shown[-1] - day_0 for day_0, shown in zip(began, instants, strict=True))
    framed = [
        replace(
            course.data,
            panels=tuple(
                replace(panel, code=f"{panel.code} · {course.name}") for panel in course.data.panels
            ),
            start=day_0 - before,
            end=day_0 + after,
        )
        for course, day_0 in zip(courses, began, strict=True)
    ]
    sheets = [lay_out(data, "wide") for data in framed]
    return _draw(title, courses, sheets, "wide"), _draw(title, courses, sheets, "narrow")


def _draw(title: str, courses: Sequence[Aligned], wide: Sequence[Sheet], layout: Layout) -> str:
    sheets = [sheet.in_form(layout) for sheet in wide]
    form = sheets[0].form
    parts: list[str] = []
    y = 4.0
    for course, sheet in zip(courses, sheets, strict=True):
        base = y + form.size
        parts.append(svg.text(form.left, base, course.name, size=form.size, bold=True))
        y = draw_sessions(parts, sheet, base + form.leading)
        for told in dose_key(sheet):
            for line in wrap(told, form.width - form.left, form.size):
                y += form.leading
                parts.append(svg.text(form.left, y, line, size=form.size, fill=svg.MUTED))
        y += GAP
    for code in dict.fromkeys(panel.code for course in courses for panel in course.data.panels):
        for course, sheet in zip(courses, sheets, strict=True):
            for plain, panel in zip(course.data.panels, sheet.data.panels, strict=True):
                if plain.code == code:
                    y = draw_panel(parts, sheet, panel, y + GAP)
    first = sheets[0]
    y = draw_days(parts, first, courses[0].began, y)
    both = replace(
        first.data,
        title=title,
        panels=tuple(panel for sheet in sheets for panel in sheet.data.panels),
        sessions=tuple(mark for sheet in sheets for mark in sheet.data.sessions),
    )
    # What each sheet found within its own period; the first one's dates hold nothing of the other.
    known = {key: found for sheet in sheets for key, found in sheet.known.items()}
    whole = replace(first, data=both, sessions=(), known=known)
    return root(whole, draw_legend(parts, whole, y + GAP), parts)
