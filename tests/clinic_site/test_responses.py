"""Answers as they were given, and their correction."""

from __future__ import annotations

import pytest
from django.test import Client

from outcomes.audit.models import AuditEvent
from outcomes.responses.models import QuestionnaireResponse
from tests.clinic_site.conftest import World

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
