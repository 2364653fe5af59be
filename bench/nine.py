"""Nine o'clock: everybody's question opens at once, and alerts are raised meanwhile.

Two processes for the bulk lane and one for alerts, as in production, invite and send until nothing
is left. Every few seconds a form with a positive safety answer is submitted; what counts is how
long its first page takes from the answer to the provider.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import count
from uuid import UUID, uuid4

from django.db import connection
from django.db.models import QuerySet
from django.utils import timezone

from bench.dispatch import bare_rate
from bench.figures import Figure, percentile
from bench.many import KEY, bare_tables, make_pattern, multiply, multiply_patients
from bench.people import make_forms
from bench.workers import dispatchers, sink
from outcomes import workflows
from outcomes.alerts.models import Alert
from outcomes.audit.models import SYSTEM
from outcomes.delivery.models import Message, MessageState
from outcomes.responses.models import Mode
from outcomes.scheduling.models import Assignment, AssignmentState

PATIENTS = int(os.environ.get("BENCH_PATIENTS", "0")) or (
    100_000 if os.environ.get("BENCH") == "full" else 1_000
)
FORMS = 400
ALERT_EVERY = 2.0
TARGET_SECONDS = 30


def measure(now: datetime) -> Iterator[Figure]:
    """Yield how long it takes to ask everybody, and the delay of the alerts meanwhile."""
    if connection.vendor != "postgresql":
        yield Figure("nine o'clock", "not measured", "", None, "needs PostgreSQL")
        return
    forms = [form.assignment_id for form in make_forms(FORMS, now)]
    pattern = make_pattern("nine", now)
    Assignment.objects.filter(pk=pattern.question.pk).update(opens_at=now - timedelta(minutes=1))
    with bare_tables("outcomes_assignment"):
        multiply_patients(pattern, 1, PATIENTS)
        own = {"id": KEY, "patient_id": KEY, "episode_id": KEY, "course_id": KEY}
        multiply(pattern.question, 1, PATIENTS, **own)
    due = Assignment.objects.filter(patient__clinic=pattern.clinic)
    with sink() as port, dispatchers(port, ["bulk", "bulk", "alert"]):
        begun = time.monotonic()
        for number in count():
            if number < FORMS:
                raise_alert(forms[number])
            time.sleep(ALERT_EVERY)
            if not due.filter(state=AssignmentState.PLANNED).exists() and not waiting().exists():
                break
        taken = time.monotonic() - begun
        theirs = bare_rate(port)
        while Message.objects.filter(alert__isnull=False, state=MessageState.PENDING).exists():
            time.sleep(0.2)
    sent = Message.objects.filter(clinic=pattern.clinic, kind="invitation", state="sent").count()
    if sent < PATIENTS:
        raise RuntimeError(f"{PATIENTS - sent} of {PATIENTS} were not asked.")
    yield Figure(
        f"{PATIENTS:,} asked at nine by 2 workers, in {taken:,.0f} s",
        f"{sent / taken:,.0f}/s",
        f"{theirs:,.0f}/s",
        sent / taken / theirs,
    )
    delays = [
        (message.sent_at - message.created_at).total_seconds()
        for message in Message.objects.filter(alert__in=Alert.objects.all(), sent_at__isnull=False)
        if message.sent_at is not None
    ]
    slow = percentile(delays, 0.99)
    yield Figure(
        f"  answer to page of {len(delays)} alerts meanwhile, p99",
        f"{slow:,.1f} s",
        "",
        None,
        f"<= {TARGET_SECONDS} s",
        slow <= TARGET_SECONDS,
    )


def waiting() -> QuerySet[Message]:
    """Return the invitations that were not sent yet."""
    states = (MessageState.PENDING, MessageState.SENDING)
    return Message.objects.filter(kind="invitation", state__in=states)


def raise_alert(assignment_id: UUID) -> None:
    """Submit a form whose safety question was answered with a yes."""
    answers = {str(item): 1 for item in range(1, 11)}
    workflows.submit_response(
        assignment_id=assignment_id,
        answers=answers,
        submission_id=str(uuid4()),
        language="en",
        mode=Mode.LINK,
        by=SYSTEM,
        now=timezone.now(),
    )
