"""The synthetic people whose forms, pages and files are measured."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from random import Random
from uuid import UUID, uuid4

from django.db import connection, models, transaction

from outcomes.alerts import services as alerts
from outcomes.audit.models import SYSTEM
from outcomes.care.models import Course, CourseKind, EpisodeOfCare, Patient
from outcomes.clinics import services as clinics
from outcomes.clinics.access import Role
from outcomes.clinics.models import Clinic, User
from outcomes.delivery.links import hash_token, new_nonce, token_of
from outcomes.delivery.models import Invitation, Lane, Link, Message, MessageKind
from outcomes.delivery.sitting import make_ticket
from outcomes.management.simulation.bulk import Library, Record, Rows, fill_clinic, insert
from outcomes.management.simulation.roster import roster
from outcomes.scheduling.models import Assignment, AssignmentState

FORM_CLINICS = 4
CSRF = "b" * 32
CODES = ("PHQ-9", "GAD-7")


def make_clinic(slug: str, now: datetime) -> tuple[Clinic, User]:
    """Make a clinic whose alerts reach two clinicians; return the first."""
    clinic = clinics.create_clinic(
        slug=slug, name=slug, crisis_text="Call.", is_synthetic=True, by=SYSTEM, now=now
    )
    users = [
        clinics.add_member(
            clinic=clinic,
            email=f"{mailbox}@{slug}.example",
            name="Dr Bench",
            role=Role.CLINICIAN,
            by=SYSTEM,
            now=now,
        ).user
        for mailbox in ("clinician", "clinician2")
    ]
    for user in users:
        alerts.confirm(clinic=clinic, user=user, by=SYSTEM, now=now)
    return clinic, users[0]


def make_caseload(slug: str, patients: int, now: datetime) -> tuple[Clinic, User]:
    """Make a clinic with so many open episodes."""
    clinic, clinician = make_clinic(slug, now)
    for _ in fill_clinic(clinic=clinic, clinician=clinician, patients=patients, seed=slug, now=now):
        pass
    EpisodeOfCare.objects.filter(clinic=clinic).update(ended_on=None)
    return clinic, clinician


def make_long_course(clinic: Clinic, clinician: User, now: datetime) -> UUID:
    """Make a patient with 260 weeks of PHQ-9 and GAD-7 and 60 sessions; return the key."""
    library, rows = Library.read(), Rows(now)
    part = next(roster("long", 9, now))
    part.details["record_number"] = "LONG"
    record = Record(rows, library, clinic, clinician, part, Random(1))
    record.write_patient(None)
    begins_at = now - timedelta(weeks=260)
    course = Course(
        clinic=clinic,
        episode=record.episode,
        kind=CourseKind.MAINTENANCE,
        schedule=library.schedule,
        started_at=begins_at,
        needs_plan=False,
    )
    rows.add(course)
    record.held = [begins_at + timedelta(days=7 + number * 30) for number in range(60)]
    for number, at in enumerate(record.held, 1):
        rows.add(record.session(course, number, at))
    for week in range(260):
        opens_at = begins_at + timedelta(weeks=week)
        for code in CODES:
            assignment = _assignment(course, library, code, week, opens_at)
            assignment.state, assignment.completed_at = AssignmentState.COMPLETED, opens_at
            rows.add(assignment)
            record.write_response(assignment, library.versions[code], opens_at)
    rows.store(clinic)
    return record.patient.pk


def _assignment(
    course: Course, library: Library, code: str, occurrence: int, opens_at: datetime
) -> Assignment:
    return Assignment(
        clinic_id=course.clinic_id,
        patient=course.episode.patient,
        episode=course.episode,
        course=course,
        rule=library.rules["baseline"],
        rule_code="baseline",
        occurrence=occurrence,
        instrument=library.versions[code].instrument,
        state=AssignmentState.OPEN,
        opens_at=opens_at,
        due_at=opens_at + timedelta(days=1),
        closes_at=opens_at + timedelta(days=3),
        asked_at=opens_at,
    )


@dataclass(frozen=True, slots=True)
class Form:
    """A questionnaire that can be sent once, with the ticket of the browser that sends it."""

    assignment_id: UUID
    headers: dict[str, str]
    body: bytes

    def taps(self) -> list[Form]:
        """Return what its page saves before it is sent: one request for each question."""
        whole = json.loads(self.body)
        saved = (
            {"answers": {item: value}, "revision": seen, "language": whole["language"]}
            for seen, (item, value) in enumerate(whole["answers"].items())
        )
        return [replace(self, body=json.dumps(body).encode()) for body in saved]


@transaction.atomic
def make_forms(count: int, now: datetime, prefix: str = "forms") -> list[Form]:
    """Make so many patients, spread over four clinics, each with an open PHQ-9 and a live link.

    One in ten has a positive item 9. `prefix` keeps the clinics of two parts apart.
    """
    library = Library.read()
    places = [make_clinic(f"{prefix}-{number}", now) for number in range(FORM_CLINICS)]
    made: dict[type[models.Model], list[models.Model]] = {}
    forms = []
    for number in range(count):
        clinic, clinician = places[number % FORM_CLINICS]
        rows, link, assignment = _asked(clinic, clinician, library, now)
        for row in rows:
            made.setdefault(type(row), []).append(row)
        forms.append(_form(link, assignment, number, now))
    for kind, kept in made.items():
        insert(kind, kept)
    return forms


def _asked(
    clinic: Clinic, clinician: User, library: Library, now: datetime
) -> tuple[list[models.Model], Link, Assignment]:
    """Return the rows of one patient who was asked, parents first."""
    patient = Patient(
        clinic=clinic, given_name="Bo", family_name="Bench", is_synthetic=True, created_at=now
    )
    episode = EpisodeOfCare(clinic=clinic, patient=patient, indication="trd", started_on=now.date())
    responsible = EpisodeOfCare.clinicians.through(episodeofcare=episode, user=clinician)
    course = Course(
        clinic=clinic,
        episode=episode,
        kind=CourseKind.INDUCTION,
        schedule=library.schedule,
        started_at=now,
        needs_plan=False,
    )
    assignment = _assignment(course, library, "PHQ-9", 0, now - timedelta(hours=1))
    invitation = Invitation(
        clinic=clinic,
        patient=patient,
        opens_at=now - timedelta(hours=1),
        closes_at=assignment.closes_at,
        created_at=now,
    )
    covers = Invitation.assignments.through(invitation=invitation, assignment=assignment)
    link = Link(clinic=clinic, invitation=invitation, nonce=new_nonce(), created_at=now)
    link.token_hash = hash_token(token_of(link.pk, link.nonce))
    reminder = Message(
        clinic=clinic,
        kind=MessageKind.REMINDER,
        lane=Lane.BULK,
        channel="email",
        dedupe=f"bench:{link.pk}",
        patient=patient,
        link=link,
        not_before=now + timedelta(days=1),
        created_at=now,
    )
    rows = [patient, episode, responsible, course, assignment, invitation, covers, link, reminder]
    return rows, link, assignment


def _form(link: Link, assignment: Assignment, number: int, now: datetime) -> Form:
    answers = {str(item): (number + item) % 4 for item in range(1, 11)}
    answers["9"] = int(number % 10 == 0)
    body = {"answers": answers, "submission_id": str(uuid4()), "language": "en"}
    headers = {
        "Content-Type": "application/json",
        "Cookie": f"sitting={make_ticket(link, now)}; csrftoken={CSRF}",
        "X-CSRFToken": CSRF,
    }
    return Form(assignment.pk, headers, json.dumps(body).encode())


def analyse() -> None:
    """Let the database count what was stored, as it would in time by itself."""
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
