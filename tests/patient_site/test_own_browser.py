"""A patient's own page in a real browser: without barriers on a phone, and by keyboard alone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import time_machine
from playwright.sync_api import Browser, Page, expect

from outcomes.care.models import Patient
from outcomes.clinics.models import Clinic
from outcomes.delivery import services as delivery
from outcomes.delivery.models import OwnPage
from tests.browser import AXE, NEEDS_CHROMIUM
from tests.conftest import NOW

pytestmark = NEEDS_CHROMIUM


@pytest.fixture(autouse=True)
def clock() -> Iterator[time_machine.Traveller]:
    """Start the clock at NOW and let it run: the browser's own does."""
    with time_machine.travel(NOW, tick=True) as traveller:
        yield traveller


@pytest.fixture
def page(chromium: Browser, live_server, inside) -> Iterator[Page]:
    """A phone's browser at the door; the patient has sent answers, and the clinic shows them."""
    inside.answer_all(2)
    inside.submit()
    Clinic.objects.update(shows_visits=True, shows_answers=True, shows_trend=True)
    context = chromium.new_context(viewport={"width": 375, "height": 720}, base_url=live_server.url)
    page = context.new_page()
    page.set_default_timeout(60_000)
    page.goto(delivery.own_path_of(OwnPage.objects.get()))
    yield page
    context.close()


def barriers(page: Page) -> list[str]:
    page.evaluate(AXE)
    found = page.evaluate(
        "axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']})"
    )
    wide = page.evaluate("document.documentElement.scrollWidth > innerWidth")
    return [each["id"] for each in found["violations"]] + (["scrolls sideways"] if wide else [])


def press(page: Page, name: str, role: str = "button") -> None:
    """Go there by the Tab key alone, and press Enter."""
    target = page.get_by_role(role, name=name, exact=True)  # type: ignore[arg-type]
    expect(target).to_be_visible()
    for _ in range(40):
        page.keyboard.press("Tab")
        if target.evaluate("element => element === document.activeElement"):
            page.keyboard.press("Enter")
            page.wait_for_load_state()
            return
    raise AssertionError(f"{name} cannot be reached by the Tab key")


@pytest.mark.thorough
def test_a_patient_finds_their_way_by_keyboard_and_meets_no_barrier(page):
    seen = {"the door": barriers(page)}
    page.get_by_label("Day").focus()
    for part in ("17", "5", "1980"):
        page.keyboard.type(part)
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="What is coming")).to_be_visible()
    seen["the page"] = barriers(page)

    press(page, "What you have answered", "link")
    expect(page.get_by_text("18 of 27")).to_be_visible()
    seen["the past"] = barriers(page)
    press(page, "Go back", "link")

    press(page, "Change this", "link")
    expect(page.get_by_label("Not before")).to_be_visible()
    seen["wishes"] = barriers(page)
    page.get_by_label("Not before").select_option("17:00")
    press(page, "Save")
    expect(page.get_by_role("status")).to_have_text("Saved.")
    expect(page.get_by_text("Not before 17:00")).to_be_visible()

    press(page, "Pause for a while", "link")
    page.get_by_label("2 weeks").focus()
    page.keyboard.press("Space")
    seen["pause"] = barriers(page)
    press(page, "Pause")
    expect(page.get_by_text("You have paused messages until Monday 16 February.")).to_be_visible()
    seen["paused"] = barriers(page)

    press(page, "Stop all messages", "link")
    press(page, "Stop all messages")
    expect(page.get_by_role("alert")).to_be_focused()
    seen["not stopped"] = barriers(page)
    assert {where: found for where, found in seen.items() if found} == {}
    patient = Patient.objects.get()
    assert patient.asked_from is not None
    assert patient.asked_from.hour == 17
    assert patient.paused_until is not None
