"""One episode's scores over true time, gathered in a counted handful of queries."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property
from itertools import chain
from zoneinfo import ZoneInfo

from outcomes.care.models import (
    Course,
    EpisodeOfCare,
    TreatmentChange,
    TreatmentSession,
)
from outcomes.instruments.definition import Definition
from outcomes.instruments.models import definition_of
from outcomes.responses.models import Mode
from outcomes.review.change import Change
from outcomes.review.charts import (
    ChartData,
    CourseMark,
    Drawn,
    Point,
    Window,
    draw_intervals,
    draw_layouts,
    interval_words,
)
from outcomes.review.gathered import (
    Positive,
    StoredScore,
    imported_positives_of,
    light_scores_of,
    positives_of,
    safety_words,
    scores_of,
    windows_of,
)
from outcomes.review.marked import markers, session_marks
from outcomes.review.measures import Measure, change_of, light_measure_of, measure_of
from outcomes.review.per_session import Line, Series, intervals_of, lines_of
from outcomes.review.ranges import BACK, Range, start_of
from outcomes.review.starters import with_band
from outcomes.review.tongue import gettext as _

# What the chart and a list of sessions show; the rest of a record stays in the database.
SESSION_COLUMNS = (
    "episode",
    "course",
    "number",
    "status",
    "planned_at",
    "started_at",
    "drug",
    "route",
    "dose_amount",
    "dose_unit",
)
# Shown first, in this order; any other instrument follows by its code.
FIRST = ("PHQ-9", "GAD-7")


@dataclass(frozen=True, slots=True)
class Row:
    """One stored score as the table shows it; without a value, the reason why.

    `session` is the last one held before it, with what was given.
    """

    score: StoredScore
    name: str  #: of the panel, which names the scale where an instrument has several
    definition: Definition
    point: Point | None
    change: Change | None
    hours_since_session: float | None
    session: TreatmentSession | None
    reaches_past_session: bool


@dataclass(frozen=True, slots=True)
class SessionTable:
    """What the held sessions did by one instrument, the newest session first."""

    measure: Measure
    rows: list[tuple[TreatmentSession, Line]]


@dataclass(frozen=True, slots=True)
class Intervals:
    """Days between the held sessions of an episode, oldest first, and since the last one."""

    between: tuple[int, ...]
    since: int | None

    @property
    def strip(self) -> str:
        """Return the intervals as a small SVG."""
        return draw_intervals(self.between, self.since)

    @property
    def words(self) -> str:
        """Return the intervals in words."""
        return interval_words(self.between, self.since)


@dataclass(frozen=True)
class Trajectory:
    """What the patient page shows of one episode."""

    episode: EpisodeOfCare
    sessions: tuple[TreatmentSession, ...]  #: in order of time
    courses: tuple[Course, ...]  #: oldest first
    treatment_changes: tuple[TreatmentChange, ...]  #: oldest first
    measures: tuple[Measure, ...]
    chart: ChartData
    shown: Range = "all"

    def starts_at(self, now: datetime) -> datetime | None:
        """Return where the chart begins; None where it shows everything."""
        course = self.courses[-1] if self.courses else None
        in_course = [row.at for row in self.sessions if course and row.course_id == course.pk]
        points = chain.from_iterable(
            measure.panel.points for measure in self.measures if not measure.panel.is_light
        )
        return start_of(
            self.shown,
            now,
            course_began=course.started_at if course else None,
            held=in_course,
            points=points,
        )

    @property
    def wide(self) -> str:
        """Return the chart as SVG for a desk."""
        return self._drawn.wide

    @property
    def narrow(self) -> str:
        """Return the chart as SVG for a phone."""
        return self._drawn.narrow

    @property
    def told(self) -> tuple[str, ...]:
        """Return what the chart shows, each panel in one factual line."""
        return self._drawn.told

    @cached_property
    def _drawn(self) -> Drawn:
        return draw_layouts(self.chart)

    @property
    def held(self) -> list[TreatmentSession]:
        """Return the sessions in which treatment was given, in order of time."""
        return [session for session in self.sessions if session.is_held]

    def per_session(self, now: datetime, at_most: int | None = None) -> list[SessionTable]:
        """Return, for each instrument, what each held session did, the newest session first."""
        held = self.held
        newest = held[::-1][:at_most]
        tables = []
        for measure in self.measures:
            low = measure.scale.baseline_min
            series = Series(
                measure.panel.points,
                measure.baseline.point,
                low.value if low else 0.0,
                measure.definition.recall_days,
            )
            lines = lines_of([session.at for session in held], series, now, at_most)
            tables.append(SessionTable(measure, list(zip(newest, lines[::-1], strict=True))))
        return tables

    def intervals(self, now: datetime) -> Intervals:
        """Return the days between the held sessions of all courses, and since the last one."""
        starts = [row.at for row in self.held]
        between, since = intervals_of(starts, now, ZoneInfo(self.episode.patient.time_zone))
        return Intervals(tuple(between), since)

    @property
    def count(self) -> int:
        """Count the scores."""
        return sum(len(measure.entries) for measure in self.measures)

    def rows(self, at_most: int | None = None) -> list[Row]:
        """Return the scores, newest first, as the table under the chart shows them."""
        entries = [(*entry, measure) for measure in self.measures for entry in measure.entries]
        newest = sorted(entries, key=lambda entry: entry[0].at, reverse=True)[:at_most]
        held = [session for session in self.sessions if session.is_held]
        return [_row(score, point, measure, held) for score, point, measure in newest]


def build(
    episode: EpisodeOfCare,
    now: datetime,
    *,
    shown: Range = "all",
    positive: Iterable[Positive] | None = None,
    has_band: bool = False,
    has_changes: bool = True,
    listed: int | None = None,
) -> Trajectory:
    """Gather an episode's scores, sessions, windows and markers. Nothing is carried forward.

    `shown` is the stretch that the chart draws; `positive` are the episode's positive safety items
    where the caller has read them already. `has_band` puts the clinic's comparable starters behind;
    `has_changes` is False where the patient is known to have no treatment changes. Where no more
    than the `listed` newest sessions are told of, light layers hold what that and the chart take.
    """
    zone = ZoneInfo(episode.patient.time_zone)
    sessions = tuple(episode.sessions.in_order().only(*SESSION_COLUMNS))
    courses = tuple(episode.courses.select_related("schedule").order_by("started_at"))
    by_key = {course.pk: course for course in courses}
    for session in sessions:
        session.course = by_key[session.course_id]
    changes = tuple(episode.treatment_changes.order_by("happened_on", "pk")) if has_changes else ()
    windows = windows_of(episode)
    heavy = _measures(episode, sessions, courses, windows, positive)
    if has_band:
        held = [session.at for session in sessions if session.is_held]
        heavy = tuple(with_band(measure, episode, held) for measure in heavy)
    chart = ChartData(
        title=_("%(name)s: scores over time") % {"name": episode.patient.name},
        panels=(),
        sessions=tuple(session_marks(sessions)),
        markers=tuple(markers(changes, zone)),
        courses=tuple(
            CourseMark(course.started_at, str(course.get_kind_display())) for course in courses
        ),
        zone=zone,
    )
    built = Trajectory(episode, sessions, courses, changes, heavy, chart, shown)
    start = built.starts_at(now)
    # A closed episode ends with its last mark, unless the months before today are asked for.
    until = now if episode.ended_on is None or shown in BACK else None
    measures = (*heavy, *_light(episode, windows, _since(built, start, listed)))
    panels = tuple(measure.panel for measure in measures)
    return replace(
        built, measures=measures, chart=replace(chart, panels=panels, start=start, now=until)
    )


def _since(built: Trajectory, start: datetime | None, listed: int | None) -> datetime | None:
    """Return from when a light layer is read; None reads all, as where little came before.

    The sessions that are listed look back to the one before them.
    """
    held = built.held
    if start is None or listed is None or len(held) <= listed:
        return None
    since = min(start, held[-listed - 1].at)
    return None if built.courses and since <= built.courses[0].started_at else since


def _measures(
    episode: EpisodeOfCare,
    sessions: Sequence[TreatmentSession],
    courses: Sequence[Course],
    windows: Mapping[str, tuple[Window, ...]],
    positive: Iterable[Positive] | None,
) -> tuple[Measure, ...]:
    """Return what the questionnaires come to, in their order."""
    held = [session.at for session in sessions if session.is_held]
    treated_from = held[0] if held else _imported_start(sessions, courses)
    return measures_of(episode, scores_of(episode), windows, treated_from, positive)


def measures_of(
    episode: EpisodeOfCare,
    stored: Sequence[StoredScore],
    windows: Mapping[str, tuple[Window, ...]],
    treated_from: datetime | None,
    positive: Iterable[Positive] | None = None,
) -> tuple[Measure, ...]:
    """Return what scores of an episode come to, in their order; the baseline is before treatment.

    `positive` are the episode's positive safety items where the caller has read them already.
    """
    zone = ZoneInfo(episode.patient.time_zone)
    has_imports = any(score.mode == Mode.IMPORT for score in stored)
    found = positives_of(episode) if positive is None else positive
    safety = safety_words(chain(found, imported_positives_of(episode) if has_imports else ()))
    scores = defaultdict(list)
    for score in stored:
        scores[score.instrument_code, score.scale].append(score)
    return tuple(
        measure_of(scores[key], windows.get(key[0], ()), treated_from, safety, zone)
        for key in sorted(scores, key=_rank)
        if _is_shown(scores[key][-1])
    )


def _light(
    episode: EpisodeOfCare, windows: Mapping[str, tuple[Window, ...]], since: datetime | None
) -> tuple[Measure, ...]:
    """Return the light layers under the questionnaires."""
    zone = ZoneInfo(episode.patient.time_zone)
    return tuple(
        light_measure_of(light, windows.get(code, ()), zone)
        for code, scales in light_scores_of(episode, since).items()
        for light in scales
    )


def _imported_start(
    sessions: Sequence[TreatmentSession], courses: Sequence[Course]
) -> datetime | None:
    """Return when treatment began in imported history, which knows a course but no sessions."""
    if sessions or not courses or courses[0].schedule_id is not None:
        return None
    return courses[0].started_at


def _rank(key: tuple[str, str]) -> tuple[int, str, str]:
    code, scale = key
    return (FIRST.index(code) if code in FIRST else len(FIRST), code, scale)


def _is_shown(score: StoredScore) -> bool:
    """Say whether this result has a panel: the instrument names the scales that do."""
    return score.scale in definition_of(score.content_hash).charted


def _row(
    score: StoredScore,
    point: Point | None,
    measure: Measure,
    held: Sequence[TreatmentSession],
) -> Row:
    definition, start = measure.definition, measure.baseline.point
    before = bisect_right(held, score.at, key=lambda session: session.at)
    session = held[before - 1] if before else None
    since = score.at - session.at if session else None
    recall = definition.recall_days
    return Row(
        score=score,
        name=measure.panel.code,
        definition=definition,
        point=point,
        change=change_of(definition, measure.scale, start, point),
        hours_since_session=since / timedelta(hours=1) if since is not None else None,
        session=session,
        reaches_past_session=bool(since is not None and recall and since < timedelta(days=recall)),
    )
