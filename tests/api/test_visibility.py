"""A clinic's token sees the clinic, and nothing says that there is more."""

from __future__ import annotations

from uuid import uuid4

import pytest

from outcomes.care.models import TreatmentSession
from outcomes.scheduling.models import Schedule, ScheduleRule
from tests.api.conftest import enrolment_document, planned_session, submit

READABLE = ("patients", "courses", "sessions", "assignments", "responses", "scores", "alerts")


@pytest.fixture
def foreign(other_enrolment, other_assignment, now):
    """One record of every kind in the other clinic."""
    submission = submit(other_assignment, now, ninth=2)
    return {
        "patients": other_enrolment.patient,
        "courses": other_enrolment.course,
        "sessions": other_enrolment.course.sessions.first(),
        "assignments": other_assignment,
        "responses": submission.response,
        "scores": submission.response.scores.first(),
        "alerts": submission.alerts[0],
    }


@pytest.mark.parametrize("kind", READABLE)
def test_a_foreign_record_is_like_one_that_does_not_exist(machine, foreign, kind):
    theirs = machine.get(f"{kind}/{foreign[kind].pk}/")
    missing = machine.get(f"{kind}/{uuid4()}/")
    assert theirs.status_code == missing.status_code == 404
    assert theirs.content == missing.content
    assert dict(theirs.headers) == dict(missing.headers)


@pytest.mark.parametrize("kind", READABLE)
def test_a_list_holds_nothing_foreign(machine, foreign, kind):
    assert machine.get(f"{kind}/").json()["results"] == []


@pytest.mark.parametrize("kind", READABLE)
def test_the_clinics_own_records_are_there(make_machine, other_clinic, foreign, kind):
    theirs = make_machine(of=other_clinic)
    assert theirs.get(f"{kind}/{foreign[kind].pk}/").json()["id"] == str(foreign[kind].pk)
    listed = theirs.get(f"{kind}/").json()["results"]
    assert str(foreign[kind].pk) in {row["id"] for row in listed}


@pytest.mark.parametrize(
    ("way", "body"),
    [
        ("", {"reason": "Typed wrong.", "drug": "Other"}),
        ("move/", {"reason": "Asked for.", "planned_at": "2026-03-01T09:00:00Z"}),
        ("cancel/", {"reason": "Asked for."}),
    ],
)
def test_a_foreign_session_cannot_be_changed(machine, foreign, way, body):
    send = machine.post if way else machine.patch
    before = TreatmentSession.objects.values().get(pk=foreign["sessions"].pk)
    theirs = send(f"sessions/{foreign['sessions'].pk}/{way}", body)
    missing = send(f"sessions/{uuid4()}/{way}", body)
    assert theirs.status_code == missing.status_code == 404
    assert theirs.content == missing.content
    assert TreatmentSession.objects.values().get(pk=foreign["sessions"].pk) == before


def test_a_session_cannot_be_recorded_in_a_foreign_course(machine, foreign):
    theirs = machine.post("sessions/", planned_session(foreign["courses"].pk))
    missing = machine.post("sessions/", planned_session(uuid4()))
    assert theirs.status_code == missing.status_code == 400
    assert theirs.content == missing.content


def test_a_foreign_filter_finds_what_a_missing_one_finds(machine, foreign):
    for kind in ("courses", "sessions", "assignments", "responses", "scores", "alerts"):
        theirs = machine.get(f"{kind}/", patient=foreign["patients"].pk)
        missing = machine.get(f"{kind}/", patient=uuid4())
        assert theirs.content == missing.content


def test_a_foreign_clinician_is_like_one_who_does_not_exist(machine, clinician, stranger):
    theirs = machine.post("patients/", enrolment_document(clinicians=[stranger.email]))
    missing = machine.post("patients/", enrolment_document(clinicians=["no@south.example"]))
    assert theirs.status_code == missing.status_code == 400
    assert theirs.content == missing.content


def test_a_foreign_schedule_is_like_one_that_does_not_exist(
    machine, clinician, clinic, other_clinic, now
):
    rule = ScheduleRule.objects.filter(schedule__code="phq9-gad7-only").first()
    for owner, code in ((other_clinic, "theirs"), (clinic, "ours")):
        schedule = Schedule.objects.create(
            clinic=owner, code=code, version=1, name=code, created_at=now
        )
        schedule.rules.create(code=rule.code, position=0, content=rule.content)
    codes = {row["code"] for row in machine.get("schedules/").json()["results"]}
    assert "ours" in codes
    assert "theirs" not in codes
    theirs = machine.post("patients/", enrolment_document(schedule="theirs"))
    missing = machine.post("patients/", enrolment_document(schedule="nobodys"))
    assert theirs.status_code == missing.status_code == 400
    assert theirs.content == missing.content
    ours = machine.post("patients/", enrolment_document(schedule="ours"))
    assert ours.json()["episodes"][0]["courses"][0]["schedule"] == "ours"
