"""The export of scores against a plain COPY of the same columns."""

from __future__ import annotations

import statistics
import time
import tracemalloc
from collections.abc import Callable, Iterator
from datetime import datetime

from django.db import connection

from bench.figures import Figure
from bench.people import analyse, make_caseload
from outcomes.audit.models import SYSTEM
from outcomes.clinics.models import Clinic
from outcomes.exports.services import export
from outcomes.exports.tables import TABLES

PATIENTS = 1500
ROUNDS = 7
SPEED_TARGET = 0.8
MEMORY_TARGET_MIB = 64

# The same columns as a plain query writes them: no guard against formulas, no rounding.
COPY = """
COPY (
    SELECT p.id AS patient_key, p.record_number, p.is_synthetic, e.id AS episode_key, e.indication,
        c.id AS course_key, c.kind AS course, r.id AS response_key, s.instrument_code AS instrument,
        s.scale, s.value, s.band, s.is_prorated, s.missing_reason, s.scoring_version,
        r.content_hash, r.language, r.mode, a.asked_at, a.opens_at, a.due_at, a.closes_at,
        r.started_at, s.at AS submitted_at, s.at AT TIME ZONE p.time_zone AS submitted_at_local,
        p.time_zone, s.at > a.due_at AS is_late, held.id AS last_session_key,
        held.number AS last_session_number,
        extract(epoch FROM s.at - held.started_at) / 3600 AS hours_since_last_session,
        extract(epoch FROM s.at - firsts.at) / 86400 AS days_since_first_session
    FROM outcomes_score s
    JOIN outcomes_questionnaireresponse r ON r.id = s.response_id AND r.status = 'final'
    JOIN outcomes_patient p ON p.id = s.patient_id
    JOIN outcomes_episodeofcare e ON e.id = s.episode_id
    LEFT JOIN outcomes_assignment a ON a.id = r.assignment_id
    LEFT JOIN outcomes_course c ON c.id = a.course_id
    LEFT JOIN LATERAL (
        SELECT t.id, t.number, t.started_at FROM outcomes_treatmentsession t
        WHERE t.episode_id = s.episode_id AND t.status IN ('done', 'partial', 'stopped')
            AND t.started_at <= s.at
        ORDER BY t.started_at DESC LIMIT 1
    ) held ON true
    LEFT JOIN (
        SELECT episode_id, min(started_at) AS at FROM outcomes_treatmentsession
        WHERE status IN ('done', 'partial', 'stopped') GROUP BY episode_id
    ) firsts ON firsts.episode_id = s.episode_id
    WHERE s.clinic_id = '{clinic}'
    ORDER BY s.patient_id, s.at, s.id
) TO STDOUT (FORMAT csv, HEADER)
"""
# What a plain COPY costs without the four columns that look up sessions.
STORED_ONLY = """
COPY (
    SELECT p.id AS patient_key, p.record_number, p.is_synthetic, e.id AS episode_key, e.indication,
        c.id AS course_key, c.kind AS course, r.id AS response_key, s.instrument_code AS instrument,
        s.scale, s.value, s.band, s.is_prorated, s.missing_reason, s.scoring_version,
        r.content_hash, r.language, r.mode, a.asked_at, a.opens_at, a.due_at, a.closes_at,
        r.started_at, s.at AS submitted_at, s.at AT TIME ZONE p.time_zone AS submitted_at_local,
        p.time_zone, s.at > a.due_at AS is_late
    FROM outcomes_score s
    JOIN outcomes_questionnaireresponse r ON r.id = s.response_id AND r.status = 'final'
    JOIN outcomes_patient p ON p.id = s.patient_id
    JOIN outcomes_episodeofcare e ON e.id = s.episode_id
    LEFT JOIN outcomes_assignment a ON a.id = r.assignment_id
    LEFT JOIN outcomes_course c ON c.id = a.course_id
    WHERE s.clinic_id = '{clinic}'
    ORDER BY s.patient_id, s.at, s.id
) TO STDOUT (FORMAT csv, HEADER)
"""


def measure(now: datetime) -> Iterator[Figure]:
    """Yield rows per second of both, in turns, and the memory that our export holds."""
    clinic, _ = make_caseload("files", PATIENTS, now)
    analyse()
    ways: dict[str, Callable[[], int]] = {"ours": lambda: exported(clinic, now)}
    if connection.vendor == "postgresql":
        ways["copy"] = lambda: copied(COPY, clinic)
        ways["stored"] = lambda: copied(STORED_ONLY, clinic)
    peak = peak_mib(ways["ours"])
    counts = {name: way() for name, way in ways.items()}
    if len(set(counts.values())) > 1:
        raise RuntimeError(f"The exports differ in their number of rows: {counts}")
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, way in ways.items():
            begun = time.perf_counter()
            rates[name].append(way() / (time.perf_counter() - begun))
    yield from _speed(rates, counts["ours"])
    yield Figure(
        "  memory at its peak",
        f"{peak:.1f} MiB",
        "",
        None,
        f"<= {MEMORY_TARGET_MIB} MiB",
        peak <= MEMORY_TARGET_MIB,
    )


def _speed(rates: dict[str, list[float]], rows: int) -> Iterator[Figure]:
    ours = f"{statistics.median(rates['ours']):,.0f}/s"
    name = f"export of {rows:,} scores, rows"
    if "copy" not in rates:
        yield Figure(name, ours, "no COPY here")
        return
    for label, rival, target in ((name, "copy", SPEED_TARGET), ("  without sessions", "stored", 0)):
        ratio = statistics.median(
            mine / theirs for mine, theirs in zip(rates["ours"], rates[rival], strict=True)
        )
        wanted, is_held = (f">= {target:.2f}", ratio >= target) if target else ("", None)
        theirs = f"{statistics.median(rates[rival]):,.0f}/s"
        yield Figure(label, ours, theirs, ratio, wanted, is_held)


def exported(clinic: Clinic, now: datetime) -> int:
    """Export the clinic's scores as the page does, and count the rows."""
    blocks = export(table=TABLES["scores"], clinic=clinic, by=SYSTEM, now=now)
    return sum(block.count(b"\n") for block in blocks) - 1


def copied(statement: str, clinic: Clinic) -> int:
    """Let PostgreSQL write the rows, and count them."""
    with (
        connection.cursor() as cursor,
        cursor.copy(statement.format(clinic=clinic.pk)) as copy,
    ):
        return sum(bytes(block).count(b"\n") for block in copy) - 1


def peak_mib(work: Callable[[], object]) -> float:
    """Return the memory that Python held at most for the work."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1] / 2**20
    finally:
        tracemalloc.stop()
