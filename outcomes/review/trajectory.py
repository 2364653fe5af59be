"""One episode's scores over true time, gathered in a counted handful of queries."""

from __future__ import annotations

import operator
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db.models import Case, F, When

from outcomes.alerts.models import Alert, AlertReason
from outcomes.care.models import (
    Course,
    EpisodeOfCare,
    Route,
    SessionStatus,
    TreatmentChange,
    TreatmentSession,
)
from outcomes.instruments.definition import Definition, Rule, Scale
from outcomes.instruments.models import definition_of
from outcomes.responses import services as responses
from outcomes.responses.models import Mode, Score
from outcomes.review import change
from outcomes.review.change import Baseline, Change, ReliableChange, ScorePoint, Verdict
from outcomes.review.charts import (
    Band,
    ChartData,
    Comparison,
    CourseMark,
    Marker,
    Panel,
    Point,
    SessionMark,
    Window,
    WindowState,
    describe,
    draw_trajectory,
)
from outcomes.review.charts.data import SessionStatus as MarkStatus
from outcomes.scheduling.models import Assignment, AssignmentState

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
SHORT_ROUTES: dict[str, str] = {Route.IV: "IV", Route.IM: "IM", Route.SC: "SC"}
# How a remission rule compares a score with its value.
COMPARES: dict[Comparison, Callable[[float, float], bool]] = {
    "below": operator.lt,
    "at_most": operator.le,
    "at_least": operator.ge,
}


class StoredScore(NamedTuple):
    """One stored score, with what the chart needs of its response and of what asked for it."""

    response_id: UUID
    instrument_code: str
    scale: str
    value: float | None
    band: str
    is_prorated: bool
    missing_reason: str
    at: datetime
    content_hash: str
    mode: str
    is_late: bool


@dataclass(frozen=True, slots=True)
class Row:
    """One stored score as the table shows it; without a value, the reason why."""

    score: StoredScore
    definition: Definition
    point: Point | None
    change: Change | None
    hours_since_session: float | None
    session_number: int | None
    reaches_past_session: bool


@dataclass(frozen=True, slots=True)
class Measure:
    """One scale of one instrument: what the chart draws, and the facts beside it."""

    definition: Definition
    scale: Scale
    panel: Panel
    baseline: Baseline
    latest: Point | None
    change: Change | None
    response: Verdict | None
    remission: Verdict | None
    reliable: ReliableChange | None
    entries: tuple[tuple[StoredScore, Point | None], ...]  #: in order of time
    summary: str

    @property
    def colour(self) -> str:
        """Return towards what the score has moved; "none" within measurement error."""
        if self.change is None or self.change.towards == "same":
            return "none"
        is_error = self.reliable is not None and self.reliable.outcome == "no_reliable_change"
        return "none" if is_error else self.change.towards


@dataclass(frozen=True)
class Trajectory:
    """What the patient page shows of one episode."""

    episode: EpisodeOfCare
    sessions: tuple[TreatmentSession, ...]  #: in order of time
    courses: tuple[Course, ...]  #: oldest first
    treatment_changes: tuple[TreatmentChange, ...]  #: oldest first
    measures: tuple[Measure, ...]
    chart: ChartData

    @property
    def wide(self) -> str:
        """Return the chart as SVG for a desk."""
        return draw_trajectory(self.chart, "wide")

    @property
    def narrow(self) -> str:
        """Return the chart as SVG for a phone."""
        return draw_trajectory(self.chart, "narrow")

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


def build(episode: EpisodeOfCare, now: datetime) -> Trajectory:
    """Gather an episode's scores, sessions, windows and markers. Nothing is carried forward."""
    zone = ZoneInfo(episode.patient.time_zone)
    sessions = tuple(episode.sessions.in_order().only(*SESSION_COLUMNS))
    marks = tuple(_session_marks(sessions))
    held = [session for session in sessions if session.is_held]
    courses = tuple(episode.courses.select_related("schedule").order_by("started_at"))
    by_key = {course.pk: course for course in courses}
    for session in sessions:
        session.course = by_key[session.course_id]
    changes = tuple(episode.treatment_changes.order_by("happened_on", "pk"))
    treated_from = held[0].at if held else _imported_start(sessions, courses)
    windows = _windows(episode, now)
    stored = _scores(episode)
    has_imports = any(score.mode == Mode.IMPORT for score in stored)
    safety = _safety_answers(episode, has_imports=has_imports)
    scores = defaultdict(list)
    for score in stored:
        scores[score.instrument_code, score.scale].append(score)
    measures = tuple(
        _measure(scores[key], windows.get(key[0], ()), treated_from, safety, zone)
        for key in sorted(scores, key=_rank)
        if _is_shown(scores[key][-1])
    )
    chart = ChartData(
        title=f"{episode.patient.name}: scores over time",
        panels=tuple(measure.panel for measure in measures),
        sessions=marks,
        markers=tuple(_markers(changes, zone)),
        courses=tuple(
            CourseMark(course.started_at, str(course.get_kind_display())) for course in courses
        ),
        zone=zone,
    )
    return Trajectory(episode, sessions, courses, changes, measures, chart)


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


def _scores(episode: EpisodeOfCare) -> list[StoredScore]:
    # Plain tuples: three model instances for each score would cost more than the chart.
    rows = Score.objects.current().filter(episode=episode).order_by("at", "pk")
    columns = rows.values_list(
        "response_id",
        "instrument_code",
        "scale",
        "value",
        "band",
        "is_prorated",
        "missing_reason",
        "at",
        "response__content_hash",
        "response__mode",
        Case(When(at__gt=F("response__assignment__due_at"), then=True), default=False),
    )
    return [StoredScore(*row) for row in columns]


def _is_shown(score: StoredScore) -> bool:
    """Say whether this result has a panel: the instrument names the scales that do."""
    return score.scale in definition_of(score.content_hash).charted


def panel_name(definition: Definition, scale: Scale) -> str:
    """Return the instrument's code, with the scale's title where it charts several."""
    return definition.code if len(definition.charted) == 1 else f"{definition.code} {scale.title}"


def _session_marks(sessions: Sequence[TreatmentSession]) -> Iterator[SessionMark]:
    # Most sessions of a course are given the same.
    words: dict[tuple[object, ...], tuple[str, str]] = {}
    for session in sessions:
        status: MarkStatus = "not_held"
        if session.is_held:
            status = "held"
        elif session.status == SessionStatus.PLANNED:
            status = "planned"
        given = (session.drug, session.route, session.dose_amount, session.dose_unit)
        if given not in words:
            words[given] = session.treatment_label, _short_label(session)
        label, short = words[given]
        yield SessionMark(session.at, session.number, label, status, short)


def _short_label(session: TreatmentSession) -> str:
    """Return route and dose as recorded, in the fewest letters: “IV 40 mg”."""
    amount = session.dose_amount
    dose = f"{amount.normalize():f} {session.dose_unit}".strip() if amount else ""
    route = SHORT_ROUTES.get(session.route, "")
    if session.route and not route:
        route = str(Route(session.route).label)
    return " ".join(part for part in (route, dose.replace(" ", "\u00a0")) if part)


def _markers(changes: Iterable[TreatmentChange], zone: ZoneInfo) -> Iterator[Marker]:
    for row in changes:
        noon = datetime(
            row.happened_on.year, row.happened_on.month, row.happened_on.day, 12, tzinfo=zone
        )
        yield Marker(noon, row.description)


def _safety_answers(episode: EpisodeOfCare, *, has_imports: bool) -> Mapping[UUID, str]:
    """Return, by response, the positive safety items in words."""
    alerts = Alert.objects.filter(episode=episode, reason=AlertReason.ANSWER)
    positive = list(alerts.values_list("response", "rule__link_id", "value"))
    # Imported answers raise no alert, but show what they were.
    imported = episode.responses.filter(mode=Mode.IMPORT).exclude(answers={})
    version = "instrument_version"
    rows = imported.select_related(version).defer(f"{version}__content")
    for response in rows if has_imports else ():
        hits = responses.safety_of(response)
        positive += [(response.pk, hit.link_id, hit.value) for hit in hits]
    found: dict[UUID, list[str]] = defaultdict(list)
    for response_id, item, value in positive:
        found[response_id].append(f"item {item}: {value}")
    return {response_id: ", ".join(words) for response_id, words in found.items()}


def _windows(episode: EpisodeOfCare, now: datetime) -> dict[str, tuple[Window, ...]]:
    """Return, by instrument, every asking and what came of it."""
    asked = Assignment.objects.filter(episode=episode).exclude(
        state__in=(
            AssignmentState.PLANNED,
            AssignmentState.CANCELLED,
            AssignmentState.SUPERSEDED,
        )
    )
    is_late = Case(When(completed_at__gt=F("due_at"), then=True), default=False)
    columns = asked.order_by("due_at").values_list("instrument__code", "due_at", "state", is_late)
    by_code: dict[str, list[Window]] = defaultdict(list)
    for code, due, state, late in columns:
        by_code[code].append(Window(due, _outcome(state, late)))
    return {code: tuple(windows) for code, windows in by_code.items()}


def _outcome(state: str, is_late: bool) -> WindowState:
    if state == AssignmentState.EXPIRED:
        return "missed"
    if state != AssignmentState.COMPLETED:
        return "pending"
    return "late" if is_late else "answered"


def _measure(
    scores: Sequence[StoredScore],
    windows: tuple[Window, ...],
    treated_from: datetime | None,
    safety: Mapping[UUID, str],
    zone: ZoneInfo,
) -> Measure:
    definition = definition_of(scores[-1].content_hash)
    scale = definition.scale(scores[-1].scale)
    assert scale is not None  # what is charted is a scale
    entries = tuple((score, _point(score, safety)) for score in scores)
    points = tuple(point for _score, point in entries if point is not None)
    baseline = change.baseline(points, treated_from)
    panel = _panel(definition, scale, points, windows, baseline)
    latest = points[-1] if points else None
    start = baseline.point
    after = latest if start is not None and latest is not None and latest is not start else None
    is_treated = treated_from is not None and latest is not None and latest.at >= treated_from
    return Measure(
        definition=definition,
        scale=scale,
        panel=panel,
        baseline=baseline,
        latest=latest,
        change=_change(definition, scale, start, after),
        response=_response(definition, scale, start, after),
        remission=_remission(scale, latest if is_treated else None),
        reliable=_reliable(definition, scale, start, after),
        entries=entries,
        summary=describe(panel, zone),
    )


def _point(score: StoredScore, safety: Mapping[UUID, str]) -> Point | None:
    if score.value is None:
        return None
    return Point(
        at=score.at,
        value=score.value,
        prorated=score.is_prorated,
        band=score.band,
        safety=safety.get(score.response_id, ""),
        late=score.is_late,
        imported=score.mode == Mode.IMPORT,
    )


def _panel(
    definition: Definition,
    scale: Scale,
    points: tuple[Point, ...],
    windows: tuple[Window, ...],
    baseline: Baseline,
) -> Panel:
    start = baseline.point
    remission = _remission_rule(scale)
    return Panel(
        code=panel_name(definition, scale),
        title=definition.title,
        low=scale.low,
        high=scale.high,
        direction=definition.direction,
        bands=tuple(Band(band.low, band.high, band.label) for band in scale.bands),
        points=points,
        windows=windows,
        baseline=start,
        baseline_reason=baseline.reason,
        response_line=_response_line(definition, scale, start),
        remission_line=remission[1].value if remission else None,
        remission_kind=remission[0] if remission else "below",
        reliable_half_width=(
            scale.reliable_change.value if scale.reliable_change and start else None
        ),
    )


def _response_line(definition: Definition, scale: Scale, start: ScorePoint | None) -> float | None:
    if start is None or scale.response is None:
        return None
    return change.response_value(
        start.value,
        definition.direction,
        share=scale.response.value / 100,
        baseline_min=_baseline_min(scale),
    )


def _baseline_min(scale: Scale) -> float:
    return scale.baseline_min.value if scale.baseline_min else 0.0


def _change(
    definition: Definition, scale: Scale, start: ScorePoint | None, point: ScorePoint | None
) -> Change | None:
    if start is None or point is None:
        return None
    low = _baseline_min(scale)
    return change.change_from(start.value, point.value, definition.direction, baseline_min=low)


def _response(
    definition: Definition, scale: Scale, start: ScorePoint | None, point: ScorePoint | None
) -> Verdict | None:
    rule = scale.response
    if start is None or point is None or rule is None:
        return None
    return change.is_response(
        start.value,
        point.value,
        definition.direction,
        share=rule.value / 100,
        baseline_min=_baseline_min(scale),
        rule=change.Rule(rule.meaning, rule.citation, rule.verified),
    )


def _remission_rule(scale: Scale) -> tuple[Comparison, Rule] | None:
    """Return the scale's remission rule and its kind; None unless it compares with a value."""
    rule = scale.remission
    if rule is None:
        return None
    return next(((kind, rule) for kind in COMPARES if kind == rule.kind), None)


def _remission(scale: Scale, point: ScorePoint | None) -> Verdict | None:
    found = _remission_rule(scale)
    if point is None or found is None:
        return None
    kind, rule = found
    met = COMPARES[kind](point.value, rule.value)
    return Verdict(met, "", change.Rule(rule.meaning, rule.citation, rule.verified))


def _reliable(
    definition: Definition, scale: Scale, start: ScorePoint | None, point: ScorePoint | None
) -> ReliableChange | None:
    rule = scale.reliable_change
    if start is None or point is None or rule is None:
        return None
    return change.reliable_change(
        start.value,
        point.value,
        rule.value,
        definition.direction,
        rule=change.Rule(rule.meaning, rule.citation, rule.verified),
    )


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
        definition=definition,
        point=point,
        change=_change(definition, measure.scale, start, point if point is not start else None),
        hours_since_session=since / timedelta(hours=1) if since is not None else None,
        session_number=session.number if session else None,
        reaches_past_session=bool(since is not None and recall and since < timedelta(days=recall)),
    )
