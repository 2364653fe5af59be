"""Rows by the million: one real row, multiplied inside PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection, models

from bench.people import analyse, make_clinic
from outcomes import workflows
from outcomes.audit.models import SYSTEM
from outcomes.care.models import Channel, Consent, Contact, Course, EpisodeOfCare, Patient
from outcomes.clinics.models import Clinic, User
from outcomes.instruments.models import Instrument
from outcomes.scheduling.models import Assignment, Schedule

# The key of copy number i of any row: rows that belong together have the same.
KEY = "('00000000-0000-7000-8000-' || lpad(to_hex(i), 12, '0'))::uuid"


@dataclass(frozen=True, slots=True)
class Pattern:
    """One enrolled patient with a contact, a course and a question: what is multiplied."""

    clinic: Clinic
    clinician: User
    patient: Patient
    episode: EpisodeOfCare
    course: Course
    contact: Contact
    consent: Consent
    question: Assignment


def make_pattern(slug: str, now: datetime) -> Pattern:
    """Enrol one patient through the product, with one planned question that opens at once."""
    clinic, clinician = make_clinic(slug, now)
    # A question is in the course from its first day on, so nothing else of the plan is needed.
    made = workflows.enrol_patient(
        clinic=clinic,
        details={"given_name": "Bo", "family_name": "Bench", "birth_date": "1980-05-17"},
        contacts={Channel.EMAIL: "bo@patient.example"},
        consents=[Channel.EMAIL],
        indication="trd",
        clinicians=[clinician],
        course_kind="induction",
        schedule_id=None,
        sessions_planned_at=[],
        by=SYSTEM,
        now=now,
    )
    schedule = Schedule.objects.get(code="phq9-gad7-only", clinic=None, is_current=True)
    rule = schedule.rules.get(code="baseline")
    question = Assignment.objects.create(
        clinic=clinic,
        patient=made.patient,
        episode=made.episode,
        course=made.course,
        rule=rule,
        rule_code=rule.code,
        instrument=Instrument.objects.get(code="PHQ-9"),
        opens_at=now,
        due_at=now + timedelta(hours=10),
        closes_at=now + timedelta(days=2),
    )
    Clinic.objects.filter(pk=clinic.pk).update(quiet_from="00:00", quiet_until="00:00")
    return Pattern(
        clinic,
        clinician,
        made.patient,
        made.episode,
        made.course,
        Contact.objects.get(patient=made.patient),
        Consent.objects.get(patient=made.patient),
        question,
    )


def multiply(row: models.Model, first: int, last: int, **expressions: str) -> None:
    """Insert copies number `first` to `last` of a row; `expressions` are columns in SQL, over i."""
    table = row._meta.db_table
    columns = [str(field.column) for field in row._meta.concrete_fields]
    values = [expressions.get(column, f't."{column}"') for column in columns]
    names = ", ".join(f'"{column}"' for column in columns)
    with connection.cursor() as cursor:
        cursor.execute(
            f'INSERT INTO "{table}" ({names}) SELECT {", ".join(values)}'
            f' FROM "{table}" t, generate_series({first}, {last}) i'
            f" WHERE t.id = '{row.pk}'"
        )


def multiply_patients(pattern: Pattern, first: int, last: int) -> None:
    """Insert patients with their contact, consent, episode and course."""
    multiply(pattern.patient, first, last, id=KEY)
    multiply(pattern.contact, first, last, id=KEY, patient_id=KEY)
    multiply(pattern.consent, first, last, id=KEY, patient_id=KEY)
    multiply(pattern.episode, first, last, id=KEY, patient_id=KEY)
    multiply(pattern.course, first, last, id=KEY, episode_id=KEY, needs_plan="false")


@contextmanager
def bare_tables(*tables: str) -> Iterator[None]:
    """Take the indexes off these tables while they are filled, and check no keys meanwhile."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT indexname, indexdef FROM pg_indexes"
            " LEFT JOIN pg_constraint ON conname = indexname AND contype IN ('p', 'u')"
            " WHERE tablename = ANY(%s) AND conname IS NULL",
            [list(tables)],
        )
        indexes = cursor.fetchall()
        for name, _ in indexes:
            cursor.execute(f'DROP INDEX "{name}"')
        cursor.execute("SET session_replication_role = replica")
        cursor.execute("SET maintenance_work_mem = '512MB'")
    yield
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = DEFAULT")
        for _, definition in indexes:
            cursor.execute(definition)
        for table in tables:
            cursor.execute(f'VACUUM "{table}"')
    analyse()
