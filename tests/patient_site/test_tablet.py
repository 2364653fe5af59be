"""The clinic's tablet: a code opens one patient's questions, and nothing stays behind."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.test import Client

from outcomes import workflows
from outcomes.audit.models import AuditEvent
from outcomes.clinics.models import Clinic
from outcomes.delivery import services as delivery
from outcomes.delivery import sitting as tickets
from outcomes.delivery.models import HandOver, Invitation, Link
from outcomes.responses.models import Mode, QuestionnaireResponse
from tests.chance import without_chance
from tests.conftest import NOW, signed_in
from tests.patient_site.conftest import BIRTH_DATE, WRONG_DATE, Phone
from tests.patient_site.test_link import everything_stored, press_every_button

COOKIES = (tickets.COOKIE, tickets.RECEIPT_COOKIE, tickets.TABLET_COOKIE)


def hand_over(patient, clinician):
    made = workflows.hand_over_tablet(patient=patient, by=clinician.actor, now=NOW)
    assert made is not None
    return made


@pytest.fixture
def code(patient, clinician) -> str:
    return hand_over(patient, clinician).code


@pytest.fixture
def tablet(code) -> Phone:
    """A tablet at the first question."""
    tablet = Phone(Client(), Link.objects.get(hand_over__isnull=False))
    enter(tablet.client, code)
    assert tablet.client.post("/tablet/start/", BIRTH_DATE)["Location"] == "/answer/"
    return tablet


def enter(client: Client, code: str):
    return client.post("/tablet/", {"code": code})


def kept(client: Client) -> dict[str, str]:
    """Return the tickets the browser would send."""
    return {name: client.cookies[name].value for name in COOKIES if name in client.cookies}


def has_ticket(client: Client) -> bool:
    return any(kept(client).values())


def test_a_code_opens_the_check_and_the_birth_date_the_questions(code):
    client = Client()
    page = client.get("/tablet/")
    assert page.status_code == 200
    assert page["Cache-Control"] == "no-store"
    assert enter(client, f" {code[:3]} {code[3:]} ")["Location"] == "/tablet/start/"
    start = client.get("/tablet/start/").content.decode()
    assert "about 4 minutes" in start
    assert "Robin" not in start
    assert "Little interest" not in start
    assert client.get("/answer/1/").status_code != 200
    assert client.post("/tablet/start/", BIRTH_DATE)["Location"] == "/answer/"
    assert b"Little interest" in client.get("/answer/1/").content
    assert Link.objects.get().opened_at == NOW
    actions = AuditEvent.objects.values_list("action", flat=True)
    assert {"tablet.handed_over", "tablet.opened", "invitation.confirmed"} <= set(actions)


def test_a_wrong_birth_date_opens_nothing_and_five_lock(code):
    client = Client()
    enter(client, code)
    for left in (4, 3, 2):
        reply = client.post("/tablet/start/", WRONG_DATE)
        assert f"try {left} more times" in reply.content.decode()
    client.post("/tablet/start/", WRONG_DATE)
    reply = client.post("/tablet/start/", WRONG_DATE)
    assert reply.status_code == 403
    assert client.post("/tablet/start/", BIRTH_DATE)["Location"] == "/tablet/"


def test_a_clinic_that_asks_no_birth_date_asks_for_a_tick(code, clinic):
    Clinic.objects.update(checks_birth_date=False)
    client = Client()
    enter(client, code)
    assert client.post("/tablet/start/", {}).status_code == 200
    assert client.post("/tablet/start/", {"is_mine": "on"})["Location"] == "/answer/"


@pytest.mark.parametrize("how", ["wrong", "expired", "used", "older", "finished"])
def test_a_code_that_opens_nothing_gives_no_reason(code, how, clock, patient, clinician):
    if how == "used":
        enter(Client(), code)
    elif how == "older":
        hand_over(patient, clinician)
    elif how == "expired":
        clock.move_to(NOW + timedelta(minutes=10))
    elif how == "finished":
        Invitation.objects.update(completed_at=NOW)
    wrong = f"{(int(code) + 1) % 10**6:06}"
    client = Client()
    reply = enter(client, wrong if how == "wrong" else code)
    other = enter(Client(), f"{(int(code) + 2) % 10**6:06}")
    strip = re.compile(rb'name="csrfmiddlewaretoken" value="\w+"')
    assert reply.status_code == other.status_code == 200
    assert strip.sub(b"", reply.content) == strip.sub(b"", other.content)
    assert b"This code opens nothing" in reply.content
    assert not has_ticket(client)


def test_what_is_no_code_is_no_try(db):
    for _ in range(40):
        assert "Enter the code of six digits" in enter(Client(), "12345").content.decode()


def test_past_the_limit_not_even_the_right_code_opens(code):
    wrong = f"{(int(code) + 1) % 10**6:06}"
    for _ in range(10):
        assert enter(Client(), wrong).status_code == 200
    refused = enter(Client(), code)
    assert refused.status_code == 429
    assert HandOver.objects.get().used_at is None
    assert b"Wait ten minutes" in refused.content
    # Another clinic's tablet, and this one's own QR code, go on.
    address = Client(REMOTE_ADDR="192.0.2.7")
    assert enter(address, code).status_code == 302


def test_a_tablet_of_the_clinic_opens_while_others_guess(code, patient, clinician):
    tablet, forger = Client(REMOTE_ADDR="192.0.2.7"), Client(REMOTE_ADDR="192.0.2.8")
    assert enter(tablet, code).status_code == 302
    code = hand_over(patient, clinician).code
    wrong = f"{(int(code) + 1) % 10**6:06}"
    for n in range(11):
        for _ in range(10):
            enter(Client(REMOTE_ADDR=f"198.51.100.{n}"), wrong)
    forger.cookies["device"] = "tablet"
    assert enter(forger, code).status_code == 429
    assert enter(tablet, code).status_code == 302


def test_a_network_of_many_addresses_counts_as_one(code):
    wrong = f"{(int(code) + 1) % 10**6:06}"
    for n in range(10):
        assert enter(Client(REMOTE_ADDR=f"2001:db8:0:1::{n}"), wrong).status_code == 200
    assert enter(Client(REMOTE_ADDR="2001:db8:0:1:ffff::9"), code).status_code == 429
    assert enter(Client(REMOTE_ADDR="2001:db8:0:2::9"), code).status_code == 302


def test_the_qr_code_opens_by_its_button_only(patient, clinician):
    path = "/" + hand_over(patient, clinician).address.split("/", 3)[3]
    before = everything_stored()
    for _ in range(3):
        assert Client().get(path).status_code == 200
        assert Client().head(path).status_code == 200
    assert everything_stored() == before
    client = Client()
    assert client.post(path)["Location"] == "/tablet/start/"
    assert client.get(path).status_code == 404
    assert Client().get(path).content == Client().get("/a/x/").content
    assert client.post("/tablet/start/", BIRTH_DATE)["Location"] == "/answer/"


def test_a_device_on_which_staff_are_signed_in_says_so_until_a_code_opens(patient, clinician):
    path = "/" + hand_over(patient, clinician).address.split("/", 3)[3]
    desk = signed_in(clinician)
    for address in ("/tablet/", path):
        assert b"staff is signed in on this device" in desk.get(address).content
        assert b"signed in" not in Client().get(address).content
    desk.post(path)
    assert b"signed in" not in desk.get("/tablet/").content
    assert desk.get("/c/north/").status_code == 302


def test_its_link_is_none_of_the_mailed_ones(patient, clinician):
    path = "/" + hand_over(patient, clinician).address.split("/", 3)[3]
    assert Client().get(path.replace("/tablet/", "/a/")).status_code == 404


def test_a_robot_changes_nothing_without_a_code(code):
    before = everything_stored()
    for path in ("/tablet/", "/tablet/start/", "/tablet/pause/", "/tablet/lock/"):
        client = Client()
        client.get(path)
        client.head(path)
    press_every_button(Client(), "/tablet/")
    assert everything_stored() == before


def test_reading_the_start_page_changes_nothing(code):
    client = Client()
    enter(client, code)
    before = everything_stored()
    client.get("/tablet/start/")
    client.get("/tablet/pause/")
    assert everything_stored() == before


def test_answers_are_marked_as_given_in_the_clinic(tablet):
    tablet.send(1, 2)
    assert QuestionnaireResponse.objects.get().mode == Mode.KIOSK
    tablet.answer_all()
    assert tablet.submit()["Location"] == "/answer/thanks/"
    assert set(QuestionnaireResponse.objects.values_list("mode", flat=True)) == {Mode.KIOSK}


def test_a_tap_saved_by_the_script_is_marked_so_too(tablet):
    step = tablet.sitting.step(1)
    reply = tablet.client.put(
        f"/api/v1/answering/{step.assignment.pk}/answers/",
        {"answers": {"1": 2}, "revision": 0, "language": "en"},
        content_type="application/json",
    )
    assert reply.status_code == 200, reply.content
    assert QuestionnaireResponse.objects.get().mode == Mode.KIOSK


def test_a_link_of_a_message_is_not_touched_by_all_this(inside):
    page = inside.client.get("/answer/1/")
    assert "Refresh" not in page
    inside.send(1, 2)
    assert QuestionnaireResponse.objects.get().mode == Mode.LINK


def test_it_asks_after_two_minutes_and_locks_after_three(tablet, clock):
    page = tablet.client.get("/answer/1/")
    assert page["Refresh"] == "120; url=/tablet/pause/"
    clock.shift(timedelta(seconds=120))
    pause = tablet.client.get("/tablet/pause/")
    assert b"Are you still there?" in pause.content
    assert pause["Refresh"] == "60; url=/tablet/"
    clock.shift(timedelta(seconds=61))
    assert tablet.client.get("/answer/1/")["Location"] == "/tablet/"
    assert tablet.client.get("/tablet/pause/")["Location"] == "/tablet/"
    tablet.client.get("/tablet/")
    assert not has_ticket(tablet.client)


def test_before_the_birth_date_too_it_asks_after_two_minutes_and_locks_after_three(code, clock):
    client = Client()
    enter(client, code)
    assert client.get("/tablet/start/")["Refresh"] == "120; url=/tablet/pause/"
    clock.shift(timedelta(seconds=120))
    pause = client.get("/tablet/pause/")
    assert b"Are you still there?" in pause.content
    assert b'href="/tablet/start/"' in pause.content
    assert pause["Refresh"] == "60; url=/tablet/"
    clock.shift(timedelta(seconds=61))
    assert client.get("/tablet/start/")["Location"] == "/tablet/"
    assert client.get("/tablet/pause/")["Location"] == "/tablet/"


def test_before_the_birth_date_too_every_page_gives_three_minutes_more(code, clock):
    client = Client()
    enter(client, code)
    for _ in range(2):
        clock.shift(timedelta(seconds=170))
        assert client.get("/tablet/start/").status_code == 200
    clock.shift(timedelta(seconds=170))
    wrong = client.post("/tablet/start/", WRONG_DATE)
    assert wrong["Refresh"] == "120; url=/tablet/pause/"
    assert client.cookies[tickets.TABLET_COOKIE]["max-age"] == 180
    clock.shift(timedelta(seconds=170))
    assert client.post("/tablet/start/", BIRTH_DATE)["Location"] == "/answer/"


def test_at_the_questions_the_way_on_leads_back_to_them(tablet):
    tablet.client.get("/tablet/start/")
    assert b'href="/answer/"' in tablet.client.get("/tablet/pause/").content


def test_every_page_gives_three_minutes_more(tablet, clock):
    for _ in range(5):
        clock.shift(timedelta(seconds=170))
        assert tablet.client.get("/answer/1/").status_code == 200
    assert tablet.client.cookies[tickets.COOKIE]["max-age"] == 180


def test_an_old_ticket_is_worth_nothing_on_the_server(tablet, clock):
    stolen = tablet.client.cookies[tickets.COOKIE].value
    clock.shift(timedelta(seconds=181))
    thief = Client()
    thief.cookies[tickets.COOKIE] = stolen
    assert b"Little interest" not in thief.get("/answer/1/").content
    step = tablet.sitting.step(1)
    path = f"/api/v1/answering/{step.assignment.pk}/answers/"
    data = {"answers": {"1": 2}, "revision": 0, "language": "en"}
    assert thief.put(path, data, content_type="application/json").status_code == 401


def test_what_was_answered_is_kept_and_goes_on_with_a_new_code(tablet, clock, patient, clinician):
    tablet.send(1, 2)
    tablet.client.post("/tablet/lock/")
    made = hand_over(patient, clinician)
    client = Client()
    enter(client, made.code)
    assert b"go on where you stopped" in client.get("/tablet/start/").content
    client.post("/tablet/start/", BIRTH_DATE)
    assert client.get("/answer/")["Location"] == "/answer/2/"


def test_locking_ends_the_sitting_here_and_elsewhere(tablet):
    ticket = tablet.client.cookies[tickets.COOKIE].value
    reply = tablet.client.post("/tablet/lock/")
    assert reply["Location"] == "/tablet/"
    assert not has_ticket(tablet.client)
    other = Client()
    other.cookies[tickets.COOKIE] = ticket
    assert b"Little interest" not in other.get("/answer/1/").content
    assert AuditEvent.objects.filter(action="tablet.locked").exists()
    assert Client().get("/tablet/lock/").status_code == 405


def test_after_the_thanks_nothing_can_be_read_again(tablet):
    tablet.answer_all(1)
    tablet.submit()
    page = tablet.client.get("/answer/thanks/")
    html = page.content.decode()
    assert "Hand the tablet back" in html
    assert "You can close this page now" not in html
    assert "tel:999" in html  # the crisis text belongs to a positive answer here, too
    assert page["Refresh"] == "60; url=/tablet/"
    assert page["Cache-Control"] == "no-store"
    reply = tablet.client.post("/tablet/lock/")
    assert reply["Location"] == "/tablet/"
    assert not has_ticket(tablet.client)
    for path in ("/answer/", "/answer/1/", "/answer/review/", "/answer/thanks/"):
        again = tablet.client.get(path, follow=True)
        assert again.request["PATH_INFO"] == "/tablet/", path
        for word in (b"Several days", b"Little interest", b"Robin"):
            assert word not in again.content


def test_on_a_tablet_too_a_call_can_be_asked_for_and_the_tablet_locks(tablet):
    page = tablet.client.get(tablet.client.post("/answer/call/")["Location"])
    assert b"would like a call" in page.content
    assert page["Refresh"] == "60; url=/tablet/"
    assert Client().post("/answer/call/").status_code == 403


def test_the_page_for_codes_forgets_the_patient(tablet):
    tablet.client.get("/tablet/")
    assert not has_ticket(tablet.client)
    assert tablet.client.get("/answer/1/")["Location"] == "/tablet/"


def test_whoever_was_signed_in_is_signed_out(code, clinician, clinic):
    client = signed_in(clinician)
    assert client.get(f"/c/{clinic.slug}/").status_code == 200
    enter(client, code)
    assert client.get(f"/c/{clinic.slug}/").status_code == 302
    assert client.get("/tablet/start/").status_code == 200


def test_a_new_code_ends_the_sitting_on_another_tablet(tablet, patient, clinician):
    assert tablet.client.get("/answer/1/").status_code == 200
    hand_over(patient, clinician)
    assert tablet.client.get("/answer/1/")["Location"] == "/tablet/"


def test_two_patients_after_one_another_see_only_their_own(
    tablet, clinic, clinician, other_enrolment, stranger
):
    tablet.send(1, 2)
    made = workflows.hand_over_tablet(patient=other_enrolment.patient, by=stranger.actor, now=NOW)
    enter(tablet.client, made.code)
    assert kept(tablet.client)[tickets.COOKIE] == ""
    assert tablet.client.get("/answer/1/")["Location"] == "/tablet/"
    tablet.client.post("/tablet/start/", BIRTH_DATE)
    page = tablet.client.get("/answer/1/").content
    assert b"South" in page
    assert b"checked" not in page


def test_no_page_has_inline_script_or_style_or_a_name(tablet, code):
    client = Client()
    pages = [client.get("/tablet/"), tablet.client.get("/tablet/start/")]
    pages += [tablet.client.get("/tablet/pause/"), tablet.client.get("/answer/1/")]
    for page in pages:
        html = page.content.decode()
        assert page.status_code == 200
        assert html.count("<h1") <= 1
        assert not re.search(r"<script(?![^>]*\ssrc=)|<style|\s(?:style|on\w+)=", html)
        for word in ("Robin", "Example", "1980", "PHQ"):
            assert word not in without_chance(html)


def test_a_fault_of_ours_is_a_kind_page(code, monkeypatch):
    def fail(**_fields):
        raise RuntimeError("Robin Example")

    monkeypatch.setattr(delivery, "may_try_code", fail)
    reply = enter(Client(), code)
    assert reply.status_code == 500
    assert b"not your fault" in reply.content
