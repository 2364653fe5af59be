"""A patient answers: each tap is saved, the whole is sent once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import uuid4

import pytest
from django.core.cache import cache
from django.core.cache.backends.locmem import LocMemCache
from django.db import connection, connections
from django.test import Client

from outcomes import workflows
from outcomes.alerts.models import Alert, AlertState
from outcomes.audit.models import Actor, AuditEvent
from outcomes.delivery import services as delivery
from outcomes.delivery import sitting
from outcomes.responses.models import QuestionnaireResponse, Score
from outcomes.scheduling.models import Assignment, AssignmentState
from tests.api.conftest import Phone, open_link

ALL_TWO = {str(item): 2 for item in range(1, 10)}


def whole(**changes):
    return {"answers": ALL_TWO, "submission_id": str(uuid4()), "language": "en"} | changes


def stored(assignment):
    return QuestionnaireResponse.objects.get(assignment=assignment)


class TestAutosave:
    def test_an_answer_is_stored_and_the_reply_says_so(self, phone, assignment, now):
        reply = phone.save(assignment.pk, {"answers": {"1": 2}, "revision": None})
        assert reply.status_code == 200
        assert reply.json() == {"revision": 1, "saved": ["1"], "safety": False}
        response = stored(assignment)
        assert (response.answers, response.mode, response.language) == ({"1": 2}, "link", "en")
        assert response.answered_at == {"1": now.isoformat()}
        assignment.refresh_from_db()
        assert assignment.state == AssignmentState.STARTED

    def test_answers_add_up_and_null_takes_one_back(self, phone, assignment):
        first = phone.save(assignment.pk, {"answers": {"1": 2, "2": 3}, "revision": 0}).json()
        second = phone.save(
            assignment.pk, {"answers": {"2": None}, "revision": first["revision"]}
        ).json()
        assert second == {"revision": 2, "saved": ["2"], "safety": False}
        assert stored(assignment).answers == {"1": 2, "2": None}

    def test_a_positive_safety_answer_is_said_at_once_and_held_ready(self, phone, assignment):
        assert phone.save(assignment.pk, {"answers": {"9": 1}}).json()["safety"] is True
        assert Alert.objects.get().state == AlertState.PROVISIONAL
        later = phone.save(assignment.pk, {"answers": {"1": 0}, "revision": 1}).json()
        assert later["safety"] is True
        back = phone.save(assignment.pk, {"answers": {"9": 0}, "revision": 2}).json()
        assert back["safety"] is False

    def test_an_older_revision_is_a_conflict_that_names_the_newest(self, phone, assignment):
        phone.save(assignment.pk, {"answers": {"1": 2}, "revision": 0})
        phone.save(assignment.pk, {"answers": {"1": 3}, "revision": 1})
        reply = phone.save(assignment.pk, {"answers": {"1": 0}, "revision": 1})
        assert reply.status_code == 409
        error = reply.json()["error"]
        assert (error["code"], error["revision"]) == ("stale_revision", 2)
        assert error["stored"] == {"1": 3}
        assert stored(assignment).answers == {"1": 3}

    def test_a_save_gives_an_ageing_ticket_anew(self, phone, assignment, clock, now):
        assert not phone.save(assignment.pk, {"answers": {"1": 2}}).cookies
        for hours in (2, 4):
            clock.move_to(now + timedelta(hours=hours))
            reply = phone.save(assignment.pk, {"answers": {"2": 2}})
            assert reply.status_code == 200
            assert reply.cookies[sitting.COOKIE]["httponly"]

    def test_the_same_again_after_a_lost_reply_is_no_conflict(self, phone, assignment):
        body = {"answers": {"1": 2}, "revision": 0}
        first = phone.save(assignment.pk, body)
        again = phone.save(assignment.pk, body)
        assert (again.status_code, again.content) == (200, first.content)
        assert stored(assignment).revision == 1

    @pytest.mark.parametrize("answer", [4, -1, True, 1.0, "1", [1], {"a": 1}])
    def test_an_answer_the_item_does_not_take_is_named(self, phone, assignment, answer):
        body = {"answers": {"1": 2, "3": answer}, "revision": None}
        reply = phone.save(assignment.pk, body)
        assert reply.status_code == 400
        error = reply.json()["error"]
        assert error["code"] == "invalid_answer"
        assert list(error["fields"]) == ["answers.3"]
        assert not QuestionnaireResponse.objects.exists()
        assignment.refresh_from_db()
        assert assignment.state != AssignmentState.STARTED

    def test_an_item_that_does_not_exist_is_named(self, phone, assignment):
        reply = phone.save(assignment.pk, {"answers": {"11": 1}})
        assert reply.status_code == 400
        assert list(reply.json()["error"]["fields"]) == ["answers.11"]

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({}, "answers"),
            ({"answers": [2]}, "answers"),
            ({"answers": {str(item): 0 for item in range(201)}}, "answers"),
            ({"answers": {"1": 2}, "revision": "new"}, "revision"),
            ({"answers": {"1": 2}, "revision": -1}, "revision"),
            ({"answers": {"1": 2}, "language": "xx"}, "language"),
            ({"answers": {"1": 2}, "score": 27}, "score"),
        ],
    )
    def test_a_body_it_cannot_read_is_refused_by_name(self, phone, assignment, body, field):
        reply = phone.save(assignment.pk, body)
        assert reply.status_code == 400
        assert list(reply.json()["error"]["fields"]) == [field]
        assert not QuestionnaireResponse.objects.exists()

    def test_a_form_that_was_sent_stays_as_it_is(self, phone, assignment):
        phone.submit(assignment.pk, whole())
        reply = phone.save(assignment.pk, {"answers": {"1": 0}})
        assert reply.status_code == 409
        assert reply.json()["error"]["code"] == "already_submitted"
        assert stored(assignment).answers["1"] == 2

    def test_a_further_tap_reads_twice_and_writes_once(
        self, phone, assignment, django_assert_num_queries
    ):
        phone.save(assignment.pk, {"answers": {"1": 2}, "revision": 0, "language": "en"})
        body = {"answers": {"2": 1}, "revision": 1, "language": "en"}
        with django_assert_num_queries(5) as queries:  # two of them bound the savepoint
            assert phone.save(assignment.pk, body).status_code == 200
        kinds = [query["sql"].split()[0] for query in queries.captured_queries]
        assert kinds == ["SELECT", "SAVEPOINT", "SELECT", "UPDATE", "RELEASE"]
        assert stored(assignment).answers == {"1": 2, "2": 1}

    def test_a_cache_that_is_down_costs_no_answer(self, phone, assignment, monkeypatch):
        def fail(*args, **kwargs):
            raise ConnectionError

        monkeypatch.setattr(LocMemCache, "get", fail)
        with pytest.raises(ConnectionError):
            cache.get("anything")
        assert phone.save(assignment.pk, {"answers": {"1": 2}}).status_code == 200
        assert phone.submit(assignment.pk, whole()).status_code == 200


class TestSubmit:
    def test_a_whole_form_is_scored_and_the_reply_does_not_say_what(self, phone, assignment, now):
        reply = phone.submit(assignment.pk, whole())
        assert reply.status_code == 200
        assert reply.json() == {"submitted": True, "submitted_at": "2026-02-02T09:00:00Z"}
        assert Score.objects.get(scale="total").value == 18
        assert Alert.objects.get().state == AlertState.OPEN
        assignment.refresh_from_db()
        assert assignment.state == AssignmentState.COMPLETED
        event = AuditEvent.objects.get(action="response.submitted")
        assert (event.actor_kind, event.actor_id) == ("patient", str(assignment.patient_id))

    def test_the_same_again_gets_the_same_reply(self, phone, assignment, clock):
        body = whole()
        replies = []
        for _ in range(5):
            replies.append(phone.submit(assignment.pk, body))
            clock.shift(timedelta(seconds=10))
        assert {reply.status_code for reply in replies} == {200}
        assert len({reply.content for reply in replies}) == 1
        assert QuestionnaireResponse.objects.count() == 1
        assert Score.objects.filter(scale="total").count() == 1
        assert Alert.objects.count() == 1

    def test_the_same_again_gets_the_same_reply_when_all_is_answered(
        self, phone, link, assignment, now
    ):
        body = whole()
        first = phone.submit(assignment.pk, body)
        gad7 = link.invitation.assignments.get(instrument__code="GAD-7")
        phone.submit(gad7.pk, whole(answers={str(item): 1 for item in range(1, 8)}))
        link.invitation.refresh_from_db()
        assert not delivery.is_live(link, now)
        assert phone.submit(assignment.pk, body).content == first.content

    @pytest.mark.parametrize(
        "changes", [{"answers": ALL_TWO | {"1": 3}}, {"submission_id": str(uuid4())}]
    )
    def test_something_else_is_a_conflict_and_the_first_stays(self, phone, assignment, changes):
        body = whole()
        phone.submit(assignment.pk, body)
        reply = phone.submit(assignment.pk, body | changes)
        assert reply.status_code == 409
        assert reply.json()["error"]["code"] == "already_submitted"
        assert stored(assignment).answers["1"] == 2
        assert stored(assignment).submission_id == body["submission_id"]

    def test_a_submission_number_is_used_once(self, phone, link, assignment):
        body = whole()
        phone.submit(assignment.pk, body)
        gad7 = link.invitation.assignments.get(instrument__code="GAD-7")
        answers = {str(item): 1 for item in range(1, 8)}
        reply = phone.submit(gad7.pk, body | {"answers": answers})
        assert reply.status_code == 409
        assert reply.json()["error"]["code"] == "duplicate"
        assert QuestionnaireResponse.objects.count() == 1

    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"answers": {"1": 9}}, "answers.1"),
            ({"submission_id": "assignment:1"}, "submission_id"),
            ({"language": "Klingon"}, "language"),
            ({"mode": "staff"}, "mode"),
        ],
    )
    def test_a_bad_value_is_named_and_nothing_is_kept(self, phone, assignment, changes, field):
        reply = phone.submit(assignment.pk, whole(**changes))
        assert reply.status_code == 400
        assert list(reply.json()["error"]["fields"]) == [field]
        assert not QuestionnaireResponse.objects.exists()
        assert not Score.objects.exists()

    def test_a_failing_audit_undoes_the_whole_submission(self, phone, assignment, monkeypatch):
        def fail(**event):
            raise RuntimeError("audit is down")

        monkeypatch.setattr("outcomes.audit.services.record", fail)
        assert phone.submit(assignment.pk, whole()).status_code == 500
        assert not QuestionnaireResponse.objects.exists()
        assert not Score.objects.exists()
        assert not Alert.objects.exists()


class TestWhoMay:
    """Only the browser that holds the ticket of a live link, for what that link asks."""

    def test_nobody_without_a_ticket(self, assignment):
        for client in (Client(), Client(headers={"Cookie": "sitting=forged"})):
            reply = client.put(
                f"/api/v1/answering/{assignment.pk}/answers/",
                {"answers": {"1": 2}},
                content_type="application/json",
            )
            assert reply.status_code == 401
            assert reply.json()["error"]["message"] == "Open the link in your message again."

    def test_nobody_with_an_old_ticket(self, phone, assignment, clock):
        clock.shift(timedelta(hours=2, seconds=1))
        assert phone.save(assignment.pk, {"answers": {"1": 2}}).status_code == 401

    def test_no_machine(self, machine, assignment):
        reply = machine.client.put(
            f"/api/v1/answering/{assignment.pk}/answers/",
            {"answers": {"1": 2}},
            content_type="application/json",
        )
        assert reply.status_code == 401

    def test_no_other_patients_form(self, phone, other_assignment, assignment):
        theirs = phone.save(other_assignment.pk, {"answers": {"1": 2}})
        missing = phone.save(uuid4(), {"answers": {"1": 2}})
        assert theirs.status_code == missing.status_code == 404
        assert theirs.content == missing.content
        assert phone.submit(other_assignment.pk, whole()).content == missing.content
        assert not QuestionnaireResponse.objects.exists()

    def test_no_form_of_the_same_patient_that_was_not_asked(self, phone, patient, link):
        asked = link.invitation.assignments.values("pk")
        later = Assignment.objects.filter(patient=patient).exclude(pk__in=asked).first()
        assert phone.save(later.pk, {"answers": {"1": 2}}).status_code == 404

    @pytest.mark.parametrize("end", ["link", "invitation", "time", "assignment"])
    def test_nobody_once_the_link_has_ended(self, phone, link, assignment, end, clock, now):
        phone.save(assignment.pk, {"answers": {"1": 2}})
        if end == "link":
            type(link).objects.update(revoked_at=now)
        elif end == "invitation":
            workflows.decline_invitation(
                invitation=link.invitation, by=Actor("patient", "", ""), now=now
            )
        elif end == "time":
            type(link.invitation).objects.update(closes_at=now)
        else:
            Assignment.objects.filter(pk=assignment.pk).update(state=AssignmentState.EXPIRED)
        assert phone.save(assignment.pk, {"answers": {"1": 3}}).status_code == 404
        assert phone.submit(assignment.pk, whole()).status_code == 404
        assert stored(assignment).answers == {"1": 2}

    def test_no_page_of_another_site(self, link, assignment, now):
        phone = Phone(link, now, enforce_csrf=True)
        for send, body in ((phone.save, {"answers": {"1": 2}}), (phone.submit, whole())):
            reply = send(assignment.pk, body)
            assert reply.status_code == 403
            assert reply.json()["error"]["code"] == "permission_denied"
        assert not QuestionnaireResponse.objects.exists()

    def test_the_page_itself_with_its_csrf_token(self, link, assignment, now):
        phone = Phone(link, now, enforce_csrf=True)
        secret = "a" * 32
        phone.client.cookies["csrftoken"] = secret
        reply = phone.save(assignment.pk, {"answers": {"1": 2}}, **{"X-CSRFToken": secret})
        assert reply.status_code == 200


def test_no_answer_stands_in_the_log(phone, assignment, caplog):
    phone.save(assignment.pk, {"answers": {"1": 2, "9": "very often indeed"}})
    phone.submit(assignment.pk, whole(answers={"1": "very often indeed"}))
    assert "very often" not in caplog.text


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(
    connection.vendor != "postgresql", reason="SQLite in memory has one connection: no threads"
)
class TestAtOnce:
    """What a hundred impatient taps do."""

    @pytest.fixture
    def ask(self, library, enrolment, now):
        """Return a sender of one body per thread, twenty at a time."""
        link = open_link(enrolment, now)
        assignment = link.invitation.assignments.get(instrument__code="PHQ-9")

        def send(body):
            try:
                return Phone(link, now).submit(assignment.pk, body)
            finally:
                connections.close_all()

        def send_all(bodies):
            with ThreadPoolExecutor(20) as pool:
                return list(pool.map(send, bodies))

        return send_all

    def test_a_hundred_identical_submits_store_one_response(self, ask):
        body = whole()
        replies = ask([body] * 100)
        assert {reply.status_code for reply in replies} == {200}
        assert len({reply.content for reply in replies}) == 1
        assert QuestionnaireResponse.objects.count() == 1
        assert Score.objects.filter(scale="total").count() == 1
        assert Alert.objects.count() == 1
        assert AuditEvent.objects.filter(action="response.submitted").count() == 1
        [other] = ask([body | {"answers": ALL_TWO | {"1": 3}}])
        assert other.status_code == 409
        assert QuestionnaireResponse.objects.get().answers["1"] == 2

    def test_of_different_submits_the_first_is_kept(self, ask):
        bodies = [whole(answers=ALL_TWO | {"1": number % 4}) for number in range(40)]
        replies = ask(bodies)
        statuses = sorted(reply.status_code for reply in replies)
        assert statuses == [200] + [409] * 39
        winner = next(
            body for body, reply in zip(bodies, replies, strict=True) if reply.status_code == 200
        )
        kept = QuestionnaireResponse.objects.get()
        assert kept.submission_id == winner["submission_id"]
        assert kept.answers["1"] == winner["answers"]["1"]
