"""One question after another, without JavaScript, and nothing ever lost."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client

from outcomes import workflows
from outcomes.alerts.models import Alert, AlertState
from outcomes.delivery import services as delivery
from outcomes.delivery import sitting as tickets
from outcomes.delivery.models import Invitation, Link
from outcomes.responses.models import Mode, QuestionnaireResponse, ResponseStatus, Score
from outcomes.scheduling.models import Assignment, AssignmentState
from tests.conftest import NOW
from tests.patient_site.conftest import Phone

PHQ9_STEM = (
    "Over the last 2 weeks, how often have you been bothered by any of the following problems?"
)


def answers_of(code: str) -> dict[str, int | None]:
    response = QuestionnaireResponse.objects.get(assignment__instrument__code=code)
    return response.answers


def text_of(reply) -> str:
    return reply.content.decode()


# -- The way through -----------------------------------------------------------------------------


def test_it_asks_phq9_then_gad7_word_for_word(inside):
    page = text_of(inside.client.get("/answer/1/"))
    assert PHQ9_STEM in page
    assert "Little interest or pleasure in doing things" in page
    assert "Question 1 of 18" in page
    assert 'max="18" value="1"' in page
    for label in ("Not at all", "Several days", "More than half the days", "Nearly every day"):
        assert label in page
    assert "Feeling nervous, anxious or on edge" in text_of(inside.client.get("/answer/11/"))


def test_the_difficulty_question_has_its_own_words_and_no_stem(inside):
    page = text_of(inside.client.get("/answer/10/"))
    assert "Extremely difficult" in page
    assert PHQ9_STEM not in page


def test_it_begins_at_the_first_question_not_met(inside):
    assert inside.client.get("/answer/").headers["Location"] == "/answer/1/"
    inside.send(1, 0)
    inside.send(2, action="skip")
    assert inside.client.get("/answer/").headers["Location"] == "/answer/3/"


def test_after_the_last_question_it_leads_to_the_review(inside):
    inside.answer_all()
    assert inside.client.get("/answer/").headers["Location"] == "/answer/review/"


def test_next_keeps_the_answer_and_goes_on(inside):
    reply = inside.send(1, 2)
    assert reply.headers["Location"] == "/answer/2/"
    assert answers_of("PHQ-9") == {"1": 2}
    page = text_of(inside.client.get("/answer/1/"))
    assert 'value="2" checked' in page
    assert ">Saved<" in page


def test_next_without_an_answer_says_what_to_do(inside):
    page = inside.follow(inside.send(1))
    assert b"Choose an answer, or skip this question." in page.content
    assert b"<title>Error: Question 1 of 18" in page.content
    inside.send(1, action="skip")
    assert b"Choose an answer" in inside.follow(inside.send(1)).content
    inside.send(1, 2)
    assert b"Choose an answer" not in inside.client.get("/answer/1/?missing=1").content
    QuestionnaireResponse.objects.all().delete()
    assert not QuestionnaireResponse.objects.exists()


def test_a_question_that_is_optional_may_be_left_open_with_next(inside):
    assert inside.send(10).headers["Location"] == "/answer/11/"
    assert answers_of("PHQ-9") == {"10": None}


def test_skip_remembers_that_the_question_was_met(inside):
    inside.send(1, 3)
    assert inside.send(1, 3, action="skip").headers["Location"] == "/answer/2/"
    assert answers_of("PHQ-9") == {"1": None}
    assert ">Skipped<" in text_of(inside.client.get("/answer/1/"))


def test_back_keeps_what_was_chosen(inside):
    assert inside.send(2, 1, action="back").headers["Location"] == "/answer/1/"
    assert answers_of("PHQ-9") == {"2": 1}


def test_back_without_a_choice_changes_nothing(inside):
    assert inside.send(2, action="back").headers["Location"] == "/answer/1/"
    assert not QuestionnaireResponse.objects.exists()


def test_the_first_question_has_no_way_back(inside):
    assert 'value="back"' not in text_of(inside.client.get("/answer/1/"))
    assert 'value="back"' in text_of(inside.client.get("/answer/2/"))


def test_the_enter_key_means_next(inside):
    assert inside.send(1, 1, action="").headers["Location"] == "/answer/2/"


@pytest.mark.parametrize("number", [0, 19, 999])
def test_a_question_that_does_not_exist_leads_to_the_first_not_met(inside, number):
    assert inside.client.get(f"/answer/{number}/").headers["Location"] == "/answer/"


def test_answers_are_marked_as_given_through_a_link(inside):
    inside.send(1, 1)
    response = QuestionnaireResponse.objects.get()
    assert (response.mode, response.language) == (Mode.LINK, "en")
    assert response.status == ResponseStatus.IN_PROGRESS


def test_words_that_do_not_exist_in_the_patients_language_are_asked_in_english(inside, patient):
    patient.language = "es"
    patient.save()
    page = text_of(inside.client.get("/answer/1/"))
    assert "Little interest or pleasure" in page
    assert '<fieldset class="question" lang="en"' in page
    inside.send(1, 1)
    assert QuestionnaireResponse.objects.get().language == "en"


# -- Any device, any window ----------------------------------------------------------------------


def test_it_resumes_on_another_device(inside, link):
    for number in range(1, 6):
        inside.send(number, 1)
    other = Phone(Client(), link)
    assert b"You have begun already" in other.client.get(other.path).content
    assert other.client.get("/answer/").status_code == 403
    other.let_in()
    assert other.client.get("/answer/").headers["Location"] == "/answer/6/"


def test_the_reminders_link_leads_to_the_same_answers(inside, invitation):
    inside.send(1, 1)
    reminder = Phone(Client(), delivery.create_link(invitation=invitation, now=NOW))
    reminder.let_in()
    assert reminder.client.get("/answer/").headers["Location"] == "/answer/2/"


def test_an_older_window_does_not_overwrite_a_newer_answer(inside):
    old = inside.sitting.step(1)
    inside.send(1, 3)
    reply = inside.client.post(
        "/answer/1/",
        {"assignment": old.assignment.pk, "item": "1", "revision": old.revision, "value": 0},
    )
    assert reply.status_code == 409
    page = text_of(reply)
    assert "Changed in another window" in page
    assert "Little interest or pleasure in doing things" in page
    assert 'Kept: <strong lang="en">Nearly every day</strong>' in page
    assert 'Chosen here, and not kept: <strong lang="en">Not at all</strong>' in page
    assert "please get help now" not in page
    assert 'href="/answer/1/">Continue' in page
    assert answers_of("PHQ-9") == {"1": 3}


@pytest.mark.parametrize(("kept", "chosen"), [(0, 2), (2, 0), (None, 1)])
def test_a_conflict_over_a_safety_question_shows_the_crisis_text(inside, kept, chosen):
    inside.send(9, kept, action="skip" if kept is None else "next")
    reply = inside.send(9, chosen, revision=0)
    assert reply.status_code == 409
    page = text_of(reply)
    assert "If you do not feel safe, please get help now" in page
    assert 'href="/answer/9/">Continue' in page
    assert ("Kept: <strong>Not answered</strong>" in page) == (kept is None)
    assert answers_of("PHQ-9") == {"9": kept}


def test_two_windows_may_answer_different_questions(inside):
    first, second = inside.sitting.step(1), inside.sitting.step(2)
    for step, value in ((first, 3), (second, 1)):
        data = {"assignment": step.assignment.pk, "item": step.item.link_id, "revision": 0}
        reply = inside.client.post(f"/answer/{step.number}/", {**data, "value": value})
        assert reply.status_code == 302
    assert answers_of("PHQ-9") == {"1": 3, "2": 1}


@pytest.mark.parametrize(("value", "action"), [(2, "next"), (None, "skip")])
def test_pressing_twice_is_no_conflict(inside, value, action):
    step = inside.sitting.step(1)
    data = {"assignment": step.assignment.pk, "item": "1", "revision": 0, "action": action}
    if value is not None:
        data["value"] = value
    for _ in range(2):
        assert inside.client.post("/answer/1/", data).headers["Location"] == "/answer/2/"


def test_a_question_is_known_by_itself_and_not_by_its_number(inside):
    step = inside.sitting.step(11)
    inside.client.post(
        "/answer/1/",
        {"assignment": step.assignment.pk, "item": step.item.link_id, "revision": 0, "value": 3},
    )
    assert answers_of("GAD-7") == {"1": 3}


# -- What is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        {"value": "4"},
        {"value": "-1"},
        {"value": "many"},
        {"item": "11"},
        {"item": ""},
        {"assignment": "nonsense"},
        {"revision": "x"},
        {"action": "delete"},
    ],
)
def test_what_no_form_sends_is_refused_and_stores_nothing(inside, change):
    step = inside.sitting.step(1)
    data = {"assignment": step.assignment.pk, "item": "1", "revision": 0, "value": 1, **change}
    reply = inside.client.post("/answer/1/", data)
    assert reply.status_code == 400
    assert b"That answer did not arrive well" in reply.content
    assert not QuestionnaireResponse.objects.exists()


def test_a_ticket_opens_no_other_patients_questions(inside, other_enrolment):
    workflows.invite_due(now=NOW)
    foreign = Assignment.objects.filter(
        patient=other_enrolment.patient, state=AssignmentState.OPEN
    )[0]
    unknown = "00000000-0000-0000-0000-000000000000"
    pages = set()
    for pk in (foreign.pk, unknown):
        reply = inside.client.post(
            "/answer/1/", {"assignment": pk, "item": "1", "revision": 0, "value": 3}
        )
        assert reply.status_code == 409
        pages.add(text_of(reply))
    assert len(pages) == 1
    assert not QuestionnaireResponse.objects.exists()


@pytest.fixture
def others(inside, other_enrolment) -> Phone:
    """Another patient's pages, still open on the phone whose cookie is the first one's by now."""
    workflows.invite_due(now=NOW)
    link = Link.objects.filter(invitation__patient=other_enrolment.patient)[0]
    return Phone(inside.client, link)


@pytest.mark.parametrize("send", ["question", "everything", "review"])
def test_another_patients_page_on_the_same_phone_leads_nowhere(others, clinic, send):
    others.answer_all(0)
    if send == "question":
        reply = others.send(1, 3)
    elif send == "review":
        reply = others.submit()
    else:
        names = [section.revision_name for section in others.sitting.sections]
        answers = {step.key: 3 for step in others.sitting.steps}
        reply = others.client.post("/answer/all/", {**dict.fromkeys(names, 1), **answers})
    assert reply.status_code == 409
    page = text_of(reply)
    assert "Another link was opened on this phone" in page
    assert "What you just sent was not kept" in page
    assert "call your local emergency number" in page
    assert "/answer/" not in page
    assert clinic.display_name not in page
    assert not Score.objects.exists()


def test_a_question_closed_meanwhile_is_no_other_patients(inside):
    step = inside.sitting.step(1)
    Assignment.objects.filter(pk=step.assignment.pk).update(state=AssignmentState.EXPIRED)
    data = {"assignment": step.assignment.pk, "item": "1", "revision": 0, "value": 3}
    reply = inside.client.post("/answer/1/", data)
    assert reply.status_code == 400
    assert b"That answer did not arrive well" in reply.content


@pytest.mark.parametrize("path", ["/answer/", "/answer/1/", "/answer/review/", "/answer/thanks/"])
def test_without_a_ticket_every_page_is_closed(db, path):
    reply = Client().get(path)
    assert reply.status_code == 403
    assert b"This page has closed" in reply.content


def test_a_forged_ticket_opens_nothing(inside):
    forged = Client()
    real = inside.client.cookies[tickets.COOKIE].value
    for value in ("", "x", real[:-1], real[:-1] + ("A" if real[-1] != "A" else "B")):
        forged.cookies[tickets.COOKIE] = value
        assert forged.get("/answer/1/").status_code == 403


def test_a_receipt_is_no_ticket(inside, link):
    client = Client()
    client.cookies[tickets.COOKIE] = tickets.make_receipt(link, NOW)
    assert client.get("/answer/1/").status_code == 403


def test_a_ticket_lasts_two_hours_without_use(inside, clock):
    clock.move_to(NOW + timedelta(hours=2, seconds=1))
    assert inside.client.get("/answer/1/").status_code == 403


def test_each_page_gives_an_ageing_ticket_anew(inside, clock):
    first = inside.client.cookies[tickets.COOKIE].value
    assert tickets.COOKIE not in inside.client.get("/answer/1/").cookies
    for hours in (2, 4):
        clock.move_to(NOW + timedelta(hours=hours))
        reply = inside.client.get("/answer/1/")
        assert reply.status_code == 200
        cookie = reply.cookies[tickets.COOKIE]
        assert (cookie["max-age"], cookie["httponly"], cookie["samesite"]) == (7200, True, "Lax")
    inside.client.cookies[tickets.COOKIE] = first
    assert inside.client.get("/answer/1/").status_code == 403


def test_what_is_sent_after_the_ticket_has_ended_is_said_not_to_be_kept(inside, clock):
    inside.send(1, 2)
    clock.move_to(NOW + timedelta(hours=3))
    reply = inside.send(9, 3)
    assert reply.status_code == 403
    page = text_of(reply)
    assert "This page had closed: what you just sent was not kept" in page
    assert "open the link in your clinic&#x27;s message again" in page
    assert "call your local emergency number" in page
    assert "Everything you have answered so far is kept" not in page
    assert answers_of("PHQ-9") == {"1": 2}


@pytest.mark.parametrize("what", ["link", "invitation", "window"])
def test_every_request_asks_again_whether_the_link_is_live(inside, link, what):
    if what == "link":
        Link.objects.update(revoked_at=NOW)
    elif what == "invitation":
        Invitation.objects.update(revoked_at=NOW)
    else:
        Invitation.objects.update(closes_at=NOW)
    step = inside.sitting.step(1)
    data = {"assignment": step.assignment.pk, "item": "1", "revision": 0, "value": 1}
    assert inside.client.post("/answer/1/", data).status_code == 403
    assert not QuestionnaireResponse.objects.exists()


def test_a_questionnaire_that_closed_meanwhile_is_no_longer_asked(inside, clock):
    soon = NOW + timedelta(hours=1)
    asked = Assignment.objects.filter(instrument__code="PHQ-9", state=AssignmentState.OPEN)
    asked.update(due_at=soon, closes_at=soon)
    clock.move_to(soon)
    page = text_of(inside.client.get("/answer/1/"))
    assert "Feeling nervous" in page
    assert "Question 1 of 8" in page


def test_when_all_have_closed_it_says_so(inside):
    Assignment.objects.update(state=AssignmentState.EXPIRED)
    assert b"There is nothing to answer" in inside.client.get("/answer/").content


# -- Safety --------------------------------------------------------------------------------------


def test_after_a_positive_answer_the_next_page_is_the_crisis_text(inside):
    page = inside.follow(inside.send(9, 1))
    text = text_of(page)
    assert page.status_code == 200
    assert "If you do not feel safe, please get help now" in text
    assert 'call <a class="call" href="tel:999">999</a> now' in text
    assert "tel:+12025550123" in text
    assert "nobody watches answers around the clock" in text
    assert 'href="/answer/10/"' in text
    assert answers_of("PHQ-9") == {"9": 1}


def test_a_negative_answer_to_it_goes_on(inside):
    assert inside.follow(inside.send(9, 0)).headers["Location"] == "/answer/10/"
    assert not Alert.objects.exists()


def test_the_crisis_text_is_shown_every_time_the_answer_is_sent(inside):
    for _ in range(2):
        assert b"please get help now" in inside.follow(inside.send(9, 2)).content
    back = inside.follow(inside.send(9, 2, action="back")).content
    assert b"please get help now" in back
    assert b'href="/answer/8/"' in back


def test_the_address_after_the_question_is_the_same_whatever_was_answered(inside):
    replies = [inside.send(9, value) for value in range(4)]
    assert {reply.headers["Location"] for reply in replies} == {"/answer/9/after/"}
    inside.send(9, action="skip")
    assert inside.client.get("/answer/9/after/").headers["Location"] == "/answer/10/"
    assert inside.client.get("/answer/99/after/").headers["Location"] == "/answer/"


def test_the_crisis_text_is_in_the_questions_page_before_any_tap(inside):
    page = text_of(inside.client.get("/answer/9/"))
    panel = page[page.index('<section class="crisis"') :]
    assert panel.startswith('<section class="crisis" id="help" tabindex="-1"')
    assert "hidden" in panel[: panel.index(">")]
    assert page.count("data-help") == 3
    assert '<section class="crisis"' not in text_of(inside.client.get("/answer/8/"))


def test_coming_back_to_a_positive_answer_shows_the_crisis_text_at_once(inside):
    inside.send(9, 3)
    page = text_of(inside.client.get("/answer/9/"))
    panel = page[page.index('<section class="crisis"') :]
    assert "hidden" not in panel[: panel.index(">")]


def test_a_positive_answer_alerts_though_the_form_is_never_sent(inside):
    inside.send(9, 1)
    alert = Alert.objects.get()
    assert alert.state == AlertState.PROVISIONAL
    assert alert.value == 1
    workflows.escalate_due(now=NOW + timedelta(minutes=10))
    alert.refresh_from_db()
    assert alert.state == AlertState.OPEN


def test_the_whole_way_without_javascript_stores_the_scores(inside):
    for step in inside.sitting.steps:
        inside.send(step.number, 1)
    assert inside.client.get("/answer/").headers["Location"] == "/answer/review/"
    assert inside.client.get("/answer/review/").status_code == 200
    assert inside.submit().headers["Location"] == "/answer/thanks/"
    scores = dict(Score.objects.filter(scale="total").values_list("instrument_code", "value"))
    assert scores == {"PHQ-9": 9.0, "GAD-7": 7.0}
    assert Alert.objects.get().state == AlertState.OPEN
    assert set(Assignment.objects.values_list("state", flat=True)) == {
        AssignmentState.COMPLETED,
        AssignmentState.PLANNED,
    }
