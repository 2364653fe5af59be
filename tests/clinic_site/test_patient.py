"""The patient page and what is changed from it."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from outcomes import workflows
from outcomes.audit.models import SYSTEM, AuditEvent
from outcomes.care import services as care
from outcomes.care.models import Channel, Consent, CourseKind, EpisodeOfCare, TreatmentChange
from outcomes.clinics.models import User
from outcomes.delivery.models import Invitation
from outcomes.scheduling.models import Schedule
from tests.clinic_site.conftest import World
from tests.conftest import NOW
from tests.instruments.test_services import add_words


def test_it_shows_who_what_and_when(world: World, as_clinician: Client) -> None:
    html = as_clinician.get(world.url("patient")).content.decode()
    for text in (
        "Robin Example",
        "17 May 1980",
        "Clara",
        "Treatment-resistant depression",
        "Ketamine Intravenous 40 mg",
        "robin@patient.example",
        "consent given",
        world.url("response"),
        world.url("session"),
        world.url("alert"),
        world.url("session_edit").replace(str(world.session.pk), str(world.planned.pk)),
    ):
        assert text in html


def test_each_sessions_row_says_what_was_given(world: World, as_clinician: Client) -> None:
    html = as_clinician.get(world.url("patient")).content.decode()
    table = html.partition('id="per-session"')[2].partition("</details>")[0]
    (row,) = re.findall(r"<tbody>\s*<tr><th.*?</th>", table, re.DOTALL)
    words = " ".join(re.sub(r"<[^>]+>", " ", row).split())
    assert words == "3, 1 Feb 2026 Ketamine Intravenous 40 mg"


def test_where_there_are_two_courses_a_session_is_named_with_its_own(
    world: World, as_clinician: Client
) -> None:
    def rows() -> str:
        html = as_clinician.get(world.url("patient")).content.decode()
        return html.partition('id="per-session"')[2].partition("</details>")[0]

    assert "Induction" not in rows()
    first = world.session.course
    first.pk, first.kind, first.started_at = None, "maintenance", NOW
    first._state.adding = True
    first.save()
    assert "Induction" in rows()


def test_it_says_why_a_bipolar_patient_is_not_watched_for_mania(
    world: World, as_clinician: Client
) -> None:
    def told() -> str:
        html = as_clinician.get(world.url("patient")).content.decode()
        return " ".join(re.sub(r"<[^>]+>", "", html).split())

    clinic = world.patient.clinic
    assert "Mania is not watched" not in told()
    EpisodeOfCare.objects.update(indication="bipolar")
    assert "Mania is not watched by the ASRM: its wording is not loaded here." in told()
    workflows.change_clinic(clinic=clinic, changes={"watches_mania": False}, by=SYSTEM, now=NOW)
    assert "Mania is not watched by the ASRM: the watch is switched off in the clinic" in told()
    workflows.change_clinic(clinic=clinic, changes={"watches_mania": True}, by=SYSTEM, now=NOW)
    add_words(clinic, "ASRM", NOW)
    not_planned = (
        "Mania is not watched by the ASRM: nothing that is planned for this patient asks it."
    )
    assert not_planned in told()
    courses = EpisodeOfCare.objects.get().courses
    courses.update(schedule=Schedule.objects.get(code="ketamine-default"), needs_plan=True)
    workflows.replan_due(now=NOW)
    assert "Mania is not watched" not in told()
    courses.update(ended_at=NOW, needs_plan=True)
    workflows.replan_due(now=NOW)
    assert not_planned in told()


def test_the_page_takes_a_counted_handful_of_queries(
    world: World, as_clinician: Client, django_assert_max_num_queries: Any
) -> None:
    as_clinician.get(world.url("patient"))
    with django_assert_max_num_queries(26):
        as_clinician.get(world.url("patient"))
    with django_assert_max_num_queries(26):
        as_clinician.get(world.url("patient") + "?range=all&scores=all")


def test_the_care_team_sees_a_masked_contact_and_no_buttons(
    world: World, as_care_team: Client
) -> None:
    html = as_care_team.get(world.url("patient")).content.decode()
    assert "robin@patient.example" not in html
    assert "r•••@patient.example" in html
    assert "Record session" not in html


def test_a_search_finds_every_word_and_stays_out_of_the_address(
    world: World, other_world: World, as_clinician: Client
) -> None:
    page = as_clinician.post(world.url("patients"), {"text": "exam rob"})
    assert [found.pk for found in page.context["found"]] == [world.patient.pk]
    assert not as_clinician.post(world.url("patients"), {"text": "olu"}).context["found"]


def test_details_are_changed_and_audited(world: World, as_clinician: Client) -> None:
    entry = {
        "given_name": "Robin",
        "family_name": "Renamed",
        "birth_date": "1980-05-17",
        "language": "es",
        "time_zone": "Europe/Madrid",
    }
    page = as_clinician.post(world.url("edit_patient"), entry)
    assert page.status_code == 302
    world.patient.refresh_from_db()
    assert (world.patient.family_name, world.patient.time_zone) == ("Renamed", "Europe/Madrid")
    event = AuditEvent.objects.get(action="patient.changed")
    assert event.data == {"fields": ["family_name", "language", "time_zone"]}


def test_a_bad_detail_is_named_and_nothing_is_saved(world: World, as_clinician: Client) -> None:
    page = as_clinician.post(world.url("edit_patient"), {"given_name": "", "language": "xx"})
    assert {"given_name", "birth_date", "language", "time_zone"} == set(page.context["form"].errors)
    world.patient.refresh_from_db()
    assert world.patient.given_name == "Robin"


def test_a_new_address_ends_the_links_sent_before(world: World, as_clinician: Client) -> None:
    entry = {"email-value": "New@Patient.Example", "email-is_given": "on"}
    assert as_clinician.post(world.url("contact"), entry).status_code == 302
    assert world.patient.contacts.get().value == "new@patient.example"
    assert Invitation.objects.earliest("created_at", "pk").revoked_reason == "contact changed"


def test_a_withdrawn_consent_is_recorded(world: World, as_clinician: Client) -> None:
    as_clinician.post(world.url("contact"), {"email-value": "robin@patient.example"})
    assert not Consent.objects.latest_for(world.patient, Channel.EMAIL).is_given
    assert world.patient.contacts.exists()


def test_saving_an_unchanged_contact_changes_nothing(world: World, as_clinician: Client) -> None:
    entry = {"email-value": "robin@patient.example", "email-is_given": "on"}
    as_clinician.post(world.url("contact"), entry)
    assert Consent.objects.count() == 1
    assert Invitation.objects.get().revoked_at is None


def test_a_message_that_went_astray_is_said_and_the_address_saved_again_settles_it(
    world: World, as_clinician: Client
) -> None:
    workflows.decline_invitation(
        invitation=Invitation.objects.get(), by=SYSTEM, now=NOW + timedelta(minutes=5)
    )
    later = NOW + timedelta(hours=1)
    with time_machine.travel(later, tick=False):
        for page in ("patient", "contact"):
            assert "Wrong person reached" in as_clinician.get(world.url(page)).content.decode()
        entry = {"email-value": "robin@patient.example", "email-is_given": "on"}
        as_clinician.post(world.url("contact"), entry)
        page = as_clinician.get(world.url("patient")).content.decode()
    assert "Messages to this patient are paused" not in page


@pytest.mark.parametrize(
    ("entry", "field"),
    [
        ({"email-value": "nonsense"}, "email-value"),
        ({"email-value": "", "email-is_given": "on"}, "email-value"),
        ({"email-value": "a@b.example", "sms-value": "12"}, "sms-value"),
    ],
)
def test_a_bad_contact_is_named(
    world: World, as_clinician: Client, entry: dict[str, str], field: str
) -> None:
    page = as_clinician.post(world.url("contact"), entry)
    assert f'href="#id_{field}"' in page.content.decode()
    assert world.patient.contacts.get().value == "robin@patient.example"


def test_who_is_responsible_can_change(world: World, admin: User, as_clinician: Client) -> None:
    as_clinician.post(world.url("episode_clinicians"), {"clinicians": [str(admin.pk)]})
    assert list(world.episode.clinicians.all()) == [admin]
    page = as_clinician.post(world.url("episode_clinicians"), {})
    assert "clinicians" in page.context["form"].errors


def test_a_new_course_ends_the_one_before(world: World, as_clinician: Client) -> None:
    entry = {"kind": "maintenance", "schedule": str(world.course.schedule_id)}
    assert as_clinician.post(world.url("course_new"), entry).status_code == 302
    world.course.refresh_from_db()
    assert world.course.ended_at == NOW
    assert world.episode.courses.get(ended_at=None).kind == CourseKind.MAINTENANCE


@pytest.mark.parametrize("kind", ["change", "note"])
def test_a_marker_is_added_to_the_chart_and_never_in_the_future(
    world: World, as_clinician: Client, kind: str
) -> None:
    url = world.url("treatment_change_new")
    entry = {"kind": kind, "happened_on": "2026-02-03", "description": "Sertraline 50 mg"}
    page = as_clinician.post(url, entry)
    assert list(page.context["form"].errors) == ["happened_on"]
    as_clinician.post(url, {**entry, "happened_on": "2026-01-30"})
    assert TreatmentChange.objects.get().kind == kind
    shown = as_clinician.get(world.url("patient")).content.decode()
    assert "Sertraline 50 mg" in shown
    assert ("Note:" in shown) == (kind == "note")


def test_the_form_of_a_marker_begins_with_the_day_of_its_link(
    world: World, as_clinician: Client
) -> None:
    url = world.url("treatment_change_new")
    form = as_clinician.get(f"{url}?on=2026-01-12&kind=note").context["form"]
    assert (form["kind"].value(), str(form["happened_on"].value())) == ("note", "2026-01-12")
    form = as_clinician.get(f"{url}?on=nonsense&kind=nonsense").context["form"]
    assert (form["kind"].value(), form["happened_on"].value()) == ("change", NOW.date())


def test_an_episode_is_closed_once(world: World, as_clinician: Client) -> None:
    assert as_clinician.post(world.url("episode_close")).status_code == 302
    world.episode.refresh_from_db()
    assert world.episode.ended_on == NOW.date()
    assert as_clinician.post(world.url("episode_close")).status_code == 404
    assert as_clinician.get(world.url("course_new")).status_code == 404
    html = as_clinician.get(world.url("patient")).content.decode()
    assert "closed" in html
    assert "Record session" not in html


def test_a_link_is_shown_once(world: World, as_clinician: Client) -> None:
    assert as_clinician.get(world.url("hand_over")).status_code == 405
    page = as_clinician.post(world.url("hand_over"))
    assert page.context["link"] in page.content.decode()
    assert AuditEvent.objects.filter(action="link.handed_over").count() == 1
    assert page.context["link"] not in as_clinician.get(world.url("patient")).content.decode()


def test_there_is_no_link_to_nothing(world: World, as_clinician: Client) -> None:
    workflows.close_episode(episode=world.episode, by=_actor(world), now=NOW)
    world.episode.assignments.update(state="cancelled")
    page = as_clinician.post(world.url("hand_over"), follow=True)
    assert b"nothing to answer now" in page.content


def test_a_patient_without_an_episode_has_a_page(world: World, as_clinician: Client) -> None:
    patient = care.create_patient(
        clinic=world.clinic, by=_actor(world), now=NOW, given_name="Bare", time_zone="UTC"
    )
    url = reverse("clinic_site:patient", args=[world.clinic.slug, patient.pk])
    assert b"no episode of care" in as_clinician.get(url).content


def _actor(world: World):
    return world.member.user.actor


def test_its_queries_do_not_grow_with_the_record(
    world: World, as_clinician: Client, django_assert_num_queries
) -> None:
    url = world.url("patient")
    as_clinician.get(url)
    with CaptureQueriesContext(connection) as first:
        as_clinician.get(url)
    for days in range(20):
        workflows.record_session(
            course=world.course,
            record={"planned_at": NOW + timedelta(days=days + 20), "status": "planned"},
            by=_actor(world),
            now=NOW,
        )
    with django_assert_num_queries(len(first)):
        page = as_clinician.get(url)
    assert page.content.decode().count("/sessions/") > 20


def test_past_sessions_beyond_the_last_ones_have_a_page(world: World, as_clinician: Client) -> None:
    for number in range(10):
        workflows.record_session(
            course=world.course,
            record={
                "planned_at": NOW - timedelta(days=30 + number),
                "status": "cancelled",
                "status_reason": "Closed",
            },
            by=_actor(world),
            now=NOW,
        )
    assert world.url("patient_sessions") in as_clinician.get(world.url("patient")).content.decode()
    page = as_clinician.get(world.url("patient_sessions"))
    assert len(page.context["sessions"]) == world.course.sessions.count()


def test_every_answer_has_a_page_of_its_own_list(world: World, as_clinician: Client) -> None:
    page = as_clinician.get(world.url("patient_responses"))
    assert [row.pk for row in page.context["responses"]] == [world.response.pk]
    assert as_clinician.get(world.url("patient_responses") + "?page=99").status_code == 200
