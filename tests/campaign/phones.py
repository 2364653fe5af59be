"""Patients' phones: real HTTP clients that tap, submit, and try again until they are told."""

from __future__ import annotations

import json
import queue
import threading
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from random import Random

from tests.campaign.servers import HOST
from tests.campaign.world import Person

PATIENCE = 120.0


@dataclass(frozen=True, slots=True)
class Told:
    """What a phone was told is saved: some answers of a form, or the whole form."""

    person: Person
    answers: dict[str, int]
    is_whole: bool
    asked_at: float
    told_at: float
    seconds: float
    tries: int


@dataclass
class Phones:
    """A number of phones that share the people between them."""

    ports: Sequence[int]
    threads: int = 6
    taps: int = 3
    leaves_unfinished: float = 0.0
    pause: float = 0.0
    told: list[Told] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    untold: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def fill_in(self, people: Iterable[Person], *, until: threading.Event | None = None) -> None:
        """Let every person fill in their form; return when all are done, or when told to stop."""
        waiting: queue.SimpleQueue[Person] = queue.SimpleQueue()
        for person in people:
            waiting.put(person)
        threads = [
            threading.Thread(target=self._work, args=(waiting, Random(number), until))
            for number in range(self.threads)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _work(
        self, waiting: queue.SimpleQueue[Person], random: Random, until: threading.Event | None
    ) -> None:
        phone = _Phone(self.ports, random)
        with suppress(queue.Empty):
            while until is None or not until.is_set():
                self._fill_in(phone, waiting.get_nowait(), random)
                time.sleep(self.pause)
        phone.close()

    def _fill_in(self, phone: _Phone, person: Person, random: Random) -> None:
        items = sorted(person.answers, key=int)
        for item in random.sample(items, min(self.taps, len(items))):
            answers = {item: person.answers[item]}
            body = json.dumps({"answers": answers}).encode()
            self._ask(phone, person, "PUT", "answers", body, answers, is_whole=False)
        if random.random() >= self.leaves_unfinished:
            self._ask(phone, person, "POST", "submit", person.body, person.answers, is_whole=True)

    def _ask(
        self,
        phone: _Phone,
        person: Person,
        method: str,
        what: str,
        body: bytes,
        answers: dict[str, int],
        *,
        is_whole: bool,
    ) -> None:
        asked_at, begun = time.time(), time.monotonic()
        path = f"/api/v1/answering/{person.assignment_id}/{what}/"
        for tries in range(1, 10_000):
            status, content = phone.ask(method, path, body, person.headers)
            if status == 200:
                told_at, seconds = time.time(), time.monotonic() - begun
                told = Told(person, answers, is_whole, asked_at, told_at, seconds, tries)
                with self._lock:
                    self.told.append(told)
                return
            if 400 <= status < 500:
                with self._lock:
                    self.refused.append(f"{what}: {status} {content[:200]!r}")
                return
            if time.monotonic() - begun > PATIENCE:
                break
            time.sleep(0.1)
        with self._lock:
            self.untold += 1


class _Phone:
    """One connection, kept open, and moved to another server when it breaks."""

    def __init__(self, ports: Sequence[int], random: Random) -> None:
        self.ports = ports
        self.at = random.randrange(len(ports))
        self.http: HTTPConnection | None = None

    def ask(
        self, method: str, path: str, body: bytes, headers: dict[str, str]
    ) -> tuple[int, bytes]:
        """Ask once; status 0 when there was no whole reply."""
        if self.http is None:
            self.http = HTTPConnection(HOST, self.ports[self.at], timeout=15)
        try:
            self.http.request(method, path, body, headers)
            reply = self.http.getresponse()
            return reply.status, reply.read()
        except (OSError, HTTPException):
            self.close()
            self.at = (self.at + 1) % len(self.ports)
            return 0, b""

    def close(self) -> None:
        """Hang up."""
        if self.http is not None:
            self.http.close()
        self.http = None
