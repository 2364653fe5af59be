"""What is due, found among ten thousand, a million, ten million rows: the product's own queries.

Every row of a table but one in a hundred is done with or not due yet; those that are due are due at
the same moment, as at nine in the morning.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import QuerySet

from bench.figures import Figure, milliseconds, percentile
from bench.many import KEY, Pattern, bare_tables, make_pattern, multiply, multiply_patients
from outcomes.alerts.models import Alert
from outcomes.delivery.models import Message
from outcomes.delivery.services import outbox
from outcomes.scheduling import services as scheduling
from outcomes.scheduling.models import Assignment

IS_FULL = os.environ.get("BENCH") == "full"
SIZES = (10_000, 1_000_000, 10_000_000) if IS_FULL else (10_000, 200_000)
PER_PATIENT = 100
FIRST = 100
ROUNDS = 300
# The share of runs that are quicker: others use the machine, too.
UNDISTURBED = 0.02
# Messages and alerts: there are fewer of them.
FEWER = 1_000_000
TARGET = 0.001
# One in a hundred is due, a quarter comes later, the rest is over.
STATE = """CASE WHEN i % 100 = 0 THEN 'planned' WHEN i % 4 = 1 THEN 'planned'
    WHEN i % 4 = 2 THEN 'expired' ELSE 'completed' END"""


def measure(now: datetime) -> Iterator[Figure]:
    """Yield the time to the first due rows of each kind, at each size."""
    if connection.vendor != "postgresql":
        yield Figure("due scan", "not measured", "", None, "needs PostgreSQL")
        return
    pattern = make_pattern("due", now)
    filled = 0
    for size in SIZES:
        with bare_tables("outcomes_assignment", "outcomes_message", "outcomes_alert"):
            fill(pattern, filled + 1, size, now)
        filled = size
        yield from scans(size, now)
    yield from without_index(size, now)


def fill(pattern: Pattern, first: int, last: int, now: datetime) -> None:
    """Fill up to this many questions, messages and alerts."""
    begun = first - 1
    multiply_patients(pattern, begun and begun // PER_PATIENT + 2, last // PER_PATIENT + 1)
    owner = KEY.replace("to_hex(i)", f"to_hex(1 + i / {PER_PATIENT})")
    is_due = "i % 100 = 0"
    at = f"CASE WHEN {is_due} THEN t.opens_at WHEN i % 4 = 1 THEN t.opens_at + i * interval '1 s'"
    at += " ELSE t.opens_at - i * interval '1 s' END"
    question = {"patient_id": owner, "episode_id": owner, "course_id": owner}
    multiply(
        pattern.question,
        first,
        last,
        id=KEY,
        occurrence=f"i % {PER_PATIENT}",
        state=STATE,
        opens_at=at,
        due_at=f"({at}) + interval '10 h'",
        closes_at=f"({at}) + interval '48 h'",
        **question,
    )
    if first > FEWER:
        return
    last = min(last, FEWER)
    waits = "CASE WHEN i % 100 = 0 OR i % 4 = 1 THEN '{}' ELSE '{}' END"
    multiply(
        pattern_message(pattern, now),
        first,
        last,
        id=KEY,
        patient_id=owner,
        dedupe="'bench:' || i",
        state=waits.format("pending", "sent"),
        not_before=at.replace("t.opens_at", "t.not_before"),
    )
    multiply(
        pattern_alert(pattern, now),
        first,
        last,
        id=KEY,
        patient_id=owner,
        response_id=KEY,
        state=waits.format("open", "resolved"),
        acknowledged_by_id=f"'{pattern.clinician.pk}'",
        next_at=at.replace("t.opens_at", "t.next_at"),
    )


def pattern_message(pattern: Pattern, now: datetime) -> Message:
    """Return the message that is multiplied."""
    return Message.objects.get_or_create(
        dedupe="bench:pattern",
        defaults={
            "clinic": pattern.clinic,
            "kind": "reminder",
            "lane": "bulk",
            "channel": "email",
            "patient": pattern.patient,
            "not_before": now,
            "created_at": now,
        },
    )[0]


def pattern_alert(pattern: Pattern, now: datetime) -> Alert:
    """Return the alert that is multiplied; no key is checked while the tables are filled."""
    return Alert.objects.get_or_create(
        response_id=pattern.patient.pk,
        defaults={
            "clinic": pattern.clinic,
            "patient": pattern.patient,
            "episode": pattern.episode,
            "reason": "answer",
            "value": 1,
            "state": "open",
            "raised_at": now,
            "opened_at": now,
            "next_at": now,
        },
    )[0]


def _alerts(now: datetime) -> QuerySet[Any, Any]:
    return _keys(Alert.objects.due_at(now).order_by("next_at"))


def _keys(rows: QuerySet[Any]) -> QuerySet[Any, Any]:
    return rows.values_list("pk", flat=True)


@dataclass(frozen=True, slots=True)
class Scan:
    """One of the product's questions to the database, and the index that answers it."""

    name: str
    index: str
    rows: Callable[[datetime], QuerySet[Any, Any]]

    def run(self, now: datetime) -> list[Any]:
        """Read the first hundred."""
        return list(self.rows(now)[:FIRST])


SCANS = (
    Scan("to ask", "assignment_to_open", lambda now: scheduling.patients_to_ask(now=now)),
    Scan("to close", "assignment_to_close", lambda now: scheduling.closed_unanswered(now=now)),
    Scan(
        "to send",
        "message_outbox",
        lambda now: _keys(outbox.due(lane="bulk", channel="email", now=now)),
    ),
    Scan("to escalate", "alert_to_escalate", _alerts),
)


def scans(size: int, now: datetime) -> Iterator[Figure]:
    """Yield each scan's time beside that of as many rows by primary key."""
    by_key = Assignment.objects.order_by("pk").values_list("patient_id", flat=True)
    for scan in SCANS if size <= FEWER else SCANS[:2]:
        at = now + timedelta(hours=49 if scan.name == "to close" else 1)
        if len(scan.run(at)) < min(FIRST, size // 100):
            raise RuntimeError(f"Too little is due {scan.name}.")
        ours, theirs = timed(lambda: scan.run(at), lambda: list(by_key[:FIRST]))  # noqa: B023
        name = f"first {FIRST} {scan.name}, of {size:,}"
        if scan.index not in scan.rows(at)[:FIRST].explain():
            raise RuntimeError(f"{scan.index} is not used for what is due {scan.name}.")
        yield Figure(
            name, milliseconds(ours), milliseconds(theirs), theirs / ours, "<= 1 ms", ours <= TARGET
        )
        inside = in_database(scan.rows(at)[:FIRST])
        yield Figure(
            "  in the database alone", milliseconds(inside), "", None, "<= 1 ms", inside <= TARGET
        )


def in_database(rows: QuerySet[Any, Any]) -> float:
    """Return the seconds that planning and running take in the database, undisturbed."""
    told = []
    for _ in range(50):
        plan = rows.explain(analyze=True, timing=False)
        parts = re.findall(r"(?:Planning|Execution) Time: ([\d.]+)", plan)
        told.append(sum(map(float, parts)) / 1000)
    return percentile(told, UNDISTURBED)


def without_index(size: int, now: datetime) -> Iterator[Figure]:
    """Yield what each scan would take if its index were not there."""
    for scan in SCANS if size <= FEWER else SCANS[:2]:
        at = now + timedelta(hours=49 if scan.name == "to close" else 1)
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute(f'DROP INDEX "{scan.index}"')
            begun = time.perf_counter()
            scan.run(at)
            taken = time.perf_counter() - begun
            transaction.set_rollback(True)
        yield Figure(f"  {scan.name}, without its index, of {size:,}", "", milliseconds(taken))


def timed(*ways: Callable[[], object]) -> list[float]:
    """Return the seconds of each way where nothing else disturbs it, taking turns."""
    taken: list[list[float]] = [[] for _ in ways]
    for _ in range(ROUNDS):
        for way, each in zip(ways, taken, strict=True):
            begun = time.perf_counter()
            way()
            each.append(time.perf_counter() - begun)
    return [percentile(each, UNDISTURBED) for each in taken]
