"""A clinic's own schedule, from a copy to a running course that follows it, without a script."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from outcomes.clinics.models import Clinic, User
from outcomes.scheduling.models import Schedule
from outcomes.workflows import Enrolment
from tests.journeys.conftest import DESK, PHONE, OpenPage, look


def looked_at(page: Page, name: str) -> None:
    """Look at a screen on a desk and on a telephone."""
    for viewport in (DESK, PHONE):
        page.set_viewport_size(viewport)  # type: ignore[arg-type]
        look(page, name)
    page.set_viewport_size(DESK)  # type: ignore[arg-type]


def add_line(page: Page) -> None:
    page.get_by_role("link", name="Add a line").click()
    looked_at(page, "schedule-line")
    page.get_by_label("Title").fill("Three days after each session")
    page.get_by_label("MOOD-1", exact=True).check()
    page.get_by_label("Due", exact=True).fill("3")
    page.get_by_label("Hours or days").select_option("hours")
    page.locator("#id_time_of_day").fill("18:00")
    page.get_by_role("button", name="Save in the draft").click()
    expect(
        page.get_by_text("“18:00” goes only with a due time counted in days").first
    ).to_be_visible()
    looked_at(page, "schedule-line-refused")
    page.get_by_label("Hours or days").select_option("days")
    page.get_by_role("button", name="Save in the draft").click()
    expect(page.get_by_text("Ask MOOD-1: 3 days after each session, at 18:00.")).to_be_visible()


@pytest.mark.thorough
def test_an_admin_writes_a_schedule_and_moves_a_course_to_it(
    clinic: Clinic, admin: User, enrolment: Enrolment, open_page: OpenPage
) -> None:
    page = open_page(DESK, admin)
    page.goto(f"/c/{clinic.slug}/schedules/")
    looked_at(page, "schedules")
    page.get_by_role("link", name="New schedule").click()
    page.get_by_label("Name").fill("Ours")
    page.get_by_label("Begin with").select_option(label="PHQ-9 and GAD-7 only")
    looked_at(page, "schedule-new")
    page.get_by_role("button", name="Begin the draft").click()
    expect(page).to_have_url(re.compile("/schedules/drafts/"))
    add_line(page)
    looked_at(page, "schedule-draft")

    page.get_by_role("link", name="Name, description, spacing").click()
    page.get_by_label("PHQ-9", exact=True).fill("3")
    looked_at(page, "schedule-details")
    page.get_by_role("button", name="Save in the draft").click()
    expect(page.get_by_text("3 days are kept between two PHQ-9")).to_be_visible()
    looked_at(page, "schedule-draft-refused")
    page.get_by_role("link", name="Name, description, spacing").click()
    page.get_by_label("PHQ-9", exact=True).fill("7")
    page.get_by_role("button", name="Save in the draft").click()

    page.get_by_role("link", name="Preview and publish").click()
    looked_at(page, "schedule-preview")
    page.get_by_role("button", name="Publish this version").click()
    expect(page.get_by_text("Ours, version 1, is in force")).to_be_visible()
    looked_at(page, "schedule")

    page.get_by_role("link", name="Move courses to it").click()
    page.get_by_role("link", name="PHQ-9 and GAD-7 only, version 1").click()
    page.get_by_label("Robin Example").check()
    looked_at(page, "schedule-move")
    page.get_by_role("button", name="Move the chosen ones").click()
    expect(page.get_by_text("1 course was moved.")).to_be_visible()
    enrolment.course.refresh_from_db()
    assert enrolment.course.schedule == Schedule.objects.get(clinic=clinic, code="ours")
