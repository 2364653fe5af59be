"""The page behind a mail's unsubscribe address, in a real browser."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
import time_machine
from playwright.sync_api import Browser, expect

from outcomes import workflows
from outcomes.care.models import Contact
from outcomes.delivery import services as delivery
from outcomes.delivery.models import Message
from outcomes.workflows import Enrolment
from tests.browser import AXE, NEEDS_CHROMIUM, launched
from tests.conftest import NOW

pytestmark = NEEDS_CHROMIUM


@pytest.fixture
def browser() -> Iterator[Browser]:
    with launched() as browser:
        yield browser


@pytest.mark.parametrize("width", [375, pytest.param(1280, marks=pytest.mark.thorough)])
def test_the_page_asks_stops_and_has_no_barriers(
    browser: Browser, live_server, enrolment: Enrolment, settings, width: int
) -> None:
    settings.BASE_URL = live_server.url
    with time_machine.travel(NOW, tick=True):
        assert workflows.invite_due(now=NOW)
        message = Message.objects.get(kind="invitation")
        address = delivery.unsubscribe_address(message, "robin@patient.example")
        page = browser.new_context(viewport={"width": width, "height": 720}).new_page()
        page.goto(address)
        for step in ("asks", "stopped"):
            expect(page.locator("h1")).to_be_visible()
            page.evaluate(AXE)
            found = page.evaluate("axe.run().then(result => result.violations.map(v => v.id))")
            assert found == []
            wide = page.evaluate("document.documentElement.scrollWidth")
            assert wide <= width
            if folder := os.environ.get("SCREENSHOTS"):
                page.screenshot(path=f"{folder}/unsubscribe-{step}-{width}.png")
            if step == "asks":
                button = page.get_by_role("button", name="Stop these mails")
                box = button.bounding_box()
                assert box is not None
                assert box["height"] >= 44
                button.click()
        expect(page.locator("h1")).to_have_text("You will get no more mail from us")
    assert Contact.objects.get().suppressed_reason == "opted_out"
