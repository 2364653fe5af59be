"""Fill a clinic with many synthetic patients: the same people, planned by the real engine and scored
by the real rules, but stored in batches instead of lived through event by event.

What differs from patients who came in through the product: they have no contact, so that nothing
can ever be sent to them; no invitation stands behind their answers; one audit event stands for each
batch; and a late answer does not move what was planned after it.
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

from outcomes.alerts.models import Alert, AlertEvent, AlertOutcome, AlertReason, AlertRule
from outcomes.alerts.models import AlertState as State
from outcomes.audit import services as audit
from outcomes.audit.models import SYSTEM
from outcomes.care.models import (
    Course,
    EpisodeOfCare,
    Patient,
    SessionStatus,
    TreatmentSession,
)
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
class Progress:
    """How far it has come."""

    patients: int
    responses: int


@dataclass
class Library:
    """The rows that every patient refers to, read once."""

    schedule: Schedule
    rules: dict[str, ScheduleRule]
    versions: dict[str, InstrumentVersion]
    alert_rules: dict[tuple[UUID, str, int], AlertRule]

    @classmethod
    def read(cls) -> Library:
        """Read the shipped schedule, instruments and safety rules."""
        schedule = Schedule.objects.get(clinic=None, code="phq9-gad7-only", is_current=True)
        versions = InstrumentVersion.objects.current().select_related("instrument")
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
    *, clinic: Clinic, clinicians: Sequence[User], patients: int, seed: str, now: datetime
) -> Iterator[Progress]:
    """Store so many patients whose year ends at `now`, one transaction a batch, telling progress."""
    library = Library.read()
    parts = roster(seed, patients, now)
    while batch := list(islice(parts, BATCH)):
        rows = Rows(clinic, library, now)
        for part in batch:
            rng = Random(f"{seed}:{part.number}:bulk")  # noqa: S311 - synthetic data
            rows.add(part, clinicians[part.number % len(clinicians)], rng)
        rows.store()
        yield Progress(len(batch), len(rows.of(QuestionnaireResponse)))


@dataclass
class Rows:
    """One batch of patients with everything that is theirs."""

    clinic: Clinic
    library: Library
    now: datetime
    made: dict[type[models.Model], list[Any]] = field(default_factory=dict)

    def of(self, kind: type[models.Model]) -> list[Any]:
        """Return the rows of one kind, in the order in which kinds are stored."""
        return self.made.setdefault(kind, [])

    @transaction.atomic
    def store(self) -> None:
        """Insert the batch, parents first."""
        for kind in STORED:
            insert(kind, self.of(kind))
        audit.record(
            clinic_id=self.clinic.pk,
            by=SYSTEM,
            now=self.now,
            action="patients.simulated",
            object_type="Patient",
            data={"patients": len(self.of(Patient))},
        )

    def add(self, part: Part, clinician: User, rng: Random) -> None:
        """Add one patient: episode, courses, sessions, and what was asked and answered."""
        patient = Patient(
            clinic=self.clinic, is_synthetic=True, created_at=part.enrolled_at, **part.details
        )
        plan = draw_plan(part, self.now, rng)
        episode = EpisodeOfCare(
            clinic=self.clinic,
            patient=patient,
            indication=part.indication,
            started_on=part.enrolled_at.date(),
            ended_on=plan.closed_at.date() if plan.closed_at else None,
        )
        self.of(Patient).append(patient)
        self.of(EpisodeOfCare).append(episode)
        through = EpisodeOfCare.clinicians.through
        self.of(through).append(through(episodeofcare=episode, user=clinician))
        held = [at for run in plan.runs for at in run.sessions if at + ENTRY_TAKES <= self.now]
        for run in plan.runs:
            self._add_run(run, part, episode, clinician, held, rng)

    def _add_run(
        self,
        run: Run,
        part: Part,
        episode: EpisodeOfCare,
        clinician: User,
        held: list[datetime],
        rng: Random,
    ) -> None:
        course = Course(
            clinic=self.clinic,
            episode=episode,
            kind=run.kind,
            schedule=self.library.schedule,
            started_at=run.started_at,
            ended_at=run.ended_at,
            needs_plan=False,
        )
        self.of(Course).append(course)
        sessions = {}
        for number, at in enumerate(run.sessions, 1):
            session = self._session(course, number, at, part, clinician, rng)
            self.of(TreatmentSession).append(session)
            sessions[str(session.pk)] = session
        for sitting in self._sittings(run, part, sessions.values()):
            self._add_sitting(sitting, part, course, sessions, clinician, held, rng)

    def _session(
        self, course: Course, number: int, at: datetime, part: Part, by: User, rng: Random
    ) -> TreatmentSession:
        is_held = at + ENTRY_TAKES <= self.now
        record = record_of(part, at, number, by.name, rng) if is_held else {}
        return TreatmentSession(
            clinic=self.clinic,
            course=course,
            episode=course.episode,
            number=number,
            planned_at=at,
            entered_by=by.actor.label,
            entered_at=min(at + ENTRY_TAKES, self.now) if is_held else course.started_at,
            **{"status": SessionStatus.PLANNED, **record, "started_at": at if is_held else None},
        )

    def _sittings(
        self, run: Run, part: Part, sessions: Any
    ) -> Iterator[list[engine.Planned]]:
        """Yield what the engine plans for a course, grouped by what is asked together."""
        facts = engine.CourseFacts(
            enrolled_at=run.started_at,
            ended_at=None,
            indications=(part.indication,),
            zone=part.zone,
            sessions=tuple(
                engine.SessionFact(id=str(session.pk), at=session.at, state="held")
                for session in sessions
            ),
            answers=(),
            fixed=(),
        )
        spec = spec_of(self.library.schedule.pk)
        asks = engine.plan(spec.rules, spec.spacing_days, facts, run.started_at)
        for _, group in groupby(asks, lambda ask: (ask.rule_code, ask.anchor_session, ask.opens_at)):
            sitting = list(group)
            if run.ended_at is None or sitting[0].opens_at < run.ended_at:
                yield sitting

    def _add_sitting(
        self,
        sitting: list[engine.Planned],
        part: Part,
        course: Course,
        sessions: dict[str, TreatmentSession],
        clinician: User,
        held: list[datetime],
        rng: Random,
    ) -> None:
        first = sitting[0]
        answered_at = None
        if first.opens_at <= self.now:
            answered_at = model.answers_at(
                part.person, first.opens_at, first.reminders_at, first.closes_at, part.zone, rng
            )
        if answered_at is not None and answered_at > self.now:
            answered_at = None
        for ask in sitting:
            assignment = self._assignment(ask, course, sessions, answered_at)
            self.of(Assignment).append(assignment)
            if answered_at is not None:
                level = model.severity(part.person, held, answered_at)
                version = self.library.versions[ask.instrument]
                answers = model.answer(version.definition, part.person, level, rng)
                self._add_response(assignment, version, answers, answered_at, clinician)

    def _assignment(
        self,
        ask: engine.Planned,
        course: Course,
        sessions: dict[str, TreatmentSession],
        answered_at: datetime | None,
    ) -> Assignment:
        is_asked = ask.opens_at <= self.now
        state = AssignmentState.OPEN if is_asked else AssignmentState.PLANNED
        if answered_at is not None:
            state = AssignmentState.COMPLETED
        elif ask.closes_at <= self.now:
            state = AssignmentState.EXPIRED
        return Assignment(
            clinic=self.clinic,
            patient=course.episode.patient,
            episode=course.episode,
            course=course,
            rule=self.library.rules[ask.rule_code],
            rule_code=ask.rule_code,
            occurrence=ask.occurrence,
            anchor_session=sessions[ask.anchor_session] if ask.anchor_session else None,
            instrument=self.library.versions[ask.instrument].instrument,
            state=state,
            opens_at=ask.opens_at,
            due_at=ask.due_at,
            closes_at=ask.closes_at,
            reminders_at=[moment.isoformat() for moment in ask.reminders_at],
            asked_at=ask.opens_at if is_asked else None,
            completed_at=answered_at,
        )

    def _add_response(
        self,
        assignment: Assignment,
        version: InstrumentVersion,
        answers: dict[str, int | None],
        at: datetime,
        clinician: User,
    ) -> None:
        moment = at.isoformat()
        response = QuestionnaireResponse(
            clinic=self.clinic,
            patient=assignment.patient,
            episode=assignment.episode,
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
        self.of(QuestionnaireResponse).append(response)
        result = scoring.score(version.definition, answers)
        self.of(Score).extend(scores_of(response, result))
        for hit in result.safety:
            self._add_alert(response, hit, clinician, at)

    def _add_alert(
        self,
        response: QuestionnaireResponse,
        hit: scoring.SafetyHit,
        clinician: User,
        at: datetime,
    ) -> None:
        instrument_id = response.instrument_version.instrument_id
        taken_at = min(at + timedelta(minutes=12), self.now)
        alert = Alert(
            clinic=self.clinic,
            patient=response.patient,
            episode=response.episode,
            response=response,
            rule=self.library.alert_rules[instrument_id, hit.link_id, hit.at_least],
            reason=AlertReason.ANSWER,
            value=hit.value,
            state=State.RESOLVED,
            raised_at=at,
            opened_at=at,
            acknowledged_by=clinician,
            acknowledged_at=taken_at,
            outcome=AlertOutcome.KNOWN,
            resolved_at=taken_at,
        )
        self.of(Alert).append(alert)
        for kind, moment, label in (
            ("raised", at, SYSTEM.label),
            ("opened", at, SYSTEM.label),
            ("acknowledged", taken_at, clinician.actor.label),
        ):
            self.of(AlertEvent).append(
                AlertEvent(
                    clinic=self.clinic, alert=alert, at=moment, kind=kind, actor_label=label
                )
            )


def insert(kind: type[models.Model], rows: Sequence[models.Model]) -> None:
    """Insert rows by the quickest way that the database has."""
    if connection.vendor != "postgresql":
        kind._default_manager.bulk_create(rows)
        return
    fields = [field for field in kind._meta.concrete_fields if not isinstance(field, models.AutoField)]
    names = ", ".join(f'"{field.column}"' for field in fields)
    with connection.cursor() as cursor, cursor.copy(
        f'COPY "{kind._meta.db_table}" ({names}) FROM STDIN'
    ) as copy:
        for row in rows:
            copy.write_row(
                [field.get_db_prep_save(field.pre_save(row, True), connection) for field in fields]
            )
