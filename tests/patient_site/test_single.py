"""A mood check of one question: opened, tapped, sent."""

from __future__ import annotations

import pytest
from django.test import Client

from outcomes.alerts.models import Alert
from outcomes.delivery import services as delivery
from outcomes.delivery import sitting as tickets
from outcomes.delivery.models import Link
from outcomes.responses.models import QuestionnaireResponse, ResponseStatus, Score
from outcomes.scheduling.models import Assignment
from tests.chance import without_chance
from tests.patient_site.conftest import BIRTH_DATE, Phone
from tests.patient_site.test_every_instrument import ask

SITTING = "0b8f6f0e-8c67-4b3f-8a0d-000000000000"


@pytest.fixture
def mood(enrolment) -> Phone:
    """The phone of a patient who is asked how the mood is."""
    ask(enrolment, "MOOD-1")
    return Phone(Client(), Link.objects.get())


def test_the_first_page_offers_no_other_way_to_be_asked(mood):
    page = mood.client.get(mood.path).content
    assert b"Show all questions on one page" not in page
    assert b"Remember this phone" in page


def test_a_remembered_phone_opens_the_question_and_one_button_sends_it(mood):
    mood.client.post(mood.path, {**BIRTH_DATE, "remembers": "on"})
    del mood.client.cookies[tickets.COOKIE]
    page = mood.client.get(mood.path, follow=True)
    assert page.redirect_chain[-1][0] == "/answer/1/?arrived=1"
    html = page.content.decode()
    assert ">Send</button>" in html
    assert 'class="option-list is-scale"' in html
    for word in ("Question 1", "Next", "Skip this", "Back", "one page", "data-onward"):
        assert word not in without_chance(html), word
    reply = mood.send(1, 5, action="send", sitting_id=SITTING)
    assert reply.headers["Location"] == "/answer/thanks/"
    assert Score.objects.get().value == 5
    assert mood.client.get("/answer/thanks/").status_code == 200


def test_what_the_script_saved_is_sent_though_the_page_had_seen_less(mood):
    mood.let_in()
    mood.answer_all(5)
    reply = mood.send(1, 5, action="send", sitting_id=SITTING, revision=0)
    assert reply.headers["Location"] == "/answer/thanks/"
    assert QuestionnaireResponse.objects.get().status == ResponseStatus.FINAL


def test_another_answer_from_another_window_is_not_overwritten(mood):
    mood.let_in()
    mood.answer_all(5)
    reply = mood.send(1, 7, action="send", sitting_id=SITTING, revision=0)
    assert reply.status_code == 409
    assert QuestionnaireResponse.objects.get().answers == {"1": 5}


def test_two_presses_send_once_and_thank_twice(mood):
    mood.let_in()
    data = {"action": "send", "sitting_id": SITTING}
    ticket = mood.client.cookies[tickets.COOKIE].value
    again = Phone(Client(), mood.link)
    step = mood.sitting.step(1)
    assert mood.send(1, 5, **data).headers["Location"] == "/answer/thanks/"
    again.client.cookies[tickets.COOKIE] = ticket
    body = {"assignment": step.assignment.pk, "item": "1", "revision": 0, "value": 5, **data}
    assert again.client.post("/answer/1/", body).headers["Location"] == "/answer/thanks/"
    assert Score.objects.count() == 1


def test_nothing_chosen_is_asked_for_and_nothing_sent(mood):
    mood.let_in()
    page = mood.follow(mood.send(1, action="send", sitting_id=SITTING)).content
    assert b"Choose an answer." in page
    assert not Score.objects.exists()


def test_without_its_number_the_answer_is_kept_and_shown_for_sending(mood):
    mood.let_in()
    assert mood.send(1, 5, action="send").headers["Location"] == "/answer/review/"
    assert not Score.objects.exists()
    assert mood.client.get("/answer/").headers["Location"] == "/answer/1/"


def test_one_question_of_two_questionnaires_is_not_sent_alone(inside):
    inside.send(1, 2, action="send", sitting_id=SITTING)
    assert not Score.objects.exists()
    assert not Alert.objects.exists()
    assert delivery.is_live(inside.link, inside.link.created_at)
    assert Assignment.objects.filter(state="started").count() == 1
