"""A phone that opens later links of the same course without the birth date."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client

from outcomes import workflows
from outcomes.audit.models import SYSTEM, AuditEvent
from outcomes.care.models import Channel, Course
from outcomes.delivery import services as delivery
from outcomes.delivery import sitting as tickets
from outcomes.delivery.models import Invitation, Link, RememberedDevice
from outcomes.patient_site import remembering
from tests.conftest import NOW, signed_in
from tests.patient_site.conftest import BIRTH_DATE, WRONG_DATE, Phone
from tests.patient_site.test_every_instrument import ask


@pytest.fixture
def remembered(phone: Phone) -> Phone:
    """The patient's phone, which passed the check and is remembered; nothing else is left on it."""
    phone.client.post(phone.path, {**BIRTH_DATE, "remembers": "on"})
    del phone.client.cookies[tickets.COOKIE]
    return phone


def opens(phone: Phone) -> bool:
    """Say whether the phone opens its link without the check."""
    reply = phone.client.get(phone.path)
    return reply.status_code == 302 and reply.headers["Location"] == "/answer/?arrived=1"


def later(phone: Phone, invitation: Invitation) -> Phone:
    """Return the same phone with the link of a later message."""
    return Phone(phone.client, delivery.create_link(invitation=invitation, now=NOW))


def test_it_is_offered_and_not_chosen(phone):
    page = phone.client.get(phone.path).content.decode()
    assert "Remember this phone for this course of treatment" in page
    assert 'name="remembers" id="remembers" aria-describedby="remembers-hint">' in page
    phone.let_in()
    assert remembering.COOKIE not in phone.client.cookies
    assert not RememberedDevice.objects.exists()


def test_the_tick_stays_when_the_date_was_wrong(phone):
    page = phone.client.post(phone.path, {**WRONG_DATE, "remembers": "on"}).content
    assert b'aria-describedby="remembers-hint" checked' in page
    assert not RememberedDevice.objects.exists()


def test_between_courses_it_is_not_offered(phone):
    Course.objects.update(ended_at=NOW)
    assert b"Remember this phone" not in phone.client.get(phone.path).content
    phone.client.post(phone.path, {**BIRTH_DATE, "remembers": "on"})
    assert not RememberedDevice.objects.exists()


def test_on_a_tablet_it_is_not_offered(patient, clinician, link):
    made = workflows.hand_over_tablet(patient=patient, by=clinician.actor, now=NOW)
    tablet = Client()
    tablet.post("/tablet/", {"code": made.code})
    assert b"Remember this phone" not in tablet.get("/tablet/start/").content
    tablet.post("/tablet/start/", {**BIRTH_DATE, "remembers": "on"})
    assert not RememberedDevice.objects.exists()


def test_later_links_open_without_the_check(remembered, invitation, clock):
    clock.shift(timedelta(days=1))
    phone = later(remembered, invitation)
    assert opens(phone)
    assert phone.client.get("/answer/1/").status_code == 200
    device = RememberedDevice.objects.get()
    assert device.last_used_at == NOW + timedelta(days=1)
    phone.link.refresh_from_db()
    assert phone.link.opened_at == NOW + timedelta(days=1)


def test_the_cookie_is_signed_and_no_script_reads_it(remembered):
    cookie = remembered.client.cookies[remembering.COOKIE]
    assert (cookie["httponly"], cookie["samesite"]) == (True, "Lax")
    secret = remembering.SIGNER.unsign(cookie.value)
    assert RememberedDevice.objects.get().secret_hash not in cookie.value
    for value in (secret, cookie.value[:-1], remembering.SIGNER.sign("x"), ""):
        other = Phone(Client(), remembered.link)
        other.client.cookies[remembering.COOKIE] = value
        assert not opens(other)


def test_another_patients_link_asks_all_the_same(remembered, other_enrolment):
    workflows.invite_due(now=NOW)
    theirs = Invitation.objects.get(patient=other_enrolment.patient)
    assert not opens(later(remembered, theirs))


def test_another_phone_of_the_patient_is_asked(remembered):
    assert not opens(Phone(Client(), remembered.link))


def test_a_robot_that_follows_the_link_by_head_is_let_nowhere(remembered):
    remembered.client.head(remembered.path)
    assert tickets.COOKIE not in remembered.client.cookies
    assert RememberedDevice.objects.get().last_used_at is None


@pytest.mark.parametrize("what", ["course", "contact", "episode", "stranger", "clinic"])
def test_it_ends(remembered, invitation, patient, enrolment, clinician, what):
    if what == "course":
        Course.objects.update(ended_at=NOW)
    elif what == "contact":
        workflows.change_contact(
            patient=patient,
            channel=Channel.EMAIL,
            value="other@example.org",
            by=SYSTEM,
            now=NOW,
        )
    elif what == "episode":
        workflows.close_episode(episode=enrolment.episode, by=SYSTEM, now=NOW)
    elif what == "stranger":
        workflows.decline_invitation(invitation=invitation, by=SYSTEM, now=NOW)
    else:
        staff = signed_in(clinician)
        page = f"/c/{patient.clinic.slug}/patients/{patient.pk}/contact/"
        assert b"Remembered phones" in staff.get(page).content
        reply = staff.post(f"/c/{patient.clinic.slug}/patients/{patient.pk}/phones/forget/")
        assert reply.headers["Location"] == page
        assert b"Remembered phones" not in staff.get(page).content
        assert AuditEvent.objects.filter(action="device.forgotten").count() == 1
    Invitation.objects.update(revoked_at=None)
    assert not opens(later(remembered, invitation))


def test_this_is_not_for_me_stays_within_reach(remembered, invitation):
    assert opens(remembered)
    assert b'href="/answer/not-for-me/"' in remembered.client.get("/answer/1/").content
    page = remembered.client.get("/answer/not-for-me/").content
    assert b'href="/answer/"' in page
    reply = remembered.client.post("/answer/not-for-me/", {"confirms": "1", "is_sure": "on"})
    assert b"Thank you for telling us" in reply.content
    invitation.refresh_from_db()
    assert invitation.revoked_reason == "not for me"
    assert RememberedDevice.objects.remembered().count() == 0
    for name in (tickets.COOKIE, remembering.COOKIE):
        assert remembered.client.cookies[name].value == ""


def test_a_phone_that_is_not_remembered_shows_no_such_link_beside_the_questions(inside):
    assert b"not-for-me" not in inside.client.get("/answer/1/").content


def test_the_patient_forgets_the_phone_on_the_last_page(remembered, invitation):
    opens(remembered)
    remembered.answer_all(0)
    remembered.submit()
    assert b"Forget this phone" in remembered.client.get("/answer/thanks/").content
    page = remembered.follow(remembered.client.post("/answer/thanks/forget/")).content
    assert b"This phone is forgotten" in page
    assert b"Forget this phone" not in page
    assert RememberedDevice.objects.get().revoked_at == NOW
    assert remembered.client.cookies[remembering.COOKIE].value == ""
    event = AuditEvent.objects.get(action="device.forgotten")
    assert (event.actor_kind, event.data) == ("patient", {"phones": 1})


def test_its_first_question_says_the_most_of_the_page_it_skips(remembered):
    page = remembered.client.get(remembered.path, follow=True)
    assert page.redirect_chain[-1][0] == "/answer/1/?arrived=1"
    before, question = page.content.decode().split('<form method="post" id="question"')
    assert "Nobody watches answers around the clock." in before
    assert 'href="tel:999"' in before
    assert "<details" not in before + question
    # The other pages keep their quiet way to help.
    assert "Do you need help now?" in remembered.client.get("/answer/2/").content.decode()
    assert b"around the clock" not in remembered.client.get("/answer/2/").content


def test_its_first_page_may_be_that_with_all_questions_or_the_review(remembered, patient):
    type(patient).objects.update(wants_one_page=True)
    page = remembered.client.get(remembered.path, follow=True)
    assert page.redirect_chain[-1][0] == "/answer/all/?arrived=1"
    assert b"around the clock" in page.content
    remembered.answer_all(0)
    page = remembered.client.get(remembered.path, follow=True)
    assert page.redirect_chain[-1][0] == "/answer/review/?arrived=1"
    assert b"around the clock" in page.content


def test_it_offers_other_languages_where_the_patients_has_no_words(remembered, enrolment, patient):
    type(patient).objects.update(language="de")
    Invitation.objects.update(completed_at=NOW)
    ask(enrolment, "PHQ-2")
    phone = Phone(remembered.client, Link.objects.get(invitation__completed_at=None))
    page = phone.client.get(phone.path, follow=True).content.decode()
    assert page.index(">English<") < page.index(">español<")
    reply = phone.client.post("/answer/words/", {"words": "es"}, follow=True)
    assert reply.redirect_chain[-1][0] == "/answer/1/?arrived=1"
    html = reply.content.decode()
    assert '<fieldset class="question" lang="es"' in html
    assert 'lang="es" aria-current="true">' in html
    phone.client.post("/answer/words/", {"words": "xx"})
    assert type(patient).objects.get(pk=patient.pk).words_language == "es"


def test_forgetting_needs_the_last_page(remembered):
    assert remembered.client.post("/answer/thanks/forget/").status_code == 403
    assert RememberedDevice.objects.remembered().exists()


def test_remembering_leaves_a_trace(remembered, patient):
    event = AuditEvent.objects.get(action="device.remembered")
    assert (event.actor_kind, event.patient_id) == ("patient", patient.pk)
