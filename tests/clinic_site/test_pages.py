"""Every page, by who asks: own role, another clinic, nobody."""

from __future__ import annotations

import uuid

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from outcomes.audit.models import SYSTEM, AuditEvent
from outcomes.clinics import services as clinics
from outcomes.clinics.access import Role
from outcomes.clinics.models import User
from tests.clinic_site.conftest import KEY_OF, World
from tests.conftest import make_member_here_too, signed_in

READ = ["caseload", "patients", "patient", "patient_responses", "session", "response", "alerts"]
READ += ["alert", "patient_sessions", "patient_deliveries", "unreached"]
ANSWER = ["call_settle"]
ENROL = ["enrol", "edit_patient", "contact", "episode_clinicians"]
RECORD = ["session_new", "session_edit", "session_move", "session_cancel", "response_correct"]
RECORD += ["paper"]
RECORD += ["course_new", "treatment_change_new", "episode_close"]
MANAGE = ["settings", "members", "member", "tokens", "messages", "message", "audit"]
MANAGE += ["recipients", "cover"]
MANAGE += ["deliveries"]
POSTED = [
    "response_seen",
    "response_loss",
    "all_seen",
    "hand_over",
    "ask_again",
    "member_end",
    "token_revoke",
]
POSTED += ["forget_devices", "member_phone", "recipient_test", "cover_remove"]
PAGES = [*READ, *ANSWER, *ENROL, *RECORD, *MANAGE]


def _statuses(world: World, client: Client, names: list[str]) -> dict[str, int]:
    return {name: client.get(world.url(name)).status_code for name in names}


def test_an_admin_opens_every_page(world: World, as_admin: Client) -> None:
    for name in PAGES:
        page = as_admin.get(world.url(name))
        assert page.status_code == 200, name
        html = page.content.decode()
        assert html.count("<h1") == 1, name
        assert '<html lang="en"' in html, name
        assert html.count('<main id="main"') == 1, name
        # The content security policy would block these.
        assert " style=" not in html, name
        assert " onclick=" not in html, name
        assert "<script>" not in html, name


def test_a_clinician_opens_patients_and_not_the_clinic(world: World, as_clinician: Client) -> None:
    expected = {name: 403 if name in MANAGE else 200 for name in PAGES}
    assert _statuses(world, as_clinician, PAGES) == expected


def test_the_care_team_only_reads(world: World, as_care_team: Client) -> None:
    expected = {name: 200 if name in READ else 403 for name in PAGES}
    assert _statuses(world, as_care_team, PAGES) == expected
    for name in [*ANSWER, *ENROL, *RECORD, *MANAGE, *POSTED]:
        assert as_care_team.post(world.url(name)).status_code == 403, name


def test_nobody_is_sent_to_sign_in(world: World) -> None:
    for name in [*PAGES, *POSTED]:
        for method in ("get", "post"):
            page = getattr(Client(), method)(world.url(name))
            assert page.status_code == 302, name
            assert page["Location"].startswith(reverse("account_login")), name


def test_another_clinic_looks_exactly_like_no_clinic(world: World, stranger: User) -> None:
    client = signed_in(stranger)
    for name in [*PAGES, *POSTED]:
        url = world.url(name)
        for method in ("get", "post"):
            foreign = getattr(client, method)(url)
            nowhere = getattr(client, method)(url.replace("/c/north/", "/c/nowhere/"))
            assert (foreign.status_code, nowhere.status_code) == (404, 404), name
            assert foreign.content == nowhere.content, name


def test_who_has_not_accepted_is_a_stranger_on_every_page(world: World, stranger: User) -> None:
    entry = {"clinic": world.clinic, "email": stranger.email, "name": "", "by": SYSTEM}
    clinics.add_member(**entry, role=Role.CLINIC_ADMIN, now=world.response.submitted_at)
    client = signed_in(stranger)
    for name in [*PAGES, *POSTED]:
        url = world.url(name)
        for method in ("get", "post"):
            invited = getattr(client, method)(url)
            nowhere = getattr(client, method)(url.replace("/c/north/", "/c/nowhere/"))
            assert (invited.status_code, nowhere.status_code) == (404, 404), name
            assert invited.content == nowhere.content, name


def test_a_foreign_row_looks_exactly_like_no_row(
    world: World, other_world: World, as_admin: Client
) -> None:
    for name in KEY_OF:
        own = world.url(name)
        key = own.split("/")[4]
        foreign_url = other_world.url(name).replace("/c/south/", "/c/north/")
        missing_url = own.replace(key, str(uuid.uuid4()))
        for method in ("get", "post"):
            foreign = getattr(as_admin, method)(foreign_url)
            missing = getattr(as_admin, method)(missing_url)
            assert foreign.status_code == missing.status_code, name
            assert foreign.status_code in (404, 405), name
            assert foreign.content == missing.content, name


@pytest.mark.parametrize(
    "name", ["patient", "patient_responses", "patient_sessions", "session", "response", "alert"]
)
def test_reading_a_record_is_audited(world: World, as_care_team: Client, name: str) -> None:
    as_care_team.get(world.url(name))
    event = AuditEvent.objects.filter(action="patient.viewed").get()
    assert event.patient_id == world.patient.pk
    assert event.actor_label == "Carl <carl@north.example>"


def test_a_user_of_one_clinic_starts_at_its_caseload(world: World, as_clinician: Client) -> None:
    page = as_clinician.get("/")
    assert page["Location"] == world.url("caseload")


def test_a_user_of_two_clinics_chooses(
    world: World, other_world: World, clinician: User, as_clinician: Client
) -> None:
    make_member_here_too(other_world.clinic, clinician, Role.CARE_TEAM)
    html = as_clinician.get("/").content.decode()
    assert "North Clinic" in html
    assert "South Clinic" in html
    # Here the banner names what is open in both.
    assert html.count("Robin Example, raised") == 1
    assert html.count("Olu Example, raised") == 1


def test_a_user_of_no_clinic_is_told_so(db: None) -> None:
    user = User.objects.create_user("new@nowhere.example", name="Newcomer")
    assert b"You have no role in a clinic" in signed_in(user).get("/").content


def test_an_open_alert_stands_on_every_page(world: World, as_admin: Client) -> None:
    for name in PAGES:
        html = as_admin.get(world.url(name)).content.decode()
        assert "Robin Example, raised" in html, name
        assert world.url("alert") in html, name


def test_a_mail_that_does_not_leave_is_said_on_every_page(
    world: World, as_clinician: Client
) -> None:
    assert b"mail about it is delayed" not in as_clinician.get(world.url("alerts")).content
    with time_machine.travel(world.alert.raised_at.replace(minute=10)):
        assert b"mail about it is delayed" in as_clinician.get(world.url("alerts")).content


def test_synthetic_data_is_marked(world: World, as_clinician: Client) -> None:
    assert b"its patients are synthetic" not in as_clinician.get(world.url("caseload")).content
    type(world.clinic).objects.update(is_synthetic=True)
    assert b"its patients are synthetic" in as_clinician.get(world.url("caseload")).content


@pytest.mark.parametrize("name", ["course_new", "session_cancel", "alert", "session"])
def test_a_page_that_names_a_patient_is_in_the_audit_record(
    world: World, as_clinician: Client, name: str
) -> None:
    as_clinician.get(world.url(name))

    read = AuditEvent.objects.filter(action="patient.viewed", patient_id=world.patient.pk)
    assert read.count() == 1
