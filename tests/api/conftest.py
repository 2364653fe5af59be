"""A machine with a token, and what it talks to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.test.client import Client as DjangoClient

from outcomes import workflows
from outcomes.clinics import services as clinics
from outcomes.clinics.access import Scope
from outcomes.clinics.models import ApiToken, Clinic, User
from outcomes.delivery import services as delivery
from outcomes.delivery import sitting
from outcomes.delivery.models import Link
from outcomes.responses.models import Mode
from outcomes.scheduling.models import Assignment
from outcomes.workflows import Enrolment

EVERYTHING = tuple(Scope)


class Machine:
    """Speak JSON to the API with one secret."""

    def __init__(self, secret: str, token: ApiToken) -> None:
        self.token = token
        self.client = Client(headers={"Authorization": f"Bearer {secret}"})

    def get(self, address: str, **query: Any) -> Any:
        return self.client.get(f"/api/v1/{address}", query)

    def post(self, address: str, body: Any) -> Any:
        return self.client.post(f"/api/v1/{address}", body, content_type="application/json")

    def patch(self, address: str, body: Any) -> Any:
        return self.client.patch(f"/api/v1/{address}", body, content_type="application/json")


MakeMachine = Callable[..., Machine]


@pytest.fixture(autouse=True)
def clock(now: datetime) -> Iterator[time_machine.Traveller]:
    with time_machine.travel(now, tick=False) as traveller:
        yield traveller


@pytest.fixture
def make_machine(clinic: Clinic, admin: User, now: datetime) -> MakeMachine:
    """Return a maker of machines: by default of this clinic, with every scope, for 90 days."""

    def make(
        *scopes: Scope,
        of: Clinic = clinic,
        expires_at: datetime = now + timedelta(days=90),
    ) -> Machine:
        token, secret = clinics.create_token(
            clinic=of,
            name="Record system",
            scopes=scopes or EVERYTHING,
            expires_at=expires_at,
            user=admin,
            now=now,
        )
        return Machine(secret, token)

    return make


@pytest.fixture
def machine(make_machine: MakeMachine) -> Machine:
    """A machine of the clinic that may do everything a token can."""
    return make_machine()


@pytest.fixture
def assignment(enrolment: Enrolment, now: datetime) -> Assignment:
    """The PHQ-9 that Robin may answer now."""
    return answerable(enrolment, now)


@pytest.fixture
def other_assignment(other_enrolment: Enrolment, now: datetime) -> Assignment:
    """The PHQ-9 that the other clinic's patient may answer now."""
    return answerable(other_enrolment, now)


def answerable(enrolment: Enrolment, now: datetime) -> Assignment:
    return (
        Assignment.objects.filter(patient=enrolment.patient)
        .answerable_at(now)
        .get(instrument__code="PHQ-9")
    )


def submit(assignment: Assignment, now: datetime, ninth: int = 0) -> workflows.Submission:
    """Let the patient answer PHQ-9: two on every item but the ninth."""
    return workflows.submit_response(
        assignment_id=assignment.pk,
        answers={**{str(item): 2 for item in range(1, 9)}, "9": ninth},
        submission_id=f"test:{assignment.pk}",
        language="en",
        mode=Mode.LINK,
        by=assignment.patient.clinic.memberships.first().user.actor,
        now=now,
    )


def open_link(enrolment: Enrolment, now: datetime) -> Link:
    """Hand the patient a link to everything they may answer now."""
    workflows.hand_over_link(
        patient=enrolment.patient,
        by=enrolment.patient.clinic.memberships.first().user.actor,
        now=now,
    )
    return Link.objects.get(invitation__patient=enrolment.patient)


class Phone:
    """A patient's browser past the first page of a link."""

    def __init__(self, link: Link, now: datetime, enforce_csrf: bool = False) -> None:
        self.link = link
        self.client = DjangoClient(enforce_csrf_checks=enforce_csrf)
        self.client.cookies[sitting.COOKIE] = sitting.make_ticket(link, now)

    def save(self, assignment_id: Any, body: Any, **headers: str) -> Any:
        return self.client.put(
            f"/api/v1/answering/{assignment_id}/answers/",
            body,
            content_type="application/json",
            headers=headers,
        )

    def submit(self, assignment_id: Any, body: Any, **headers: str) -> Any:
        return self.client.post(
            f"/api/v1/answering/{assignment_id}/submit/",
            body,
            content_type="application/json",
            headers=headers,
        )


@pytest.fixture
def link(enrolment: Enrolment, now: datetime) -> Link:
    """Robin's live link."""
    return open_link(enrolment, now)


@pytest.fixture
def phone(link: Link, now: datetime) -> Phone:
    """Robin's phone, past the wrong-person check."""
    assert delivery.is_live(link, now)
    return Phone(link, now)


def enrolment_document(**changes: Any) -> dict[str, Any]:
    """Return a whole document that enrols a synthetic patient."""
    return {
        "record_number": "K-104",
        "given_name": "Kim",
        "family_name": "Sample",
        "birth_date": "1975-03-09",
        "language": "en",
        "time_zone": "America/New_York",
        "contacts": {"email": "Kim@Patient.example", "sms": "+1 202 555 0123"},
        "consents": ["email"],
        "indication": "bipolar",
        "clinicians": ["clara@north.example"],
        "course_kind": "induction",
        "schedule": "phq9-gad7-only",
        "planned_sessions": ["2026-02-05T09:00:00Z", "2026-02-08T09:00:00+00:00"],
    } | changes


def planned_session(course_id: Any, **changes: Any) -> dict[str, Any]:
    """Return a planned session of a course."""
    return {
        "course": str(course_id),
        "planned_at": "2026-02-12T09:00:00Z",
        "status": "planned",
    } | changes


def held_session(course_id: Any, **changes: Any) -> dict[str, Any]:
    """Return a session held yesterday, with every group of the record."""
    return {
        "course": str(course_id),
        "planned_at": "2026-02-01T09:00:00Z",
        "started_at": "2026-02-01T09:10:00Z",
        "ended_at": "2026-02-01T09:50:00Z",
        "status": "done",
        "route": "iv",
        "drug": "Ketamine",
        "dose_amount": "40.000",
        "dose_unit": "mg",
        "infusion_minutes": 40,
        "weight_kg": "80.0",
        "weight_on": "2026-02-01",
        "has_fasted": True,
        "concomitant": [{"medicine": "Lamotrigine", "last_taken_on": "2026-01-31"}],
        "vitals": [{"minute": -5, "systolic": 128, "diastolic": 81.5}],
        "sedation": 4,
        "effects": [{"effect": "Nausea", "severity": "mild", "onset_minute": 20}],
        "adverse_events": [{"term": "Vomiting", "is_serious": False}],
        "note": "Slept through most of it.",
    } | changes
