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
from bench.people import Form, make_forms
from outcomes.management.commands.up import children

ROUNDS = 6
# (client threads, requests in one round)
LOADS = ((1, 100), (4, 240))
WARM_UP = 40
TARGET = 0.5


@dataclass
class Side:
    """One of the two servers, and what was measured on it."""

    port: int
    path: str
    rates: list[float] = field(default_factory=list)
    times: list[float] = field(default_factory=list)

    def play(self, forms: Sequence[Form], threads: int) -> None:
        """Send the forms over keep-alive connections and note the rate and each time."""
        shares = [forms[start::threads] for start in range(threads)]
        begun = time.perf_counter()
        with ThreadPoolExecutor(threads) as pool:
            taken = list(pool.map(self.send, shares))
        self.rates.append(len(forms) / (time.perf_counter() - begun))
        self.times += [each for share in taken for each in share]

    def send(self, forms: Sequence[Form]) -> list[float]:
        """Send forms one after another over one connection; return the seconds of each."""
        http = HTTPConnection("127.0.0.1", self.port, timeout=30)
        taken = []
        for form in forms:
            begun = time.perf_counter()
            path = self.path.format(form.assignment_id)
            http.request("POST", path, form.body, form.headers)
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
    per_side = WARM_UP + ROUNDS * sum(requests for _, requests in LOADS)
    forms = iter(make_forms(2 * per_side, now))
    with (
        served("config.wsgi:application", "config.settings") as ours,
        served("bench.bare_wsgi:application", "bench.settings") as theirs,
    ):
        product = Side(ours, "/api/v1/answering/{}/submit/")
        bare = Side(theirs, "/bare/{}/")
        for side in (product, bare):
            side.send([next(forms) for _ in range(WARM_UP)])
        written: dict[str, Counter[str]] = {side.path: Counter() for side in (product, bare)}
        for threads, requests in LOADS:
            for number in range(ROUNDS):
                sides = (product, bare) if number % 2 else (bare, product)
                for side in sides:
                    before = rows_stored()
                    side.play([next(forms) for _ in range(requests)], threads)
                    written[side.path] += rows_stored() - before
            yield from figures(product, bare, threads)
            product.forget()
            bare.forget()
    if written[product.path] != written[bare.path]:
        raise RuntimeError(f"The bare view does not write the same rows: {written}")


def figures(product: Side, bare: Side, threads: int) -> Iterator[Figure]:
    """Describe one load: the median rate of the rounds, and the times of all requests."""
    name = f"submit, {threads} client{'s' if threads > 1 else ''}"
    ratio = statistics.median(
        mine / bares for mine, bares in zip(product.rates, bare.rates, strict=True)
    )
    ours, theirs = (f"{statistics.median(side.rates):,.0f}/s" for side in (product, bare))
    yield Figure(name, ours, theirs, ratio, f">= {TARGET:.2f}", ratio >= TARGET)
    for label, share in (("p50", 0.5), ("p99", 0.99)):
        mine, bares = (percentile(side.times, share) for side in (product, bare))
        yield Figure(f"  {label}", milliseconds(mine), milliseconds(bares), bares / mine)


def rows_stored() -> Counter[str]:
    """Count the rows of every table of the product."""
    tables = apps.get_app_config("outcomes").get_models()
    return Counter({table.__name__: table._default_manager.count() for table in tables})


@contextmanager
def served(application: str, settings: str) -> Iterator[int]:
    """Serve an application as `manage.py up` does; yield the port."""
    with socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    command = [*list(next(iter(children(port))).command)[:-1], application]
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
