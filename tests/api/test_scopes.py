"""What a token may do is what its scopes say, and every action says which it needs."""

from __future__ import annotations

import pytest
from django.core.exceptions import ImproperlyConfigured
from rest_framework.test import APIRequestFactory

from config import security
from outcomes.api.permissions import needs_of, undeclared_actions
from outcomes.api.urls import router
from outcomes.api.views.patients import PatientViewSet
from outcomes.clinics.access import Scope
from tests.api.conftest import enrolment_document, held_session, planned_session, submit

ABSENT = "00000000-0000-7000-8000-000000000000"


def every_action():
    """Yield (method, address, the scopes of which one is needed) for all that is routed."""
    for pattern in router.urls:
        for method, action in pattern.callback.actions.items():
            needs = needs_of(pattern.callback.cls, action)
            scopes = {needs} if isinstance(needs, Scope) else set(needs)
            route = str(pattern.pattern).replace("<uuid:pk>", ABSENT).replace("<str:code>", "none")
            name = f"{method} {pattern.name} {action}"
            yield pytest.param(method, f"/api/v1/{route}", scopes, id=name)


@pytest.mark.parametrize(("method", "address", "scopes"), list(every_action()))
def test_an_action_is_open_to_its_scope_and_to_no_other(make_machine, method, address, scopes):
    for scope in Scope:
        client = make_machine(scope).client
        body = {} if method in ("get", "head") else {"content_type": "application/json"}
        reply = getattr(client, method)(address, **body)
        if scope not in scopes:
            assert reply.status_code == 403
        elif ABSENT in address or "none" in address:
            assert reply.status_code == 404
        else:
            assert reply.status_code == (400 if method == "post" else 200)


def test_a_refusal_names_the_scope(make_machine):
    error = make_machine(Scope.ALERTS_READ).get("patients/").json()["error"]
    assert error["code"] == "permission_denied"
    assert error["message"] == "This token lacks the scope patients:read."


def test_reading_needs_the_scope_of_what_is_read(make_machine, assignment, now):
    submission = submit(assignment, now, ninth=1)
    only_scores = make_machine(Scope.SCORES_READ)
    assert only_scores.get(f"responses/{submission.response.pk}/").status_code == 200
    assert only_scores.get(f"alerts/{submission.alerts[0].pk}/").status_code == 403


def test_writing_needs_more_than_reading(make_machine, enrolment):
    reader = make_machine(Scope.PATIENTS_READ, Scope.SESSIONS_READ)
    writer = make_machine(Scope.PATIENTS_WRITE, Scope.SESSIONS_WRITE)
    course_id = enrolment.course.pk
    for body in (planned_session(course_id), held_session(course_id)):
        assert reader.post("sessions/", body).status_code == 403
        assert writer.post("sessions/", body).status_code == 201
    assert reader.post("patients/", enrolment_document()).status_code == 403
    assert writer.post("patients/", enrolment_document()).status_code == 201
    assert writer.get("patients/").status_code == 403


def test_every_action_declares_its_scope():
    assert list(undeclared_actions()) == []


def test_an_undeclared_action_stops_the_start(monkeypatch):
    monkeypatch.setattr(PatientViewSet, "scopes", {"list": Scope.PATIENTS_READ})
    assert set(undeclared_actions()) == {"PatientViewSet.create", "PatientViewSet.retrieve"}
    with pytest.raises(ImproperlyConfigured, match=r"PatientViewSet\.create"):
        security.require_declared_policies()


def test_an_undeclared_action_is_refused_when_asked_for(monkeypatch, machine, patient):
    monkeypatch.setattr(PatientViewSet, "scopes", {"list": Scope.PATIENTS_READ})
    assert machine.get(f"patients/{patient.pk}/").status_code == 403
    assert machine.get("patients/").status_code == 200


def test_a_view_without_a_policy_is_refused(monkeypatch, machine):
    monkeypatch.setattr(PatientViewSet, "access_policy", None)
    view = PatientViewSet.as_view({"get": "list"})
    request = APIRequestFactory(headers=dict(machine.client.defaults)).get("/")
    request.META["HTTP_AUTHORIZATION"] = machine.client.defaults["HTTP_AUTHORIZATION"]
    assert view(request).status_code == 403
