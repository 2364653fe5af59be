"""Pages that clinicians wait for: the patient's chart and the caseload."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime
from importlib import import_module

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from bench.figures import Figure, milliseconds, percentile
from bench.people import analyse, make_caseload, make_long_course
from outcomes.clinics.models import User

REQUESTS = 60
WARM_UP = 3
CHART_TARGET = 0.060
CASELOAD_TARGET = 0.100
BACKEND = "allauth.account.auth_backends.AuthenticationBackend"


def measure(now: datetime) -> Iterator[Figure]:
    """Yield server times of both pages through Django's test client, the whole stack but HTTP."""
    import_module("config.wsgi")  # what the served process sets, garbage collection too
    small, small_user = make_caseload("caseload-50", 50, now)
    large, large_user = make_caseload("caseload-200", 200, now)
    patient_id = make_long_course(small, small_user, now)
    analyse()
    chart = reverse("clinic_site:patient", args=[small.slug, patient_id])
    yield from _page("chart, 260 PHQ-9 + 260 GAD-7 + 60 sessions", small_user, chart, CHART_TARGET)
    lists = {
        200: (large_user, reverse("clinic_site:caseload", args=[large.slug])),
        50: (small_user, reverse("clinic_site:caseload", args=[small.slug])),
    }
    yield from _page("caseload, 200 patients", *lists[200], CASELOAD_TARGET)
    at_200, at_50 = (queries(*lists[size]) for size in (200, 50))
    yield Figure(
        "  queries with 200 and with 50 patients",
        str(at_200),
        str(at_50),
        None,
        "the same",
        at_200 == at_50,
    )


def signed_in(user: User) -> Client:
    """Return a browser in which the user is signed in."""
    client = Client(SERVER_NAME="127.0.0.1")
    client.force_login(user, backend=BACKEND)
    return client


def _page(name: str, user: User, address: str, target: float) -> Iterator[Figure]:
    client, taken = signed_in(user), []
    for number in range(WARM_UP + REQUESTS):
        begun = time.perf_counter()
        reply = client.get(address)
        if number >= WARM_UP:
            taken.append(time.perf_counter() - begun)
        if reply.status_code != 200:
            raise RuntimeError(f"{address} answered {reply.status_code}")
    p50, p99 = percentile(taken, 0.5), percentile(taken, 0.99)
    wanted = f"<= {target * 1000:.0f} ms"
    yield Figure(f"{name}, p50", milliseconds(p50), "", None, wanted, p50 <= target)
    yield Figure("  p99", milliseconds(p99))
    yield Figure("  size of the page", f"{len(reply.content) / 1024:,.0f} KiB")


def queries(user: User, address: str) -> int:
    """Count the queries of one request."""
    client = signed_in(user)
    client.get(address)
    with CaptureQueriesContext(connection) as captured:
        client.get(address)
    return len(captured)
