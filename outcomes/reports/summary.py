"""One episode on one sheet of paper, for the chart or the referring doctor: facts, no advice."""

from __future__ import annotations

from base64 import b64encode
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from zoneinfo import ZoneInfo

from outcomes.alerts.models import Alert
from outcomes.care.models import EpisodeOfCare, TreatmentSession
from outcomes.review import items, trajectory
from outcomes.review.change import Rule
from outcomes.review.charts import Layout, Panel, describe, draw_trajectory
from outcomes.review.items import Cell, Grid
from outcomes.review.measures import Measure
from outcomes.review.trajectory import Trajectory


@dataclass(frozen=True, slots=True)
class Room:
    """How many of each kind one sheet holds; how many there are in all is printed beside it."""

    panels: int
    measures: int
    sessions: int
    answers: int
    alerts: int


# In this order things are left out until one sheet holds the rest: earlier sessions, earlier
# alerts, earlier safety answers, the second chart, the later instruments, the chart.
ROOMS = (
    Room(panels=2, measures=6, sessions=10, answers=8, alerts=4),
    Room(panels=2, measures=6, sessions=5, answers=8, alerts=2),
    Room(panels=2, measures=6, sessions=3, answers=4, alerts=2),
    Room(panels=1, measures=6, sessions=3, answers=4, alerts=2),
    Room(panels=1, measures=3, sessions=3, answers=4, alerts=1),
    Room(panels=0, measures=3, sessions=3, answers=2, alerts=1),
)


@dataclass(frozen=True, slots=True)
class Coverage:
    """What came of the askings of one instrument that have closed."""

    asked: int
    answered: int
    late: int
    missed: int


@dataclass(frozen=True, slots=True)
class Line:
    """One measure with how often it was asked."""

    measure: Measure
    coverage: Coverage


@dataclass(frozen=True, slots=True)
class SafetyQuestion:
    """What was answered to one safety question, oldest first."""

    code: str
    link_id: str
    answers: tuple[tuple[datetime, Cell], ...]
    count: int  #: in all


@dataclass(frozen=True, slots=True)
class Summary:
    """What there is about one episode, and the room of the sheet that shows it."""

    episode: EpisodeOfCare
    trajectory: Trajectory
    made_at: datetime
    measures: tuple[Line, ...]
    light: tuple[str, ...]  #: short daily scales, which the sheet leaves to the screen
    held: tuple[TreatmentSession, ...]  #: oldest first
    asked: tuple[SafetyQuestion, ...]
    raised: tuple[Alert, ...]  #: newest first, as many as the widest room takes
    alert_count: int
    room: Room = ROOMS[0]

    @property
    def lines(self) -> tuple[Line, ...]:
        """Return the measures that are listed."""
        return self.measures[: self.room.measures]

    @property
    def sessions(self) -> tuple[TreatmentSession, ...]:
        """Return the last sessions that were held, oldest first."""
        return self.held[-self.room.sessions :]

    @property
    def safety(self) -> tuple[SafetyQuestion, ...]:
        """Return each safety question with its last answers."""
        return tuple(replace(row, answers=row.answers[-self.room.answers :]) for row in self.asked)

    @property
    def alerts(self) -> tuple[Alert, ...]:
        """Return the last alerts, newest first."""
        return self.raised[: self.room.alerts]

    @property
    def rules(self) -> tuple[tuple[str, Rule], ...]:
        """Return each rule once, with the instruments it is applied to."""
        return tuple(_named_rules(line.measure for line in self.lines))

    @property
    def charted(self) -> tuple[Panel, ...]:
        """Return the panels of the chart."""
        heavy = [panel for panel in self.trajectory.chart.panels if not panel.is_light]
        return tuple(heavy[: self.room.panels])

    @property
    def wide(self) -> str:
        """Return the chart of the first measures for a sheet or a large screen; empty without."""
        return self._drawn("wide")

    @property
    def narrow(self) -> str:
        """Return the same for a phone."""
        return self._drawn("narrow")

    @property
    def picture(self) -> str:
        """Return the wide chart as an address, for paper: no page may show one."""
        return f"data:image/svg+xml;base64,{b64encode(self.wide.encode()).decode()}"

    def _drawn(self, layout: Layout) -> str:
        if not self.charted:
            return ""
        return draw_trajectory(replace(self.trajectory.chart, panels=self.charted), layout)

    @property
    def chart_words(self) -> str:
        """Return what the chart shows, in words."""
        zone = ZoneInfo(self.episode.patient.time_zone)
        return " ".join(describe(panel, zone) for panel in self.charted)


def build(episode: EpisodeOfCare, now: datetime, *, language: str) -> Summary:
    """Gather what the sheet shows; `language` is that of the questions' words, if they have it."""
    picture = trajectory.build(episode, now)
    most = ROOMS[0]
    alerts = Alert.objects.filter(episode=episode).order_by("-raised_at")
    grids = items.build(episode, languages=[language], most=most.answers)
    heavy = [row for row in picture.measures if not row.panel.is_light]
    return Summary(
        episode=episode,
        trajectory=picture,
        made_at=now,
        measures=tuple(Line(row, _coverage(row)) for row in heavy),
        light=tuple(row.panel.code for row in picture.measures if row.panel.is_light),
        held=tuple(row for row in picture.sessions if row.is_held),
        asked=tuple(_safety_questions(grids)),
        raised=tuple(alerts[: most.alerts]),
        alert_count=alerts.count(),
    )


def fewer_and_fewer(whole: Summary) -> Iterator[Summary]:
    """Yield the summary in ever smaller rooms, the whole one first."""
    yield from (replace(whole, room=room) for room in ROOMS)


def _safety_questions(grids: Iterable[Grid]) -> Iterator[SafetyQuestion]:
    for grid in grids:
        moments = [column.at for column in grid.columns]
        for row in grid.safety_rows:
            answers = tuple(zip(moments, row.cells, strict=True))
            yield SafetyQuestion(grid.definition.code, row.link_id, answers, grid.count)


def _coverage(measure: Measure) -> Coverage:
    states = Counter(window.state for window in measure.panel.windows)
    on_time, late, missed = states["answered"], states["late"], states["missed"]
    return Coverage(on_time + late + missed, on_time, late, missed)


def _named_rules(measures: Iterable[Measure]) -> Iterator[tuple[str, Rule]]:
    codes: dict[Rule, list[str]] = {}
    for measure in measures:
        for rule in _rules(measure):
            codes.setdefault(rule, []).append(measure.panel.code)
    yield from ((", ".join(names), rule) for rule, names in codes.items())


def _rules(measure: Measure) -> Iterator[Rule]:
    yield measure.baseline.rule
    for found in (measure.change, measure.response, measure.remission, measure.reliable):
        if found is not None:
            yield found.rule
