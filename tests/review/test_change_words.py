"""What the rules say of a change, as the clinician reads it."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace
from typing import cast
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from django.template.loader import render_to_string

from outcomes.clinics.models import Clinic
from outcomes.instruments.models import InstrumentVersion
from outcomes.review.gathered import StoredScore
from outcomes.review.measures import Measure, measure_of
from outcomes.templatetags.changes import each_rule, held_words, loss_words, moved
from tests.conftest import NOW

pytestmark = pytest.mark.django_db


def measure(code: str, *values: float | None) -> Measure:
    """Return what weekly scores come to, treatment beginning a day after the first."""
    version = InstrumentVersion.objects.get(instrument__code=code, clinic=None)
    scale = version.definition.charted[0]
    scores = [
        StoredScore(
            uuid4(), code, scale, value, "", False, "", NOW + timedelta(days=7 * week),
            version.content_hash, "link", None, False,
        )
        for week, value in enumerate(values)
    ]  # fmt: skip
    return measure_of(scores, (), NOW + timedelta(days=1), {}, ZoneInfo("UTC"))


def told(of: Measure) -> dict[str, str]:
    return {line.name: f"{line.verdict}: {line.words}" for line in each_rule(of)}


def test_every_rule_is_told_with_its_verdict() -> None:
    assert told(measure("PHQ-9", 19, 8)) == {
        "Response": "yes: fell 11 points, from 19 to 8; the rule takes 9.5.",
        "Remission": "no: the score is 8.",
        "Reliable improvement": "yes: fell 11 points, from 19 to 8; the rule takes 6.",
        "Reliable deterioration": "no: fell 11 points, from 19 to 8; the rule takes 6.",
        "Improvement that matters to patients": (
            "yes: fell 11 points, from 19 to 8; the rule takes 5."
        ),
        "Deterioration as large": "no: fell 11 points, from 19 to 8; the rule takes 5.",
    }


def test_what_cannot_be_computed_says_why() -> None:
    assert told(measure("PHQ-9", 8, 4))["Response"] == (
        "not computable: the baseline is too low for a share of it to say much."
    )
    assert told(measure("PHQ-9", 19))["Response"] == (
        "not computable: there is no score after the baseline."
    )
    assert told(measure("PHQ-9", None, 19))["Response"] == "not computable: there is no baseline."
    assert told(measure("HAM-D17", 19, 8))["Reliable improvement"] == (
        "not computable: no published rule of this questionnaire is known here."
    )


def test_a_change_is_told_in_points_both_ways() -> None:
    assert moved(19, 20) == "rose 1 point, from 19 to 20"
    assert moved(19, 17.5) == "fell 1.5 points, from 19 to 17.5"
    assert moved(19, 19) == "no change from 19"


def test_how_long_response_held_is_told_with_its_convention() -> None:
    def held(*values: float, zone: str = "UTC") -> str:
        return held_words(measure("PHQ-9", *values), Clinic(), zone)

    assert held(20, 8, 15, 16) == (
        "Response first met on 9 Feb 2026; of the assessments from then on 1 of 2 met it, the last"
        " one on 9 Feb 2026. From first response to its loss: 14 days."
    )
    assert held(20, 8, 15) == (
        "Response first met on 9 Feb 2026; of the assessments from then on 1 of 2 met it, the last"
        " one on 9 Feb 2026. No loss by the clinic's rule in the 7 days up to the last assessment."
    )
    assert "on 8 Feb 2026;" in held(20, 8, zone="Pacific/Pago_Pago")
    assert held(20, 15) == ""
    assert "not validated for ketamine" in loss_words(measure("PHQ-9", 20), Clinic())
    assert loss_words(measure("WHO-5", 20), Clinic()) == ""


def test_the_page_names_source_version_and_what_is_not_verified() -> None:
    trajectory = SimpleNamespace(measures=[measure("PHQ-9", 19, 8)])
    html = cast(
        str,
        render_to_string(
            "clinic_site/_change.html",
            {"trajectory": trajectory, "clinic": Clinic(), "zone": "UTC"},
        ),
    )
    assert "Löwe et al. 2004" in html
    assert "PHQ-9 version 1.1.0" in html
    assert html.count("not verified by this project") == 2
