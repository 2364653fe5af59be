"""The fixed cast: one clinic with its people and a patient, and another clinic to keep apart."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from django.apps import apps
from django.conf import settings
from django.core.cache import cache
from django.db import transaction
from django.db.models.signals import post_migrate
from django.test import Client
from pytest_django import DjangoDbBlocker

from outcomes import workflows
from outcomes.alerts import services as alerts
from outcomes.alerts.models import ANSWERING
from outcomes.audit.models import SYSTEM
from outcomes.care.models import Channel, CourseKind, Patient
from outcomes.clinics import services as clinics
from outcomes.clinics.access import Role
from outcomes.clinics.models import Clinic, Membership, User
from outcomes.instruments.models import InstrumentVersion
from outcomes.scheduling.models import Schedule
from outcomes.workflows import Enrolment

# A Monday morning, far from any clock change.
NOW = datetime(2026, 2, 2, 9, 0, tzinfo=UTC)
PASSWORD = "correct horse battery staple"


# What takes longest begins first, so that no process waits for another at the end.
SLOW = ("tests/journeys", "tests/docs", "tests/campaign", "tests/machine", "tests/sqlite")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the slow folders before the others; the order within each stays."""
    items.sort(key=lambda item: not item.nodeid.startswith(SLOW))


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
    """Install the library before the first test; put it back whenever the tables were emptied."""
    app = apps.get_app_config("outcomes")
    with django_db_blocker.unblock():
        workflows.install_library(now=NOW)
        library = [list(model._default_manager.all()) for model in app.get_models()]

    def put_back(**_signal: object) -> None:
        if InstrumentVersion.objects.exists():
            return
        with transaction.atomic():
            for rows in filter(None, library):
                type(rows[0])._default_manager.bulk_create(rows)

    # A test with real transactions empties every table behind itself, which ends in this signal.
    post_migrate.connect(put_back, sender=app, weak=False)


@pytest.fixture
def library(db: None) -> None:
    """The shipped instruments and schedules, as `manage.py install_library` stores them."""


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Take away the marks that dispatchers of earlier sessions left, one for each database."""
    an_hour_ago = time.time() - 3600
    if not hasattr(session.config, "workerinput"):
        for mark in Path(settings.VAR_DIR).glob("dispatched-until.*"):
            if mark.stat().st_mtime < an_hour_ago:
                mark.unlink(missing_ok=True)


@pytest.fixture(autouse=True)
def _empty_cache() -> Iterator[None]:
    yield
    cache.clear()


def make_clinic(slug: str) -> Clinic:
    """Make a clinic as a test's own, whose alerts reach two people besides the cast."""
    clinic = clinics.create_clinic(
        slug=slug,
        name=f"{slug.title()} Clinic",
        display_name=slug.title(),
        crisis_text="If you are in danger, call 999 now.",
        phone="+12025550123",
        time_zone="Europe/London",
        by=SYSTEM,
        now=NOW,
    )
    for name in ("Yara", "Zeno"):
        make_member(clinic, Role.CLINICIAN, name)
    return clinic


def make_member(clinic: Clinic, role: Role, name: str) -> User:
    """Make a member of staff who can sign in, and whom alerts reach."""
    email = f"{name.lower()}@{clinic.slug}.example"
    member = clinics.add_member(
        clinic=clinic, email=email, name=name, role=role, by=SYSTEM, now=NOW
    )
    member.user.set_password(PASSWORD)
    member.user.save()
    if role in ANSWERING:
        alerts.confirm(clinic=clinic, user=member.user, by=SYSTEM, now=NOW)
    return member.user


def make_member_here_too(clinic: Clinic, user: User, role: Role) -> Membership:
    """Let somebody of another clinic accept a role in this one."""
    member = clinics.add_member(
        clinic=clinic, email=user.email, name="", role=role, by=SYSTEM, now=NOW
    )
    return clinics.accept_membership(membership=member, by=user.actor, now=NOW)


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
