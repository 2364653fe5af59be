"""One sheet: the chart's measures and facts, worked out once and shared by everything drawn."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any, TypeVar

from outcomes.review.charts import svg
from outcomes.review.charts.axis import TimeScale, span
from outcomes.review.charts.data import Blank, ChartData, Panel, Point, SessionMark, Window
from outcomes.review.charts.layout import FORMS, Form, Layout
from outcomes.review.charts.words import describe, session_label

Place = tuple[float, float]
Fact = TypeVar("Fact", Panel, SessionMark)

_NEVER = datetime(2000, 1, 1, tzinfo=UTC)

FOCUSABLE = 40
"""Up to so many points each is a keyboard stop; of more, each panel is one, stepped by arrows."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """Hold what every part of one drawing needs."""

    data: ChartData
    form: Form
    x: TimeScale
    sessions: tuple[SessionMark, ...]
    held: tuple[SessionMark, ...]
    starts: list[datetime]
    focusable: bool
    # What was worked out before of each panel and session, for any sheet of the same period.
    known: dict[tuple[str, int], Any]

    def points(self, panel: Panel) -> list[Point]:
        """Return the panel's points that lie within the period shown."""
        found: list[Point] = self._once("points", panel, self._points)
        return found

    def _points(self, panel: Panel) -> list[Point]:
        first = bisect_left(panel.points, self.x.start, key=lambda point: point.at)
        after = bisect_right(panel.points, self.x.end, key=lambda point: point.at)
        return list(panel.points[first:after])

    def blanks(self, panel: Panel) -> list[Blank]:
        """Return the panel's filling-ins without a total within the period shown."""
        return [blank for blank in panel.blanks if self.x.holds(blank.at)]

    def windows(self, panel: Panel) -> list[Window]:
        """Return the panel's askings that were due within the period shown."""
        found: list[Window] = self._once("windows", panel, self._windows)
        return found

    def _windows(self, panel: Panel) -> list[Window]:
        first = bisect_left(panel.windows, self.x.start, key=lambda window: window.due)
        after = bisect_right(panel.windows, self.x.end, key=lambda window: window.due)
        return list(panel.windows[first:after])

    @property
    def today(self) -> list[float]:
        """Return the place of today; none where the chart does not hold it."""
        now = self.data.now
        return [self.x(now)] if now is not None and self.x.holds(now) else []

    def told(self, panel: Panel) -> str:
        """Tell the panel in one factual line."""
        words: str = self._once(
            "words", panel, lambda panel: describe(panel, self.data.zone, self.windows(panel))
        )
        return words

    def steps(self, panel: Panel) -> str:
        """Return the moments and values of the points shown, as `svg.traced` takes them."""
        steps: str = self._once("steps", panel, lambda panel: svg.steps(self.points(panel)))
        return steps

    def label(self, session: SessionMark) -> str:
        """Describe one session."""
        told: str = self._once("label", session, lambda mark: session_label(mark, self.data.zone))
        return told

    def _once(self, name: str, fact: Fact, work_out: Callable[[Fact], Any]) -> Any:
        # The sheet holds the fact, so its identity is nobody else's meanwhile.
        key = (name, id(fact))
        if key not in self.known:
            self.known[key] = work_out(fact)
        return self.known[key]

    def in_form(self, layout: Layout) -> Sheet:
        """Return a sheet of the same facts in another form."""
        form = FORMS[layout]
        x = TimeScale(self.x.start, self.x.end, form.left + form.inset, form.right - form.last)
        return replace(self, form=form, x=x)

    def radius(self, count: int) -> float:
        """Return the size of a point's mark: smaller where there are many."""
        return min(4.2, max(1.5, 0.45 * (self.x.right - self.x.left) / max(count, 1)))


def lay_out(data: ChartData, layout: Layout) -> Sheet:
    """Work out the period, the scale and the sessions of a chart."""
    form = FORMS[layout]
    start, end = _period(data)
    x = TimeScale(start, end, form.left + form.inset, form.right - form.last)
    sessions = tuple(sorted(data.sessions, key=lambda mark: mark.at))
    held = tuple(mark for mark in sessions if mark.status == "held")
    panels = [panel for panel in data.panels if not panel.is_light]
    shown = sum(x.holds(point.at) for panel in panels for point in panel.points)
    return Sheet(
        data=data,
        form=form,
        x=x,
        sessions=tuple(mark for mark in sessions if x.holds(mark.at)),
        held=held,
        starts=[mark.at.astimezone(UTC) for mark in held],
        focusable=shown <= FOCUSABLE,
        known={},
    )


def runs(times: list[datetime], missed: list[datetime]) -> list[slice]:
    """Cut ordered times into unbroken runs: a window missed between two scores breaks the line."""
    before = [bisect_left(missed, at) for at in times]
    cuts = [index for index, pair in enumerate(pairwise(before), 1) if pair[0] != pair[1]]
    return [slice(*ends) for ends in pairwise([0, *cuts, len(times)])] if times else []


def breaks(times: list[datetime], missed: list[datetime]) -> list[datetime]:
    """Keep the first miss after each of these times: `runs` cuts by them as it does by all."""
    first = {bisect_right(times, at): at for at in reversed(missed)}
    return [first[gap] for gap in sorted(first) if gap]


def rule_values(panel: Panel) -> list[float]:
    """List the values at which a panel has a line of its own."""
    lines = [panel.response_line, panel.remission_line, panel.cutoff_line]
    lines += [panel.baseline.value] if panel.baseline else []
    return [value for value in lines if value is not None]


def _period(data: ChartData) -> tuple[datetime, datetime]:
    """Return the period shown: as asked, else all that there is."""
    instants = list(data.instants())
    start = data.start or min(instants, default=_NEVER)
    if data.now is not None and instants:
        instants.append(data.now)
    return span(start, max(start, data.end or max(instants, default=start)))
