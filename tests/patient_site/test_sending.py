"""The review, sending all at once, and thanks."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.test import Client

from outcomes import workflows
from outcomes.alerts.models import Alert
from outcomes.clinics.models import Clinic
from outcomes.delivery import sitting as tickets
from outcomes.delivery.models import HandOver, Invitation, Message, MessageState
from outcomes.patient_site import guards
from outcomes.responses.models import QuestionnaireResponse, ResponseStatus, Score
from outcomes.scheduling.models import Assignment
from tests.chance import without_chance
from tests.conftest import NOW
from tests.instruments.test_services import add_words
from tests.patient_site.conftest import BIRTH_DATE, Phone
from tests.screener import give_screener

OTHER_SITTING = "0b8f6f0e-8c67-4b3f-8a0d-000000000000"


def text_of(reply) -> str:
    return reply.content.decode()


# -- The review ----------------------------------------------------------------------------------


def test_the_review_shows_every_answer_with_a_way_to_change_it(inside):
    inside.answer_all(2)
    page = text_of(inside.client.get("/answer/review/"))
    assert page.count("More than half the days") == 16
    assert page.count("Very difficult") == 2
    assert page.count("?review=1") == 18
    assert "unanswered" not in page


def test_it_names_what_was_left_open_and_lets_it_be(inside):
    inside.answer_all(0)
    inside.send(4, action="skip")
    page = text_of(inside.client.get("/answer/review/"))
    assert "You left 1 question unanswered. You may leave it." in page
    assert '<a class="button-quiet" href="/answer/4/?review=1">Question 4</a>' in page
    inside.send(5, action="skip")
    page = text_of(inside.client.get("/answer/review/"))
    assert "You left 2 questions unanswered. You may leave them." in page


def test_changing_an_answer_leads_back_to_the_review(inside):
    inside.answer_all(0)
    assert 'name="review" value="1"' in text_of(inside.client.get("/answer/3/?review=1"))
    for action in ("next", "back", "skip"):
        reply = inside.send(3, 1, action=action, review="1")
        assert reply.headers["Location"] == "/answer/review/"


def test_a_positive_answer_changed_in_the_review_shows_the_crisis_text_and_leads_back(inside):
    inside.answer_all(0)
    page = text_of(inside.follow(inside.send(9, 1, review="1")))
    assert "please get help now" in page
    assert 'href="/answer/"' in page
    assert inside.client.get("/answer/")["Location"] == "/answer/review/"


def test_nothing_is_sent_while_nothing_is_answered(inside):
    assert "You have not answered any question yet" in text_of(inside.client.get("/answer/review/"))
    inside.send(1, action="skip")
    assert b"You have not answered any question yet" in inside.follow(inside.submit()).content
    assert not Score.objects.exists()
    assert Invitation.objects.get().completed_at is None


@pytest.mark.parametrize(
    "data", [{}, {"sitting_id": "x", "seen": "1.0"}, {"sitting_id": OTHER_SITTING}]
)
def test_a_review_sent_broken_shows_itself_again(inside, data):
    inside.send(1, 1)
    page = inside.follow(inside.client.post("/answer/review/", data))
    assert b"Look over your answers" in page.content
    assert not Score.objects.exists()


# -- Sending -------------------------------------------------------------------------------------


def test_an_unanswered_question_leaves_no_total_and_says_why(inside):
    inside.answer_all(1)
    inside.send(4, action="skip")
    inside.submit()
    score = Score.objects.get(instrument_code="PHQ-9", scale="total")
    assert score.value is None
    assert "unanswered (4)" in score.missing_reason
    assert Score.objects.get(instrument_code="GAD-7").value == 7


def test_sending_ends_the_invitation_and_its_reminders(inside):
    inside.answer_all(0)
    inside.submit()
    assert Invitation.objects.get().completed_at == NOW
    assert set(Message.objects.values_list("state", flat=True)) == {MessageState.CANCELLED}


def test_sending_twice_stores_once_and_thanks_twice(inside, link):
    inside.answer_all(1)
    ticket = inside.client.cookies[tickets.COOKIE].value
    data = {"sitting_id": OTHER_SITTING, "seen": inside.sitting.seen}
    for _ in range(3):
        again = Client()
        again.cookies[tickets.COOKIE] = ticket
        assert again.post("/answer/review/", data).headers["Location"] == "/answer/thanks/"
        assert again.get("/answer/thanks/").status_code == 200
    assert Score.objects.filter(scale="total").count() == 2
    assert Alert.objects.count() == 1


def test_two_presses_that_overlap_store_once(inside, monkeypatch):
    inside.answer_all(1)
    before = inside.sitting
    data = {"sitting_id": OTHER_SITTING, "seen": before.seen}
    ticket = inside.client.cookies[tickets.COOKIE].value
    assert inside.client.post("/answer/review/", data).status_code == 302
    # The second had read link and answers before the first was stored.
    monkeypatch.setattr(guards.delivery, "is_live", lambda link, now: True)
    monkeypatch.setattr(guards, "build", lambda link, now: before)
    second = Client()
    second.cookies[tickets.COOKIE] = ticket
    assert second.post("/answer/review/", data).headers["Location"] == "/answer/thanks/"
    assert Score.objects.filter(scale="total").count() == 2


def test_a_second_window_with_other_answers_is_told_that_the_first_counts(inside, monkeypatch):
    inside.answer_all(1)
    before = inside.sitting
    inside.send(1, 3)
    inside.submit()
    monkeypatch.setattr(guards.delivery, "is_live", lambda link, now: True)
    monkeypatch.setattr(guards, "build", lambda link, now: before)
    second = Client()
    second.cookies[tickets.COOKIE] = tickets.make_ticket(inside.link, NOW)
    reply = second.post("/answer/review/", {"sitting_id": OTHER_SITTING, "seen": before.seen})
    assert reply.status_code == 409
    assert b"These answers were sent already" in reply.content
    assert Score.objects.get(instrument_code="PHQ-9", scale="total").value == 11


def test_answers_changed_after_the_review_was_read_are_shown_again_first(inside):
    inside.answer_all(1)
    seen = inside.sitting.seen
    inside.send(1, 3)
    data = {"sitting_id": OTHER_SITTING, "seen": seen}
    page = inside.follow(inside.client.post("/answer/review/", data))
    assert b"An answer was changed in another window meanwhile" in page.content
    assert not Score.objects.exists()


def test_a_window_that_reads_nothing_left_to_ask_thanks(inside, monkeypatch):
    inside.answer_all(1)
    ticket = inside.client.cookies[tickets.COOKIE].value
    inside.submit()
    monkeypatch.setattr(guards.delivery, "is_live", lambda link, now: True)
    second = Client()
    second.cookies[tickets.COOKIE] = ticket
    assert second.get("/answer/review/").headers["Location"] == "/answer/thanks/"


def test_only_what_is_still_open_is_sent(inside):
    inside.answer_all(1)
    gad7 = Assignment.objects.get(instrument__code="GAD-7", state="started")
    gad7.state = "expired"
    gad7.save()
    inside.submit()
    assert list(Score.objects.filter(scale="total").values_list("instrument_code", flat=True)) == [
        "PHQ-9"
    ]
    assert Invitation.objects.get().completed_at == NOW
    unfinished = QuestionnaireResponse.objects.get(assignment=gad7)
    assert unfinished.status == ResponseStatus.IN_PROGRESS


# -- Thanks --------------------------------------------------------------------------------------


def sent(phone: Phone, value: int) -> str:
    phone.answer_all(value)
    phone.submit()
    return text_of(phone.client.get("/answer/thanks/"))


def test_thanks_says_who_will_look_and_what_comes_next(inside, clinician):
    page = sent(inside, 0)
    assert "Thank you. Your answers are with your clinic." in page
    assert f"{clinician.name} and the team at North" in page
    assert "Nobody watches answers around the clock" in page
    assert "plans to ask you again around Thursday 12 February" in page
    assert "PHQ" not in without_chance(page)


def test_thanks_shows_the_crisis_text_after_a_positive_answer(inside):
    assert '<section class="crisis"' in sent(inside, 1)


def test_thanks_keeps_a_quiet_way_to_help_otherwise(inside):
    page = sent(inside, 0)
    assert '<section class="crisis"' not in page
    assert "Do you need help now?" in page
    assert "If you are in danger" in page


def test_thanks_without_a_plan_or_a_named_clinician_says_less(inside, enrolment):
    enrolment.episode.clinicians.clear()
    Assignment.objects.filter(state="planned").delete()
    page = sent(inside, 0)
    assert "The team at North, when they are at work." in page
    assert "What comes next" not in page


def test_where_the_clinic_allows_it_thanks_shows_the_totals_so_far_and_says_no_more(inside):
    Clinic.objects.update(shows_trend=True)
    inside.answer_all(1)
    inside.send(11, action="skip")
    inside.submit()
    page = text_of(inside.client.get("/answer/thanks/"))
    totals = re.findall(r'<th scope="row">([^<]+)</th><td>([^<]+)</td>', page)
    assert totals == [("2 Feb 2026", "9 of 27"), ("2 Feb 2026", "no total")]
    assert "Patient Health Questionnaire" in page
    for word in ("mild", "severe", "better", "worse", "response", "Several days"):
        assert word not in page


def test_a_tablet_shows_no_totals(inside, patient, clinician):
    Clinic.objects.update(shows_trend=True)
    made = workflows.hand_over_tablet(patient=patient, by=clinician.actor, now=NOW)
    tablet = Client()
    tablet.post("/tablet/", {"code": made.code})
    tablet.post("/tablet/start/", BIRTH_DATE)
    phone = Phone(tablet, HandOver.objects.get().link)
    assert "Your totals" not in sent(phone, 0)


def test_the_ticket_is_taken_back(inside):
    sent(inside, 1)
    assert inside.client.cookies[tickets.COOKIE].value == ""


@pytest.mark.parametrize("path", ["/answer/", "/answer/9/", "/answer/review/", "/answer/999/"])
def test_back_and_refresh_never_show_an_answer(inside, path):
    sent(inside, 1)
    reply = inside.client.get(path)
    assert reply.headers["Location"] == "/answer/thanks/"
    page = inside.client.get("/answer/thanks/")
    assert b"Several days" not in page.content
    assert page.headers["Cache-Control"] == "no-store"


def test_the_thank_you_page_closes_after_ten_minutes(inside, clock):
    sent(inside, 1)
    clock.move_to(NOW + timedelta(minutes=10, seconds=1))
    assert inside.client.get("/answer/thanks/").status_code == 403
    assert inside.client.get("/answer/9/").status_code == 403


def test_a_shared_phone_asks_the_next_time_again(inside, patient, clinician):
    sent(inside, 0)
    Assignment.objects.filter(state="planned").update(opens_at=NOW)
    address = workflows.hand_over_link(patient=patient, by=clinician.actor, now=NOW)
    assert address
    page = inside.client.get("/" + address.split("/", 3)[3])
    assert b"Your date of birth" in page.content


# -- The screener after a positive answer --------------------------------------------------------


def test_the_screener_is_asked_at_the_end_before_the_review(inside, clinic):
    give_screener(clinic, NOW)
    inside.answer_all(0)
    assert len(inside.sitting.steps) == 18
    inside.send(9, 1)
    assert [step.text for step in inside.sitting.steps[18:]] == [
        "Question 1",
        "Question 2",
        "Question 6",
    ]
    assert inside.client.get("/answer/")["Location"] == "/answer/19/"
    for number in (19, 20, 21):
        inside.send(number, 0)
    assert inside.client.get("/answer/")["Location"] == "/answer/review/"
    inside.submit()
    codes = QuestionnaireResponse.objects.final().values_list("assignment__instrument__code")
    assert sorted(code for (code,) in codes) == ["C-SSRS-screener", "GAD-7", "PHQ-9"]


def test_a_positive_answer_changed_in_the_review_leads_to_the_screener(inside, clinic):
    give_screener(clinic, NOW)
    inside.answer_all(0)
    page = inside.follow(inside.send(9, 2, review="on")).content.decode()
    assert 'href="/answer/"' in page
    assert inside.client.get("/answer/")["Location"] == "/answer/19/"


def test_questionnaires_worded_in_different_languages_are_sent_together(phone, clinic, patient):
    add_words(clinic, "PHQ-9", NOW, language="es")
    type(patient).objects.update(language="es")
    phone.let_in()
    languages = [*dict.fromkeys(step.wording.language for step in phone.sitting.steps)]
    assert languages == ["es", "en"]
    phone.send(1, 0)
    phone.submit()
    rows = QuestionnaireResponse.objects.final().order_by("assignment__instrument__code")
    assert [row.language for row in rows] == ["en", "es"]
