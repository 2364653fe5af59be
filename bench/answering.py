"""What a patient's phone fetches, waits for and taps: PHQ-9 and GAD-7 in Chromium on slow 3G."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

from bench.figures import Figure
from bench.people import make_clinic
from bench.submit import served
from outcomes import workflows
from outcomes.care.models import Channel, CourseKind
from outcomes.delivery import services as delivery
from outcomes.delivery.models import Link
from outcomes.scheduling.models import Schedule

SETTINGS = "bench.collected"
CHROMIUM = os.environ.get("CHROMIUM", shutil.which("chromium") or "")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
# 400 kbit/s each way, 400 ms there and back.
SLOW_3G = {
    "offline": False,
    "latency": 400,
    "downloadThroughput": 400_000 / 8,
    "uploadThroughput": 400_000 / 8,
}
PHONE: Any = {"viewport": {"width": 360, "height": 640}, "has_touch": True, "is_mobile": True}
MOST_BYTES = 50 * 1024
# 18 questions, one tap each, and one to start and one to send.
FEWEST_TAPS = 20


def measure(now: datetime) -> Iterator[Figure]:
    """Yield what one visit costs: one question at a time, then all on one page."""
    if not CHROMIUM:
        yield Figure("answering: no Chromium on this machine", "not measured")
        return
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": SETTINGS}
    collect = [sys.executable, "manage.py", "collectstatic", "--no-input", "--verbosity", "0"]
    subprocess.run(collect, env=environment, check=True)
    links = make_links(2, now)
    with served("config.wsgi:application", SETTINGS) as port, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        for name, link in zip(("one by one", "all on one page"), links, strict=True):
            visit = Visit(browser, f"http://127.0.0.1:{port}")
            visit.go_through(link, is_on_one_page=name != "one by one")
            yield from figures(name, visit)


def make_links(count: int, now: datetime) -> list[str]:
    """Invite so many patients to PHQ-9 and GAD-7; return the paths of their links."""
    clinic, clinician = make_clinic("answering", now)
    for number in range(count):
        workflows.enrol_patient(
            clinic=clinic,
            details={
                "given_name": "Bo",
                "family_name": "Bench",
                "birth_date": date(1980, 5, 17),
                "time_zone": "Europe/London",
                "is_synthetic": True,
            },
            contacts={Channel.EMAIL: f"bench-{number}@patient.example"},
            consents=[Channel.EMAIL],
            indication="trd",
            clinicians=[clinician],
            course_kind=CourseKind.INDUCTION,
            schedule_id=Schedule.objects.get(code="phq9-gad7-only", is_current=True).pk,
            sessions_planned_at=[now + timedelta(days=3)],
            by=clinician.actor,
            now=now,
        )
    workflows.invite_due(now=now)
    found = Link.objects.filter(clinic=clinic).select_related("invitation")
    # One for each person: every reminder has a link of its own.
    links = {link.invitation_id: link for link in found}.values()
    return ["/" + delivery.address_of(link).split("/", 3)[3] for link in links]


@dataclass
class Visit:
    """One patient's way from the link to the thanks, as the browser counts it."""

    browser: Browser
    base_url: str
    taps: int = 0
    screens: int = 0
    #: bytes over the wire with headers, and requests, by screen
    fetched: dict[str, list[int]] = field(default_factory=dict)
    first_question: float = 0.0
    done: float = 0.0
    _screen: str = "link"

    def go_through(self, link: str, *, is_on_one_page: bool) -> None:
        """Answer everything as quickly as the line allows."""
        context = self.browser.new_context(base_url=self.base_url, **PHONE)
        page = context.new_page()
        session = context.new_cdp_session(page)
        session.on("Network.loadingFinished", self._count)
        session.on("Network.requestWillBeSent", self._count_redirect)
        session.send("Network.enable")
        session.send("Network.emulateNetworkConditions", SLOW_3G)
        begun = time.monotonic()
        self._show(page, "link", link)
        for name, value in (("day", "17"), ("month", "5"), ("year", "1980")):
            page.locator(f"#{name}").fill(value)
        if is_on_one_page:
            self._tap(page, page.locator("#on_one_page"))
        self._screen = "first question"
        self._tap(page, page.locator("main form .button").first)
        page.locator(".option-card").first.wait_for()
        self.first_question = time.monotonic() - begun
        self._arrive(page)
        while "/answer/thanks/" not in page.url:
            self._go_on(page)
        self.done = time.monotonic() - begun
        page.wait_for_load_state("networkidle")
        context.close()

    def _show(self, page: Page, screen: str, path: str) -> None:
        self._screen = screen
        page.goto(path)
        self._arrive(page)

    def _arrive(self, page: Page) -> None:
        page.wait_for_load_state("load")
        self.screens += 1

    def _go_on(self, page: Page) -> None:
        here = page.url
        questions = page.locator("fieldset:has(.option-card)")
        self._screen = "questions" if questions.count() else "end"
        for number in range(questions.count()):
            self._tap(page, questions.nth(number).locator(".option-card").first)
        if questions.count() != 1:
            self._tap(page, page.locator("#send button, .actions .button").first)
        page.wait_for_url(lambda url: url != here)
        self._arrive(page)

    def _tap(self, page: Page, target: Any) -> None:
        target.tap()
        self.taps += 1

    def _count(self, event: Any) -> None:
        size = int(event["encodedDataLength"])
        counted = self.fetched.setdefault(self._screen, [0, 0])
        counted[0] += size
        counted[1] += size > 0  # what the browser still had costs nothing

    def _count_redirect(self, event: Any) -> None:
        if "redirectResponse" in event:
            self._count(event["redirectResponse"])


def figures(name: str, visit: Visit) -> Iterator[Figure]:
    """Describe one visit."""
    for screen in ("link", "first question"):
        size, requests = visit.fetched[screen]
        yield Figure(f"{name}: {screen}, empty cache", f"{size:,} bytes", f"{requests} requests")
    first = sum(visit.fetched[screen][0] for screen in ("link", "first question"))
    whole, requests = (sum(each[index] for each in visit.fetched.values()) for index in (0, 1))
    yield Figure(
        "  both", f"{first:,} bytes", target=f"<= {MOST_BYTES:,}", is_held=first <= MOST_BYTES
    )
    yield Figure("  the whole visit", f"{whole:,} bytes", f"{requests} requests")
    yield Figure("  link to first question, slow 3G", f"{visit.first_question:.1f} s")
    yield Figure("  link to done, slow 3G", f"{visit.done:.1f} s")
    yield Figure("  taps", str(visit.taps), target=f"{FEWEST_TAPS} at best")
    yield Figure("  screens", str(visit.screens))
