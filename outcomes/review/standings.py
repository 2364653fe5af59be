"""Read where open episodes stand from the rows of other rooms, each kind once for all of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Count, Min

from outcomes.alerts.models import Alert
from outcomes.care.models import HELD, Course, EpisodeOfCare, SessionStatus, TreatmentSession
from outcomes.clinics.models import Clinic
from outcomes.instruments.definition import Definition, Scale
from outcomes.instruments.models import InstrumentVersion
from outcomes.responses.models import QuestionnaireResponse, Score
from outcomes.review import change, reach
from outcomes.review.change import ScorePoint
from outcomes.review.charts.sheet import breaks
from outcomes.review.clinic_rule import clinic_rules
from outcomes.review.durability import Rules, Story, meets_response, tell
from outcomes.review.models import NEVER, Standing, order_of
from outcomes.scheduling.models import UNDER_WAY, Assignment, AssignmentState

# The sparkline shows the last ones only: the trajectory shows all.
POINTS = 16


@dataclass(frozen=True, slots=True)
class MainScale:
    """The scale by which a clinic's caseload is shown; no scale where it knows none by the code.

    `rules` are those of response and its loss; None where it publishes nothing of response.
    """

    code: str
    definition: Definition | None = None
    scale: Scale | None = None
    rules: Rules | None = None


def main_scale(clinic: Clinic) -> MainScale:
    """Return the scale of the clinic's main instrument that its charts show first."""
    versions = InstrumentVersion.objects.used_by(clinic.pk).of_code(clinic.main_instrument)
    version = versions.defer("content").first()
    if version is None:
        return MainScale(clinic.main_instrument)
    definition = version.definition
    scale = definition.scale(definition.charted[0]) if definition.charted else None
    rules = clinic_rules(clinic, definition, scale) if scale else None
    return MainScale(definition.code, definition, scale, rules)


def charted_choices(clinic: Clinic) -> list[tuple[str, str]]:
    """Return the questionnaires whose scores a clinic's caseload can show, by code."""
    versions = InstrumentVersion.objects.used_by(clinic.pk).defer("content")
    found = versions.select_related("instrument").order_by("instrument__code")
    return [
        (version.instrument.code, f"{version.instrument.code}: {version.instrument.title}")
        for version in found
        if version.definition.charted
    ]


def stand(clinic: Clinic, episodes: Collection[UUID], now: datetime) -> list[Standing]:
    """Return, unsaved, where those of these episodes stand that are open, in a dozen queries."""
    rows = EpisodeOfCare.objects.filter(clinic=clinic, pk__in=episodes).open()
    found = list(rows.select_related("patient").order_by("pk"))
    facts = _Facts(clinic, found, now)
    return [facts.standing(episode) for episode in found]


class _Facts:
    """What standings are made of."""

    def __init__(self, clinic: Clinic, episodes: Sequence[EpisodeOfCare], now: datetime) -> None:
        keys = [episode.pk for episode in episodes]
        self.clinic, self.now = clinic, now
        self.main = main_scale(clinic)
        self.scores = _scores(keys, self.main)
        self.missed = _missed(keys, self.main.code, now)
        self.sessions = _sessions(keys)
        self.imported_from = _imported_starts([key for key in keys if key not in self.sessions])
        self.alerts = _by_episode(
            Alert.objects.open().filter(episode__in=keys), n=Count("pk"), first=Min("opened_at")
        )
        waiting = Assignment.objects.under_way().filter(episode__in=keys, closes_at__gt=now)
        self.waiting = _by_episode(
            waiting, n=Count("pk"), due=Min("due_at"), closes=Min("closes_at")
        )
        self.unseen = _unseen(keys)
        self.seen = _last_seen(keys)
        self.problems = reach.find_problems([episode.patient_id for episode in episodes])

    def standing(self, episode: EpisodeOfCare) -> Standing:
        """Put one episode's standing together."""
        patient = episode.patient
        alerts = self.alerts.get(episode.pk, {})
        waiting = self.waiting.get(episode.pk, {})
        problem = self.problems.get(patient.pk)
        seen_at, seen_by = self.seen.get(episode.pk, (None, None))
        return Standing(
            clinic_id=episode.clinic_id,
            episode_id=episode.pk,
            patient_id=patient.pk,
            indication=episode.indication,
            given_name=patient.given_name,
            family_name=patient.family_name,
            record_number=patient.record_number,
            time_zone=patient.time_zone,
            name_order=order_of(patient.family_name, patient.given_name),
            given_order=order_of(patient.given_name),
            record_order=order_of(patient.record_number),
            open_alerts=alerts.get("n", 0),
            alert_order=alerts.get("first") or NEVER,
            reach_problem=problem or "",
            is_reached=problem is None,
            unanswered=waiting.get("n", 0),
            due_order=waiting.get("due") or NEVER,
            closes_at=waiting.get("closes"),
            unseen=len(self.unseen.get(episode.pk, ())),
            seen_at=seen_at,
            seen_by_id=seen_by,
            **self._sessions_of(episode.pk),
            **self._scores_of(episode.pk),
        )

    def _sessions_of(self, key: UUID) -> dict[str, Any]:
        held = [session for session in self.sessions.get(key, ()) if session.status in HELD]
        planned = [
            session.planned_at
            for session in self.sessions.get(key, ())
            if session.status == SessionStatus.PLANNED
        ]
        last = held[-1] if held else None
        return {
            "first_session_at": held[0].at if held else None,
            "last_session_at": last.at if last else None,
            "last_session_number": last.number if last else None,
            "next_session_at": min(planned, default=None),
        }

    def _scores_of(self, key: UUID) -> dict[str, Any]:
        rows = self.scores.get(key, [])
        points = [row.point for row in rows]
        held = [session.at for session in self.sessions.get(key, ()) if session.status in HELD]
        start = change.baseline(points, held[0] if held else self.imported_from.get(key)).point
        last = rows[-1] if rows else None
        shown = points[-POINTS:]
        missed = breaks([point.at for point in shown], self.missed.get(key, []))
        return {
            "instrument_code": self.main.code,
            "last_value": last.point.value if last else None,
            "last_at": last.point.at if last else None,
            "last_band": last.band if last else "",
            "baseline_value": start.value if start else None,
            "baseline_at": start.at if start else None,
            "is_reliably_worse": self._is_worse(start, points[-1] if points else None),
            **self._response_of(key, start, rows),
            "points": [[point.at.isoformat(), point.value] for point in shown],
            "missed": [at.isoformat() for at in missed],
        }

    def _is_worse(self, start: ScorePoint | None, last: ScorePoint | None) -> bool:
        scale, definition = self.main.scale, self.main.definition
        if scale is None or definition is None or scale.reliable_change is None:
            return False
        if start is None or last is None or last is start:
            return False
        threshold = scale.reliable_change.value
        found = change.reliable_change(start.value, last.value, threshold, definition.direction)
        return found.outcome == "deteriorated"

    def _response_of(
        self, key: UUID, start: ScorePoint | None, rows: Sequence[_Scored]
    ) -> dict[str, Any]:
        rules = self.main.rules
        confirmed = {place for place, row in enumerate(rows) if row.is_loss_confirmed}
        points = [row.point for row in rows]
        story = tell(start, points, rules, confirmed) if rules else Story()
        met = rows[story.responded] if story.responded is not None else None
        is_unseen = met is not None and met.response_id in self.unseen.get(key, ())
        is_met = bool(start and rules and points and meets_response(start, points[-1], rules))
        return {
            "responded_at": met.point.at if met else None,
            "is_response_unseen": is_unseen and is_met,
            "lost_response_at": rows[story.lost].point.at if story.lost is not None else None,
        }


@dataclass(frozen=True, slots=True)
class _Scored:
    """One score with the filling-in it comes from."""

    response_id: UUID
    point: ScorePoint
    band: str
    is_loss_confirmed: bool


def _scores(episodes: Collection[UUID], main: MainScale) -> dict[UUID, list[_Scored]]:
    found: dict[UUID, list[_Scored]] = defaultdict(list)
    if main.scale is None:
        return found
    rows = (
        Score.objects.current()
        .filter(episode__in=episodes, instrument_code=main.code, scale=main.scale.code)
        .filter(value__isnull=False)
        .order_by("at", "pk")
        .values_list(
            *("episode", "response", "at", "value", "is_prorated", "band"),
            "response__loss_confirmed_at",
        )
    )
    for episode, response, at, value, is_prorated, band, confirmed_at in rows:
        assert value is not None
        point = ScorePoint(at, value, is_prorated)
        found[episode].append(_Scored(response, point, band, confirmed_at is not None))
    return found


def _missed(episodes: Collection[UUID], code: str, now: datetime) -> dict[UUID, list[datetime]]:
    """Return, by episode, when the main instrument was due and not answered."""
    rows = Assignment.objects.filter(
        episode__in=episodes,
        instrument__code=code,
        state__in=(AssignmentState.EXPIRED, *UNDER_WAY),
        closes_at__lte=now,
    )
    missed: dict[UUID, list[datetime]] = defaultdict(list)
    for episode, due_at in rows.order_by("due_at").values_list("episode", "due_at"):
        missed[episode].append(due_at)
    return missed


def _sessions(episodes: Collection[UUID]) -> dict[UUID, list[TreatmentSession]]:
    rows = TreatmentSession.objects.filter(episode__in=episodes).in_order()
    columns = ("episode_id", "number", "status", "planned_at", "started_at")
    sessions: dict[UUID, list[TreatmentSession]] = defaultdict(list)
    for session in rows.only(*columns):
        sessions[session.episode_id].append(session)
    return sessions


def _imported_starts(episodes: Collection[UUID]) -> Mapping[UUID, datetime]:
    """Return when treatment began in imported history, which knows a course but no sessions."""
    first: dict[UUID, tuple[UUID | None, datetime]] = {}
    rows = Course.objects.filter(episode__in=episodes).order_by("started_at")
    for episode, schedule, started_at in rows.values_list("episode", "schedule", "started_at"):
        first.setdefault(episode, (schedule, started_at))
    return {episode: at for episode, (schedule, at) in first.items() if schedule is None}


def _by_episode(rows: Any, **figures: Any) -> dict[UUID, dict[str, Any]]:
    counted: Iterable[dict[str, Any]] = rows.order_by().values("episode").annotate(**figures)
    return {row["episode"]: row for row in counted}


def _unseen(episodes: Collection[UUID]) -> dict[UUID, set[UUID]]:
    unseen: dict[UUID, set[UUID]] = defaultdict(set)
    rows = QuestionnaireResponse.objects.unseen().filter(episode__in=episodes)
    for episode, response in rows.values_list("episode", "pk"):
        unseen[episode].add(response)
    return unseen


def _last_seen(episodes: Collection[UUID]) -> dict[UUID, tuple[datetime, UUID | None]]:
    """Return, by episode, when answers were last marked as seen, and by whom."""
    rows = QuestionnaireResponse.objects.final().filter(episode__in=episodes, seen_at__isnull=False)
    seen: dict[UUID, tuple[datetime, UUID | None]] = {}
    for episode, at, user in rows.order_by("seen_at", "pk").values_list(
        "episode", "seen_at", "seen_by"
    ):
        assert at is not None
        seen[episode] = (at, user)
    return seen
