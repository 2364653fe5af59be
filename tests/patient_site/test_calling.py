"""The patient asks to be called: in the questions, after them, with a script or without."""

from __future__ import annotations

import re
from datetime import timedelta

from django.test import Client

from outcomes import workflows
from outcomes.alerts.models import Alert, AlertState, CallRequest
from outcomes.delivery.models import Invitation, Link
from tests.conftest import NOW

CALL = "/answer/call/"


def text_of(reply) -> str:
    return reply.content.decode()


def test_the_crisis_panel_offers_it_beside_the_alert(inside):
    inside.send(9, 1)
    assert 'form="call-me"' in text_of(inside.client.get("/answer/9/after/"))
    assert 'form="call-me"' in text_of(inside.client.get("/answer/9/"))
    assert 'form="call-me"' not in text_of(inside.client.get("/answer/8/"))

    page = text_of(inside.follow(inside.client.post(CALL)))

    assert "Your clinic can see that you would like a call" in page
    assert "If you are in danger, call" in page
    assert 'href="/answer/"' in page
    assert CallRequest.objects.get().asked_at == NOW
    assert Alert.objects.get().state == AlertState.PROVISIONAL


def test_the_page_with_all_questions_offers_it_too(inside):
    page = text_of(inside.client.get("/answer/all/"))
    assert page.count('form="call-me"') == 1
    assert page.count('id="call-me"') == 1


def test_the_thanks_page_offers_it_once(inside):
    inside.answer_all(0)
    inside.submit()
    assert "Please call me" in text_of(inside.client.get("/answer/thanks/"))

    page = text_of(inside.follow(inside.client.post(CALL)))
    assert 'href="/answer/thanks/"' in page
    page = text_of(inside.client.get("/answer/thanks/"))
    assert "Your clinic can see that you would like a call" in page
    assert 'form="call-me"' not in page
    inside.client.post(CALL)
    assert CallRequest.objects.count() == 1


def test_opening_the_address_asks_nothing(inside):
    assert inside.client.get(CALL)["Location"] == "/answer/"
    assert not CallRequest.objects.exists()


def test_only_who_answers_may_ask(phone, clock):
    assert "what you just sent was not kept" in text_of(Client().post(CALL))
    phone.let_in()
    Link.objects.filter(pk=phone.link.pk).update(revoked_at=NOW)
    assert "what you just sent was not kept" in text_of(phone.client.post(CALL))
    Link.objects.filter(pk=phone.link.pk).update(revoked_at=None)
    clock.shift(timedelta(hours=3))
    assert "what you just sent was not kept" in text_of(phone.client.post(CALL))
    assert not CallRequest.objects.exists()


def test_another_patients_page_on_the_same_phone_asks_for_nobody(inside, other_enrolment):
    asked = re.search(r'name="invitation" value="(\w+)"', text_of(inside.client.get("/answer/9/")))
    assert asked
    assert asked[1] == inside.link.invitation_id.hex
    workflows.invite_due(now=NOW)
    theirs = Invitation.objects.get(patient=other_enrolment.patient).pk.hex
    reply = inside.client.post(CALL, {"invitation": theirs})
    assert reply.status_code == 409
    assert "Another link was opened on this phone" in text_of(reply)
    assert not CallRequest.objects.exists()
    assert inside.client.post(CALL, {"invitation": asked[1]})["Location"] == CALL
    assert CallRequest.objects.get().invitation_id == inside.link.invitation_id


def test_every_page_that_offers_it_says_whose_it_is(inside):
    inside.send(9, 1)
    pages = ["/answer/9/", "/answer/9/after/", "/answer/all/", "/answer/all/after/"]
    inside.answer_all(1)
    for address in pages:
        assert 'name="invitation"' in text_of(inside.client.get(address)), address
    inside.submit()
    assert 'name="invitation"' in text_of(inside.client.get("/answer/thanks/"))


def test_it_needs_the_forms_own_token(phone):
    phone.let_in()
    client = Client(enforce_csrf_checks=True)
    client.cookies = phone.client.cookies
    assert client.post(CALL).status_code == 403
    assert not CallRequest.objects.exists()
