"""Every error has one shape, says what is wrong, and says nothing else."""

from __future__ import annotations

import json
import logging

import pytest
from django.db import IntegrityError
from django.test import Client

from outcomes import workflows
from outcomes.api.throttling import TokenThrottle
from outcomes.api.views.patients import PatientViewSet
from outcomes.audit import services as audit
from outcomes.audit.models import AuditEvent
from outcomes.care.models import Consent, Contact, Course, EpisodeOfCare, Patient, TreatmentSession
from outcomes.clinics.access import Scope
from outcomes.scheduling.models import Assignment
from tests.api.conftest import enrolment_document, held_session

KEPT = (
    Patient,
    Contact,
    Consent,
    EpisodeOfCare,
    Course,
    TreatmentSession,
    Assignment,
    AuditEvent,
)


def error_of(reply, status, code):
    """Return the error, after checking its shape."""
    assert reply.status_code == status
    assert reply.headers["Content-Type"] == "application/json"
    body = reply.json()
    assert set(body) == {"error"}
    assert set(body["error"]) == {"code", "message", "fields"}
    assert body["error"]["code"] == code
    assert body["error"]["message"].strip().endswith(".")
    for name, sentences in body["error"]["fields"].items():
        assert isinstance(name, str)
        assert all(isinstance(sentence, str) for sentence in sentences)
    return body["error"]


def rows():
    return {model.__name__: model.objects.count() for model in KEPT}


@pytest.fixture
def weak_machine(make_machine):
    """A machine that may read alerts and nothing else."""
    return make_machine(Scope.ALERTS_READ)


@pytest.fixture
def nothing_is_stored(machine, weak_machine, enrolment):
    """Hold the test to leaving every table as it was."""
    before = rows()
    yield
    assert rows() == before


@pytest.mark.usefixtures("nothing_is_stored")
class TestShape:
    def test_400_for_what_is_missing(self, machine):
        error = error_of(machine.post("patients/", {}), 400, "invalid")
        needed = ["clinicians", "course_kind", "given_name", "indication", "schedule"]
        assert sorted(error["fields"]) == needed
        assert error["message"] == f"Not accepted: {', '.join(needed)}."

    def test_400_for_what_is_no_json(self, machine):
        reply = machine.client.post("/api/v1/patients/", "{", content_type="application/json")
        error_of(reply, 400, "parse_error")

    def test_400_for_what_is_nested_beyond_reason(self, machine):
        text = "[" * 100_000
        reply = machine.client.post("/api/v1/patients/", text, content_type="application/json")
        error_of(reply, 400, "parse_error")

    def test_400_for_what_is_no_object(self, machine):
        error_of(machine.post("patients/", [1]), 400, "invalid")

    def test_401(self, db):
        error_of(Client().get("/api/v1/patients/"), 401, "authentication_failed")

    def test_403(self, weak_machine):
        error_of(weak_machine.get("patients/"), 403, "permission_denied")

    def test_404_for_a_record(self, machine):
        address = "patients/00000000-0000-7000-8000-000000000000/"
        error = error_of(machine.get(address), 404, "not_found")
        assert error["message"] == "There is no such record."

    @pytest.mark.parametrize(
        "address",
        ["", "v1/", "v1/patients", "v1/patients/1/", "v1/nothing/", "v2/patients/", "v1/a%0Ab/"],
    )
    @pytest.mark.parametrize("method", ["get", "post", "delete", "options"])
    def test_404_for_an_address(self, machine, address, method):
        reply = getattr(machine.client, method)(f"/api/{address}", headers={"Accept": "text/html"})
        error_of(reply, 404, "not_found")

    @pytest.mark.parametrize("method", ["delete", "put", "options", "patch", "trace"])
    def test_405(self, machine, method):
        reply = getattr(machine.client, method)("/api/v1/patients/")
        error_of(reply, 405, "method_not_allowed")
        assert reply.headers["Allow"] == "GET, HEAD, POST"

    def test_406(self, machine):
        reply = machine.client.get("/api/v1/patients/", headers={"Accept": "text/html"})
        error_of(reply, 406, "not_acceptable")

    def test_409(self, machine, patient):
        Patient.objects.update(record_number="K-104")
        error_of(machine.post("patients/", enrolment_document()), 409, "duplicate")

    def test_413(self, machine, settings):
        settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100
        error_of(machine.post("patients/", enrolment_document()), 413, "too_large")

    def test_415(self, machine):
        reply = machine.client.post("/api/v1/patients/", {"given_name": "Kim"})
        error_of(reply, 415, "unsupported_media_type")

    def test_429(self, machine, monkeypatch):
        monkeypatch.setattr(TokenThrottle, "rate", "2/min", raising=False)
        machine.get("schedules/")
        machine.get("schedules/")
        reply = machine.get("schedules/")
        error_of(reply, 429, "throttled")
        assert 0 < int(reply.headers["Retry-After"]) <= 60


def test_one_token_does_not_use_up_anothers_share(make_machine, monkeypatch):
    monkeypatch.setattr(TokenThrottle, "rate", "1/min", raising=False)
    one, other = make_machine(), make_machine()
    assert [one.get("schedules/").status_code for _ in range(2)] == [200, 429]
    assert other.get("schedules/").status_code == 200


class TestServerFault:
    """A fault of ours tells the client nothing and the log no health data."""

    SECRET = "Kim Sample answered three"

    @pytest.fixture
    def fault(self, monkeypatch):
        def fail(*args, **kwargs):
            raise RuntimeError(self.SECRET)

        monkeypatch.setattr(workflows, "enrol_patient", fail)

    @pytest.mark.usefixtures("fault")
    def test_500_says_nothing(self, machine, clinician, caplog):
        with caplog.at_level(logging.DEBUG):
            reply = machine.post("patients/", enrolment_document())
        error_of(reply, 500, "server_error")
        assert self.SECRET not in reply.content.decode()
        assert self.SECRET not in caplog.text
        assert "RuntimeError" in caplog.text
        assert "enrol_patient" in caplog.text

    def test_a_failing_audit_undoes_the_whole_enrolment(self, machine, clinician, monkeypatch):
        record = audit.record
        calls = iter(range(100))

        def fail_late(**event):
            if next(calls) == 5:
                raise RuntimeError("audit is down")
            return record(**event)

        monkeypatch.setattr(audit, "record", fail_late)
        before = rows()
        error_of(machine.post("patients/", enrolment_document()), 500, "server_error")
        assert rows() == before


class TestDuplicates:
    """What a unique constraint finds after the checks, because two came at once."""

    def test_a_race_is_a_conflict(self, machine, clinician, monkeypatch):
        def collide(**event):
            raise IntegrityError("UNIQUE constraint failed: outcomes_patient.record_number")

        monkeypatch.setattr(workflows, "enrol_patient", collide)
        error = error_of(machine.post("patients/", enrolment_document()), 409, "duplicate")
        assert "outcomes_patient" not in json.dumps(error)

    def test_another_broken_constraint_is_our_fault(self, machine, clinician, monkeypatch):
        def collide(**event):
            raise IntegrityError("NOT NULL constraint failed: outcomes_patient.given_name")

        monkeypatch.setattr(workflows, "enrol_patient", collide)
        error_of(machine.post("patients/", enrolment_document()), 500, "server_error")


@pytest.mark.usefixtures("nothing_is_stored")
class TestUnknownFields:
    """A misspelt name must not be lost in silence."""

    def test_in_a_document(self, machine):
        document = enrolment_document(givenname="Kim")
        error = error_of(machine.post("patients/", document), 400, "invalid")
        assert error["fields"] == {"givenname": ["There is no such field."]}

    def test_inside_a_document(self, machine):
        document = enrolment_document(contacts={"e-mail": "kim@patient.example"})
        error = error_of(machine.post("patients/", document), 400, "invalid")
        assert error["fields"] == {"contacts.e-mail": ["There is no such field."]}

    def test_in_a_row_of_a_session(self, machine, enrolment):
        body = held_session(
            enrolment.course.pk, vitals=[{"minute": 0}, {"minute": 40, "pulse": 60}]
        )
        error = error_of(machine.post("sessions/", body), 400, "invalid")
        assert error["fields"] == {"vitals.1.pulse": ["There is no such field."]}

    @pytest.mark.parametrize("name", ["id", "clinic", "entered_by", "episode", "edited_at"])
    def test_for_what_is_not_the_clients_to_say(self, machine, name):
        body = held_session("00000000-0000-7000-8000-000000000000") | {name: "mine"}
        error = error_of(machine.post("sessions/", body), 400, "invalid")
        assert error["fields"] == {name: ["There is no such field."]}

    def test_in_a_filter(self, machine):
        error = error_of(machine.get("scores/", pateint="x"), 400, "invalid")
        assert error["fields"] == {"pateint": ["There is no such field."]}

    def test_a_list_without_filters_takes_none(self, machine):
        error_of(machine.get("patients/", given_name="Kim"), 400, "invalid")


def test_a_schema_of_undeclared_format_is_no_way_around_json(machine):
    assert machine.get("patients/", format="api").status_code == 400
    assert PatientViewSet.http_method_names == ["get", "head", "post", "put", "patch"]
