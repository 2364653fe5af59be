"""The synthetic patients of the campaign, each asked one PHQ-9, made in bulk."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from uuid import UUID, uuid4

from django.db import models, transaction

from outcomes.audit.models import SYSTEM
from outcomes.care.models import (
    Channel,
    Consent,
    Contact,
    Course,
    CourseKind,
    EpisodeOfCare,
    Patient,
)
from outcomes.clinics import services as clinics
from outcomes.clinics.access import Role
from outcomes.clinics.models import Clinic, User
from outcomes.delivery.links import hash_token, new_nonce, token_of
from outcomes.delivery.models import Invitation, Lane, Link, Message, MessageKind
from outcomes.delivery.sitting import make_ticket
from outcomes.management.simulation.bulk import Library, insert
from outcomes.scheduling.models import Assignment, AssignmentState

CLINICS = 4
CSRF = "c" * 32
ITEM_9 = "9"


@dataclass(frozen=True, slots=True)
class Person:
    """A patient with an open form, and the browser that may fill it in."""

    patient_id: UUID
    assignment_id: UUID
    link_id: UUID
    email: str
    headers: dict[str, str]
    submission_id: str
    answers: dict[str, int]

    @property
    def is_positive(self) -> bool:
        """Say whether the form has a positive safety answer."""
        return self.answers[ITEM_9] > 0

    @property
    def body(self) -> bytes:
        """Return the finished form, as it is sent."""
        document = {"answers": self.answers, "submission_id": self.submission_id, "language": "en"}
        return json.dumps(document).encode()


def make_clinic(slug: str, now: datetime) -> tuple[Clinic, User]:
    """Make a clinic with one clinician, no quiet hours, and pages an hour apart."""
    clinic = clinics.create_clinic(
        slug=slug, name=slug, crisis_text="Call.", is_synthetic=True, by=SYSTEM, now=now
    )
    clinic.quiet_from = clinic.quiet_until = time(0)
    clinic.messages_per_day = 20
    clinic.alert_minutes = [60, 120, 180]
    clinic.save()
    member = clinics.add_member(
        clinic=clinic,
        email=f"clinician@{slug}.example",
        name="Dr Synthetic",
        role=Role.CLINICIAN,
        by=SYSTEM,
        now=now,
    )
    return clinic, member.user


@transaction.atomic
def make_people(
    count: int,
    now: datetime,
    *,
    prefix: str = "campaign",
    positives: int = 2,
    is_invited: bool = False,
    every: timedelta = timedelta(0),
) -> list[Person]:
    """Make so many patients; one in `positives` will answer item 9 positively.

    With `is_invited` each also has an invitation waiting in the outbox. The first was asked at
    `now`, each later one `every` after the one before.
    """
    library = Library.read()
    places = [make_clinic(f"{prefix}-{number}", now) for number in range(min(CLINICS, count))]
    made: dict[type[models.Model], list[models.Model]] = {}
    people = []
    for number in range(count):
        clinic, clinician = places[number % len(places)]
        at = now + number * every
        email = f"{prefix}-{number}@patient.example"
        rows, link, assignment = _rows(clinic, clinician, library, email, at, is_invited)
        for row in rows:
            made.setdefault(type(row), []).append(row)
        answers = {str(item): (number + item) % 4 for item in range(1, 11)}
        answers[ITEM_9] = 1 + number % 3 if number % positives == 0 else 0
        headers = {
            "Content-Type": "application/json",
            "Cookie": f"sitting={make_ticket(link, at)}; csrftoken={CSRF}",
            "X-CSRFToken": CSRF,
        }
        people.append(
            Person(
                assignment.patient_id,
                assignment.pk,
                link.pk,
                email,
                headers,
                str(uuid4()),
                answers,
            )
        )
    for kind, kept in made.items():
        insert(kind, kept)
    return people


def _rows(
    clinic: Clinic,
    clinician: User,
    library: Library,
    email: str,
    now: datetime,
    is_invited: bool,
) -> tuple[list[models.Model], Link, Assignment]:
    """Return the rows of one patient who was asked, parents first."""
    patient = Patient(
        clinic=clinic,
        given_name="Bo",
        family_name="Synthetic",
        birth_date=date(1980, 5, 17),
        is_synthetic=True,
        created_at=now,
    )
    contact = Contact(clinic=clinic, patient=patient, channel=Channel.EMAIL, set_at=now)
    contact.value = email
    consent = Consent(
        clinic=clinic,
        patient=patient,
        channel=Channel.EMAIL,
        is_given=True,
        wording_version="1",
        at=now,
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
    opens_at = now - timedelta(hours=1)
    assignment = Assignment(
        clinic=clinic,
        patient=patient,
        episode=episode,
        course=course,
        rule=library.rules["baseline"],
        rule_code="baseline",
        occurrence=0,
        instrument=library.versions["PHQ-9"].instrument,
        state=AssignmentState.OPEN,
        opens_at=opens_at,
        due_at=opens_at + timedelta(days=1),
        closes_at=opens_at + timedelta(days=3),
        asked_at=opens_at,
    )
    invitation = Invitation(
        clinic=clinic,
        patient=patient,
        opens_at=opens_at,
        closes_at=assignment.closes_at,
        created_at=now,
    )
    covers = Invitation.assignments.through(invitation=invitation, assignment=assignment)
    link = Link(clinic=clinic, invitation=invitation, nonce=new_nonce(), created_at=now)
    link.token_hash = hash_token(token_of(link.pk, link.nonce))
    rows = [patient, contact, consent, episode, responsible, course, assignment]
    rows += [invitation, covers, link]
    if is_invited:
        message = Message(
            clinic=clinic,
            kind=MessageKind.INVITATION,
            lane=Lane.BULK,
            channel=Channel.EMAIL,
            dedupe=f"campaign:{link.pk}",
            patient=patient,
            link=link,
            not_before=now,
            expires_at=assignment.closes_at,
            created_at=now,
        )
        rows.append(message)
    return rows, link, assignment
