"""R12: phones that die amid answering, and one that is offline for half an hour.

A real Chromium on slow 3G answers PHQ-9 and GAD-7 on the real web server. Its processes are killed
at random moments; a new one opens the same link and goes on.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

from playwright.async_api import BrowserContext, Page, Playwright, async_playwright
from playwright.async_api import Error as PlaywrightError

from tests.browser import ARGUMENTS, CHROMIUM
from tests.campaign.figure import Figure
from tests.campaign.servers import HOST, Missing
from tests.campaign.stage import note, percentile, staged

# What network people call slow 3G: 400 kbit/s each way, 400 ms there and back.
SLOW_3G = {
    "offline": False,
    "latency": 400,
    "downloadThroughput": 400_000 / 8,
    "uploadThroughput": 400_000 / 8,
}
OFFLINE = {**SLOW_3G, "offline": True}
PHONES = 6
LIVES = (0.0, 7.0)  # seconds until a browser is killed
SAVED_WITHIN = 1.0
MINUTES_OFFLINE = 30
PHONE: Any = {"viewport": {"width": 360, "height": 640}, "has_touch": True, "is_mobile": True}
QUESTION = re.compile(r"/answer/(\d+)/")
RESUMED = re.compile(r"/answer/(\d+|review)/")

# Runs before the page's own script: tells when it says "Saved", and when the server had said so.
WITNESS = """
let tapped = 0;
addEventListener("pointerdown", event => { tapped = event.timeStamp }, true);
new MutationObserver(changes => {
  for (const { target } of changes) {
    const picked = document.querySelector(".option-card input:checked");
    if (target.dataset.state === "saved" && tapped && picked)
      said(location.pathname, Number(picked.value));
  }
}).observe(document, { subtree: true, attributeFilter: ["data-state"] });
const fetched = fetch;
window.fetch = async (...asked) => {
  const reply = await fetched(...asked);
  if (reply.status === 200 && asked[1].method === "PUT") stored(performance.now() - tapped);
  return reply;
};
"""

KEPT = """async () => JSON.stringify([
  {...localStorage}, {...sessionStorage},
  await indexedDB.databases(), await caches.keys(),
])"""
NOTHING = "[{},{},[],[]]"


@dataclass
class Holder:
    """Somebody with a link, what was tapped for them, and what a page said is saved."""

    path: str
    link_id: Any
    random: Random
    tapped: dict[int, int] = field(default_factory=dict)
    said: dict[int, int] = field(default_factory=dict)
    cookies: dict[str, str] = field(default_factory=dict)
    has_own_clock: bool = False
    is_done: bool = False


@dataclass
class Seen:
    """What the phones met, all together."""

    kills: int = 0
    seconds: list[float] = field(default_factory=list)
    said: int = 0
    lost_of_said: int = 0
    lost_taps: int = 0
    most_lost: int = 0
    looks: int = 0
    kept: set[str] = field(default_factory=set)


def play(database: str, *, is_full: bool) -> Iterator[Figure]:
    """Yield the figures of one database."""
    if not CHROMIUM:
        raise Missing("Chromium is not on this machine")
    with staged(database, is_quick=True) as stage:
        from django.db import connection

        stage.add_web()
        kills = 500 if is_full else 20
        holders = make_holders(max(kills, PHONES) + 1)
        connection.close()
        stage.wait_for_web()
        note("the servers are up")
        show = Show(f"http://{HOST}:{stage.web_ports[0]}", kills, holders)
        yield from asyncio.run(show.play())


def make_holders(count: int) -> list[Holder]:
    """Make people who were asked PHQ-9 and GAD-7, each with a link."""
    from outcomes.delivery import services as delivery
    from outcomes.delivery.models import Link
    from outcomes.instruments.models import Instrument
    from tests.campaign.world import make_people

    people = make_people(count, datetime.now(UTC), prefix="browser")
    gad7 = Instrument.objects.get(code="GAD-7", clinic=None)
    holders = []
    for number, person in enumerate(people):
        link = Link.objects.select_related("invitation").get(pk=person.link_id)
        second = link.invitation.assignments.get()
        second.pk, second._state.adding = None, True
        second.pk = type(second)._meta.pk.get_default()
        second.occurrence, second.instrument = 1, gad7
        second.save()
        link.invitation.assignments.add(second)
        path = "/" + delivery.address_of(link).split("/", 3)[3]
        holders.append(Holder(path, link.pk, Random(number)))
    return holders


def answers_stored(link_id: Any) -> dict[int, int | None]:
    """Read, by question number, what the database has of somebody's answers."""
    from django.db import connection

    from outcomes.delivery.models import Link
    from outcomes.responses.models import QuestionnaireResponse

    assignments = Link.objects.get(pk=link_id).invitation.assignments
    found: dict[int, int | None] = {}
    first = 1
    for code, items in (("PHQ-9", 10), ("GAD-7", 8)):
        of_it = QuestionnaireResponse.objects.filter(
            assignment__in=assignments.filter(instrument__code=code)
        )
        answers = next(iter(of_it.values_list("answers", flat=True)), {})
        found |= {first + index: answers.get(str(index + 1)) for index in range(items)}
        first += items
    connection.close()
    return found


@dataclass
class Show:
    """The phones, and everything that is done to them."""

    base_url: str
    kills: int
    holders: list[Holder]
    seen: Seen = field(default_factory=Seen)
    random: Random = field(default_factory=lambda: Random(12))

    async def play(self) -> list[Figure]:
        """Kill, go offline, and say what held."""
        async with async_playwright() as playwright:
            left_alone, waiting = self.holders.pop(), iter(self.holders)
            offline, *_ = await asyncio.gather(
                self._half_an_hour_offline(playwright, left_alone),
                *(self._phone(playwright, waiting) for _ in range(PHONES)),
            )
        assert offline is not None
        seen = self.seen
        p95 = percentile(seen.seconds, 0.95)
        return [
            Figure(
                "R12",
                bool(seen.seconds) and p95 <= SAVED_WITHIN,
                f"{len(seen.seconds):,} taps on slow 3G, from the tap to the server's 200: "
                f"p50 {percentile(seen.seconds, 0.5):.2f} s, p95 {p95:.2f} s (at most 1)",
            ),
            Figure(
                "R12",
                seen.kills >= self.kills and seen.most_lost <= 1 and not seen.lost_of_said,
                f"{seen.kills} browsers killed: {seen.lost_of_said} of {seen.said:,} answers lost "
                f"that a page had called saved; {seen.lost_taps} taps lost before that, at most "
                f"{seen.most_lost} for each kill",
            ),
            offline,
            Figure(
                "R12",
                seen.looks > 0 and not seen.kept,
                f"no answer in any storage or cookie of the browser in {seen.looks:,} looks"
                if not seen.kept
                else f"a browser kept {sorted(seen.kept)[:3]}",
            ),
        ]

    # -- Killed ----------------------------------------------------------------------------------

    async def _phone(self, playwright: Playwright, waiting: Iterator[Holder]) -> None:
        for holder in waiting:
            while not holder.is_done and self.seen.kills < self.kills:
                await self._live(playwright, holder)
            if self.seen.kills >= self.kills:
                return

    async def _live(self, playwright: Playwright, holder: Holder) -> None:
        """Start a browser, let it answer, and kill it before it is done, if its time comes."""
        loop, lives = asyncio.get_running_loop(), self.random.uniform(*LIVES)
        # One in four dies from its start on, the others from the first question on.
        is_early = self.random.random() < 0.25
        async with self._browser(playwright, holder) as (process, page):
            killer = loop.call_later(lives if is_early else 60, process.kill)
            try:
                await self._throttle(page, SLOW_3G)
                await self._open(page, holder)
                if not is_early:
                    killer.cancel()
                    killer = loop.call_later(lives, process.kill)
                while not holder.is_done:
                    await self._go_on(page, holder)
            except PlaywrightError:
                if not process.is_killed:
                    raise
            finally:
                killer.cancel()
        await asyncio.sleep(0.2)  # what was under way has arrived
        stored = await asyncio.to_thread(answers_stored, holder.link_id)
        lost = {number for number, value in holder.tapped.items() if stored[number] != value}
        broken = {number for number, value in holder.said.items() if stored[number] != value}
        if process.is_killed:
            self.seen.kills += 1
            if self.seen.kills % 10 == 0:
                note(f"{self.seen.kills} browsers killed")
        self.seen.lost_of_said += len(broken)
        self.seen.lost_taps += len(lost - broken)
        self.seen.most_lost = max(self.seen.most_lost, len(lost - broken))
        # What is lost will be asked again.
        for number in lost:
            del holder.tapped[number]
            holder.said.pop(number, None)

    async def _open(self, page: Page, holder: Holder) -> None:
        """Go on where an earlier browser was killed: at a question, at the review, or after it."""
        await page.goto(holder.path)
        if not await page.locator("#day").count():
            holder.is_done = True  # killed after the server had taken the form
            return
        for name, value in (("day", "17"), ("month", "5"), ("year", "1980")):
            await page.locator(f"#{name}").fill(value)
        await page.locator("main form .button").first.tap()
        await page.wait_for_url(RESUMED)
        holder.cookies = {}

    async def _go_on(self, page: Page, holder: Holder) -> None:
        here = page.url
        if QUESTION.search(here):
            await self._tap(page, holder)
        else:
            await page.get_by_role("button", name="Send my answers").first.tap()
            await page.wait_for_url("**/answer/thanks/**")
            holder.is_done = True
        await page.wait_for_load_state("domcontentloaded")

    async def _tap(self, page: Page, holder: Holder) -> None:
        here = page.url
        found = QUESTION.search(here)
        assert found, here
        await self._look(page, holder)
        value = holder.random.randrange(4)
        holder.tapped[int(found[1])] = value
        await page.locator(".option-card").nth(value).tap()
        if await page.locator("#help:visible").count():
            # The crisis text stays until the patient goes on.
            await page.locator("[data-state=saved]").wait_for()
            await page.locator("#next").tap()
        await page.wait_for_url(lambda url: url != here, wait_until="commit")

    # -- Offline ---------------------------------------------------------------------------------

    async def _half_an_hour_offline(self, playwright: Playwright, holder: Holder) -> Figure:
        holder.has_own_clock = True
        async with self._browser(playwright, holder) as (_process, page):
            await page.clock.install()
            await self._open(page, holder)
            for _ in range(3):
                await self._tap(page, holder)
                await page.wait_for_load_state()
            session = await self._throttle(page, OFFLINE)
            here = page.url
            await page.locator(".option-card").nth(2).tap()
            await page.locator("[data-state=error]").wait_for()
            await page.locator("#next").tap()
            for _ in range(MINUTES_OFFLINE):
                await page.clock.fast_forward("01:00")
                await asyncio.sleep(0.02)
            is_waiting = page.url == here and await page.locator("[data-state=error]").count() == 1
            await self._look(page, holder)
            await session.send("Network.emulateNetworkConditions", SLOW_3G)
            await page.evaluate("dispatchEvent(new Event('online'))")
            holder.tapped[4] = 2
            await page.wait_for_url(lambda url: url != here)
            while not holder.is_done:
                await self._go_on(page, holder)
                await page.clock.fast_forward("00:01")
        note("offline is done")
        stored = await asyncio.to_thread(answers_stored, holder.link_id)
        lost = sum(stored[number] != value for number, value in holder.tapped.items())
        return Figure(
            "R12",
            is_waiting and lost == 0 and len(holder.tapped) == 18,
            f"{MINUTES_OFFLINE} min offline with the tab open, then on to the end: "
            f"{lost} of {len(holder.tapped)} answers lost",
        )

    # -- A browser -------------------------------------------------------------------------------

    @asynccontextmanager
    async def _browser(
        self, playwright: Playwright, holder: Holder
    ) -> AsyncIterator[tuple[Chromium, Page]]:
        """Start a browser; yield it and a page in it."""
        with Chromium() as process:
            endpoint = await asyncio.to_thread(process.endpoint)
            browser = await playwright.chromium.connect_over_cdp(endpoint)
            context = await browser.new_context(base_url=self.base_url, **PHONE)
            await self._watch(context, holder)
            page = await context.new_page()
            try:
                yield process, page
            finally:
                with suppress(PlaywrightError, TimeoutError):  # it may be killed already
                    await asyncio.wait_for(browser.close(), 5)

    async def _watch(self, context: BrowserContext, holder: Holder) -> None:
        def said(_source: object, path: str, value: int) -> None:
            if found := QUESTION.search(path):
                self.seen.said += holder.said.get(int(found[1])) != value
                holder.said[int(found[1])] = value

        def stored(_source: object, milliseconds: float) -> None:
            if not holder.has_own_clock:
                self.seen.seconds.append(milliseconds / 1000)

        await context.expose_binding("said", said)
        await context.expose_binding("stored", stored)
        await context.add_init_script(WITNESS)

    async def _throttle(self, page: Page, conditions: dict[str, Any]) -> Any:
        session = await page.context.new_cdp_session(page)
        await session.send("Network.enable")
        await session.send("Network.emulateNetworkConditions", conditions)
        return session

    async def _look(self, page: Page, holder: Holder) -> None:
        """Note what the browser keeps: no store may hold anything, nor a cookie change by a tap."""
        self.seen.looks += 1
        stores = await page.evaluate(KEPT)
        if stores != NOTHING:
            self.seen.kept.add(stores)
        cookies = {cookie["name"]: cookie["value"] for cookie in await page.context.cookies()}
        holder.cookies = holder.cookies or cookies
        self.seen.kept |= {name for name in cookies if cookies[name] != holder.cookies.get(name)}


class Chromium:
    """A browser in a process group and a profile of its own."""

    def __init__(self) -> None:
        self.profile = Path(tempfile.mkdtemp(prefix="outcomes-phone-"))
        self.is_killed = False
        self.popen = subprocess.Popen(
            [
                *(CHROMIUM, *ARGUMENTS, "--headless=new", "--remote-debugging-port=0"),
                *(f"--user-data-dir={self.profile}", "--disable-background-networking"),
                *("--disable-component-update", "--disable-extensions", "about:blank"),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def endpoint(self) -> str:
        """Return where it is driven from, once it is up."""
        told, give_up_at = self.profile / "DevToolsActivePort", time.monotonic() + 60
        while time.monotonic() < give_up_at:
            lines = told.read_text().splitlines() if told.exists() else []
            if len(lines) == 2:
                return f"ws://{HOST}:{lines[0]}{lines[1]}"
            time.sleep(0.05)
        raise TimeoutError("The browser did not start within a minute.")

    def kill(self) -> None:
        """End it and everything it started, at once."""
        self.is_killed = True
        os.killpg(self.popen.pid, signal.SIGKILL)

    def __enter__(self) -> Chromium:
        return self

    def __exit__(self, *_: object) -> None:
        if not self.is_killed:
            os.killpg(self.popen.pid, signal.SIGKILL)
        self.popen.wait()
        shutil.rmtree(self.profile, ignore_errors=True)
