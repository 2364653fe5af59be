"""The caseload's page: narrowed, searched, marked as seen, kept as a view."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse

from outcomes import workflows
from outcomes.review.models import SavedView, Standing
from tests.clinic_site.conftest import World


def _seen(world: World) -> str:
    return reverse("clinic_site:line_seen", args=[world.clinic.slug, world.episode.pk])


def _form(world: World, **more: str) -> dict[str, str]:
    return {"until": (world.response.stored_at + timedelta(seconds=1)).isoformat(), **more}


def test_the_line_says_what_is_known_and_the_page_its_rules(
    world: World, as_clinician: Client
) -> None:
    html = as_clinician.get(world.url("caseload")).content.decode()

    assert "Robin Example" in html
    assert "1 open alert" in html
    assert "Mark 1 as seen" in html
    assert '<span class="print-only">1 not seen</span>' in html
    assert "no. 3, 1 day ago" in html
    assert "It is not a risk rating." in html
    rule = as_clinician.get(world.url("caseload") + "?list=worse").content.decode()
    assert "at least 6 points, which is more than measurement error" in rule
    assert "Nobody stands here." in rule


def test_a_line_marked_as_seen_says_by_whom_and_when(world: World, as_clinician: Client) -> None:
    as_clinician.get(world.url("caseload"))
    back = "who=all&list=unreviewed&next=https://elsewhere.example"
    reply = as_clinician.post(_seen(world), _form(world, back=back))

    assert reply["Location"] == (
        f"{world.url('caseload')}?who=all&list=unreviewed#line-{world.episode.pk}"
    )
    html = as_clinician.get(world.url("caseload")).content.decode()
    assert "seen by Clara, 2 Feb 2026" in html
    assert "1 open alert" in html


def test_a_script_is_given_the_line_anew(world: World, as_clinician: Client) -> None:
    as_clinician.get(world.url("caseload"))
    reply = as_clinician.post(_seen(world), _form(world), headers={"X-Fragment": "line"})

    html = reply.content.decode()
    assert html.strip().startswith("<tr")
    assert "seen by Clara" in html
    assert "<html" not in html


def test_who_only_reads_marks_nothing(world: World, as_care_team: Client) -> None:
    html = as_care_team.get(world.url("caseload") + "?who=all").content.decode()

    assert "1 not seen" in html
    assert "Mark 1 as seen" not in html
    assert as_care_team.post(_seen(world), _form(world)).status_code == 403


def test_a_foreign_line_is_not_found(
    world: World, other_world: World, as_clinician: Client
) -> None:
    address = reverse("clinic_site:line_seen", args=[world.clinic.slug, other_world.episode.pk])
    assert as_clinician.post(address, _form(world)).status_code == 404


@pytest.mark.parametrize(("text", "is_found"), [("rob", True), ("EXAMPLE", True), ("obin", False)])
def test_a_search_comes_by_post_and_its_text_stands_in_no_address(
    world: World, as_clinician: Client, text: str, is_found: bool
) -> None:
    html = as_clinician.post(world.url("caseload") + "?list=worse", {"text": text}).content.decode()

    assert ("Robin Example</a>" in html) is is_found
    assert not re.search(rf'href="[^"]*{text}', html)


def test_a_filter_that_makes_no_sense_is_left_out(world: World, as_clinician: Client) -> None:
    address = world.url("caseload") + "?who=them&list=drop&indication=x&after=1"
    assert "Robin Example" in as_clinician.get(address).content.decode()


def test_a_view_is_saved_opened_and_deleted_by_its_owner_alone(
    world: World, as_clinician: Client, as_admin: Client
) -> None:
    save = reverse("clinic_site:view_save", args=[world.clinic.slug])
    form = {"name": "Late ones", "back": "who=all&list=overdue&indication=trd"}
    for _ in range(2):
        as_clinician.post(save, form)
    view = SavedView.objects.get()
    delete = reverse("clinic_site:view_delete", args=[world.clinic.slug, view.pk])

    html = as_clinician.get(world.url("caseload")).content.decode()
    assert '?who=all&amp;list=overdue&amp;indication=trd">Late ones</a>' in html
    assert "Late ones" not in as_admin.get(world.url("caseload")).content.decode()
    assert as_admin.post(delete).status_code == 404
    as_clinician.post(delete)
    assert not SavedView.objects.exists()


def test_the_clinic_chooses_the_questionnaire_of_the_list(
    world: World, as_clinician: Client
) -> None:
    type(world.clinic).objects.filter(pk=world.clinic.pk).update(main_instrument="GAD-7")
    world.clinic.refresh_from_db()
    from outcomes.review import services as review

    review.rebuild(clinic=world.clinic, now=world.response.stored_at)

    assert "Last GAD-7" in as_clinician.get(world.url("caseload")).content.decode()
    assert Standing.objects.get(episode=world.episode).last_value is None


def test_the_sweep_and_the_page_tell_the_same(world: World, as_clinician: Client) -> None:
    assert workflows.keep_up_caseloads(now=world.response.stored_at) > 0
    before = list(Standing.objects.values())
    as_clinician.get(world.url("caseload"))

    assert list(Standing.objects.values()) == before
