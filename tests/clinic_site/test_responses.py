"""Answers as they were given, and their correction."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.test import Client

from outcomes.audit.models import AuditEvent
from outcomes.clinics.models import User
from outcomes.responses.models import QuestionnaireResponse
from outcomes.scheduling.models import Assignment
from tests.clinic_site.conftest import World
from tests.conftest import NOW

CORRECTED = {f"item-{number}": "0" for number in range(1, 11)}


def test_every_answer_stands_in_its_words(world: World, as_care_team: Client) -> None:
    html = as_care_team.get(world.url("response")).content.decode()
    assert "Little interest or pleasure in doing things" in html
    assert html.count("Several days") == 9
    assert "Somewhat difficult" in html
    assert "safety question" in html
    assert "Kroenke, Spitzer &amp; Williams 2001" in html


def test_a_correction_replaces_and_keeps(world: World, as_clinician: Client) -> None:
    entry = {**CORRECTED, "item-10": "", "reason": "Copied from the wrong sheet"}
    page = as_clinician.post(world.url("response_correct"), entry)
    made = QuestionnaireResponse.objects.get(corrects=world.response)
    assert page["Location"].endswith(f"/responses/{made.pk}/")
    assert (made.answers["1"], made.answers["10"]) == (0, None)
    assert AuditEvent.objects.get(action="response.corrected").reason == entry["reason"]
    old = as_clinician.get(world.url("response")).content.decode()
    assert "replaced by a correction" in old
    assert "Copied from the wrong sheet" in old
    assert as_clinician.get(world.url("response_correct")).status_code == 404


@pytest.mark.parametrize(
    ("change", "field"), [({"reason": ""}, "reason"), ({"item-3": "7"}, "item-3")]
)
def test_a_bad_correction_is_named_and_nothing_is_saved(
    world: World, as_clinician: Client, change: dict[str, str], field: str
) -> None:
    entry = {**CORRECTED, "reason": "Wrong sheet", **change}
    page = as_clinician.post(world.url("response_correct"), entry)
    assert list(page.context["form"].errors) == [field]
    assert QuestionnaireResponse.objects.count() == 1


# -- From paper ----------------------------------------------------------------------------------

ITEMS = {f"item-{number}": "1" for number in range(1, 9)}
COPIED = {"filled_on": "2026-02-02", **ITEMS}


def _hidden(page) -> dict[str, str]:
    form = page.context["form"]
    return {name: form.initial[name] for name in ("filled_on", "is_twice", "readings")}


def _entered() -> QuestionnaireResponse:
    return QuestionnaireResponse.objects.get(mode="staff")


def test_a_paper_form_is_copied_and_says_by_whom(
    world: World, as_clinician: Client, clinician: User
) -> None:
    assert world.url("paper") in as_clinician.get(world.url("patient")).content.decode()
    asked = as_clinician.get(world.url("paper")).content.decode()
    assert "Feeling nervous, anxious or on edge" in asked

    page = as_clinician.post(world.url("paper"), COPIED)

    made = _entered()
    assert page["Location"].endswith(f"/responses/{made.pk}/")
    assert (made.entered_by, made.is_entered_twice) == (clinician, False)
    shown = as_clinician.get(page["Location"]).content.decode()
    assert "Entered from paper by Clara, <time" in shown
    assert "entered twice" not in shown


def test_entered_twice_alike_it_says_so(world: World, as_clinician: Client) -> None:
    again = as_clinician.post(world.url("paper"), {**COPIED, "is_twice": "on"})
    html = again.content.decode()
    assert "Please enter the paper a second time" in html
    assert html.count('<option value="" selected>') == len(ITEMS)
    assert not QuestionnaireResponse.objects.filter(mode="staff").exists()

    page = as_clinician.post(world.url("paper"), {**ITEMS, **_hidden(again)})
    assert _entered().is_entered_twice
    assert "entered twice" in as_clinician.get(page["Location"]).content.decode()


def test_differences_are_shown_item_by_item_until_two_readings_agree(
    world: World, as_clinician: Client
) -> None:
    url = world.url("paper")
    page = as_clinician.post(url, {**COPIED, "is_twice": "on"})
    page = as_clinician.post(url, {**ITEMS, **_hidden(page), "item-3": "2", "item-5": ""})
    html = page.content.decode()
    assert "These answers were read differently" in html
    assert "Read before: 1 – Several days; 2 – More than half the days" in html
    assert "Read before: 1 – Several days; No answer" in html
    assert 'name="item-4"' not in html

    page = as_clinician.post(url, {**_hidden(page), "item-3": "2", "item-5": "0"})
    html = page.content.decode()
    assert 'name="item-3"' not in html
    assert "1 – Several days; No answer; 0 – Not at all" in html

    assert as_clinician.post(url, {**_hidden(page), "item-5": "1"}).status_code == 302
    answers = _entered().answers
    assert (answers["3"], answers["5"], answers["4"]) == (2, 1, 1)


def test_what_was_read_from_another_form_does_not_count(
    world: World, other_world: World, as_clinician: Client
) -> None:
    read = as_clinician.post(world.url("paper"), {**COPIED, "is_twice": "on"})
    planned = Assignment.objects.filter(patient=world.patient, state="planned")
    other = planned.filter(instrument__code="GAD-7")[0]
    Assignment.objects.filter(pk=other.pk).update(state="open", opens_at=NOW - timedelta(days=1))
    url = world.url("paper").replace(str(world.asked.pk), str(other.pk))
    page = as_clinician.post(url, {**ITEMS, **_hidden(read)})
    assert "Please enter the paper a second time" in page.content.decode()


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"filled_on": "2026-02-03"}, "filled_on"),
        ({"filled_on": "2020-01-01"}, "filled_on"),
        ({"filled_on": ""}, "filled_on"),
        ({"item-3": "7"}, "item-3"),
    ],
)
def test_a_bad_paper_form_is_named_and_nothing_is_saved(
    world: World, as_clinician: Client, change: dict[str, str], field: str
) -> None:
    page = as_clinician.post(world.url("paper"), {**COPIED, **change})
    assert list(page.context["form"].errors) == [field]
    assert not QuestionnaireResponse.objects.filter(mode="staff").exists()


def test_what_was_missed_long_ago_cannot_be_entered(world: World, as_clinician: Client) -> None:
    for days, status in ((29, 200), (31, 404)):
        closed = NOW - timedelta(days=days)
        times = {"opens_at": closed - timedelta(days=1), "due_at": closed, "closes_at": closed}
        Assignment.objects.filter(pk=world.asked.pk).update(state="expired", **times)
        assert as_clinician.get(world.url("paper")).status_code == status


# -- Seen ----------------------------------------------------------------------------------------


def test_an_answer_is_marked_as_seen_by_a_named_person_once(
    world: World, as_clinician: Client, as_admin: Client, clinician: User
) -> None:
    assert "Mark as seen" in as_clinician.get(world.url("response")).content.decode()
    for client in (as_clinician, as_admin):
        client.post(world.url("response_seen"))
    page = as_clinician.get(world.url("response")).content.decode()
    assert "09:00 GMT</time>, by Clara" in page
    assert "Mark as seen" not in page
    event = AuditEvent.objects.get(action="response.seen")
    assert (event.patient_id, event.actor_label) == (world.patient.pk, clinician.actor.label)
    world.alert.refresh_from_db()
    assert world.alert.state == "open"


def test_all_that_the_page_showed_is_marked_and_nothing_newer(
    world: World, as_clinician: Client
) -> None:
    page = as_clinician.get(world.url("patient")).content.decode()
    assert "Mark 1 questionnaire as seen" in page
    before = (NOW - timedelta(seconds=1)).isoformat()
    as_clinician.post(world.url("all_seen"), {"until": before})
    as_clinician.post(world.url("all_seen"), {"until": "whenever"})
    world.response.refresh_from_db()
    assert world.response.seen_at is None
    (until,) = re.findall(r'name="until" value="([^"]+)"', page)
    as_clinician.post(world.url("all_seen"), {"until": until})
    world.response.refresh_from_db()
    assert world.response.seen_at == NOW
    assert "questionnaire as seen" not in as_clinician.get(world.url("patient")).content.decode()


def test_the_care_team_marks_nothing(world: World, as_care_team: Client) -> None:
    for name in ("patient", "response"):
        assert "as seen" not in as_care_team.get(world.url(name)).content.decode()
