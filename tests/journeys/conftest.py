"""A real browser on the running product, and an eye that looks at every screen it visits."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.core import mail
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, Page

from outcomes.clinics.models import User
from tests.browser import AXE, CHROMIUM, launched
from tests.conftest import NOW, signed_in

PHONE = {"width": 375, "height": 720}
DESK = {"width": 1280, "height": 900}
SCREENSHOTS = os.environ.get("SCREENSHOTS", "")

OpenPage = Callable[..., Page]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every journey: it needs a browser and real transactions."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.django_db(transaction=True))
            if not CHROMIUM:
                item.add_marker(pytest.mark.skip(reason="no Chromium on this machine"))


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    """Start the clock at NOW and let it run; a test moves it on."""
    with time_machine.travel(NOW, tick=True) as traveller:
        yield traveller


@pytest.fixture
def browser() -> Iterator[Browser]:
    """Debian's Chromium."""
    with launched() as browser:
        yield browser


@pytest.fixture
def open_page(browser: Browser, live_server: Any, clock: Any) -> Iterator[OpenPage]:
    """Open pages on the product; any script error or policy violation fails the test."""
    contexts: list[BrowserContext] = []
    problems: list[str] = []

    def open_(viewport: dict[str, int] = DESK, user: User | None = None, **options: Any) -> Page:
        context = browser.new_context(
            viewport=viewport,  # type: ignore[arg-type]
            base_url=live_server.url,
            locale="en-GB",
            **options,
        )
        contexts.append(context)
        if user is not None:
            cookie = signed_in(user).cookies["sessionid"]
            context.add_cookies(
                [{"name": "sessionid", "value": cookie.value, "url": live_server.url}]
            )
        page = context.new_page()
        page.set_default_timeout(30_000)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.add_init_script(
            "addEventListener('securitypolicyviolation', event => {"
            " throw new Error('policy: ' + event.violatedDirective + ' ' + event.blockedURI) })"
        )
        return page

    yield open_
    for context in contexts:
        context.close()
    assert problems == []


def look(page: Page, name: str) -> None:
    """Assert that the screen breaks no accessibility rule, and keep a picture when asked to.

    The caller has awaited the page by its address or heading; this awaits its style sheet.
    """
    page.wait_for_load_state("load")
    if SCREENSHOTS:
        width = page.viewport_size["width"] if page.viewport_size else 0
        page.screenshot(path=f"{SCREENSHOTS}/{name}-{width}.png", full_page=True)
    page.evaluate(AXE)
    found = page.evaluate(
        "axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa',"
        " 'best-practice']})"
    )
    told = [
        f"{name}: {rule['id']} ({rule['help']}): {[node['target'] for node in rule['nodes']][:4]}"
        for rule in found["violations"]
    ]
    assert told == []
    overflow = page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    assert overflow <= 0, f"{name} scrolls sideways by {overflow} px"


def last_link() -> str:
    """Return the path of the newest link mailed to a patient."""
    found = re.findall(r"https?://[^/\s]+(/a/\S+)", str(mail.outbox[-1].body))
    assert found, mail.outbox[-1].body
    return str(found[-1])


__all__ = ["DESK", "PHONE", "Client", "OpenPage", "last_link", "look"]
