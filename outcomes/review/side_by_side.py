"""Two courses of one patient beside each other, on days since the first session of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from zoneinfo import ZoneInfo

from django.db.models import Min, Q
from django.db.models.functions import Coalesce
from django.utils.translation import gettext as _

from outcomes.care.models import HELD, Course, Patient, TreatmentSession
from outcomes.review.alignment import Stretch, stretch_of
from outcomes.review.change import Change
from outcomes.review.charts import Aligned, ChartData, Point, draw_aligned
from outcomes.review.charts.words import day as day_words
from outcomes.review.gathered import StoredScore, scores_of, windows_of
from outcomes.review.marked import session_marks
from outcomes.review.measures import Measure, change_of
from outcomes.review.trajectory import SESSION_COLUMNS, measures_of


@dataclass(frozen=True, slots=True)
class Row:
    """One score as the table shows it: `day` in days of 24 hours since the first session."""

    course: str
    measure: Measure
    score: StoredScore
    point: Point | None
    day: float
    change: Change | None


@dataclass(frozen=True, slots=True)
class Run:
    """One course: its name, its time, what was scored in it against its own baseline."""

    name: str
    stretch: Stretch
    sessions: tuple[TreatmentSession, ...]  #: its own, in order of time
    measures: tuple[Measure, ...]
    zone: ZoneInfo

    @property
    def aligned(self) -> Aligned:
        """Return what the chart draws of it."""
        chart = ChartData(
            title=self.name,
            panels=tuple(measure.panel for measure in self.measures),
            sessions=tuple(session_marks(self.sessions)),
            zone=self.zone,
        )
        return Aligned(self.name, chart, self.stretch.began)

    @property
    def rows(self) -> list[Row]:
        """Return its scores in order of time."""
        return [
            Row(
                course=self.name,
                measure=measure,
                score=score,
                point=point,
                day=self.stretch.day(score.at),
                change=change_of(measure.definition, measure.scale, measure.baseline.point, point),
            )
            for measure in self.measures
            for score, point in measure.entries
        ]


@dataclass(frozen=True)
class SideBySide:
    """What the page shows of two courses."""

    title: str
    runs: tuple[Run, ...]

    @property
    def wide(self) -> str:
        """Return the chart as SVG for a desk."""
        return self._drawn[0]

    @property
    def narrow(self) -> str:
        """Return the chart as SVG for a phone."""
        return self._drawn[1]

    @cached_property
    def _drawn(self) -> tuple[str, str]:
        return draw_aligned(self.title, [run.aligned for run in self.runs])

    @property
    def rows(self) -> list[Row]:
        """Return all scores: by questionnaire in the order of the chart, then by day."""
        rows = [row for run in self.runs for row in run.rows]
        codes = list(dict.fromkeys(row.measure.panel.code for row in rows))
        return sorted(rows, key=lambda row: (codes.index(row.measure.panel.code), row.day))


def comparable(patient: Patient) -> list[Course]:
    """Return the patient's courses in which a session was held, the oldest first.

    Each has `began`, the moment of its first held session.
    """
    held = Q(sessions__status__in=HELD)
    at = Coalesce("sessions__started_at", "sessions__planned_at")
    courses = Course.objects.filter(episode__patient=patient)
    began = courses.annotate(began=Min(at, filter=held)).exclude(began=None)
    return list(began.select_related("episode").order_by("began", "pk"))


def name_of(course: Course, patient: Patient) -> str:
    """Name a course of `comparable` by its kind and the day of its first session."""
    began = day_words(course.began, ZoneInfo(patient.time_zone))  # type: ignore[attr-defined]
    return _("%(course)s from %(day)s") % {"course": course.get_kind_display(), "day": began}


def build(patient: Patient, courses: Sequence[Course]) -> SideBySide:
    """Gather two courses of `comparable`; raises ValueError for one in which none was held."""
    names = [name_of(course, patient) for course in courses]
    title = _("%(name)s: two courses by days since the first session") % {"name": patient.name}
    runs = [_run(patient, course, name) for course, name in zip(courses, names, strict=True)]
    return SideBySide(title, tuple(runs))


def _run(patient: Patient, course: Course, name: str) -> Run:
    episode = course.episode
    episode.patient = patient
    sessions = list(episode.sessions.in_order().only(*SESSION_COLUMNS))
    own = tuple(session for session in sessions if session.course_id == course.pk)
    stretch = stretch_of(
        [session.at for session in own if session.is_held],
        [row.at for row in sessions if row.is_held and row.course_id != course.pk],
    )
    if stretch is None:
        raise ValueError("no session of this course was held")
    stored = [score for score in scores_of(episode) if stretch.holds(score.at)]
    windows = {
        code: tuple(window for window in asked if stretch.holds(window.due))
        for code, asked in windows_of(episode).items()
    }
    measures = measures_of(episode, stored, windows, stretch.began)
    return Run(name, stretch, own, measures, ZoneInfo(patient.time_zone))
