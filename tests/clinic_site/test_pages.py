"""Every page, by who asks: own role, another clinic, nobody."""

from __future__ import annotations

import uuid

import pytest
from django.test import Client
from django.urls import reverse

from outcomes.audit.models import AuditEvent
from outcomes.clinics.models import User
from tests.clinic_site.conftest import KEY_OF, World
from tests.conftest import signed_in

READ = ["caseload", "patients", "patient", "patient_responses", "session", "response", "alerts"]
READ += ["alert"]
ENROL = ["enrol", "edit_patient", "contact", "episode_clinicians"]
RECORD = ["session_new", "session_edit", "session_move", "session_cancel", "response_correct"]
RECORD += ["course_new", "treatment_change_new", "episode_close"]
MANAGE = ["settings", "members", "member", "tokens", "messages", "message", "audit"]
POSTED = {"hand_over": "record", "member_end": "manage", "token_revoke": "manage"}
PAGES = [*READ, *ENROL, *RECORD, *MANAGE]


@pytest.mark.parametrize("name", PAGES)
def test_an_admin_opens_every_page(world: World, as_admin: Client, name: str) -> None:
    page = as_admin.get(world.url(name))
    assert page.status_code == 200
    html = page.content.decode()
    assert html.count("<h1") == 1
    assert 'lang="en"' in html
    assert '<main id="main"' in html
    assert "style=" not in html.replace("stylesheet", "")
    assert "onclick" not in html


@pytest.mark.parametrize(
    ("name", "status"),
    [*((name, 200) for name in [*READ, *ENROL, *RECORD]), *((name, 403) for name in MANAGE)],
)
def test_a_clinician_opens_patients_and_not_the_clinic(
    world: World, as_clinician: Client, name: str, status: int
) -> None:
    assert as_clinician.get(world.url(name)).status_code == status


@pytest.mark.parametrize(
    ("name", "status"),
    [*((name, 200) for name in READ), *((name, 403) for name in [*ENROL, *RECORD, *MANAGE])],
)
def test_the_care_team_only_reads(
    world: World, as_care_team: Client, name: str, status: int
) -> None:
    assert as_care_team.get(world.url(name)).status_code == status


@pytest.mark.parametrize("name", [*PAGES, *POSTED])
def test_nobody_is_sent_to_sign_in(world: World, name: str) -> None:
    for method in ("get", "post"):
        page = getattr(Client(), method)(world.url(name))
        assert page.status_code == 302
        assert page["Location"].startswith(reverse("account_login"))


@pytest.mark.parametrize("name", [*PAGES, *POSTED])
def test_another_clinic_looks_exactly_like_no_clinic(
    world: World, stranger: User, name: str
) -> None:
    client, url = signed_in(stranger), world.url(name)
    for method in ("get", "post"):
        foreign = getattr(client, method)(url)
        nowhere = getattr(client, method)(url.replace("/c/north/", "/c/nowhere/"))
        assert (foreign.status_code, nowhere.status_code) == (404, 404)
        assert foreign.content == nowhere.content


@pytest.mark.parametrize("name", sorted(KEY_OF))
def test_a_foreign_row_looks_exactly_like_no_row(
    world: World, other_world: World, as_admin: Client, name: str
) -> None:
    method = as_admin.post if name in POSTED else as_admin.get
    foreign = method(other_world.url(name).replace("/c/south/", "/c/north/"))
    own = world.url(name)
    key = own.split("/")[4]
    missing = method(own.replace(key, str(uuid.uuid4())))
    assert (foreign.status_code, missing.status_code) == (404, 404)
    assert foreign.content == missing.content


@pytest.mark.parametrize("name", ["patient", "patient_responses", "session", "response", "alert"])
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
    from outcomes.audit.models import SYSTEM
    from outcomes.clinics import services as clinics
    from outcomes.clinics.access import Role

    clinics.add_member(
        clinic=other_world.clinic,
        email=clinician.email,
        name=clinician.name,
        role=Role.CARE_TEAM,
        by=SYSTEM,
        now=world.response.submitted_at,
    )
    html = as_clinician.get("/").content.decode()
    assert "North Clinic" in html
    assert "South Clinic" in html
    # Here the banner names what is open in both.
    assert html.count("Robin Example, raised") == 1
    assert html.count("Olu Example, raised") == 1


def test_a_user_of_no_clinic_is_told_so(db: None) -> None:
    user = User.objects.create_user("new@nowhere.example", name="Newcomer")
    assert b"You have no role in a clinic" in signed_in(user).get("/").content


@pytest.mark.parametrize("name", [*READ, *ENROL, *RECORD])
def test_an_open_alert_stands_on_every_page(
    world: World, as_clinician: Client, name: str
) -> None:
    html = as_clinician.get(world.url(name)).content.decode()
    assert "Robin Example, raised" in html
    assert world.url("alert") in html


def test_a_mail_that_does_not_leave_is_said_on_every_page(
    world: World, as_clinician: Client
) -> None:
    import time_machine

    assert b"mail about it is delayed" not in as_clinician.get(world.url("alerts")).content
    with time_machine.travel(world.alert.raised_at.replace(minute=10)):
        assert b"mail about it is delayed" in as_clinician.get(world.url("alerts")).content


def test_synthetic_data_is_marked(world: World, as_clinician: Client) -> None:
    assert b"Synthetic data" not in as_clinician.get(world.url("caseload")).content
    type(world.clinic).objects.update(is_synthetic=True)
    assert b"Synthetic data" in as_clinician.get(world.url("caseload")).content
