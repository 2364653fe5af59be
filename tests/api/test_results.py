"""Assignments, responses, scores, alerts, and the library."""

from __future__ import annotations

from datetime import timedelta

import pytest

from outcomes import workflows
from outcomes.alerts import services as alerts
from outcomes.alerts.models import Alert, AlertOutcome
from outcomes.instruments.models import InstrumentVersion
from outcomes.scheduling.models import Assignment
from tests.api.conftest import answerable, submit
from tests.conftest import make_enrolment


def listed(machine, kind, **query):
    return machine.get(f"{kind}/", **query).json()["results"]


@pytest.fixture
def submission(assignment, now):
    """Robin's PHQ-9, with a positive ninth answer."""
    return submit(assignment, now, ninth=1)


class TestAssignments:
    def test_one_says_what_is_asked_and_when(self, machine, assignment, patient):
        body = machine.get(f"assignments/{assignment.pk}/").json()
        assert (body["instrument"], body["state"]) == ("PHQ-9", "planned")
        assert body["patient"] == str(patient.pk)
        assert body["opens_at"] <= body["due_at"] <= body["closes_at"]

    def test_they_are_narrowed_by_patient_and_state(self, machine, submission, clinic, clinician):
        other = make_enrolment(clinic, clinician, "Other").patient
        own = listed(machine, "assignments", patient=other.pk)
        assert {row["patient"] for row in own} == {str(other.pk)}
        [answered] = listed(machine, "assignments", state="completed")
        assert answered["id"] == str(submission.response.assignment_id)

    def test_they_are_narrowed_by_when_they_are_due(self, machine, assignment, now):
        bounds = {
            "due_from": assignment.due_at.isoformat(),
            "due_until": assignment.due_at.isoformat(),
        }
        due = listed(machine, "assignments", **bounds)
        expected = Assignment.objects.filter(due_at=assignment.due_at)
        assert {row["id"] for row in due} == {str(row.pk) for row in expected}

    @pytest.mark.parametrize(
        "query", [{"state": "lost"}, {"patient": "Robin"}, {"due_from": "2026-02-02"}]
    )
    def test_a_filter_it_cannot_read_is_refused_by_name(self, machine, query):
        reply = machine.get("assignments/", **query)
        assert reply.status_code == 400
        assert list(reply.json()["error"]["fields"]) == list(query)


def totals(machine, **filters):
    """Return the scores listed that are a number, not a word."""
    return [row for row in listed(machine, "scores", **filters) if row["scale"] == "total"]


class TestResponses:
    def test_one_has_its_answers_and_says_how_they_came(self, machine, submission):
        body = machine.get(f"responses/{submission.response.pk}/").json()
        assert body["answers"] == {**{str(item): 2 for item in range(1, 9)}, "9": 1, "10": None}
        assert (body["instrument"], body["status"], body["mode"]) == ("PHQ-9", "final", "link")
        assert body["content_hash"] == submission.response.content_hash

    def test_a_correction_leaves_the_first_readable(self, machine, submission, clinician, now):
        corrected = workflows.correct_response(
            response=submission.response,
            answers=dict.fromkeys(map(str, range(1, 10)), 1),
            reason="Read out wrongly.",
            by=clinician.actor,
            now=now,
        ).response
        first = machine.get(f"responses/{submission.response.pk}/").json()
        second = machine.get(f"responses/{corrected.pk}/").json()
        assert (first["status"], second["status"]) == ("corrected", "final")
        assert second["corrects"] == first["id"]
        assert second["correction_reason"] == "Read out wrongly."
        [score] = totals(machine)
        assert (score["response"], score["value"]) == (second["id"], 9.0)
        assert [row["id"] for row in listed(machine, "responses", status="final")] == [second["id"]]


class TestScores:
    def test_one_has_its_value_band_and_scoring_version(self, machine, submission, patient):
        [score] = totals(machine)
        assert (score["instrument_code"], score["scale"], score["value"]) == ("PHQ-9", "total", 17)
        assert score["band"]
        assert score["is_prorated"] is False
        assert score["response"] == str(submission.response.pk)
        assert score == machine.get(f"scores/{score['id']}/").json()

    def test_they_are_narrowed_by_patient_instrument_and_time(
        self, machine, submission, clinic, clinician, now
    ):
        other = make_enrolment(clinic, clinician, "Other")
        submit(answerable(other, now), now + timedelta(hours=2))
        [own] = totals(machine, patient=submission.response.patient_id)
        assert own["response"] == str(submission.response.pk)
        [late] = totals(machine, since=(now + timedelta(hours=1)).isoformat())
        assert late["patient"] == str(other.patient.pk)
        assert len(totals(machine, instrument="PHQ-9")) == 2
        assert listed(machine, "scores", instrument="GAD-7") == []

    def test_a_score_that_cannot_be_given_says_why(self, machine, assignment, clinician, now):
        workflows.submit_response(
            assignment_id=assignment.pk,
            answers={"1": 2},
            submission_id="mostly empty",
            language="en",
            mode="staff",
            by=clinician.actor,
            now=now,
        )
        [score] = totals(machine)
        assert score["value"] is None
        assert "unanswered" in score["missing_reason"]


class TestAlerts:
    def test_one_says_what_needs_a_person(self, machine, submission):
        [alert] = listed(machine, "alerts", state="open")
        assert (alert["instrument"], alert["item"], alert["value"]) == ("PHQ-9", "9", 1)
        assert alert["response"] == str(submission.response.pk)
        assert alert["acknowledged_by"] is None
        assert alert == machine.get(f"alerts/{alert['id']}/").json()

    def test_one_says_who_took_it(self, machine, submission, clinician, now):
        alerts.acknowledge(
            alert=submission.alerts[0],
            user=clinician,
            outcome=AlertOutcome.SPOKE_SAFE,
            note="She is safe and was glad of the call.",
            now=now,
        )
        assert listed(machine, "alerts", state="open") == []
        reply = machine.get("alerts/", state="resolved")
        [alert] = reply.json()["results"]
        assert (alert["acknowledged_by"], alert["outcome"]) == (clinician.email, "spoke_safe")
        assert "glad" not in reply.content.decode()

    def test_one_without_a_rule_has_no_item(self, machine, submission, now):
        Alert.objects.update(rule=None, reason="rule_error", value=None)
        [alert] = listed(machine, "alerts")
        assert (alert["instrument"], alert["item"], alert["value"]) == (None, None, None)

    def test_a_machine_cannot_acknowledge(self, machine, submission):
        address = f"alerts/{submission.alerts[0].pk}/"
        assert machine.patch(address, {"state": "resolved"}).status_code == 405
        assert machine.post(address, {}).status_code == 405


class TestLibrary:
    def test_instruments_are_listed_in_their_current_version(self, machine):
        rows = listed(machine, "instruments")
        assert len(rows) == InstrumentVersion.objects.shipped().count()
        assert {"PHQ-9", "GAD-7"} <= {row["code"] for row in rows if row["is_sendable"]}

    def test_one_has_its_items_and_published_scoring(self, machine):
        body = machine.get("instruments/PHQ-9/").json()
        assert body["content"]["code"] == "PHQ-9"
        assert machine.get("instruments/PHQ-99/").status_code == 404

    def test_schedules_have_their_rules(self, machine):
        rows = listed(machine, "schedules")
        [shipped] = [row for row in rows if row["code"] == "phq9-gad7-only"]
        assert shipped["is_own"] is False
        assert shipped["rules"][0]["instruments"]
        assert shipped == machine.get(f"schedules/{shipped['id']}/").json()
