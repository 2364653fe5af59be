"""Enrolling and reading patients."""

from __future__ import annotations

import pytest

from outcomes import workflows
from outcomes.audit.models import AuditEvent
from outcomes.care.models import Channel, Contact, Patient
from outcomes.scheduling.models import Assignment
from tests.api.conftest import enrolment_document
from tests.conftest import make_enrolment

EMAIL, PHONE = "kim@patient.example", "+12025550123"


@pytest.fixture
def enrolled(machine, clinician):
    reply = machine.post("patients/", enrolment_document())
    assert reply.status_code == 201, reply.content
    return reply


def test_one_document_enrols_a_patient(enrolled, clinic, clinician):
    body = enrolled.json()
    patient = Patient.objects.get()
    assert body["id"] == str(patient.pk)
    assert (patient.clinic, patient.name) == (clinic, "Kim Sample")
    assert body["birth_date"] == "1975-03-09"
    assert body["time_zone"] == "America/New_York"
    assert body["contact_channels"] == ["email", "sms"]
    assert body["consents"] == {"email": True}
    [episode] = body["episodes"]
    assert episode["indication"] == "bipolar"
    assert episode["clinicians"] == [clinician.email]
    [course] = episode["courses"]
    assert (course["kind"], course["schedule"]) == ("induction", "phq9-gad7-only")
    assert patient.episodes.get().courses.get().sessions.count() == 2
    assert Assignment.objects.filter(patient=patient).exists()


def test_the_reply_says_where_the_patient_is(enrolled, machine):
    assert enrolled.headers["Location"].endswith(f"/api/v1/patients/{enrolled.json()['id']}/")
    assert machine.client.get(enrolled.headers["Location"]).json() == enrolled.json()


def test_contacts_are_kept_and_never_given_back(enrolled, machine):
    stored = {contact.channel: contact.value for contact in Contact.objects.all()}
    assert stored == {Channel.EMAIL: EMAIL, Channel.SMS: PHONE}
    patient_id = enrolled.json()["id"]
    for reply in (enrolled, machine.get("patients/"), machine.get(f"patients/{patient_id}/")):
        text = reply.content.decode().lower()
        assert "kim@" not in text
        assert "5550123" not in text


def test_what_is_left_out_is_the_clinics_own(machine, clinician):
    document = enrolment_document()
    optional = (
        "record_number",
        "family_name",
        "birth_date",
        "language",
        "time_zone",
        "contacts",
        "consents",
        "planned_sessions",
    )
    for name in optional:
        del document[name]
    body = machine.post("patients/", document).json()
    assert (body["time_zone"], body["language"]) == ("Europe/London", "en")
    assert (body["contact_channels"], body["consents"]) == ([], {})


def test_without_a_schedule_nothing_is_asked(machine, clinician):
    body = machine.post("patients/", enrolment_document(schedule=None)).json()
    assert body["episodes"][0]["courses"][0]["schedule"] is None
    assert not Assignment.objects.exists()


def test_every_write_names_the_token(enrolled, machine):
    written = AuditEvent.objects.filter(action="patient.created").get()
    assert (written.actor_kind, written.actor_id) == ("token", str(machine.token.pk))


def test_a_record_number_is_taken_once(enrolled, machine):
    again = machine.post("patients/", enrolment_document(given_name="Kit"))
    assert again.status_code == 409
    assert again.json()["error"]["message"] == "A patient with this record number exists already."
    assert Patient.objects.count() == 1


def test_another_clinic_may_use_the_same_record_number(
    enrolled, make_machine, other_clinic, stranger
):
    theirs = make_machine(of=other_clinic)
    document = enrolment_document(clinicians=[stranger.email])
    assert theirs.post("patients/", document).status_code == 201


def test_a_clinician_is_known_in_any_case(machine, clinician):
    document = enrolment_document(clinicians=["Clara@North.example"])
    assert machine.post("patients/", document).status_code == 201


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"given_name": ""}, "given_name"),
        ({"given_name": "K\x00m"}, "given_name"),
        ({"given_name": "K" * 101}, "given_name"),
        ({"given_name": ["Kim"]}, "given_name"),
        ({"record_number": 1e3}, "record_number"),
        ({"birth_date": "09.03.1975"}, "birth_date"),
        ({"language": "xx"}, "language"),
        ({"time_zone": "Mars/Olympus"}, "time_zone"),
        ({"contacts": {"email": "nobody"}}, "contacts.email"),
        ({"contacts": {"sms": "12025550123"}}, "contacts.sms"),
        ({"contacts": {"sms": "+1 000"}}, "contacts.sms"),
        ({"consents": ["pigeon"]}, "consents.0"),
        ({"consents": "email"}, "consents"),
        ({"indication": "love"}, "indication"),
        ({"clinicians": []}, "clinicians"),
        ({"clinicians": ["nobody@north.example"]}, "clinicians.0"),
        ({"clinicians": ["clara"]}, "clinicians.0"),
        ({"course_kind": "boat"}, "course_kind"),
        ({"schedule": "none"}, "schedule"),
        ({"schedule": ""}, "schedule"),
        ({"planned_sessions": ["2026-02-05T09:00:00"]}, "planned_sessions.0"),
        ({"planned_sessions": ["0001-01-01T00:00:00+14:00"]}, "planned_sessions.0"),
        ({"planned_sessions": ["9999-12-31T23:00:00-14:00"]}, "planned_sessions.0"),
        ({"planned_sessions": ["tomorrow"]}, "planned_sessions.0"),
        ({"planned_sessions": ["2026-02-05T09:00:00Z"] * 101}, "planned_sessions"),
    ],
)
def test_a_bad_value_is_named_and_nothing_is_kept(machine, clinician, changes, field):
    before = AuditEvent.objects.count()
    reply = machine.post("patients/", enrolment_document(**changes))
    assert reply.status_code == 400
    assert list(reply.json()["error"]["fields"]) == [field]
    assert not Patient.objects.exists()
    assert AuditEvent.objects.count() == before


def test_an_error_does_not_repeat_what_was_sent(machine, clinician):
    reply = machine.post("patients/", enrolment_document(indication="Kim drinks too much"))
    assert "drinks" not in reply.content.decode()
    assert "trd" in reply.json()["error"]["fields"]["indication"][0]


def test_a_withdrawn_consent_shows_as_withdrawn(machine, patient, clinician, now):
    workflows.decide_consent(
        patient=patient, channel=Channel.EMAIL, is_given=False, by=clinician.actor, now=now
    )
    assert machine.get(f"patients/{patient.pk}/").json()["consents"] == {"email": False}


def test_courses_are_listed_by_patient(machine, enrolment, clinic, clinician):
    other = make_enrolment(clinic, clinician, "Other")
    listed = machine.get("courses/", patient=other.patient.pk).json()["results"]
    assert [row["id"] for row in listed] == [str(other.course.pk)]
    assert listed[0]["patient"] == str(other.patient.pk)
    assert listed[0] == machine.get(f"courses/{other.course.pk}/").json()
