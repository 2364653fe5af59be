"""Alerts: seen by all staff, answered by a named person, one at a time."""

from __future__ import annotations

from datetime import timedelta

from django.test import Client

from outcomes import workflows
from outcomes.responses.models import Mode
from outcomes.scheduling.models import Assignment
from tests.clinic_site.conftest import PATIENT, World
from tests.conftest import NOW

DONE = {"outcome": "spoke_plan", "note": "Telephoned; plan reviewed."}


def test_it_shows_the_answer_in_its_own_words(world: World, as_care_team: Client) -> None:
    html = as_care_team.get(world.url("alert")).content.decode()
    assert "Thoughts that you would be better off dead" in html
    assert "Several days" in html
    assert "The first time this patient answered this question." in html
    assert "Simon et al. 2013" in html


def test_a_repeat_is_compared_with_the_last_answer(world: World, as_clinician: Client) -> None:
    later = _answer_again(world, item_9=3)
    html = as_clinician.get(world.url("alert").replace(str(world.alert.pk), str(later.pk)))
    assert b"Last time: Several days" in html.content
    assert b"Now a higher answer than last time." in html.content
    assert b"1 earlier alert for this question." in html.content


def _answer_again(world: World, item_9: int):
    assignment = Assignment.objects.filter(
        patient=world.patient, instrument__code="PHQ-9", state="planned"
    )[0]
    answers = {**{str(number): 1 for number in range(1, 11)}, "9": item_9}
    return workflows.submit_response(
        assignment_id=assignment.pk,
        answers=answers,
        submission_id="again",
        language="en",
        mode=Mode.LINK,
        by=PATIENT,
        now=NOW + timedelta(days=8),
    ).alerts[0]


def test_a_clinician_acknowledges_with_an_outcome(world: World, as_clinician: Client) -> None:
    page = as_clinician.post(world.url("alert"), {"note": "No outcome chosen"})
    assert list(page.context["form"].errors) == ["outcome"]
    world.alert.refresh_from_db()
    assert world.alert.state == "open"
    assert as_clinician.post(world.url("alert"), DONE).status_code == 302
    world.alert.refresh_from_db()
    assert (world.alert.state, world.alert.acknowledged_by.name) == ("resolved", "Clara")
    html = as_clinician.get(world.url("alert")).content.decode()
    assert "Telephoned; plan reviewed." in html
    assert "answer needs a person" not in html


def test_what_is_still_owed_is_followed_up(world: World, as_clinician: Client) -> None:
    as_clinician.post(world.url("alert"), {"outcome": "not_reached"})
    assert b"a step is still owed" in as_clinician.get(world.url("alerts")).content
    as_clinician.post(world.url("alert"), DONE)
    world.alert.refresh_from_db()
    assert world.alert.state == "resolved"
    kinds = [event.kind for event in world.alert.events.all()]
    assert kinds[-2:] == ["acknowledged", "followed_up"]


def test_a_closed_alert_takes_no_more_answers(world: World, as_clinician: Client) -> None:
    as_clinician.post(world.url("alert"), DONE)
    page = as_clinician.post(world.url("alert"), {"outcome": "emergency"})
    assert page.context["form"].non_field_errors()
    world.alert.refresh_from_db()
    assert world.alert.outcome == "spoke_plan"


def test_the_care_team_sees_and_cannot_acknowledge(world: World, as_care_team: Client) -> None:
    assert b'name="outcome"' not in as_care_team.get(world.url("alert")).content
    assert as_care_team.post(world.url("alert"), DONE).status_code == 403
    world.alert.refresh_from_db()
    assert world.alert.state == "open"


def test_the_products_own_outcome_cannot_be_chosen(world: World, as_clinician: Client) -> None:
    page = as_clinician.post(world.url("alert"), {"outcome": "changed"})
    assert list(page.context["form"].errors) == ["outcome"]
