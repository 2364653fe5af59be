"""Whoever reads or writes a patient's record leaves a row."""

from __future__ import annotations

import pytest

from outcomes.audit import services as audit
from outcomes.audit.models import AuditEvent
from tests.api.conftest import submit
from tests.conftest import make_enrolment

CLINICAL = ("patients", "courses", "sessions", "assignments", "responses", "scores", "alerts")


@pytest.fixture
def records(enrolment, assignment, now):
    """One record of every kind in the clinic."""
    submission = submit(assignment, now, ninth=2)
    return {
        "patients": enrolment.patient,
        "courses": enrolment.course,
        "sessions": enrolment.course.sessions.first(),
        "assignments": assignment,
        "responses": submission.response,
        "scores": submission.response.scores.first(),
        "alerts": submission.alerts[0],
    }


def readings(since):
    return list(AuditEvent.objects.filter(number__gt=since).order_by("number"))


def newest():
    return AuditEvent.objects.order_by("-number").values_list("number", flat=True)[0]


@pytest.mark.parametrize("kind", CLINICAL)
def test_reading_one_leaves_one_row(machine, records, patient, kind, now):
    before = newest()
    machine.get(f"{kind}/{records[kind].pk}/")
    [event] = readings(before)
    assert (event.action, event.at, event.patient_id) == ("patient.viewed", now, patient.pk)
    assert (event.actor_kind, event.actor_id) == ("token", str(machine.token.pk))
    assert (event.object_type, event.object_id) == (
        type(records[kind]).__name__,
        str(records[kind].pk),
    )
    assert event.data == {"page": f"api.{kind}.retrieve", "patients": [str(patient.pk)]}


@pytest.mark.parametrize("kind", CLINICAL)
def test_reading_a_list_leaves_one_row_with_everybody_in_it(
    machine, records, patient, clinic, clinician, now, kind
):
    other = make_enrolment(clinic, clinician, "Other")
    submit(other.patient.assignments.answerable_at(now).get(instrument__code="PHQ-9"), now, 3)
    before = newest()
    assert machine.get(f"{kind}/").json()["results"]
    [event] = readings(before)
    assert event.data["page"] == f"api.{kind}.list"
    assert set(event.data["patients"]) == {str(patient.pk), str(other.patient.pk)}
    assert event.patient_id is None


def test_a_list_about_one_patient_is_found_by_that_patient(machine, records, patient):
    before = newest()
    machine.get("scores/", patient=patient.pk)
    [event] = readings(before)
    assert event.patient_id == patient.pk


def test_what_is_not_found_was_not_read(machine, records):
    before = newest()
    machine.get("patients/00000000-0000-7000-8000-000000000000/")
    assert readings(before) == []


def test_the_library_is_nobodys_record(machine, records):
    before = newest()
    machine.get("instruments/")
    machine.get("schedules/")
    assert readings(before) == []


def test_without_its_row_nothing_is_read(machine, records, patient, monkeypatch):
    def fail(**event):
        raise RuntimeError("audit is down")

    monkeypatch.setattr(audit, "record", fail)
    reply = machine.get(f"patients/{patient.pk}/")
    assert reply.status_code == 500
    assert "Robin" not in reply.content.decode()


def test_the_chain_stays_whole(machine, records, clinic):
    for kind in CLINICAL:
        machine.get(f"{kind}/")
    assert list(audit.find_breaks(clinic.pk)) == []
