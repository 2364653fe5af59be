"""The patient's page after five years, as a clinician opens it before a session."""

from __future__ import annotations

import gzip
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from importlib import import_module
from random import Random
from uuid import UUID

from django.urls import reverse

from bench.figures import Figure, milliseconds, percentile
from bench.pages import queries, signed_in
from bench.people import analyse, make_clinic
from outcomes.care.models import Course, CourseKind
from outcomes.clinics.models import Clinic, User
from outcomes.management.simulation.bulk import Library, Record, Rows
from outcomes.management.simulation.roster import roster
from outcomes.scheduling.models import Assignment, AssignmentState

WEEKS, SESSIONS, MOODS = 260, 60, 1800
REQUESTS, WARM_UP = 200, 5
P50, P99, QUERIES, BYTES = 0.050, 0.150, 12, 150 * 1024


def measure(now: datetime) -> Iterator[Figure]:
    """Yield server times, queries and bytes of the page, through the whole stack but HTTP."""
    import_module("config.wsgi")  # what the served process sets, garbage collection too
    clinic, clinician = make_clinic("five-years", now)
    patient_id = make_five_years(clinic, clinician, now)
    analyse()
    page = reverse("clinic_site:patient", args=[clinic.slug, patient_id])
    yield from _measure("patient, five years", clinician, page)
    yield from _measure("the same, all of it on the chart", clinician, f"{page}?range=all")
    yield from _measure("the same, the last three months", clinician, f"{page}?range=3m")


def _measure(name: str, user: User, address: str) -> Iterator[Figure]:
    client, taken = signed_in(user), []
    for number in range(WARM_UP + REQUESTS):
        begun = time.perf_counter()
        reply = client.get(address, headers={"Accept-Encoding": "gzip"})
        if number >= WARM_UP:
            taken.append(time.perf_counter() - begun)
        if reply.status_code != 200:
            raise RuntimeError(f"{address} answered {reply.status_code}")
    p50, p99 = percentile(taken, 0.5), percentile(taken, 0.99)
    count = queries(user, address)
    is_packed = reply.headers.get("Content-Encoding") == "gzip"
    whole = gzip.decompress(reply.content) if is_packed else reply.content
    yield Figure(f"{name}, p50", milliseconds(p50), "", None, f"<= {P50 * 1000:.0f} ms", p50 <= P50)
    yield Figure("  p99", milliseconds(p99), "", None, f"<= {P99 * 1000:.0f} ms", p99 <= P99)
    yield Figure("  queries", str(count), "", None, f"<= {QUERIES}", count <= QUERIES)
    yield Figure(
        "  over the wire",
        f"{len(reply.content) / 1024:,.0f} KiB",
        f"{len(whole) / 1024:,.0f} KiB whole",
        None,
        f"<= {BYTES // 1024} KiB",
        len(reply.content) <= BYTES,
    )


def make_five_years(clinic: Clinic, clinician: User, now: datetime) -> UUID:
    """Make a patient with 260 weeks of PHQ-9 and GAD-7, 60 sessions and 1,800 moods."""
    library, rows = Library.read(), Rows(now)
    part = next(roster("five", 9, now))
    part.details["record_number"] = "FIVE"
    record = Record(rows, library, clinic, clinician, part, Random(1))
    record.write_patient(None)
    begins_at = now - timedelta(weeks=WEEKS)
    course = Course(
        clinic=clinic,
        episode=record.episode,
        kind=CourseKind.MAINTENANCE,
        schedule=library.schedule,
        started_at=begins_at,
        needs_plan=False,
    )
    rows.add(course)
    record.held = [begins_at + timedelta(days=7 + number * 30) for number in range(SESSIONS)]
    for number, at in enumerate(record.held, 1):
        rows.add(record.session(course, number, at))
    for week in range(WEEKS):
        for code in ("PHQ-9", "GAD-7"):
            _ask(record, course, code, 2 * week, begins_at + timedelta(weeks=week))
            if week % 9 == 8:
                missed_at = begins_at + timedelta(weeks=week, days=3)
                _ask(record, course, code, 2 * week + 1, missed_at, is_missed=True)
    for day in range(MOODS):
        _ask(record, course, "MOOD-1", day, begins_at + timedelta(days=day, hours=9))
    rows.store(clinic)
    return record.patient.pk


def _ask(
    record: Record,
    course: Course,
    code: str,
    occurrence: int,
    at: datetime,
    *,
    is_missed: bool = False,
) -> None:
    """Add one asking and, unless it was missed, its answers."""
    version = record.library.versions[code]
    assignment = Assignment(
        clinic_id=course.clinic_id,
        patient=course.episode.patient,
        episode=course.episode,
        course=course,
        rule=record.library.rules["baseline"],
        rule_code=f"bench-{code}",
        occurrence=occurrence,
        instrument=version.instrument,
        state=AssignmentState.EXPIRED if is_missed else AssignmentState.COMPLETED,
        completed_at=None if is_missed else at,
        opens_at=at,
        due_at=at + timedelta(days=1),
        closes_at=at + timedelta(days=3),
        asked_at=at,
    )
    record.rows.add(assignment)
    if not is_missed:
        record.write_response(assignment, version, at)
