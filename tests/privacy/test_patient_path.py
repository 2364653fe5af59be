"""Canaries over the patient's whole path in a browser: none comes out by a side door (S5)."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from io import StringIO
from typing import Any
from urllib.parse import urlsplit

import pytest
import time_machine
from celery.app.task import Task
from django.core import mail
from playwright.sync_api import Browser, Page, expect

from config.logs import RedactLinks
from outcomes import tasks, workflows
from outcomes.alerts.models import Alert
from outcomes.audit.models import AuditEvent
from outcomes.care.models import Channel, CourseKind
from outcomes.clinics.models import Clinic, User
from outcomes.delivery import channels
from outcomes.delivery.channels.base import Guarantee, Outgoing
from outcomes.responses.models import Remark
from outcomes.scheduling.models import Schedule
from tests.browser import NEEDS_CHROMIUM, launched
from tests.chance import without_chance
from tests.conftest import NOW

pytestmark = NEEDS_CHROMIUM

BIRTH_DATE = {"day": "29", "month": "11", "year": "1953"}
OWN_WORDS = "My cousin Zebulon hides the tablets"
# Who it is, what was asked and answered, and what was typed.
CANARIES = (
    *("Zebulon", "hides the tablets"),
    *("Quillon", "Vexbury", "1953-11-29", "29/11/1953", "29 November 1953", "2025550177"),
    *("canary.example", "PHQ", "GAD-7", "Little interest", "better off dead", "Nearly every day"),
)


@dataclass
class Texts:
    """A provider of text messages that keeps what it was given."""

    name: str = "texts"
    guarantee: Guarantee = Guarantee.KEYED
    per_second: float = 0.0
    sent: list[Outgoing] = field(default_factory=list)

    def send(self, outgoing: Outgoing) -> str:
        """Keep it."""
        self.sent.append(outgoing)
        return outgoing.key

    def find(self, outgoing: Outgoing) -> str | None:
        """Know nothing."""
        return None

    def close(self) -> None:
        """Hold nothing open."""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """The machine's own Chromium."""
    with launched() as browser:
        yield browser


@pytest.fixture
def texts(monkeypatch: pytest.MonkeyPatch) -> Texts:
    """What goes out as text messages."""
    provider = Texts()
    monkeypatch.setitem(channels.providers(), Channel.SMS, provider)
    return provider


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> StringIO:
    """What the product's own handler writes, at the most talkative level."""
    root, written = logging.getLogger(), StringIO()
    (console,) = [each for each in root.handlers if any(map(is_redacting, each.filters))]
    monkeypatch.setattr(console, "stream", written)
    monkeypatch.setattr(root, "level", logging.DEBUG)
    return written


def is_redacting(rule: object) -> bool:
    return isinstance(rule, RedactLinks)


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """The arguments of every task that is sent to the broker."""
    found: list[tuple[Any, ...]] = []

    def keep(task: Any, args: Any = None, kwargs: Any = None, **options: Any) -> None:
        found.append((task.name, args, kwargs, options))

    monkeypatch.setattr(Task, "apply_async", keep)
    return found


def enrol(clinic: Clinic, clinician: User, channel: Channel) -> None:
    workflows.enrol_patient(
        clinic=clinic,
        details={
            "given_name": "Quillon",
            "family_name": "Vexbury",
            "birth_date": date(1953, 11, 29),
            "time_zone": "Europe/London",
            "preferred_channel": channel,
        },
        contacts={
            Channel.EMAIL: "quillon.vexbury@canary.example",
            Channel.SMS: "+12025550177",
        },
        consents=[Channel.EMAIL, Channel.SMS],
        indication="trd",
        clinicians=[clinician],
        course_kind=CourseKind.INDUCTION,
        schedule_id=Schedule.objects.get(code="phq9-gad7-only", is_current=True).pk,
        sessions_planned_at=[NOW + timedelta(days=3)],
        by=clinician.actor,
        now=NOW,
    )


def path_in(text: str) -> str:
    """Return the path of the patient's link in a message."""
    found = re.search(r"https?://[^/\s]+(/a/\S+)", text)
    assert found, text
    return found[1]


@dataclass
class Heard:
    """What left the browser, besides what was sent in forms."""

    urls: list[str] = field(default_factory=list)
    referers: set[str] = field(default_factory=set)
    titles: set[str] = field(default_factory=set)

    def listen(self, page: Page) -> None:
        """Note every request's address and Referer, and every page's title."""
        page.on("requestfinished", self._note)
        page.on("domcontentloaded", lambda page: self.titles.add(page.title()))

    def _note(self, request: Any) -> None:
        self.urls.append(request.url)
        self.referers.add(request.all_headers().get("referer", ""))


def answer_everything(page: Page, link: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Go the whole way: a wrong date, the right one, every question, a fault of ours, thanks."""
    page.goto(link)
    for year in ("1935", "1953"):
        for name, value in {**BIRTH_DATE, "year": year}.items():
            page.locator(f"#{name}").fill(value)
        page.get_by_role("button", name="Continue").click()
    for number in range(1, 19):
        page.wait_for_url(f"**/answer/{number}/")
        page.locator(".option-card").nth(3).click()
        if number == 9:
            expect(page.locator("#saved")).to_have_text("Saved")
            page.locator("#next").click()
    page.wait_for_url("**/answer/review/")
    words = page.get_by_label("Is there anything you want to tell your clinic?")
    words.fill(f"{OWN_WORDS} " * 40)
    page.get_by_role("button", name="Send my answers").last.click()
    expect(page.get_by_role("alert")).to_contain_text("Shorten it")
    words.fill(OWN_WORDS)
    with monkeypatch.context() as fault:

        def refuse(**_arguments: Any) -> None:
            raise ValueError(" ".join(CANARIES))  # as a database quotes a row

        fault.setattr(workflows, "submit_sitting", refuse)
        page.get_by_role("button", name="Send my answers").first.click()
        expect(page.get_by_role("heading", level=1)).not_to_contain_text("Look over")
        expect(page.get_by_role("blockquote")).to_have_text(OWN_WORDS)
    page.goto("/answer/review/")
    expect(words).to_have_value("")
    words.fill(OWN_WORDS)
    assert page.evaluate("localStorage.length + sessionStorage.length") == 0
    page.get_by_role("button", name="Send my answers").first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Thank you")
    page.goto(link + "x")
    page.goto("/answer/999/")


@pytest.mark.thorough
def test_no_canary_leaves_by_a_side_door(
    chromium: Browser,
    live_server: Any,
    clinic: Clinic,
    clinician: User,
    texts: Texts,
    published: list[tuple[Any, ...]],
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
    log: StringIO,
) -> None:
    settings.BASE_URL = live_server.url
    heard = Heard()
    with time_machine.travel(NOW, tick=True):
        for channel in (Channel.SMS, Channel.EMAIL):
            enrol(clinic, clinician, channel)
        tasks.invite_due()
        tasks.send_bulk()
        links = [path_in(texts.sent[0].text), path_in(str(mail.outbox[0].body))]
        context = chromium.new_context(base_url=live_server.url)
        page = context.new_page()
        heard.listen(page)
        answer_everything(page, links[1], monkeypatch)
        cookies = [cookie["value"] for cookie in context.cookies()]
        context.close()
        assert Alert.objects.exists()
        assert Remark.objects.get().text == OWN_WORDS
        assert "Zebulon" not in str(list(AuditEvent.objects.values()))
        tasks.send_alerts()

    mails = [f"{each.subject} {each.body} {each.alternatives}" for each in mail.outbox]
    sides = {
        "logs": log.getvalue(),
        "addresses": " ".join(heard.urls),
        "Referer": " ".join(heard.referers),
        "titles": " ".join(heard.titles),
        "task arguments": repr(published),
        "mails": " ".join(mails),
        "text messages": " ".join(f"{each.subject} {each.text}" for each in texts.sent),
    }
    for name, text in sides.items():
        assert text, name
        for canary in CANARIES:
            assert canary.lower() not in without_chance(text).lower(), (name, canary)
    tokens = [link.strip("/").split("/")[-1] for link in links]
    others = [url for url in heard.urls if not urlsplit(url).path.startswith("/a/")]
    for token in (*tokens, *filter(None, cookies)):
        for text in (sides["logs"], sides["Referer"], sides["task arguments"], *others):
            assert token not in text
    assert heard.referers <= {"", f"{live_server.url}/"}
    # The fault of ours was told, by its kind and place alone.
    assert "ValueError in review" in sides["logs"]
