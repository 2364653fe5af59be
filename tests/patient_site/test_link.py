"""A link's first page: what it says, what it hides, and whom it lets in."""

from __future__ import annotations

import hashlib
import re
from datetime import date, timedelta

import pytest
from django.apps import apps
from django.core.cache import cache
from django.test import Client

from outcomes import workflows
from outcomes.audit.models import SYSTEM, AuditEvent
from outcomes.clinics.models import Clinic
from outcomes.delivery import services as delivery
from outcomes.delivery import sitting as tickets
from outcomes.delivery.models import Invitation, Link
from outcomes.patient_site import throttle
from outcomes.scheduling.models import Assignment, AssignmentState
from tests.chance import without_chance
from tests.conftest import NOW
from tests.patient_site.conftest import BIRTH_DATE, WRONG_DATE, Phone


def everything_stored() -> str:
    """Return a fingerprint of every row of every table of the product."""
    rows = [
        (model.__name__, list(model.objects.order_by("pk").values()))
        for model in apps.get_app_config("outcomes").get_models()
    ]
    return hashlib.sha256(repr(rows).encode()).hexdigest()


def press_every_button(client: Client, path: str) -> list[str]:
    """Do as a mail scanner: open a page, send each of its forms as it is; return what it saw."""
    seen = [client.get(path).content.decode()]
    for form in re.findall(r"<form.*?</form>", seen[0], re.DOTALL):
        action = re.search(r'<form[^>]*action="([^"]*)"', form)
        fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', form))
        reply = client.post(action[1] if action else path, fields, follow=True)
        seen.append(reply.content.decode())
        for inner in re.findall(r"<form.*?</form>", seen[-1], re.DOTALL):
            fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', inner))
            again = client.post(reply.request["PATH_INFO"], fields, follow=True)
            seen.append(again.content.decode())
    return seen


# -- What it says --------------------------------------------------------------------------------


def test_it_says_why_how_long_and_who_looks(phone):
    page = phone.client.get(phone.path).content.decode()
    assert "North would like to know how you are" in page
    assert "about 4 minutes" in page
    assert "people responsible for your care at North" in page
    assert "nobody watches them around the clock" in page
    assert "If you are in danger, call" in page
    assert 'href="tel:999"' in page
    assert 'href="tel:+12025550123"' in page
    assert "<details" not in page


def test_it_names_neither_the_patient_nor_a_questionnaire(phone, patient, clinician):
    page = phone.client.get(phone.path).content.decode()
    for word in (patient.given_name, patient.family_name, "1980", "PHQ", "GAD", clinician.name):
        assert word not in without_chance(page)
    assert "Little interest" not in page
    assert "<title>North</title>" in page
    assert '<meta name="robots" content="noindex">' in page


def test_opening_it_changes_nothing(phone):
    before = everything_stored()
    for _ in range(3):
        assert phone.client.get(phone.path).status_code == 200
        assert phone.client.head(phone.path).status_code == 200
        assert phone.client.get(f"{phone.path}not-for-me/").status_code == 200
    assert everything_stored() == before
    assert tickets.COOKIE not in phone.client.cookies


@pytest.mark.parametrize("checks_birth_date", [True, False])
def test_a_scanner_that_presses_every_button_changes_and_sees_nothing(
    phone, clinic, checks_birth_date
):
    Clinic.objects.filter(pk=clinic.pk).update(checks_birth_date=checks_birth_date)
    before = everything_stored()
    seen = "".join(press_every_button(Client(), phone.path))
    assert everything_stored() == before
    assert "Little interest" not in seen
    assert phone.client.post(phone.path, {**BIRTH_DATE, "is_mine": "on"}).status_code == 302


# -- Links that lead nowhere ---------------------------------------------------------------------


def unknown(phone: Phone) -> str:
    return "/a/nobody-was-ever-sent-this-link-0123456789/"


def revoked(phone: Phone) -> str:
    Link.objects.filter(pk=phone.link.pk).update(revoked_at=NOW)
    return phone.path


def withdrawn(phone: Phone) -> str:
    invitation = Invitation.objects.get()
    delivery.revoke_invitation(invitation=invitation, reason="test", by=SYSTEM, now=NOW)
    return phone.path


def expired(phone: Phone) -> str:
    Invitation.objects.update(closes_at=NOW)
    return phone.path


@pytest.mark.parametrize("make", [unknown, revoked, withdrawn, expired])
@pytest.mark.parametrize("language", ["en", "de"])
def test_unknown_expired_and_revoked_links_look_the_same(phone, make, language):
    headers = {"Accept-Language": language}
    reference = Client().get("/a/x/", headers=headers)
    for suffix in ("", "not-for-me/"):
        for call in (Client().get, Client().post):
            reply = call(make(phone) + suffix, headers=headers)
            assert (reply.status_code, reply.content) == (404, reference.content)
            assert reply.headers == reference.headers
            assert not reply.cookies
    assert language != "en" or b"This link does not work any more" in reference.content


@pytest.mark.parametrize("later", ["invitation", "questions"])
def test_a_link_that_is_not_open_yet_says_on_which_day_it_opens(phone, patient, later):
    patient.time_zone = "Pacific/Auckland"
    patient.save()
    opens_at = NOW + timedelta(hours=20)
    if later == "invitation":
        Invitation.objects.update(opens_at=opens_at)
    else:
        asked = Assignment.objects.filter(state="open")
        asked.update(opens_at=opens_at, due_at=opens_at, closes_at=opens_at + timedelta(days=1))
    page = phone.client.get(phone.path)
    assert page.status_code == 200
    assert b"These questions are not open yet" in page.content
    assert b"They open on Tuesday 3 February." in page.content
    assert tickets.COOKIE not in phone.client.cookies


def test_a_link_that_is_not_open_yet_and_was_taken_back_is_like_any_other(phone):
    Invitation.objects.update(opens_at=NOW + timedelta(hours=20), revoked_at=NOW)
    assert phone.client.get(phone.path).content == Client().get("/a/x/").content


def test_the_patients_language_does_not_show_on_a_link_that_is_over(phone, patient):
    patient.language = "es"
    patient.save()
    assert Client().get(expired(phone)).content == Client().get("/a/x/").content


def test_misses_are_throttled_by_address(phone):
    for _ in range(throttle.MISSES):
        assert Client().get("/a/x/").status_code == 404
    refused = Client().get("/a/y/")
    assert refused.status_code == 429
    assert b"Please wait a little" in refused.content
    assert Client().get("/a/x/", REMOTE_ADDR="192.0.2.7").status_code == 404


def test_a_live_link_opens_whatever_a_neighbour_guesses(phone):
    for _ in range(throttle.MISSES + 1):
        Client().get("/a/x/")
    assert phone.client.get(phone.path).status_code == 200


def test_the_throttle_lets_go_after_ten_minutes(phone, clock):
    for _ in range(throttle.MISSES + 1):
        Client().get("/a/x/")
    clock.move_to(NOW + timedelta(minutes=10))
    assert Client().get("/a/x/").status_code == 404


def test_a_cache_that_is_down_refuses_nobody(phone, monkeypatch, caplog):
    def fail(*args: object) -> None:
        raise ConnectionError

    monkeypatch.setattr(cache, "get", fail)
    assert Client().get("/a/x/").status_code == 404
    assert "cache did not answer" in caplog.text


@pytest.mark.parametrize(
    ("trusted", "forwarded", "seen"),
    [
        (0, "198.51.100.1", "127.0.0.1"),
        (1, "198.51.100.1", "198.51.100.1"),
        (1, "203.0.113.9, 198.51.100.1", "198.51.100.1"),
        (2, "203.0.113.9, 198.51.100.1", "203.0.113.9"),
        (2, "198.51.100.1", "127.0.0.1"),
        (1, "", "127.0.0.1"),
    ],
)
def test_only_trusted_proxies_say_where_a_request_came_from(rf, settings, trusted, forwarded, seen):
    settings.TRUSTED_PROXIES = trusted
    request = rf.get("/", headers={"X-Forwarded-For": forwarded})
    assert throttle.client_address(request) == seen


@pytest.mark.parametrize(
    ("address", "counted_by"),
    [
        ("198.51.100.1", "198.51.100.1"),
        ("::ffff:198.51.100.1", "198.51.100.1"),
        ("2001:db8:0:1:2:3:4:5", "2001:db8:0:1::/64"),
        ("2001:db8::9%eth0", "2001:db8::/64"),
        ("", ""),
        ("unix:", "unix:"),
    ],
)
def test_misses_are_counted_by_what_one_caller_has(rf, address, counted_by):
    assert throttle.client_network(rf.get("/", REMOTE_ADDR=address)) == counted_by


# -- The right person ----------------------------------------------------------------------------


def test_the_right_birth_date_lets_in(phone):
    reply = phone.let_in()
    assert (reply.status_code, reply.headers["Location"]) == (302, "/answer/")
    phone.link.refresh_from_db()
    assert phone.link.opened_at == NOW
    assert Invitation.objects.get().confirmed_at == NOW


def test_the_ticket_is_out_of_reach_of_scripts_and_other_sites(phone, settings):
    settings.SESSION_COOKIE_SECURE = True
    phone.let_in()
    cookie = phone.client.cookies[tickets.COOKIE]
    assert cookie["httponly"] is True
    assert cookie["samesite"] == "Lax"
    assert cookie["secure"] is True
    assert cookie["max-age"] == 2 * 60 * 60


@pytest.mark.parametrize(
    "birth_date",
    [
        {},
        {"day": "17", "month": "5", "year": ""},
        {"day": "31", "month": "2", "year": "1980"},
        {"day": "17", "month": "May", "year": "1980"},
        {"day": "17", "month": "5", "year": "80"},
        {"day": "17", "month": "5", "year": "99999999999999999999"},
        {"day": "-1", "month": "5", "year": "1980"},
    ],
)
def test_a_date_that_is_no_date_is_explained_and_not_counted(phone, birth_date):
    page = phone.client.post(phone.path, birth_date)
    assert page.status_code == 200
    assert page.content.decode().count("Enter the date of birth as three numbers") == 2
    assert b"<title>Error: North</title>" in page.content
    assert Invitation.objects.get().failed_checks == 0


def test_a_wrong_birth_date_says_how_many_tries_are_left(phone):
    for left in ("4 more times", "3 more times", "2 more times", "once more"):
        page = phone.client.post(phone.path, WRONG_DATE).content.decode()
        assert "This is not the date of birth your clinic has" in page
        assert left in page
    assert tickets.COOKIE not in phone.client.cookies


def test_the_fifth_wrong_birth_date_locks_the_link_for_everybody(phone):
    for _ in range(5):
        page = phone.client.post(phone.path, WRONG_DATE)
    assert page.status_code == 403
    assert b"this link is locked" in page.content
    assert b"tel:+12025550123" in page.content
    assert Client().post(phone.path, BIRTH_DATE).content == page.content
    assert Client().get(phone.path).content == page.content
    assert AuditEvent.objects.filter(action="invitation.locked").count() == 1


def test_a_lock_closes_what_was_open_on_another_device_too(inside):
    for _ in range(5):
        Client().post(inside.path, WRONG_DATE)
    assert b"this link is locked" in inside.client.get("/answer/1/").content


def test_a_locked_link_whose_time_is_over_looks_like_any_other(phone):
    Invitation.objects.update(locked_at=NOW, closes_at=NOW)
    assert phone.client.get(phone.path).content == Client().get("/a/x/").content


@pytest.mark.parametrize("why", ["the clinic does not check", "no birth date is known"])
def test_without_a_birth_date_to_check_a_tick_is_enough(phone, clinic, patient, why):
    if why == "the clinic does not check":
        Clinic.objects.filter(pk=clinic.pk).update(checks_birth_date=False)
    else:
        patient.birth_date = None
        patient.save()
    page = phone.client.get(phone.path).content.decode()
    assert "date of birth" not in page
    unticked = phone.client.post(phone.path, {})
    assert b"Tick the box if this message is for you." in unticked.content
    assert phone.client.post(phone.path, {"is_mine": "on"}).headers["Location"] == "/answer/"


# -- The wrong person ----------------------------------------------------------------------------


def test_not_for_me_asks_once_more_before_it_ends_the_invitation(phone):
    before = everything_stored()
    page = phone.client.post(f"{phone.path}not-for-me/")
    assert b"Did this message reach the wrong person?" in page.content
    unticked = phone.client.post(f"{phone.path}not-for-me/", {"confirms": "1"})
    assert b"Tick the box to confirm" in unticked.content
    assert everything_stored() == before


def test_not_for_me_ends_the_invitation_and_leaves_a_record(phone, inside):
    page = phone.client.post(f"{phone.path}not-for-me/", {"confirms": "1", "is_sure": "on"})
    assert b"Thank you for telling us" in page.content
    assert Invitation.objects.get().revoked_at == NOW
    assert AuditEvent.objects.filter(action="invitation.revoked").exists()
    assert phone.client.get(phone.path).status_code == 404
    assert inside.client.get("/answer/1/").status_code == 403


# -- Kind pages ----------------------------------------------------------------------------------


def test_a_link_whose_questions_are_answered_says_thank_you(phone, inside):
    inside.answer_all()
    inside.submit()
    page = Client().get(phone.path)
    assert page.status_code == 200
    assert b"Already answered, thank you" in page.content
    assert Client().post(phone.path, BIRTH_DATE).content == page.content


def test_a_link_whose_questions_have_closed_says_so(phone):
    Assignment.objects.filter(invitations=Invitation.objects.get()).update(
        state=AssignmentState.EXPIRED
    )
    page = phone.client.get(phone.path)
    assert b"There is nothing to answer at the moment" in page.content


def test_a_handed_over_link_opens_the_same_questions(phone, patient, clinician):
    address = workflows.hand_over_link(patient=patient, by=clinician.actor, now=NOW)
    assert address
    path = "/" + address.split("/", 3)[3]
    assert path != phone.path
    assert Client().post(path, BIRTH_DATE).status_code == 302


def test_a_browser_that_keeps_no_cookie_is_told_what_to_do(phone):
    page = Client(enforce_csrf_checks=True).post(phone.path, BIRTH_DATE)
    assert page.status_code == 403
    text = page.content.decode()
    assert "open the link in your clinic" in text
    assert "emergency number" in text
    assert "tel:+12025550123" in text


def test_a_corrected_birth_date_opens_the_locked_link_again(phone, patient):
    for _ in range(5):
        phone.client.post(phone.path, WRONG_DATE)
    assert phone.client.get(phone.path).status_code == 403
    workflows.change_patient(
        patient=patient, changes={"birth_date": date(1980, 5, 18)}, by=SYSTEM, now=NOW
    )
    assert phone.client.get(phone.path).status_code == 200
    assert phone.client.post(phone.path, WRONG_DATE).status_code == 302


def test_a_link_that_was_handed_over_says_nothing_about_the_address(phone, patient):
    handed = workflows.hand_over_link(patient=patient, by=SYSTEM, now=NOW)
    path = "/" + handed.split("/", 3)[3]
    for _ in range(5):
        Client().post(path, WRONG_DATE)
    assert not delivery.is_astray(patient.contacts.get())
