"""The caseload's first page with ten, a thousand and a hundred thousand patients."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from importlib import import_module
from uuid import UUID

from django.db import connection
from django.urls import reverse

from bench.figures import Figure, milliseconds, percentile
from bench.many import KEY, multiply
from bench.pages import queries, signed_in
from bench.people import analyse, make_caseload
from outcomes.care.models import EpisodeOfCare, Patient
from outcomes.clinics.models import User
from outcomes.review import services as review
from outcomes.review.models import Standing

SIZES = (10, 1_000, 100_000)
REAL = 10
REQUESTS = 60
WARM_UP = 3
TARGET = 0.080
QUERIES = ("", "?list=unreviewed", "?list=overdue", "?list=unreached")


def measure(now: datetime) -> Iterator[Figure]:
    """Yield the time of the first page at each size, all counts included, and its queries."""
    if connection.vendor != "postgresql":
        yield Figure("caseload", "not measured", "", None, "needs PostgreSQL")
        return
    import_module("config.wsgi")  # what the served process sets, garbage collection too
    counted = set()
    base = 0
    for size in SIZES:
        slug = f"caseload-{size}"
        user, base = make(slug, size, base, now)
        address = reverse("clinic_site:caseload", args=[slug]) + "?who=all"
        yield from page(f"caseload, {size:,} patients, p50", user, address)
        counted.add(queries(user, address))
    for query in QUERIES[1:]:
        name = f"  {SIZES[-1]:,} patients, {query[6:]}, p50"
        yield from page(name, user, f"{address}&{query[1:]}", is_short=True)
    for indication in ("trd", "pain"):
        standing = Standing.objects.filter(clinic__slug=slug, indication=indication).count()
        name = f"  the {standing:,} of one indication, p50"
        yield from page(name, user, f"{address}&indication={indication}", is_short=True)
    yield from page(
        "  the user's own 300, p50", user, address.replace("all", "mine"), is_short=True
    )
    last = Standing.objects.filter(clinic__slug=slug).in_order().values_list("pk", flat=True)
    deep = f"{address}&after={last[SIZES[-1] * 9 // 10]}"
    yield from page("  a page nine tenths down, p50", user, deep, is_short=True)
    told = ", ".join(map(str, sorted(counted)))
    yield Figure("  queries, at each size", told, "", None, "the same", len(counted) == 1)


def make(slug: str, size: int, base: int, now: datetime) -> tuple[User, int]:
    """Make a clinic of so many open episodes: ten lived through, the others copies of their lines.

    Copies vary in name and in what they need: a fifth is overdue, a tenth unseen, a fiftieth not
    reached, one in a thousand has pain, one in five thousand an open alert. Returns the last number
    used for a key.
    """
    clinic, user = make_caseload(slug, REAL, now)
    # The copies' lines are what is measured: no event may be left that has them read anew.
    while review.is_behind(clinic):
        review.follow(clinic=clinic, now=now)
    rows = list(Standing.objects.filter(clinic=clinic))
    each = (size - REAL) // REAL
    for row in rows:
        if each:
            first, last = base + 1, base + each
            multiply(Patient.objects.get(pk=row.patient_id), first, last, id=KEY, record_number="i")
            multiply(
                EpisodeOfCare.objects.get(pk=row.episode_id), first, last, id=KEY, patient_id=KEY
            )
            multiply(row, first, last, **columns(now))
            base = last
    responsible(clinic.pk, user)
    analyse()
    return user, base


def columns(now: datetime) -> dict[str, str]:
    """Return what varies from copy to copy, in SQL."""
    never = "'9999-01-01+00'::timestamptz"
    at = f"'{(now - timedelta(days=1)).isoformat()}'::timestamptz"
    return {
        "id": KEY,
        "patient_id": KEY,
        "episode_id": KEY,
        "name_order": "md5(i::text)",
        "given_order": "md5((i + 1)::text)",
        "record_order": "i::text",
        "indication": "CASE WHEN i % 1000 = 0 THEN 'pain' ELSE t.indication END",
        "open_alerts": "CASE WHEN i % 5000 = 0 THEN 1 ELSE 0 END",
        "alert_order": f"CASE WHEN i % 5000 = 0 THEN {at} - i * interval '1 s' ELSE {never} END",
        "is_reached": "i % 50 <> 0",
        "reach_problem": "CASE WHEN i % 50 = 0 THEN 'no_contact' ELSE '' END",
        "unanswered": "CASE WHEN i % 5 = 0 THEN 1 ELSE 0 END",
        "due_order": f"CASE WHEN i % 5 = 0 THEN {at} - i * interval '1 s' ELSE {never} END",
        "closes_at": "NULL",
        "unseen": "CASE WHEN i % 10 = 0 THEN 1 ELSE 0 END",
    }


def responsible(clinic_id: UUID, user: User) -> None:
    """Make the user responsible for three hundred, or for all of a small clinic."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO outcomes_episodeofcare_clinicians (episodeofcare_id, user_id)"
            " SELECT id, %s FROM outcomes_episodeofcare WHERE clinic_id = %s"
            " ORDER BY md5(id::text) LIMIT 300 ON CONFLICT DO NOTHING",
            [user.pk, clinic_id],
        )


def page(name: str, user: User, address: str, *, is_short: bool = False) -> Iterator[Figure]:
    """Yield the time of a page through Django's test client, the whole stack but HTTP."""
    client, taken = signed_in(user), []
    for number in range(WARM_UP + (REQUESTS // 2 if is_short else REQUESTS)):
        begun = time.perf_counter()
        reply = client.get(address)
        if number >= WARM_UP:
            taken.append(time.perf_counter() - begun)
        if reply.status_code != 200:
            raise RuntimeError(f"{address} answered {reply.status_code}")
    p50 = percentile(taken, 0.5)
    wanted = f"<= {TARGET * 1000:.0f} ms"
    yield Figure(name, milliseconds(p50), "", None, wanted, p50 <= TARGET)
    if not is_short:
        yield Figure("  p99", milliseconds(percentile(taken, 0.99)))
