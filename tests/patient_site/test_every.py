"""All questions on one page, for whoever wants them so."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from outcomes import workflows
from outcomes.alerts.models import Alert
from outcomes.audit.models import AuditEvent
from outcomes.care.models import Patient
from outcomes.responses.models import QuestionnaireResponse
from tests.conftest import NOW
from tests.patient_site.conftest import BIRTH_DATE, Phone
from tests.screener import give_screener

PAGE = "/answer/all/"


@pytest.fixture
def whole(inside: Phone) -> Phone:
    """The phone of a patient who wants everything on one page."""
    Patient.objects.update(wants_one_page=True)
    return inside


def send(phone: Phone, answers: dict[int, int], action: str = "next", **revisions: int):
    """Send the page with these answers, by the question's number."""
    sitting = phone.sitting
    data: dict[str, object] = {"action": action}
    for section in sitting.sections:
        code = section.first.assignment.instrument.code
        seen = revisions.get(code.replace("-", ""), section.first.revision)
        data[section.revision_name] = seen
    for number, value in answers.items():
        step = sitting.step(number)
        assert step is not None
        data[step.key] = value
    return phone.client.post(PAGE, data)


def stored(code: str) -> dict[str, int | None]:
    response = QuestionnaireResponse.objects.filter(assignment__instrument__code=code).first()
    return response.answers if response else {}


def every(value: int) -> dict[int, int]:
    """Answer all eighteen alike."""
    return dict.fromkeys(range(1, 19), value)


# -- The choice ----------------------------------------------------------------------------------


def test_the_first_page_offers_it(phone):
    page = phone.client.get(phone.path).content.decode()
    assert 'name="on_one_page" id="on_one_page">' in page
    phone.client.post(phone.path, {**BIRTH_DATE, "chooses": "1", "on_one_page": "on"})
    assert phone.client.get("/answer/").headers["Location"] == PAGE
    assert 'id="on_one_page" checked>' in phone.client.get(phone.path).content.decode()
    phone.client.post(phone.path, {**BIRTH_DATE, "chooses": "1"})
    assert phone.client.get("/answer/").headers["Location"] == "/answer/1/"


def test_a_wrong_date_chooses_nothing(phone):
    data = {"day": "1", "month": "1", "year": "1970", "chooses": "1", "on_one_page": "on"}
    page = phone.client.post(phone.path, data).content.decode()
    assert 'id="on_one_page" checked>' in page
    assert not Patient.objects.filter(wants_one_page=True).exists()


def test_each_question_leads_to_it_and_keeps_what_was_chosen(inside):
    key = inside.sitting.step(2).key
    assert inside.send(2, 1, action="all").headers["Location"] == f"{PAGE}#{key}"
    assert f'id="{key}"' in inside.client.get(PAGE).content.decode()
    assert stored("PHQ-9") == {"2": 1}
    assert Patient.objects.filter(wants_one_page=True).count() == 1
    event = AuditEvent.objects.filter(action="patient.changed").latest("number")
    assert (event.actor_kind, event.data) == ("patient", {"fields": ["wants_one_page"]})


def test_it_leads_back_to_one_question_at_a_time_and_keeps_what_was_chosen(whole):
    assert send(whole, {1: 2, 3: 1}, action="one").headers["Location"] == "/answer/"
    assert stored("PHQ-9") == {"1": 2, "3": 1}
    assert whole.client.get("/answer/").headers["Location"] == "/answer/2/"


# -- The page ------------------------------------------------------------------------------------


def test_it_asks_everything_word_for_word(whole):
    page = whole.client.get(PAGE).content.decode()
    assert "<h1>18 questions</h1>" in page
    assert page.count("<fieldset") == 18
    assert page.count("have you been bothered by") == 2  # once above each questionnaire
    ids = re.findall(r'\sid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    for value in re.findall(r'\saria-(?:labelledby|describedby)="([^"]+)"', page):
        assert value in ids
    whole.send(9, 1)
    page = whole.client.get(PAGE).content.decode()
    assert len(re.findall(r'value="1" checked', page)) == 1


def test_the_crisis_text_stands_right_under_its_question(whole):
    question = 'data-item="9"'
    page = whole.client.get(PAGE).content.decode()
    panel = page[page.index('<section class="crisis"') :]
    assert "hidden" in panel[: panel.index(">")]
    assert page.count('<section class="crisis"') == 1
    assert page.index(question) < page.index('<section class="crisis"') < page.index('item="10"')
    whole.send(9, 1)
    page = whole.client.get(PAGE).content.decode()
    panel = page[page.index('<section class="crisis"') :]
    assert "hidden" not in panel[: panel.index(">")]


def test_a_positive_answer_leads_to_the_screener_on_the_same_page(whole, clinic):
    give_screener(clinic, NOW)
    reply = send(whole, {**every(0), 9: 1})
    assert reply.headers["Location"] == "/answer/all/after/?missing=1"
    assert f'href="{PAGE}?missing=1"' in whole.follow(reply).content.decode()
    page = whole.client.get(f"{PAGE}?missing=1").content.decode()
    assert "3 questions have no answer yet" in page
    assert "21. Question 6" in page
    reply = send(whole, {19: 0, 20: 0, 21: 0})
    assert reply.headers["Location"] == "/answer/all/after/"
    assert 'href="/answer/review/"' in whole.follow(reply).content.decode()


def test_everything_answered_leads_to_the_review(whole):
    reply = send(whole, every(0))
    assert reply.headers["Location"] == "/answer/all/after/"
    assert whole.follow(reply).headers["Location"] == "/answer/review/"
    assert stored("PHQ-9") == {str(item): 0 for item in range(1, 11)}
    assert stored("GAD-7") == {str(item): 0 for item in range(1, 9)}
    assert whole.client.get("/answer/").headers["Location"] == "/answer/review/"


def test_the_review_leads_back_to_it_where_it_was_chosen(whole):
    back = b'href="/answer/all/">Back to all questions'
    send(whole, every(0))
    assert back in whole.client.get("/answer/review/").content
    Patient.objects.update(wants_one_page=False)
    assert back not in whole.client.get("/answer/review/").content


def test_a_positive_answer_shows_the_crisis_text_before_the_review_and_alerts(whole):
    page = whole.follow(send(whole, {**every(0), 9: 2})).content
    assert b"please get help now" in page
    assert b'href="/answer/review/"' in page
    assert Alert.objects.count() == 1


def test_what_is_missing_is_named_and_the_rest_is_kept(whole):
    answers = every(1)
    del answers[4], answers[10], answers[12]
    answers[9] = 0
    reply = whole.follow(send(whole, answers))
    assert reply.headers["Location"] == f"{PAGE}?missing=1"
    page = whole.follow(reply).content.decode()
    assert "<title>Error:" in page
    assert "2 questions have no answer yet" in page
    for number in (4, 12):
        assert f'<a href="#{whole.sitting.step(number).key}-0">Question {number}</a>' in page
    # What may be left open is no fault.
    assert stored("PHQ-9")["10"] is None
    assert "4" not in stored("PHQ-9")


def test_a_positive_answer_shows_the_crisis_text_before_what_is_missing(whole):
    reply = send(whole, {9: 1})
    assert reply.headers["Location"] == "/answer/all/after/?missing=1"
    page = whole.follow(reply).content.decode()
    assert "please get help now" in page
    assert f'href="{PAGE}?missing=1"' in page
    # One address, whatever was answered.
    reply = send(whole, {9: 0})
    assert reply.headers["Location"] == "/answer/all/after/?missing=1"
    assert whole.follow(reply).headers["Location"] == f"{PAGE}?missing=1"


def test_what_is_missing_may_be_left_open(whole):
    answers = every(0)
    del answers[4]
    send(whole, answers)
    assert send(whole, answers, action="skip").headers["Location"] == "/answer/all/after/"
    assert stored("PHQ-9")["4"] is None
    assert "Error" not in whole.client.get(f"{PAGE}?missing=1").content.decode()


def test_an_older_page_overwrites_nothing_newer(whole):
    whole.send(1, 3)
    reply = send(whole, {1: 0, 9: 1, 12: 2}, PHQ9=0)
    assert reply.status_code == 409
    page = reply.content.decode()
    assert page.count("Chosen here, and not kept:") == 1
    assert f'href="{PAGE}#{whole.sitting.step(1).key}">Continue' in page
    # What met no other answer is kept, whatever became of the rest.
    assert stored("PHQ-9") == {"1": 3, "9": 1, "10": None}
    assert stored("GAD-7")["2"] == 2
    assert "please get help now" in page
    assert send(whole, {1: 3, 2: 1}, PHQ9=0).status_code == 302
    assert stored("PHQ-9")["2"] == 1


@pytest.mark.parametrize("data", [{}, {"action": "delete"}])
def test_what_no_page_sends_is_refused(whole, data):
    reply = whole.client.post(PAGE, data)
    assert reply.status_code == 400
    assert b"That answer did not arrive well" in reply.content


def test_a_value_that_is_none_of_the_answers_is_refused(whole):
    assert send(whole, {1: 9}).status_code == 400
    assert stored("PHQ-9") == {}


def test_a_skipped_question_is_not_asked_for_again(whole):
    whole.send(1, action="skip")
    answers = every(0)
    del answers[1]
    assert send(whole, answers).headers["Location"] == "/answer/all/after/"


def test_a_tablet_asks_one_question_at_a_time(whole, patient, clinician):
    made = workflows.hand_over_tablet(patient=patient, by=clinician.actor, now=NOW)
    tablet = Client()
    tablet.post("/tablet/", {"code": made.code})
    tablet.post("/tablet/start/", BIRTH_DATE)
    assert tablet.get("/answer/").headers["Location"] == "/answer/1/"
    assert b"Show all on one page" not in tablet.get("/answer/1/").content
    assert tablet.get(PAGE).headers["Location"] == "/answer/"
