"""Messages a second out of the outbox, beside a bare loop of smtplib that sends the same mails.

Ours: `manage.py dispatch --lane bulk` as it runs in production, from claim to audit event, one and
two processes. The rival: one process, one connection kept open, the finished texts in memory. Both
send to the same mail server, which takes everything.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from django.db import connection
from django.db.models import Max, Min

from bench.figures import Figure
from bench.many import KEY, Pattern, bare_tables, make_pattern, multiply, multiply_patients
from bench.workers import dispatchers, sink
from outcomes.delivery.channels.email import headers_of
from outcomes.delivery.channels.mime import compose
from outcomes.delivery.models import Invitation, Message
from outcomes.delivery.rendering import render
from outcomes.delivery.services import (
    create_invitation,
    queue_invitation_message,
)

IS_FULL = os.environ.get("BENCH") == "full"
MESSAGES = 4_000 if IS_FULL else 400
ROUNDS = 5 if IS_FULL else 2
# Alone a worker is to come to this share of the bare loop, and two to this share of twice one.
TARGET, SCALING_TARGET = 0.3, 0.9
TABLES = (
    "outcomes_assignment",
    "outcomes_invitation",
    "outcomes_invitation_assignments",
    "outcomes_link",
    "outcomes_message",
)


def measure(now: datetime) -> Iterator[Figure]:
    """Yield the rates of one and of two workers, each beside the bare loop."""
    if connection.vendor != "postgresql":
        yield Figure("dispatch", "not measured", "", None, "needs PostgreSQL")
        return
    pattern = make_pattern("dispatch", now)
    rounds = [workers for _ in range(ROUNDS) for workers in (1, 2)]
    rates: dict[int, list[float]] = {1: [], 2: []}
    bare: dict[int, list[float]] = {1: [], 2: []}
    with sink() as port:
        for number, workers in enumerate(rounds):
            queue(pattern, 1 + number * MESSAGES, (number + 1) * MESSAGES, now)
            bare[workers].append(bare_rate(port))
            rates[workers].append(our_rate(port, workers))
    for workers in (1, 2):
        ours, theirs = (statistics.median(each[workers]) for each in (rates, bare))
        ratio = statistics.median(
            mine / bares for mine, bares in zip(rates[workers], bare[workers], strict=True)
        )
        target = TARGET * (1 if workers == 1 else 2 * SCALING_TARGET)
        yield Figure(
            f"messages sent by {workers} worker{'s' if workers > 1 else ''}",
            f"{ours:,.0f}/s",
            f"{theirs:,.0f}/s",
            ratio,
            f">= {target:.2f}",
            ratio >= target,
        )
    scaling = statistics.median(two / one for one, two in zip(rates[1], rates[2], strict=True))
    yield Figure(
        "  two workers against one", "", "", scaling, ">= 1.80", scaling >= 2 * SCALING_TARGET
    )


def queue(pattern: Pattern, first: int, last: int, now: datetime) -> None:
    """Queue one invitation for each of so many new patients, due at once."""
    question = pattern.question
    question.state, question.asked_at = "open", now
    question.save()
    message = Message.objects.filter(kind="invitation", patient=pattern.patient).first()
    if message is None:
        invitation = create_invitation(patient=pattern.patient, assignments=[question], now=now)
        message = queue_invitation_message(invitation=invitation, channel="email", now=now)
        Message.objects.filter(pk=message.pk).update(not_before=now + timedelta(days=1))
    assert message.link is not None
    with bare_tables(*TABLES):
        multiply_patients(pattern, first, last)
        own = {"id": KEY, "patient_id": KEY}
        multiply(question, first, last, episode_id=KEY, course_id=KEY, **own)
        multiply(message.link.invitation, first, last, **own)
        covers = Invitation.assignments.through.objects.filter(invitation=message.link.invitation)
        with connection.cursor() as cursor:
            cursor.execute(
                f'INSERT INTO "{covers.model._meta.db_table}" (invitation_id, assignment_id)'
                f" SELECT {KEY}, {KEY} FROM generate_series({first}, {last}) i"
            )
        hashed = "encode(sha256(i::text::bytea), 'hex')"
        multiply(message.link, first, last, id=KEY, invitation_id=KEY, token_hash=hashed)
        dedupe = "'dispatch:' || i"
        multiply(message, first, last, link_id=KEY, dedupe=dedupe, not_before="t.created_at", **own)


def our_rate(port: int, workers: int) -> float:
    """Return messages a second, from the first that was sent to the last."""
    waiting = Message.objects.filter(
        dedupe__startswith="dispatch:", state__in=("pending", "sending")
    )
    mine = set(waiting.values_list("pk", flat=True))
    with dispatchers(port, ["bulk"] * workers):
        while waiting.exists():
            time.sleep(0.2)
    sent = Message.objects.filter(pk__in=mine, state="sent")
    if sent.count() != len(mine):
        raise RuntimeError(f"{len(mine) - sent.count()} of {len(mine)} messages were not sent.")
    span = sent.aggregate(first=Min("sent_at"), last=Max("sent_at"))
    seconds: float = (span["last"] - span["first"]).total_seconds()
    return (len(mine) - 1) / seconds


def bare_rate(port: int) -> float:
    """Return messages a second of the bare loop, in a process of its own."""
    related = ("clinic", "patient", "user", "link__invitation")
    message = Message.objects.filter(kind="invitation").select_related(*related)[0]
    outgoing = render(message, "bo@patient.example")
    text = compose(
        sender="Outcomes <no-reply@localhost>",
        to=outgoing.to,
        subject=outgoing.subject,
        text=outgoing.text,
        html=outgoing.html,
        key=outgoing.key,
        headers={"Message-ID": f"<{outgoing.key}@localhost>", **headers_of(outgoing)},
    )
    with TemporaryDirectory() as folder:
        file = Path(folder) / "mail"
        file.write_bytes(text)
        command = [sys.executable, "-m", "bench.bare_loop", str(port), str(file), str(MESSAGES)]
        return float(subprocess.check_output(command, text=True))
