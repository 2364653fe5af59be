"""Enrolling a patient on one page."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.test import Client
from django.urls import reverse

from outcomes.care.models import Channel, Consent, Contact, Patient
from outcomes.clinic_site.forms.planned_sessions import expand
from outcomes.clinics.models import Clinic, User
from outcomes.scheduling.models import Assignment, Schedule
from tests.conftest import NOW


@pytest.fixture
def entry(clinic: Clinic, clinician: User) -> dict[str, object]:
    """What a clinician types to enrol a patient with six sessions."""
    return {
        "given_name": "Toni",
        "family_name": "Test",
        "birth_date": "1985-04-01",
        "record_number": "R-7",
        "language": "en",
        "time_zone": "Europe/London",
        "email": "Toni@Patient.Example",
        "consents_to_email": "on",
        "indication": "trd",
        "clinicians": [str(clinician.pk)],
        "course_kind": "induction",
        "schedule": str(Schedule.objects.get(code="phq9-gad7-only", is_current=True).pk),
        "first_session_at": "2026-02-09T10:30",
        "session_count": "6",
        "weekdays": ["0", "3"],
    }


def post(client: Client, clinic: Clinic, entry: dict[str, object]):
    return client.post(reverse("clinic_site:enrol", args=[clinic.slug]), entry)


def test_it_makes_the_patient_and_the_plan(
    clinic: Clinic, as_clinician: Client, entry: dict[str, object]
) -> None:
    page = post(as_clinician, clinic, entry)
    patient = Patient.objects.get()
    assert page["Location"] == reverse("clinic_site:patient", args=[clinic.slug, patient.pk])
    assert Contact.objects.get(patient=patient).value == "toni@patient.example"
    assert Consent.objects.latest_for(patient, Channel.EMAIL).is_given
    assert Consent.objects.latest_for(patient, Channel.SMS) is None
    episode = patient.episodes.get()
    days = [session.planned_at.date().isoformat() for session in episode.sessions.in_order()]
    assert days == [
        "2026-02-09",
        "2026-02-12",
        "2026-02-16",
        "2026-02-19",
        "2026-02-23",
        "2026-02-26",
    ]
    assert Assignment.objects.filter(episode=episode, rule_code="baseline").count() == 2


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"given_name": ""}, "given_name"),
        ({"birth_date": ""}, "birth_date"),
        ({"birth_date": "2126-01-01"}, "birth_date"),
        ({"email": "not an address"}, "email"),
        ({"email": ""}, "email"),
        ({"phone": "12345"}, "phone"),
        ({"consents_to_sms": "on"}, "phone"),
        ({"time_zone": "Mars/Olympus"}, "time_zone"),
        ({"indication": ""}, "indication"),
        ({"clinicians": []}, "clinicians"),
        ({"first_session_at": ""}, "first_session_at"),
        ({"first_session_at": "soon"}, "first_session_at"),
        ({"weekdays": []}, "every_days"),
        ({"session_count": ""}, "session_count"),
        ({"session_count": "400"}, "session_count"),
    ],
)
def test_it_names_what_is_wrong_and_saves_nothing(
    clinic: Clinic,
    as_clinician: Client,
    entry: dict[str, object],
    change: dict[str, object],
    field: str,
) -> None:
    page = post(as_clinician, clinic, {**entry, **change})
    assert page.status_code == 200
    assert list(page.context["form"].errors) == [field]
    assert f'href="#id_{field}' in page.content.decode()
    assert not Patient.objects.exists()


def test_a_record_number_is_given_once(
    clinic: Clinic, as_clinician: Client, entry: dict[str, object]
) -> None:
    post(as_clinician, clinic, entry)
    page = post(as_clinician, clinic, entry)
    assert b"A patient with this record number exists already." in page.content
    assert Patient.objects.count() == 1


def test_a_clinician_of_another_clinic_cannot_be_responsible(
    clinic: Clinic, as_clinician: Client, stranger: User, entry: dict[str, object]
) -> None:
    page = post(as_clinician, clinic, {**entry, "clinicians": [str(stranger.pk)]})
    assert "clinicians" in page.context["form"].errors


def test_sessions_keep_the_clock_time_through_a_clock_change() -> None:
    first = datetime(2026, 3, 27, 10, 0, tzinfo=UTC)
    times = expand(first, 3, 3, [], "Europe/London")
    clocks = [time.astimezone(ZoneInfo("Europe/London")).hour for time in times]
    assert clocks == [10, 10, 10]
    assert times[1] - times[0] == timedelta(days=3) - timedelta(hours=1)


@pytest.mark.parametrize("count", [1, 2, 40])
@pytest.mark.parametrize(("every", "weekdays"), [(1, []), (365, []), (None, [2]), (5, [0, 6])])
def test_it_plans_as_many_as_were_asked_for(
    count: int, every: int | None, weekdays: list[int]
) -> None:
    times = expand(NOW, count, every, weekdays, "Europe/London")
    assert len(times) == count
    assert times == sorted(set(times))
