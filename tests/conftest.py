"""The fixed cast: one clinic with its people and a patient, and another clinic to keep apart."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from django.core.cache import cache
from django.test import Client
from pytest_django import DjangoDbBlocker

from outcomes import workflows
from outcomes.audit.models import SYSTEM
from outcomes.care.models import Channel, CourseKind, Patient
from outcomes.clinics import services as clinics
from outcomes.clinics.access import Role
from outcomes.clinics.models import Clinic, User
from outcomes.instruments.models import InstrumentVersion
from outcomes.scheduling.models import Schedule
from outcomes.workflows import Enrolment

# A Monday morning, far from any clock change.
NOW = datetime(2026, 2, 2, 9, 0, tzinfo=UTC)
PASSWORD = "correct horse battery staple"


@pytest.fixture
def now() -> datetime:
    """The moment at which every test happens."""
    return NOW


@pytest.fixture(scope="session")
def reference_dir() -> Path:
    """The folder with independently computed reference scores and wording hashes."""
    return _folder("reference", "OUTCOMES_REFERENCE")


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder with real, published trial data."""
    return _folder("data", "OUTCOMES_DATA")


def _folder(name: str, variable: str) -> Path:
    beside = Path(__file__).resolve().parents[2] / "shared" / name
    folder = Path(os.environ.get(variable, beside))
    if not folder.is_dir():
        pytest.skip(f"no {name} files: set {variable} to the folder that holds them")
    return folder


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> None:
    """Install the library once, before the first test."""
    with django_db_blocker.unblock():
        workflows.install_library(now=NOW)


@pytest.fixture(autouse=True)
def _library(request: pytest.FixtureRequest) -> None:
    if {"db", "transactional_db"} & set(request.fixturenames):
        request.getfixturevalue("library")


@pytest.fixture
def library(db: None) -> None:
    """The shipped instruments and schedules, as `manage.py install_library` stores them."""
    # A test with real transactions empties every table behind itself.
    if not InstrumentVersion.objects.exists():
        workflows.install_library(now=NOW)


@pytest.fixture(autouse=True)
def _empty_cache() -> Iterator[None]:
    yield
    cache.clear()


def make_clinic(slug: str) -> Clinic:
    """Make a clinic as a test's own."""
    return clinics.create_clinic(
        slug=slug,
        name=f"{slug.title()} Clinic",
        display_name=slug.title(),
        crisis_text="If you are in danger, call 999 now.",
        phone="+12025550123",
        time_zone="Europe/London",
        by=SYSTEM,
        now=NOW,
    )


def make_member(clinic: Clinic, role: Role, name: str) -> User:
    """Make a member of staff who can sign in."""
    email = f"{name.lower()}@{clinic.slug}.example"
    member = clinics.add_member(
        clinic=clinic, email=email, name=name, role=role, by=SYSTEM, now=NOW
    )
    member.user.set_password(PASSWORD)
    member.user.save()
    return member.user


def make_enrolment(clinic: Clinic, clinician: User, given_name: str = "Robin") -> Enrolment:
    """Enrol a synthetic patient whose first session is planned in three days."""
    return workflows.enrol_patient(
        clinic=clinic,
        details={
            "given_name": given_name,
            "family_name": "Example",
            "birth_date": date(1980, 5, 17),
            "time_zone": "Europe/London",
        },
        contacts={Channel.EMAIL: f"{given_name.lower()}@patient.example"},
        consents=[Channel.EMAIL],
        indication="trd",
        clinicians=[clinician],
        course_kind=CourseKind.INDUCTION,
        schedule_id=Schedule.objects.get(code="phq9-gad7-only", is_current=True).pk,
        sessions_planned_at=[NOW + timedelta(days=3), NOW + timedelta(days=6)],
        by=clinician.actor,
        now=NOW,
    )


@pytest.fixture
def clinic(library: None) -> Clinic:
    """The clinic the test is about."""
    return make_clinic("north")


@pytest.fixture
def other_clinic(library: None) -> Clinic:
    """A clinic whose rows must never show."""
    return make_clinic("south")


@pytest.fixture
def clinician(clinic: Clinic) -> User:
    """A clinician of the clinic, responsible for its patient."""
    return make_member(clinic, Role.CLINICIAN, "Clara")


@pytest.fixture
def admin(clinic: Clinic) -> User:
    """A clinic admin."""
    return make_member(clinic, Role.CLINIC_ADMIN, "Ada")


@pytest.fixture
def care_team(clinic: Clinic) -> User:
    """A member who may only read."""
    return make_member(clinic, Role.CARE_TEAM, "Carl")


@pytest.fixture
def stranger(other_clinic: Clinic) -> User:
    """A clinician of the other clinic."""
    return make_member(other_clinic, Role.CLINICIAN, "Sam")


@pytest.fixture
def enrolment(clinic: Clinic, clinician: User) -> Enrolment:
    """The clinic's patient with episode and course; first session planned in three days."""
    return make_enrolment(clinic, clinician)


@pytest.fixture
def patient(enrolment: Enrolment) -> Patient:
    """The clinic's patient, Robin Example, born on 17 May 1980."""
    return enrolment.patient


@pytest.fixture
def other_enrolment(other_clinic: Clinic, stranger: User) -> Enrolment:
    """A patient of the other clinic."""
    return make_enrolment(other_clinic, stranger, "Olu")


def signed_in(user: User) -> Client:
    """Return a browser in which the user is signed in."""
    client = Client()
    client.force_login(user, backend="allauth.account.auth_backends.AuthenticationBackend")
    return client
