"""What the patient page lists beside the trajectory: sessions, questionnaires, alerts, contact."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from django.db.models import Prefetch, QuerySet

from outcomes.alerts.models import Alert, AlertState
from outcomes.care.models import (
    Channel,
    Consent,
    Contact,
    Course,
    EpisodeOfCare,
    Patient,
    SessionStatus,
    TreatmentChange,
    TreatmentSession,
)
from outcomes.responses.models import QuestionnaireResponse, Score
from outcomes.review import reach, trajectory
from outcomes.review.trajectory import Row, Trajectory
from outcomes.scheduling.models import Assignment, AssignmentQuerySet, AssignmentState

# A list on the page shows this many at most, and says so; each has a page with all of them.
SHOWN = 6
SCORES_SHOWN = 20
# What can be answered now stands first among these; no patient is asked so much at once.
AHEAD = 60
ASKED_COLUMNS = ("state", "opens_at", "due_at", "closes_at", "instrument__code")
# What a list of alerts shows.
ALERT_COLUMNS = (
    "reason",
    "state",
    "outcome",
    "raised_at",
    "opened_at",
    "acknowledged_at",
    "acknowledged_by__name",
    "acknowledged_by__email",
)


@dataclass(frozen=True, slots=True)
class Reach:
    """One channel: how the patient is reached by it, and the last decision about it."""

    channel: Channel
    contact: Contact | None
    consent: Consent | None


class PatientPage:
    """One patient, looked at through one episode: the newest open one unless another is chosen."""

    def __init__(
        self, patient: Patient, episode_id: str, now: datetime, *, shows_all_scores: bool = False
    ) -> None:
        self.patient, self.now = patient, now
        self.shows_all_scores = shows_all_scores
        rows = patient.episodes.prefetch_related("clinicians")
        self.episodes = sorted(rows, key=lambda row: (row.ended_on is None, row.started_on, row.pk))
        chosen = [row for row in self.episodes if str(row.pk) == episode_id]
        shown = chosen or self.episodes
        self.episode: EpisodeOfCare | None = shown[-1] if shown else None
        if self.episode is not None:
            self.episode.patient = patient

    @cached_property
    def trajectory(self) -> Trajectory | None:
        """Return the scores over true time."""
        return trajectory.build(self.episode, self.now) if self.episode else None

    @cached_property
    def score_rows(self) -> list[Row]:
        """Return the newest rows of the score table, or all of them when they are asked for."""
        shown = None if self.shows_all_scores else SCORES_SHOWN
        return self.trajectory.rows(shown) if self.trajectory else []

    @property
    def sessions(self) -> list[TreatmentSession]:
        """Return every session of the episode, newest first."""
        return list(reversed(self.trajectory.sessions)) if self.trajectory else []

    @property
    def latest_sessions(self) -> list[TreatmentSession]:
        """Return what is planned, and the last sessions before that."""
        past = [row for row in self.sessions if row.status != SessionStatus.PLANNED]
        return [row for row in self.sessions if row.status == SessionStatus.PLANNED] + past[:SHOWN]

    @property
    def next_session(self) -> TreatmentSession | None:
        """Return the earliest planned session: the one to record next."""
        planned = [row for row in self.sessions if row.status == SessionStatus.PLANNED]
        return planned[-1] if planned else None

    @property
    def courses(self) -> list[Course]:
        """Return the courses of the episode, newest first."""
        return list(reversed(self.trajectory.courses)) if self.trajectory else []

    @property
    def course(self) -> Course | None:
        """Return the course under way."""
        return next((row for row in self.courses if row.ended_at is None), None)

    @property
    def asked(self) -> list[Assignment]:
        """Return what the patient can answer now."""
        open_ = [row for row in self._ahead if row.opens_at <= self.now]
        return sorted(open_, key=lambda row: row.due_at)

    @property
    def coming(self) -> list[Assignment]:
        """Return what is planned next."""
        return [row for row in self._ahead if row.opens_at > self.now][:SHOWN]

    @cached_property
    def _ahead(self) -> list[Assignment]:
        rows = self._assignments().answerable_after(self.now)
        return list(rows.order_by("opens_at", "pk")[:AHEAD])

    @cached_property
    def missed(self) -> list[Assignment]:
        """Return what was asked last and not answered in time."""
        rows = self._assignments().filter(state=AssignmentState.EXPIRED)
        return list(rows.order_by("-closes_at")[:SHOWN])

    def _assignments(self) -> AssignmentQuerySet:
        rows = Assignment.objects.filter(episode=self.episode)
        return rows.select_related("instrument").only(*ASKED_COLUMNS)

    @cached_property
    def latest_responses(self) -> list[QuestionnaireResponse]:
        """Return the last questionnaires answered."""
        return list(self.responses_of(self.patient).filter(episode=self.episode)[:SHOWN])

    @staticmethod
    def responses_of(patient: Patient) -> QuerySet[QuestionnaireResponse]:
        """Return everything a patient submitted, newest first, with its scores."""
        scores = Prefetch("scores", Score.objects.order_by("scale"))
        return (
            QuestionnaireResponse.objects.final()
            .filter(patient=patient)
            .select_related("instrument_version__instrument")
            .defer("answers", "answered_at", "instrument_version__content")
            .prefetch_related(scores)
            .order_by("-submitted_at")
        )

    @property
    def alerts(self) -> list[Alert]:
        """Return every alert not closed yet, and the last ones closed."""
        closed = [row for row in self._alerts if row.state == AlertState.RESOLVED]
        return [row for row in self._alerts if row.state != AlertState.RESOLVED] + closed[:SHOWN]

    @property
    def alert_count(self) -> int:
        """Return how many alerts there ever were."""
        return len(self._alerts)

    @cached_property
    def _alerts(self) -> list[Alert]:
        rows = Alert.objects.filter(patient=self.patient).select_related("acknowledged_by")
        return list(rows.only(*ALERT_COLUMNS).order_by("-raised_at"))

    @property
    def treatment_changes(self) -> list[TreatmentChange]:
        """Return the changes of other treatment, newest first."""
        return list(reversed(self.trajectory.treatment_changes)) if self.trajectory else []

    @cached_property
    def reach_problem(self) -> str:
        """Return why messages do not reach the patient; empty where they do."""
        return reach.problem_of(self.patient, self._contacts, self._consents)

    @cached_property
    def _contacts(self) -> list[Contact]:
        return list(self.patient.contacts.all())

    @cached_property
    def _consents(self) -> list[Consent]:
        return list(self.patient.consents.order_by("at", "pk"))

    @cached_property
    def reaches(self) -> list[Reach]:
        """Return how the patient is reached, channel by channel."""
        contacts = {row.channel: row for row in self._contacts}
        consents = {row.channel: row for row in self._consents}
        return [Reach(channel, contacts.get(channel), consents.get(channel)) for channel in Channel]
