"""Fill a clinic with many synthetic patients, stored in batches.

They are the same people as the demo's, planned by the real engine and scored by the real rules, but
not lived through event by event. What differs from patients who came in through the product: they
have no contact, so that nothing can ever be sent to them; no invitation stands behind their
answers; one audit event stands for each batch; a late answer does not move what was planned after.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby, islice
from random import Random
from typing import Any
from uuid import UUID

from django.db import connection, models, transaction

from outcomes.alerts.models import (
    Alert,
    AlertEvent,
    AlertOutcome,
    AlertReason,
    AlertRule,
    AlertState,
)
from outcomes.audit import services as audit
from outcomes.audit.models import SYSTEM
from outcomes.care.models import Course, EpisodeOfCare, Patient, SessionStatus, TreatmentSession
from outcomes.clinics.models import Clinic, User
from outcomes.instruments import scoring
from outcomes.instruments.models import InstrumentVersion
from outcomes.management.simulation import model
from outcomes.management.simulation.plan import Run, draw_plan
from outcomes.management.simulation.roster import Part, roster
from outcomes.management.simulation.sessions import record_of
from outcomes.responses.models import Mode, QuestionnaireResponse, ResponseStatus, Score
from outcomes.responses.services import scores_of
from outcomes.scheduling import engine
from outcomes.scheduling.models import Assignment, AssignmentState, Schedule, ScheduleRule
from outcomes.scheduling.services import spec_of

BATCH = 100
ENTRY_TAKES = timedelta(minutes=20)
ALERT_TAKES = timedelta(minutes=12)
# Parents first.
STORED: tuple[type[models.Model], ...] = (
    Patient,
    EpisodeOfCare,
    EpisodeOfCare.clinicians.through,
    Course,
    TreatmentSession,
    Assignment,
    QuestionnaireResponse,
    Score,
    Alert,
    AlertEvent,
)


@dataclass(frozen=True, slots=True)
class Stored:
    """Count what one batch has stored."""

    patients: int
    responses: int


@dataclass(frozen=True, slots=True)
class Library:
    """Hold the rows that every patient refers to, read once."""

    schedule: Schedule
    rules: dict[str, ScheduleRule]
    versions: dict[str, InstrumentVersion]
    alert_rules: dict[tuple[UUID, str, int], AlertRule]

    @classmethod
    def read(cls) -> Library:
        """Read the shipped schedule, instruments and safety rules."""
        schedule = Schedule.objects.get(clinic=None, code="phq9-gad7-only", is_current=True)
        versions = InstrumentVersion.objects.shipped().select_related("instrument")
        return cls(
            schedule=schedule,
            rules={rule.code: rule for rule in schedule.rules.all()},
            versions={version.instrument.code: version for version in versions},
            alert_rules={
                (rule.instrument_id, rule.link_id, rule.at_least): rule
                for rule in AlertRule.objects.all()
            },
        )


def fill_clinic(
    *, clinic: Clinic, clinician: User, patients: int, seed: str, now: datetime
) -> Iterator[Stored]:
    """Store so many patients whose year ends at `now`; yield after each batch, a transaction."""
    library = Library.read()
    parts = roster(seed, patients, now)
    while batch := list(islice(parts, BATCH)):
        rows = Rows(now)
        for part in batch:
            rng = Random(f"{seed}:{part.number}:bulk")  # noqa: S311 - synthetic data
            Record(rows, library, clinic, clinician, part, rng).write()
        rows.store(clinic)
        yield Stored(len(batch), len(rows.of(QuestionnaireResponse)))


@dataclass
class Rows:
    """Hold one batch of unsaved rows by kind."""

    now: datetime
    made: dict[type[models.Model], list[Any]] = field(default_factory=dict)

    def of(self, kind: type[models.Model]) -> list[Any]:
        """Return the rows of one kind."""
        return self.made.setdefault(kind, [])

    def add(self, row: models.Model) -> None:
        """Keep a row until the batch is stored."""
        self.of(type(row)).append(row)

    @transaction.atomic
    def store(self, clinic: Clinic) -> None:
        """Insert the batch and say so in the audit record."""
        for kind in STORED:
            insert(kind, self.of(kind))
        audit.record(
            clinic_id=clinic.pk,
            by=SYSTEM,
            now=self.now,
            action="patients.simulated",
            object_type="Patient",
            data={"patients": len(self.of(Patient))},
        )


@dataclass
class Record:
    """Write one patient's rows: episode, courses, sessions, what was asked and answered."""

    rows: Rows
    library: Library
    clinic: Clinic
    clinician: User
    part: Part
    rng: Random
    held: list[datetime] = field(default_factory=list)
    patient: Patient = field(init=False)
    episode: EpisodeOfCare = field(init=False)

    def write(self) -> None:
        """Add every row of the patient to the batch."""
        plan = draw_plan(self.part, self.rows.now, self.rng)
        self.write_patient(plan.closed_at)
        self.held = [at for run in plan.runs for at in run.sessions if self._is_held(at)]
        for run in plan.runs:
            self._write_course(run)

    def write_patient(self, closed_at: datetime | None) -> None:
        """Add the patient, the episode and who answers for it."""
        part = self.part
        self.patient = Patient(
            clinic=self.clinic, is_synthetic=True, created_at=part.enrolled_at, **part.details
        )
        self.episode = EpisodeOfCare(
            clinic=self.clinic,
            patient=self.patient,
            indication=part.indication,
            started_on=part.enrolled_at.date(),
            ended_on=closed_at.date() if closed_at else None,
        )
        responsible = EpisodeOfCare.clinicians.through(
            episodeofcare=self.episode, user=self.clinician
        )
        for row in (self.patient, self.episode, responsible):
            self.rows.add(row)

    def _is_held(self, at: datetime) -> bool:
        return at + ENTRY_TAKES <= self.rows.now

    def _write_course(self, run: Run) -> None:
        course = Course(
            clinic=self.clinic,
            episode=self.episode,
            kind=run.kind,
            schedule=self.library.schedule,
            started_at=run.started_at,
            ended_at=run.ended_at,
            needs_plan=False,
        )
        self.rows.add(course)
        sessions = {}
        for number, at in enumerate(run.sessions, 1):
            session = self.session(course, number, at)
            self.rows.add(session)
            sessions[str(session.pk)] = session
        for sitting in self._sittings(run, sessions):
            self._write_sitting(sitting, course, sessions)

    def session(self, course: Course, number: int, at: datetime) -> TreatmentSession:
        """Return a session of the course, held if its time has passed."""
        columns: dict[str, Any] = {"status": SessionStatus.PLANNED}
        entered_at = course.started_at
        if self._is_held(at):
            columns = record_of(self.part, at, number, self.clinician.name, self.rng)
            columns["started_at"] = at
            entered_at = at + ENTRY_TAKES
        return TreatmentSession(
            clinic=self.clinic,
            course=course,
            episode=self.episode,
            number=number,
            planned_at=at,
            entered_by=self.clinician.actor.label,
            entered_at=entered_at,
            **columns,
        )

    def _sittings(
        self, run: Run, sessions: dict[str, TreatmentSession]
    ) -> Iterator[list[engine.Planned]]:
        """Yield what the engine plans for a course, grouped by what is asked together."""
        facts = engine.CourseFacts(
            enrolled_at=run.started_at,
            ended_at=None,
            indications=(self.part.indication,),
            zone=self.part.zone,
            sessions=tuple(
                engine.SessionFact(id=key, at=session.at, state="held")
                for key, session in sessions.items()
            ),
            answers=(),
            fixed=(),
        )
        spec = spec_of(self.library.schedule.pk)
        asks = engine.plan(spec.rules, spec.spacing_days, facts, run.started_at)
        for _, group in groupby(asks, _asked_together):
            sitting = list(group)
            if run.ended_at is None or sitting[0].opens_at < run.ended_at:
                yield sitting

    def _write_sitting(
        self,
        sitting: list[engine.Planned],
        course: Course,
        sessions: dict[str, TreatmentSession],
    ) -> None:
        answered_at = self._answered_at(sitting[0])
        for ask in sitting:
            version = self.library.versions[ask.instrument]
            assignment = Assignment(
                clinic=self.clinic,
                patient=self.patient,
                episode=self.episode,
                course=course,
                rule=self.library.rules[ask.rule_code],
                rule_code=ask.rule_code,
                occurrence=ask.occurrence,
                anchor_session=sessions[ask.anchor_session] if ask.anchor_session else None,
                instrument=version.instrument,
                state=self._state(ask, answered_at),
                opens_at=ask.opens_at,
                due_at=ask.due_at,
                closes_at=ask.closes_at,
                reminders_at=[moment.isoformat() for moment in ask.reminders_at],
                asked_at=ask.opens_at if ask.opens_at <= self.rows.now else None,
                completed_at=answered_at,
            )
            self.rows.add(assignment)
            if answered_at is not None:
                self.write_response(assignment, version, answered_at)

    def _answered_at(self, ask: engine.Planned) -> datetime | None:
        """Return when the patient answered what is asked together, if that lies in the past."""
        if ask.opens_at > self.rows.now:
            return None
        at = model.answers_at(
            self.part.person,
            ask.opens_at,
            ask.reminders_at,
            ask.closes_at,
            self.part.zone,
            self.rng,
        )
        return at if at is not None and at <= self.rows.now else None

    def _state(self, ask: engine.Planned, answered_at: datetime | None) -> AssignmentState:
        if answered_at is not None:
            return AssignmentState.COMPLETED
        if ask.closes_at <= self.rows.now:
            return AssignmentState.EXPIRED
        return AssignmentState.OPEN if ask.opens_at <= self.rows.now else AssignmentState.PLANNED

    def write_response(
        self, assignment: Assignment, version: InstrumentVersion, at: datetime
    ) -> None:
        """Add a finished questionnaire with its scores and alerts."""
        level = model.severity(self.part.person, self.held, at)
        answers = model.answer(version.definition, self.part.person, level, self.rng)
        moment = at.isoformat()
        response = QuestionnaireResponse(
            clinic=self.clinic,
            patient=self.patient,
            episode=self.episode,
            assignment=assignment,
            instrument_version=version,
            content_hash=version.content_hash,
            status=ResponseStatus.FINAL,
            mode=Mode.LINK,
            language="en",
            answers=answers,
            answered_at={key: moment for key, value in answers.items() if value is not None},
            revision=1,
            started_at=at,
            submitted_at=at,
            stored_at=at,
            submission_id=f"simulated:{assignment.pk}",
        )
        self.rows.add(response)
        result = scoring.score(version.definition, answers)
        for score in scores_of(response, result):
            self.rows.add(score)
        for hit in result.safety:
            self._write_alert(response, hit, at)

    def _write_alert(
        self, response: QuestionnaireResponse, hit: scoring.SafetyHit, at: datetime
    ) -> None:
        instrument_id = response.instrument_version.instrument_id
        taken_at = min(at + ALERT_TAKES, self.rows.now)
        alert = Alert(
            clinic=self.clinic,
            patient=self.patient,
            episode=self.episode,
            response=response,
            rule=self.library.alert_rules[instrument_id, hit.link_id, hit.at_least],
            reason=AlertReason.ANSWER,
            value=hit.value,
            state=AlertState.RESOLVED,
            raised_at=at,
            opened_at=at,
            acknowledged_by=self.clinician,
            acknowledged_at=taken_at,
            outcome=AlertOutcome.KNOWN,
            resolved_at=taken_at,
        )
        self.rows.add(alert)
        happened = (
            ("raised", at, SYSTEM.label),
            ("opened", at, SYSTEM.label),
            ("acknowledged", taken_at, self.clinician.actor.label),
        )
        for kind, moment, label in happened:
            self.rows.add(
                AlertEvent(clinic=self.clinic, alert=alert, at=moment, kind=kind, actor_label=label)
            )


def _asked_together(ask: engine.Planned) -> tuple[str, str | None, datetime]:
    return (ask.rule_code, ask.anchor_session, ask.opens_at)


def insert(kind: type[models.Model], rows: Sequence[models.Model]) -> None:
    """Insert rows by the quickest way that the database has."""
    if connection.vendor != "postgresql":
        kind._default_manager.bulk_create(rows)
        return
    columns = [
        column for column in kind._meta.concrete_fields if not isinstance(column, models.AutoField)
    ]
    names = ", ".join(f'"{column.column}"' for column in columns)
    into = f'COPY "{kind._meta.db_table}" ({names}) FROM STDIN'
    with connection.cursor() as cursor, cursor.copy(into) as copy:
        for row in rows:
            copy.write_row(
                [
                    column.get_db_prep_save(column.pre_save(row, True), connection)
                    for column in columns
                ]
            )
