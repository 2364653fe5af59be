"""Answer submit: the whole stack against the bare view, in rounds that take turns."""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from http.client import HTTPConnection, HTTPException
from socket import socket

from django.apps import apps

from bench.figures import Figure, milliseconds, percentile
from bench.people import Form, analyse, make_forms
from outcomes.management.commands.up import children

ROUNDS = 6
WARM_UP = 40
TARGET = 0.5
SUBMIT = "/api/v1/answering/{}/submit/"


@dataclass(frozen=True, slots=True)
class Load:
    """How many clients send at once, and how many people one round lasts."""

    clients: int
    people: int


LOADS = (Load(1, 100), Load(4, 240))
# What one person sends, one after another.
Visit = Sequence[Form]


@dataclass
class Side:
    """One of the two servers, and what was measured on it."""

    port: int
    path: str
    method: str = "POST"
    rates: list[float] = field(default_factory=list)
    times: list[float] = field(default_factory=list)

    def play(self, visits: Sequence[Visit], clients: int) -> None:
        """Send what people send over keep-alive connections; note the rate and each time."""
        shares = [
            [form for visit in visits[start::clients] for form in visit] for start in range(clients)
        ]
        begun = time.perf_counter()
        with ThreadPoolExecutor(clients) as pool:
            taken = list(pool.map(self.send, shares))
        self.rates.append(sum(map(len, shares)) / (time.perf_counter() - begun))
        self.times += [each for share in taken for each in share]

    def send(self, forms: Sequence[Form]) -> list[float]:
        """Send forms one after another over one connection; return the seconds of each."""
        http = HTTPConnection("127.0.0.1", self.port, timeout=30)
        taken = []
        for form in forms:
            begun = time.perf_counter()
            path = self.path.format(form.assignment_id)
            http.request(self.method, path, form.body, form.headers)
            reply = http.getresponse()
            content = reply.read()
            taken.append(time.perf_counter() - begun)
            if reply.status != 200:
                raise RuntimeError(f"{path} answered {reply.status}: {content[:300]!r}")
        http.close()
        return taken

    def forget(self) -> None:
        """Begin a new load."""
        self.rates, self.times = [], []


def measure(now: datetime) -> Iterator[Figure]:
    """Yield rate and times for each load, having made sure that both wrote the same rows."""
    with both_served() as (ours, theirs):
        product, bare = Side(ours, SUBMIT), Side(theirs, "/bare/{}/")
        forms = make_forms(forms_needed(LOADS, ROUNDS), now, prefix="submit")
        analyse()
        visits = iter([form] for form in forms)
        yield from compare("submit", product, bare, visits, LOADS, ROUNDS, TARGET)


def forms_needed(loads: Sequence[Load], rounds: int) -> int:
    """Return how many people both sides need together."""
    return 2 * (WARM_UP + rounds * sum(load.people for load in loads))


def compare(
    name: str,
    product: Side,
    bare: Side,
    visits: Iterator[Visit],
    loads: Sequence[Load],
    rounds: int,
    target: float,
) -> Iterator[Figure]:
    """Let both sides take turns under each load; raise if they did not write the same rows."""
    written: dict[str, Counter[str]] = {side.path: Counter() for side in (product, bare)}
    for side in (product, bare):
        side.send([form for _ in range(WARM_UP) for form in next(visits)])
    for load in loads:
        for number in range(rounds):
            for side in (product, bare) if number % 2 else (bare, product):
                before = rows_stored()
                side.play([next(visits) for _ in range(load.people)], load.clients)
                written[side.path] += rows_stored() - before
        yield from figures(name, product, bare, load.clients, target)
        product.forget()
        bare.forget()
    if written[product.path] != written[bare.path]:
        raise RuntimeError(f"The bare view does not write the same rows: {written}")


def figures(name: str, product: Side, bare: Side, clients: int, target: float) -> Iterator[Figure]:
    """Describe one load: the median rate of the rounds, and the times of all requests."""
    name = f"{name}, {clients} client{'s' if clients > 1 else ''}"
    ratio = statistics.median(
        mine / bares for mine, bares in zip(product.rates, bare.rates, strict=True)
    )
    ours, theirs = (f"{statistics.median(side.rates):,.0f}/s" for side in (product, bare))
    yield Figure(name, ours, theirs, ratio, f">= {target:.2f}", ratio >= target)
    for label, share in (("p50", 0.5), ("p99", 0.99)):
        mine, bares = (percentile(side.times, share) for side in (product, bare))
        yield Figure(f"  {label}", milliseconds(mine), milliseconds(bares), bares / mine)


def rows_stored() -> Counter[str]:
    """Count the rows of every table of the product."""
    tables = apps.get_app_config("outcomes").get_models()
    return Counter({table.__name__: table._default_manager.count() for table in tables})


@contextmanager
def both_served(options: Sequence[str] = ()) -> Iterator[tuple[int, int]]:
    """Serve the product and the bare view, each in a process of its own; yield their ports."""
    with (
        served("config.wsgi:application", "config.settings", options) as ours,
        served("bench.bare_wsgi:application", "bench.settings", options) as theirs,
    ):
        yield ours, theirs


@contextmanager
def served(application: str, settings: str, options: Sequence[str] = ()) -> Iterator[int]:
    """Serve an application as `manage.py up` does, but for these options; yield the port."""
    with socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    # Of an option that is given twice the last one holds.
    command = [*list(next(iter(children(port))).command)[:-1], *options, application]
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": settings}
    server = subprocess.Popen(command, env=environment)
    try:
        wait_until_it_answers(port)
        yield port
    finally:
        server.terminate()
        server.wait(20)


def wait_until_it_answers(port: int) -> None:
    """Return once anything is answered on the port."""
    for _ in range(200):
        try:
            http = HTTPConnection("127.0.0.1", port, timeout=2)
            http.request("GET", "/healthz")
            http.getresponse().read()
            http.close()
            return
        except (OSError, HTTPException):
            time.sleep(0.1)
    raise RuntimeError("The server did not start within 20 seconds.")
