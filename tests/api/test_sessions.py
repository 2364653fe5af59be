"""Recording, editing, moving and cancelling sessions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from outcomes.audit.models import AuditEvent
from outcomes.care.models import SessionStatus, TreatmentSession
from outcomes.scheduling.models import Assignment
from tests.api.conftest import held_session, planned_session
from tests.conftest import make_enrolment


@pytest.fixture
def course(enrolment):
    return enrolment.course


@pytest.fixture
def session(course):
    """The course's first session, planned in three days."""
    return course.sessions.get(number=1)


def test_a_planned_session_is_recorded_and_plans_what_hangs_on_it(machine, course):
    before = set(Assignment.objects.values_list("anchor_session", flat=True))
    reply = machine.post("sessions/", planned_session(course.pk))
    assert reply.status_code == 201
    body = reply.json()
    assert (body["number"], body["status"]) == (3, "planned")
    assert body["planned_at"] == "2026-02-12T09:00:00Z"
    added = set(Assignment.objects.values_list("anchor_session", flat=True)) - before
    assert {str(key) for key in added} == {body["id"]}


def test_a_held_session_keeps_its_whole_record(machine, course):
    sent = held_session(
        course.pk,
        vitals=[
            {
                "minute": -5,
                "systolic": 128,
                "diastolic": 81.5,
                "heart_rate": 70,
                "spo2": None,
                "respiratory_rate": 14,
            }
        ],
        effects=[
            {"effect": "Nausea", "severity": "mild", "onset_minute": 20, "resolved_minute": 55}
        ],
    )
    body = machine.post("sessions/", sent).json()
    assert {name: body[name] for name in sent} == sent
    assert body["dose_per_kg"] == "0.50"
    assert body["entered_by"] == "Record system"
    assert body == machine.get(f"sessions/{body['id']}/").json()


def test_a_time_with_another_offset_is_the_same_moment(machine, course):
    body = planned_session(course.pk, planned_at="2026-02-12T10:00:00+01:00")
    assert machine.post("sessions/", body).json()["planned_at"] == "2026-02-12T09:00:00Z"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"planned_at": "2026-02-12T09:00:00"}, "planned_at"),
        ({"planned_at": None}, "planned_at"),
        ({"status": "perhaps"}, "status"),
        ({"started_at": "2199-01-01T00:00:00Z", "ended_at": None}, "status"),
        ({"route": ""}, "route"),
        ({"dose_amount": None}, "dose_amount"),
        ({"dose_amount": "-1"}, "dose_amount"),
        ({"dose_amount": "much"}, "dose_amount"),
        ({"infusion_minutes": 10_000}, "infusion_minutes"),
        ({"number": 10_000}, "number"),
        ({"dose_unit": ""}, "dose_unit"),
        ({"status": "planned", "dose_unit": ""}, "dose_unit"),
        ({"vitals": [{"minute": 0, "slot": "noon"}]}, "vitals.0.slot"),
        ({"infusion_minutes": -1}, "infusion_minutes"),
        ({"number": 0}, "number"),
        ({"drug": 1}, "drug"),
        ({"vitals": {"minute": 1}}, "vitals"),
        ({"vitals": [{"systolic": 120}]}, "vitals.0.minute"),
        ({"vitals": [{"minute": "ten"}]}, "vitals.0.minute"),
        ({"vitals": [{"minute": True}]}, "vitals.0.minute"),
        ({"vitals": [{"minute": 0}] * 201}, "vitals"),
        (
            {"concomitant": [{"medicine": "X", "last_taken_on": "May"}]},
            "concomitant.0.last_taken_on",
        ),
        ({"effects": [{"effect": "Nausea", "severity": "bad"}]}, "effects.0.severity"),
        ({"adverse_events": [{"term": "Fall"}]}, "adverse_events.0.is_serious"),
        ({"status": "stopped"}, "status_reason"),
        ({"note": "x" * 10_001}, "note"),
    ],
)
def test_a_bad_value_is_named_and_nothing_is_kept(machine, course, changes, field):
    before = (TreatmentSession.objects.count(), AuditEvent.objects.count())
    reply = machine.post("sessions/", held_session(course.pk, **changes))
    assert reply.status_code == 400
    assert list(reply.json()["error"]["fields"]) == [field]
    assert (TreatmentSession.objects.count(), AuditEvent.objects.count()) == before


def test_a_number_too_large_for_a_number_is_refused(machine, course):
    body = '{"course": "%s", "planned_at": "2026-02-01T09:00:00Z", "status": "planned", '
    body += '"vitals": [{"minute": 1e999}]}'
    reply = machine.client.post(
        "/api/v1/sessions/", body % course.pk, content_type="application/json"
    )
    assert reply.status_code == 400
    assert list(reply.json()["error"]["fields"]) == ["vitals.0.minute"]


@pytest.mark.parametrize(
    "odd",
    [
        {"weight_kg": "25.0"},
        {"dose_amount": "9000.000", "dose_unit": "mcg"},
        {"number": 12},
        {"planned_at": "2016-02-01T09:00:00Z"},
        {"ended_at": "2026-02-02T09:11:00Z"},
    ],
)
def test_an_implausible_value_is_kept_once_confirmed(machine, course, odd):
    doubtful = held_session(course.pk, **odd)
    reply = machine.post("sessions/", doubtful)
    assert reply.status_code == 400
    assert reply.json()["error"]["code"] == "implausible"
    assert list(reply.json()["error"]["fields"]) == [next(iter(odd))]
    kept = machine.post("sessions/", doubtful | {"is_confirmed": True})
    assert kept.status_code == 201
    assert {name: kept.json()[name] for name in odd} == odd


def test_a_number_is_taken_once_in_a_course(machine, course):
    reply = machine.post("sessions/", planned_session(course.pk, number=1))
    assert reply.status_code == 400
    message = reply.json()["error"]["message"]
    assert message == "The course has a session with this number already."


def test_a_session_does_not_end_before_it_starts(machine, course):
    body = held_session(course.pk, ended_at="2026-02-01T08:00:00Z")
    reply = machine.post("sessions/", body)
    assert reply.status_code == 400
    assert reply.json()["error"]["message"] == "The session ends before it starts."


def test_an_edit_changes_only_what_it_names_and_keeps_the_reason(machine, session):
    reply = machine.patch(f"sessions/{session.pk}/", {"drug": "Ketamine", "reason": "Left out."})
    assert reply.status_code == 200
    body = reply.json()
    assert (body["drug"], body["edit_reason"]) == ("Ketamine", "Left out.")
    assert body["edited_by"] == "Record system"
    assert body["number"] == 1
    event = AuditEvent.objects.get(action="session.edited")
    assert event.reason == "Left out."
    assert event.data["changed"]["drug"] == ["", "Ketamine"]
    assert event.actor_kind == "token"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"drug": "Ketamine"}, "reason"),
        ({"drug": "Ketamine", "reason": "  "}, "reason"),
        ({"drug": "Ketamine", "reason": "x" * 201}, "reason"),
        ({"course": "00000000-0000-7000-8000-000000000000", "reason": "Wrong one."}, "course"),
        ({"planned_at": None, "reason": "Unknown."}, "planned_at"),
    ],
)
def test_a_bad_edit_is_named_and_changes_nothing(machine, session, body, field):
    before = TreatmentSession.objects.values().get(pk=session.pk)
    reply = machine.patch(f"sessions/{session.pk}/", body)
    assert reply.status_code == 400
    assert list(reply.json()["error"]["fields"]) == [field]
    assert TreatmentSession.objects.values().get(pk=session.pk) == before


def test_an_edit_of_nothing_is_refused(machine, session):
    reply = machine.patch(f"sessions/{session.pk}/", {"reason": "None."})
    assert reply.status_code == 400
    assert reply.json()["error"]["message"] == "Name at least one field to change."


def test_an_edit_to_what_stands_there_writes_nothing(machine, session):
    before = AuditEvent.objects.filter(action="session.edited").count()
    reply = machine.patch(f"sessions/{session.pk}/", {"number": 1, "reason": "Again."})
    assert (reply.status_code, reply.json()["edited_at"]) == (200, None)
    assert AuditEvent.objects.filter(action="session.edited").count() == before


def test_a_moved_session_takes_along_what_hangs_on_it(machine, session):
    anchored = Assignment.objects.filter(anchor_session=session).order_by("due_at")
    before = anchored.values_list("due_at", flat=True)[0]
    later = session.planned_at + timedelta(days=1)
    body = {"planned_at": later.isoformat(), "reason": "Patient asked."}
    reply = machine.post(f"sessions/{session.pk}/move/", body)
    assert reply.status_code == 200
    assert datetime.fromisoformat(reply.json()["planned_at"]) == later
    assert anchored.values_list("due_at", flat=True)[0] == before + timedelta(days=1)


def test_a_cancelled_session_withdraws_what_hung_on_it(machine, session):
    reply = machine.post(f"sessions/{session.pk}/cancel/", {"reason": "Patient is ill."})
    assert reply.status_code == 200
    assert (reply.json()["status"], reply.json()["status_reason"]) == (
        "cancelled",
        "Patient is ill.",
    )
    assert not Assignment.objects.planned().filter(anchor_session=session).exists()


def test_a_patient_who_did_not_come_is_recorded_as_such(machine, session):
    body = {"reason": "Did not come.", "status": "no_show"}
    assert machine.post(f"sessions/{session.pk}/cancel/", body).json()["status"] == "no_show"


def test_a_session_is_not_cancelled_into_one_that_was_held(machine, session):
    reply = machine.post(f"sessions/{session.pk}/cancel/", {"reason": "No.", "status": "done"})
    assert reply.status_code == 400
    session.refresh_from_db()
    assert session.status == SessionStatus.PLANNED


def test_a_held_session_cannot_be_cancelled(machine, course):
    held = machine.post("sessions/", held_session(course.pk)).json()
    reply = machine.post(f"sessions/{held['id']}/cancel/", {"reason": "Wrong."})
    assert reply.status_code == 400
    assert list(reply.json()["error"]["fields"]) == ["status"]


@pytest.mark.parametrize("status", ["done", "cancelled"])
def test_only_a_planned_session_is_moved(machine, course, status):
    made = machine.post("sessions/", held_session(course.pk, status=status)).json()
    body = {"planned_at": "2026-03-01T09:00:00Z", "reason": "Wrong."}
    reply = machine.post(f"sessions/{made['id']}/move/", body)
    assert reply.status_code == 400
    (sentence,) = reply.json()["error"]["fields"]["status"]
    assert sentence.startswith("Only a planned session can be moved")
    assert machine.get(f"sessions/{made['id']}/").json()["planned_at"] == made["planned_at"]


@pytest.mark.parametrize("way", ["move", "cancel"])
def test_moving_and_cancelling_need_a_reason(machine, session, way):
    body = {"planned_at": "2026-03-01T09:00:00Z"} if way == "move" else {}
    reply = machine.post(f"sessions/{session.pk}/{way}/", body)
    assert reply.status_code == 400
    assert list(reply.json()["error"]["fields"]) == ["reason"]


def test_sessions_are_listed_by_course_patient_and_change(machine, course, patient, session, clock):
    elsewhere = make_enrolment(course.clinic, session.episode.clinicians.get(), "Other")

    def listed(**query):
        return {row["id"] for row in machine.get("sessions/", **query).json()["results"]}

    own = {str(key) for key in course.sessions.values_list("pk", flat=True)}
    assert listed(course=course.pk) == listed(patient=patient.pk) == own
    assert len(listed()) == len(own) + elsewhere.course.sessions.count()
    clock.shift(timedelta(hours=1))
    machine.patch(f"sessions/{session.pk}/", {"drug": "Ketamine", "reason": "Left out."})
    since = datetime(2026, 2, 2, 9, 30, tzinfo=UTC)
    assert listed(updated_since=since.isoformat()) == {str(session.pk)}
