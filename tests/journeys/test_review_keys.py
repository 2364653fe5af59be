"""Review by keyboard alone: down the caseload, marking answers as seen, and along a chart."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from playwright.sync_api import expect

from outcomes.care.models import EpisodeOfCare
from outcomes.clinics.models import Clinic, User
from outcomes.management.simulation.bulk import fill_clinic
from outcomes.responses.models import Score
from tests.conftest import NOW
from tests.journeys.conftest import DESK, OpenPage
from tests.journeys.test_alerts import raise_alert


@pytest.fixture
def busiest(clinic: Clinic, clinician: User) -> str:
    """A patient of a year with a score on each of the last sixty days; return the key."""
    for _ in fill_clinic(clinic=clinic, clinician=clinician, patients=20, seed="keys", now=NOW):
        pass
    EpisodeOfCare.objects.update(ended_on=None)
    score = Score.objects.filter(instrument_code="PHQ-9", value__isnull=False).order_by("at").last()
    assert score is not None
    response, patient = score.response, str(score.patient_id)
    for days in range(1, 61):
        at = NOW - timedelta(days=days)
        response.pk, response.assignment = None, None
        response.submission_id, response.submitted_at = f"day-{days}", at
        response.save(force_insert=True)
        score.pk, score.response, score.at = None, response, at
        score.save(force_insert=True)
    return patient


def test_keys_lead_down_the_caseload_and_along_a_chart(
    clinic: Clinic, clinician: User, busiest: str, open_page: OpenPage
) -> None:
    raise_alert(clinic, clinician, NOW)
    page = open_page(DESK, user=clinician)
    page.goto(f"/c/{clinic.slug}/")
    page.locator("#caseload-list").focus()
    lines = page.locator("#caseload-list tbody tr")
    for number in (0, 1):
        page.keyboard.press("j")
        expect(lines.nth(number).locator("th a")).to_be_focused()
    page.keyboard.press("k")
    name = lines.nth(0).locator("th a")
    expect(name).to_be_focused()
    expect(lines.nth(0).locator("form[data-seen]")).to_have_count(1)
    page.keyboard.press("s")
    expect(page.locator("#caseload-said")).to_contain_text(name.inner_text())
    expect(lines.nth(0).locator("form[data-seen]")).to_have_count(0)
    expect(name).to_be_focused()

    page.goto(f"/c/{clinic.slug}/patients/{busiest}/?range=all")
    chart = page.locator(".chart-wide [role=slider]").first
    last = int(chart.get_attribute("aria-valuemax") or 0)
    assert last > 40
    chart.focus()
    expect(chart).to_have_attribute("aria-valuenow", str(last))
    newest = chart.get_attribute("aria-valuetext")
    page.keyboard.press("ArrowLeft")
    expect(chart).to_have_attribute("aria-valuenow", str(last - 1))
    expect(page.locator("#chart-said")).to_have_text(chart.get_attribute("aria-valuetext") or "-")
    assert chart.get_attribute("aria-valuetext") != newest
    page.keyboard.press("PageDown")
    expect(chart).to_have_attribute("aria-valuenow", str(last - 11))
    page.keyboard.press("Home")
    expect(chart).to_have_attribute("aria-valuenow", "1")
    expect(chart).to_have_attribute("aria-valuetext", re.compile(r"PHQ-9 \d+, .* 2025"))
    expect(chart.locator(".chart-ring")).to_be_visible()
