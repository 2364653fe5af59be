"""What the patient page lists beside the trajectory: sessions, questionnaires, alerts, contact."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import Count, Exists, OuterRef, Prefetch, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.utils.translation import gettext as _

from outcomes.alerts.models import Alert, AlertReason, AlertState, CallRequest
from outcomes.care.models import (
    Channel,
    Consent,
    Contact,
    Course,
    EpisodeOfCare,
    Indication,
    Patient,
    SessionStatus,
    TreatmentChange,
    TreatmentSession,
)
from outcomes.delivery.models import Invitation, OwnPage
from outcomes.instruments.models import InstrumentVersion
from outcomes.instruments.watched import WATCHED
from outcomes.responses.models import QuestionnaireResponse, Remark, Score
from outcomes.review import reach, trajectory
from outcomes.review.charts import Point
from outcomes.review.gathered import LISTED, Positive
from outcomes.review.ranges import Range
from outcomes.review.side_by_side import comparable
from outcomes.review.trajectory import Intervals, Row, SessionTable, Trajectory
from outcomes.scheduling.models import (
    PAPER_TAKEN_FOR,
    Assignment,
    AssignmentState,
)

# A list on the page shows this many at most, and says so; each has a page with all of them.
SHOWN = 6
SCORES_SHOWN = LISTED
SESSIONS_SHOWN = 8
REMARKS_SHOWN = 3
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
    "episode",
    "response",
    "value",
    "rule__link_id",
)


@dataclass(frozen=True, slots=True)
class Reach:
    """One channel: how the patient is reached by it, and the last decision about it."""

    channel: Channel
    contact: Contact | None
    consent: Consent | None


class PatientPage:
    """One patient, looked at through one episode: the newest open one unless another is chosen.

    The patient is one of `people`, but where only the episode is wanted.
    """

    @staticmethod
    def people() -> QuerySet[Patient]:
        """Return patients with what their page shows of them.

        And whether there is any, most often none, of what would take a query of its own.
        """
        of_patient = {"patient": OuterRef("pk")}
        unseen = QuestionnaireResponse.objects.unseen().filter(**of_patient).values("patient")
        changes = TreatmentChange.objects.filter(episode__patient=OuterRef("pk"))
        return Patient.objects.select_related("own_page").annotate(
            unseen=Coalesce(Subquery(unseen.order_by().values(n=Count("pk"))), 0),
            has_calls=Exists(CallRequest.objects.open().filter(**of_patient)),
            has_strays=Exists(Invitation.objects.gone_astray().filter(**of_patient)),
            has_changes=Exists(changes),
            has_remarks=Exists(Remark.objects.filter(**of_patient)),
        )

    def __init__(
        self,
        patient: Any,
        episode_id: str,
        now: datetime,
        *,
        shows_all_scores: bool = False,
        shown: Range = "course",
        has_band: bool = False,
    ) -> None:
        self.patient, self.now, self.shown, self.has_band = patient, now, shown, has_band
        self.shows_all_scores = shows_all_scores
        rows = patient.episodes.prefetch_related("clinicians")
        self.episodes = sorted(rows, key=lambda row: (row.ended_on is None, row.started_on, row.pk))
        chosen = [row for row in self.episodes if str(row.pk) == episode_id]
        offered = chosen or self.episodes
        self.episode: EpisodeOfCare | None = offered[-1] if offered else None
        if self.episode is not None:
            self.episode.patient = patient

    @cached_property
    def trajectory(self) -> Trajectory | None:
        """Return the scores over true time."""
        if self.episode is None:
            return None
        positive = [
            Positive(row.response_id, row.rule.link_id, row.value)
            for row in self._alerts
            if row.reason == AlertReason.ANSWER
            and row.episode_id == self.episode.pk
            and row.rule is not None
        ]
        return trajectory.build(
            self.episode,
            self.now,
            shown=self.shown,
            positive=positive,
            has_band=self.has_band,
            has_changes=self.patient.has_changes,
            listed=None if self.shows_all_scores else SESSIONS_SHOWN,
        )

    @property
    def has_courses_to_compare(self) -> bool:
        """Say whether sessions were held in two courses, of this episode or of all."""
        held = self.trajectory.held if self.trajectory else []
        is_here = len({row.course_id for row in held}) > 1
        return is_here or (len(self.episodes) > 1 and len(comparable(self.patient)) > 1)

    @cached_property
    def unwatched(self) -> tuple[str, str]:
        """Return what would watch this patient for mania, and why nothing does; empty if it does.

        Only bipolar depression is watched. The reason is "off", "no_wording" or "not_asked".
        """
        episode, clinic = self.episode, self.patient.clinic
        if episode is None or episode.indication != Indication.BIPOLAR or episode.ended_on:
            return "", ""
        code = next(iter(WATCHED))
        if not clinic.watches_mania:
            return code, "off"
        version = InstrumentVersion.objects.used_by(clinic.pk).of_code(code).first()
        if version is None or not version.definition.is_sendable:
            return code, "no_wording"
        asked = Assignment.objects.filter(episode=episode, instrument=version.instrument_id)
        is_asked = asked.answerable_after(self.now).exists()
        return ("", "") if is_asked else (code, "not_asked")

    @property
    def found_no_band(self) -> bool:
        """Say whether the clinic band was asked for and stands nowhere."""
        measures = self.trajectory.measures if self.trajectory else ()
        return self.has_band and not any(row.panel.clinic_band for row in measures)

    @property
    def ranges(self) -> list[tuple[Range, str]]:
        """Return the stretches of time that the chart can show, with their words."""
        return [
            ("course", _("Current course")),
            ("3m", _("3 months")),
            ("1y", _("1 year")),
            ("all", _("All")),
        ]

    @property
    def moods(self) -> list[Point]:
        """Return the newest daily checks, or all of them when they are asked for."""
        measures = self.trajectory.measures if self.trajectory else ()
        points = [point for row in measures if row.panel.is_light for point in row.panel.points]
        return points[::-1] if self.shows_all_scores else points[: -SCORES_SHOWN - 1 : -1]

    @property
    def session_tables(self) -> list[SessionTable]:
        """Return what the last sessions did, or all of them when they are asked for."""
        shown = None if self.shows_all_scores else SESSIONS_SHOWN
        return self.trajectory.per_session(self.now, shown) if self.trajectory else []

    @property
    def intervals(self) -> Intervals | None:
        """Return the days between the sessions of the last course."""
        return self.trajectory.intervals(self.now) if self.trajectory else None

    @property
    def today(self) -> str:
        """Return the day where the patient is, as a link carries it."""
        return self.now.astimezone(ZoneInfo(self.patient.time_zone)).date().isoformat()

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

    @property
    def _ahead(self) -> list[Assignment]:
        return [row for row in self._assignments if row.state != AssignmentState.EXPIRED]

    @property
    def missed(self) -> list[Assignment]:
        """Return what was asked last and not answered in time."""
        rows = [row for row in self._assignments if row.state == AssignmentState.EXPIRED]
        return sorted(rows, key=lambda row: row.closes_at, reverse=True)

    @property
    def paper_taken_since(self) -> datetime:
        """Return when what was missed must have closed for its paper form to be entered."""
        return self.now - PAPER_TAKEN_FOR

    @cached_property
    def _assignments(self) -> list[Assignment]:
        """Read what is ahead, first what opens first, and what was missed last."""
        rows = Assignment.objects.filter(episode=self.episode)
        ahead = rows.answerable_after(self.now).order_by("opens_at", "pk").values("pk")[:AHEAD]
        expired = rows.filter(state=AssignmentState.EXPIRED)
        missed = expired.order_by("-closes_at").values("pk")[:SHOWN]
        both = rows.filter(Q(pk__in=ahead) | Q(pk__in=missed)).order_by("opens_at", "pk")
        return list(both.select_related("instrument").only(*ASKED_COLUMNS))

    @cached_property
    def latest_responses(self) -> list[QuestionnaireResponse]:
        """Return the last questionnaires answered."""
        return list(self.responses_of(self.patient).filter(episode=self.episode)[:SHOWN])

    @cached_property
    def latest_remarks(self) -> list[Remark]:
        """Return what the patient added in their own words last."""
        if self.episode is None or not self.patient.has_remarks:
            return []
        return list(self.episode.remarks.newest_first()[:REMARKS_SHOWN])

    @property
    def unseen(self) -> int:
        """Return how many questionnaires nobody has said to have seen."""
        return int(self.patient.unseen)

    @staticmethod
    def responses_of(patient: Patient) -> QuerySet[QuestionnaireResponse]:
        """Return everything a patient submitted, newest first, with its scores."""
        columns = ("response", "scale", "value", "band", "is_current")
        scores = Prefetch("scores", Score.objects.order_by("scale").only(*columns))
        return (
            QuestionnaireResponse.objects.final()
            .filter(patient=patient)
            .only("clinic", "content_hash", "mode", "submitted_at")
            .prefetch_related(scores)
            .order_by("-submitted_at")
        )

    @cached_property
    def calls(self) -> list[CallRequest]:
        """Return the calls that the patient asks for, not settled yet."""
        if not self.patient.has_calls:
            return []
        rows = CallRequest.objects.open().filter(patient=self.patient).order_by("asked_at")
        return list(rows.select_related("patient"))

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
        rows = Alert.objects.filter(patient=self.patient).select_related("acknowledged_by", "rule")
        return list(rows.only(*ALERT_COLUMNS).order_by("-raised_at"))

    @property
    def treatment_changes(self) -> list[TreatmentChange]:
        """Return the changes of other treatment, newest first."""
        return list(reversed(self.trajectory.treatment_changes)) if self.trajectory else []

    @cached_property
    def reach_problem(self) -> str:
        """Return why messages do not reach the patient; empty where they do."""
        return reach.problem_of(
            self.patient,
            self._contacts,
            self._consents,
            has_strays=self.patient.has_strays,
        )

    @property
    def own_page(self) -> OwnPage | None:
        """Return the patient's own page; None before the first invitation."""
        return getattr(self.patient, "own_page", None)

    @property
    def is_paused(self) -> bool:
        """Say whether the patient has paused messages."""
        return bool(self.patient.is_paused(self.now))

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
