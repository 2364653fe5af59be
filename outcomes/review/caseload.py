"""My open episodes: last score, change from baseline, what is owed; sorted by a stated rule."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db.models import Count, Min
from django.db.models.functions import Coalesce
from django.utils.translation import gettext_lazy as _

from outcomes.alerts.models import Alert
from outcomes.care.models import (
    HELD,
    EpisodeOfCare,
    Indication,
    TreatmentSession,
)
from outcomes.clinics.models import Clinic, User
from outcomes.instruments.definition import Scale
from outcomes.instruments.models import InstrumentVersion
from outcomes.responses.models import Score
from outcomes.review import change, reach
from outcomes.review.change import Baseline, Change, ScorePoint
from outcomes.review.charts import draw_sparkline
from outcomes.scheduling.models import Assignment, AssignmentState

# The instrument of the list; every other is on the patient's page.
CODE = "PHQ-9"
# What a line shows of the episode and the patient.
COLUMNS = (
    "indication",
    "patient__given_name",
    "patient__family_name",
    "patient__time_zone",
)
# The sparkline shows the last ones only: the trajectory shows all.
SPARKLINE_POINTS = 16
ORDER = _(
    "Order: open alerts first, the oldest on top; then patients who cannot be reached; then those "
    "with overdue questionnaires, the longest overdue on top; then by name. "
    "It is not a risk rating."
)


@dataclass(frozen=True, slots=True)
class Line:
    """One open episode as the list shows it."""

    episode: EpisodeOfCare
    indication: str
    last: ScorePoint | None
    band: str
    baseline: Baseline
    change: Change | None
    open_alerts: int
    first_alert_at: datetime | None
    overdue: int
    overdue_since: datetime | None
    contact_problem: str
    sparkline: str
    reliable_from: float | None  #: points from which a change is more than measurement error

    @property
    def colour(self) -> str:
        """Return towards what the score has moved; "none" within measurement error."""
        if self.change is None or abs(self.change.absolute) < (self.reliable_from or 0):
            return "none"
        return "none" if self.change.towards == "same" else self.change.towards

    def sort_key(self) -> tuple[object, ...]:
        """Return where the line stands by `ORDER`."""
        return (
            _first(self.first_alert_at),
            not self.contact_problem,
            _first(self.overdue_since),
            self.episode.patient.family_name.lower(),
            self.episode.patient.given_name.lower(),
        )


def _first(at: datetime | None) -> tuple[bool, float]:
    return (at is None, at.timestamp() if at else 0.0)


@dataclass(frozen=True, slots=True)
class Caseload:
    """The list and its counts."""

    lines: tuple[Line, ...]
    only_mine: bool
    order: str

    @property
    def with_alerts(self) -> int:
        """Count the patients with an alert nobody has acknowledged."""
        return sum(bool(line.open_alerts) for line in self.lines)

    @property
    def overdue(self) -> int:
        """Count the patients with an overdue questionnaire."""
        return sum(bool(line.overdue) for line in self.lines)


def build(clinic: Clinic, user: User, now: datetime, only_mine: bool = True) -> Caseload:
    """Gather the clinic's open episodes that the user may see, in a constant number of queries."""
    rows = EpisodeOfCare.objects.visible_to(user).filter(clinic=clinic).open()
    if only_mine:
        rows = rows.of_clinician(user)
    episodes = list(rows.select_related("patient").only(*COLUMNS))
    keys = [episode.pk for episode in episodes]
    facts = _Facts(keys, [episode.patient_id for episode in episodes], now)
    lines = sorted((facts.line(episode) for episode in episodes), key=Line.sort_key)
    return Caseload(tuple(lines), only_mine, str(ORDER))


class _Facts:
    """What the lines are made of, each kind read once for all episodes."""

    def __init__(self, episodes: list[UUID], patients: list[UUID], now: datetime) -> None:
        self.scale = _scale()
        # Once for all lines: Django's own display looks through every choice each time.
        self.indications = {value: str(label) for value, label in Indication.choices}
        self.missed = _missed(episodes)
        self.points = _points(episodes)
        self.first_session = dict(
            TreatmentSession.objects.filter(episode__in=episodes, status__in=HELD)
            .values("episode")
            .annotate(first=Min(Coalesce("started_at", "planned_at")))
            .values_list("episode", "first")
        )
        self.alerts: dict[UUID, Mapping[str, Any]] = {
            row["episode"]: row
            for row in Alert.objects.open()
            .filter(episode__in=episodes)
            .values("episode")
            .annotate(count=Count("pk"), first=Min("opened_at"))
        }
        self.overdue: dict[UUID, Mapping[str, Any]] = {
            row["episode"]: row
            for row in Assignment.objects.overdue_on(now)
            .filter(episode__in=episodes)
            .values("episode")
            .annotate(count=Count("pk"), first=Min("due_at"))
        }
        self.contact_problems = reach.problems(patients)

    def line(self, episode: EpisodeOfCare) -> Line:
        rows = self.points.get(episode.pk, [])
        points = [point for point, _band in rows]
        last, band = rows[-1] if rows else (None, "")
        baseline = change.baseline(points, self.first_session.get(episode.pk))
        alerts = self.alerts.get(episode.pk, {})
        overdue = self.overdue.get(episode.pk, {})
        return Line(
            episode=episode,
            indication=self.indications[episode.indication],
            last=last,
            band=band,
            baseline=baseline,
            change=self._change(baseline.point, last),
            open_alerts=alerts.get("count", 0),
            first_alert_at=alerts.get("first"),
            overdue=overdue.get("count", 0),
            overdue_since=overdue.get("first"),
            contact_problem=self.contact_problems.get(episode.patient_id, ""),
            sparkline=self._sparkline(points, episode),
            reliable_from=rule.value if (rule := self.scale.reliable_change) else None,
        )

    def _change(self, start: ScorePoint | None, last: ScorePoint | None) -> Change | None:
        if start is None or last is None or last is start:
            return None
        rule = self.scale.baseline_min
        return change.change_from(start.value, last.value, baseline_min=rule.value if rule else 0)

    def _sparkline(self, points: Sequence[ScorePoint], episode: EpisodeOfCare) -> str:
        return draw_sparkline(
            points[-SPARKLINE_POINTS:],
            self.scale.low,
            self.scale.high,
            code=CODE,
            missed=self.missed.get(episode.pk, ()),
            remission=self.scale.remission.value if self.scale.remission else None,
            zone=ZoneInfo(episode.patient.time_zone),
        )


def _scale() -> Scale:
    version = InstrumentVersion.objects.shipped().of_code(CODE).get()
    return version.definition.scales[0]


def _points(episodes: Iterable[UUID]) -> dict[UUID, list[tuple[ScorePoint, str]]]:
    rows = (
        Score.objects.current()
        .filter(episode__in=episodes, instrument_code=CODE, scale="total", value__isnull=False)
        .order_by("at")
        .values_list("episode", "at", "value", "is_prorated", "band")
    )
    points: dict[UUID, list[tuple[ScorePoint, str]]] = defaultdict(list)
    for episode, at, value, is_prorated, band in rows:
        assert value is not None
        points[episode].append((ScorePoint(at, value, is_prorated), band))
    return points


def _missed(episodes: Iterable[UUID]) -> dict[UUID, list[datetime]]:
    """Return, by episode, when the list's instrument was due and not answered."""
    rows = Assignment.objects.filter(
        episode__in=episodes, instrument__code=CODE, state=AssignmentState.EXPIRED
    )
    missed: dict[UUID, list[datetime]] = defaultdict(list)
    for episode, due_at in rows.order_by("due_at").values_list("episode", "due_at"):
        missed[episode].append(due_at)
    return missed
