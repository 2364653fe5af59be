"""Words of one's own, typed where the answers are looked over."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.test import Client

from outcomes import workflows
from outcomes.audit.models import AuditEvent
from outcomes.clinics.models import Clinic
from outcomes.delivery import sitting as tickets
from outcomes.delivery.models import HandOver, Invitation
from outcomes.patient_site import guards, views
from outcomes.responses.models import Mode, QuestionnaireResponse, Remark, Score
from outcomes.responses.services import StaleRevision
from tests.conftest import NOW
from tests.patient_site.conftest import BIRTH_DATE, Phone
from tests.patient_site.test_single import mood  # noqa: F401

TYPED = "I moved house,\r\nand <b>sleep</b> & eat little."
SITTING = "4f3c9ad2-59c3-4f8e-9a80-2d8f8ba4a2b1"


def send(phone: Phone, remark: str = TYPED, **changes: str):
    data = {"sitting_id": SITTING, "seen": phone.sitting.seen, "remark": remark, **changes}
    return phone.client.post("/answer/review/", data)


def in_field(reply) -> str:
    """Return what stands in the field, as a browser reads it."""
    found = re.search(r'<textarea name="remark"[^>]*>\n(.*?)</textarea>', text_of(reply), re.S)
    assert found
    return found[1].replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def text_of(reply) -> str:
    return reply.content.decode()


def is_kept(reply) -> bool:
    return reply.status_code == 200 and in_field(reply) == TYPED.replace("\r\n", "\n")


# -- The field -----------------------------------------------------------------------------------


def test_the_review_has_one_field_that_says_who_reads_it_and_may_stay_empty(inside):
    inside.answer_all(0)
    page = text_of(inside.client.get("/answer/review/"))
    [field] = re.findall(r"<textarea[^>]*>", page)
    assert 'autocomplete="off"' in field
    assert 'form="send"' in field
    assert "maxlength" not in field  # a browser would cut a pasted text without a word
    assert '<label for="remark">Is there anything you want to tell your clinic?' in page
    assert "You can leave this empty." in page
    assert "nobody watches it around the clock" in page
    assert "Do you need help now?" in page
    assert "At most 1000 characters" in page
    assert "tablet" not in page


def test_nothing_asks_for_it_before_something_is_answered(inside):
    assert "textarea" not in text_of(inside.client.get("/answer/review/"))


def test_what_was_typed_goes_along_with_the_answers(inside, patient):
    inside.answer_all(0)
    assert send(inside).headers["Location"] == "/answer/thanks/"
    remark = Remark.objects.get()
    assert remark.text == "I moved house,\nand <b>sleep</b> & eat little."
    assert (remark.patient, remark.mode, remark.language) == (patient, Mode.LINK, "en")
    assert QuestionnaireResponse.objects.filter(remark=remark).count() == 2
    assert AuditEvent.objects.get(action="remark.written").actor_kind == "patient"
    assert "moved house" not in text_of(inside.client.get("/answer/thanks/"))


@pytest.mark.parametrize("empty", ["", " \r\n\t", "\x00"])
def test_left_empty_nothing_is_stored(inside, empty):
    inside.answer_all(0)
    assert send(inside, empty).headers["Location"] == "/answer/thanks/"
    assert not Remark.objects.exists()
    assert Score.objects.exists()


def test_control_characters_are_left_out_and_the_rest_arrives(inside):
    inside.answer_all(0)
    send(inside, "a\x00b\x1b c\r\nd")
    assert Remark.objects.get().text == "ab c\nd"


def test_a_thousand_characters_are_taken_and_a_line_counts_once(inside):
    inside.answer_all(0)
    send(inside, "é\r\n" * 499 + "ab")
    assert len(Remark.objects.get().text) == Remark.LONGEST


def test_on_a_tablet_too(inside, patient, clinician):
    made = workflows.hand_over_tablet(patient=patient, by=clinician.actor, now=NOW)
    tablet = Client()
    tablet.post("/tablet/", {"code": made.code})
    tablet.post("/tablet/start/", BIRTH_DATE)
    phone = Phone(tablet, HandOver.objects.get().link)
    phone.answer_all(0)
    reply = tablet.get("/answer/review/")
    assert "textarea" in text_of(reply)
    assert reply.headers["Refresh"].startswith("120; ")
    assert "After 2 minutes this tablet asks whether you are still there" in text_of(reply)
    send(phone)
    assert Remark.objects.get().mode == Mode.KIOSK
    assert "moved house" not in text_of(tablet.get("/answer/thanks/"))


def test_the_daily_question_has_no_such_field(mood):  # noqa: F811
    mood.let_in()
    assert "textarea" not in text_of(mood.client.get("/answer/1/"))
    mood.send(1, 3)
    page = text_of(mood.client.get("/answer/review/"))
    assert "Look over your answers" in page
    assert "remark" not in page
    assert is_kept(send(mood))
    assert not Score.objects.exists()


def test_a_clinic_may_switch_it_off(inside):
    Clinic.objects.update(takes_words=False)
    inside.answer_all(0)
    assert "remark" not in text_of(inside.client.get("/answer/review/"))
    assert inside.submit().headers["Location"] == "/answer/thanks/"


# -- Nothing typed is lost -----------------------------------------------------------------------


def test_too_long_is_refused_in_one_sentence_and_stays_in_the_field(inside):
    inside.answer_all(0)
    long = "x" * 1001
    reply = send(inside, long)
    page = text_of(reply)
    assert page.count("What you want to tell your clinic is 1001 characters long.") == 2
    assert "Shorten it to at most 1000: nothing is sent yet." in page
    assert '<a href="#remark">' in page
    assert 'aria-invalid="true"' in page
    assert "<title>Error: Look over your answers" in page
    assert in_field(reply) == long
    assert not Score.objects.exists()
    assert Invitation.objects.get().completed_at is None
    send(inside, "x" * 1000)
    assert Remark.objects.exists()


def test_it_stays_where_an_answer_was_changed_meanwhile(inside):
    inside.answer_all(1)
    seen = inside.sitting.seen
    inside.send(1, 3)
    reply = send(inside, seen=seen)
    assert "An answer was changed in another window meanwhile" in text_of(reply)
    assert is_kept(reply)
    assert "moved" not in reply.request["QUERY_STRING"]
    assert not Remark.objects.exists()
    assert f'name="seen" value="{inside.sitting.seen}"' in text_of(reply)


def test_it_stays_where_an_answer_is_changed_while_it_is_sent(inside, monkeypatch):
    inside.answer_all(1)

    def refuse(**_arguments):
        raise StaleRevision(QuestionnaireResponse.objects.first(), {})

    monkeypatch.setattr(views.workflows, "submit_sitting", refuse)
    reply = send(inside)
    assert "An answer was changed in another window meanwhile" in text_of(reply)
    assert is_kept(reply)
    assert send(inside, "").status_code == 409


def test_it_stays_where_nothing_is_answered_any_more(inside):
    reply = send(inside)
    assert "You have not answered any question yet" in text_of(reply)
    assert is_kept(reply)
    inside.answer_all(0)
    older = f"{inside.sitting.seen.split('.')[0]}.0"
    assert is_kept(send(inside, seen=older))


def test_it_stays_in_sight_where_the_phone_was_used_for_another_link(inside):
    inside.answer_all(0)
    reply = send(inside, seen="0123456789ab.1")
    assert "What you wrote was not sent" in text_of(reply)
    assert TYPED.split()[0] in text_of(reply)
    assert not Remark.objects.exists()


def test_it_stays_where_the_page_came_in_broken(inside):
    inside.answer_all(0)
    assert is_kept(send(inside, sitting_id="x"))


def test_switched_off_meanwhile_it_stays_and_the_patient_is_told(inside):
    inside.answer_all(0)
    Clinic.objects.update(takes_words=False)
    reply = send(inside)
    assert "Your clinic does not take words of your own any more." in text_of(reply)
    assert is_kept(reply)
    assert not Score.objects.exists()
    assert send(inside, "").headers["Location"] == "/answer/thanks/"


def test_sending_twice_thanks_twice_and_stores_it_once(inside):
    inside.answer_all(0)
    ticket, seen = inside.client.cookies[tickets.COOKIE].value, inside.sitting.seen
    data = {"sitting_id": SITTING, "seen": seen, "remark": TYPED}
    for _ in range(2):
        again = Client()
        again.cookies[tickets.COOKIE] = ticket
        reply = again.post("/answer/review/", data)
        assert reply.headers["Location"] == "/answer/thanks/"
    assert Remark.objects.count() == 1


def test_other_words_after_all_was_sent_are_given_back(inside):
    inside.answer_all(0)
    ticket, seen = inside.client.cookies[tickets.COOKIE].value, inside.sitting.seen
    send(inside)
    again = Client()
    again.cookies[tickets.COOKIE] = ticket
    data = {"sitting_id": SITTING, "seen": seen, "remark": "And <one> thing more"}
    page = text_of(again.post("/answer/review/", data))
    assert "These answers were sent already" in page
    assert "What you wrote was not sent" in page
    assert "And &lt;one&gt; thing more" in page
    assert Remark.objects.count() == 1


def test_of_two_windows_that_overlap_the_second_gets_its_words_back(inside, monkeypatch):
    inside.answer_all(1)
    before = inside.sitting
    ticket = inside.client.cookies[tickets.COOKIE].value
    data = {"sitting_id": SITTING, "seen": before.seen}
    send(inside, "")
    monkeypatch.setattr(guards.delivery, "is_live", lambda link, now: True)
    monkeypatch.setattr(guards, "build", lambda link, now: before)
    second = Client()
    second.cookies[tickets.COOKIE] = ticket
    reply = second.post("/answer/review/", {**data, "remark": TYPED})
    assert reply.status_code == 409
    assert "I moved house,<br>and &lt;b&gt;sleep" in text_of(reply)
    assert not Remark.objects.exists()


def test_after_two_hours_the_words_are_given_back_and_not_stored(inside, clock):
    inside.answer_all(0)
    seen = inside.sitting.seen
    clock.move_to(NOW + timedelta(hours=3))
    reply = send(inside, seen=seen)
    assert reply.status_code == 403
    assert "I moved house,<br>and &lt;b&gt;sleep" in text_of(reply)
    assert reply.headers["Cache-Control"] == "no-store"
    assert not Remark.objects.exists()


def test_after_a_fault_of_ours_the_words_are_given_back(inside, settings, monkeypatch):
    settings.DEBUG = False
    inside.answer_all(0)

    def fail(**_arguments):
        raise ValueError("broken")

    monkeypatch.setattr(views.workflows, "submit_sitting", fail)
    reply = send(inside)
    assert reply.status_code == 500
    assert "What you wrote was not sent" in text_of(reply)


def test_a_device_on_which_codes_are_typed_gives_no_words_back(inside, clock):
    inside.answer_all(0)
    seen = inside.sitting.seen
    clock.move_to(NOW + timedelta(hours=3))
    inside.client.cookies[guards.DEVICE_COOKIE] = "x"
    reply = send(inside, seen=seen)
    assert "moved house" not in text_of(reply)
