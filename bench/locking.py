"""One process of `bench.locked`: `python -m bench.locking KIND NUMBER TRANSACTIONS`."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from io import StringIO
from typing import Any
from uuid import uuid4

import django


def main(kind: str, number: int, transactions: int) -> None:
    """Do so many transactions of a kind, and print what came of them."""
    django.setup()
    if kind == "prepare":
        prepare(transactions)
        return
    tally: Counter[str] = Counter(done=0, locked=0, failed=0)
    with counting_locks(tally):
        steps = STEPS[kind](number, transactions)
        for step in steps:
            before = tally["locked"]
            try:
                step()
            except Exception as error:
                if tally["locked"] == before:
                    tally["failed"] += 1
                    print(f"{kind}: {error!r}", file=sys.stderr)
            tally["done"] += 1
            # One transaction counts once, however often it was refused.
            tally["locked"] = min(tally["locked"], before + 1)
    print(json.dumps(tally))


@contextmanager
def counting_locks(tally: Counter[str]) -> Iterator[None]:
    """Count every statement that finds the database locked, whoever catches the error."""
    from django.db import connection
    from django.db.backends.base.base import BaseDatabaseWrapper
    from django.db.utils import OperationalError

    def look(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        try:
            return execute(sql, params, many, context)
        except OperationalError as error:
            tally["locked"] += "locked" in str(error)
            raise

    commit = BaseDatabaseWrapper._commit  # type: ignore[attr-defined]

    def look_at_commit(self: BaseDatabaseWrapper) -> Any:
        try:
            return commit(self)
        except OperationalError as error:
            tally["locked"] += "locked" in str(error)
            raise

    BaseDatabaseWrapper._commit = look_at_commit  # type: ignore[attr-defined]
    with connection.execute_wrapper(look):
        yield


def prepare(transactions: int) -> None:
    """Make the database, and what each kind needs of it."""
    from django.core.management import call_command
    from django.db import transaction
    from django.utils import timezone

    from bench.people import make_forms
    from outcomes.audit.models import SYSTEM
    from outcomes.care.models import Channel, Contact, Patient
    from outcomes.care.services import record_consent
    from outcomes.delivery.models import Message
    from outcomes.instruments.models import Instrument
    from outcomes.scheduling.models import Assignment

    now = timezone.now()
    call_command("migrate", verbosity=0)
    call_command("install_library", stdout=StringIO())
    make_forms(4 * transactions, now)
    gad7 = Instrument.objects.get(code="GAD-7")
    with transaction.atomic():
        contacts = []
        for patient in Patient.objects.all():
            contact = Contact(clinic_id=patient.clinic_id, patient=patient, channel=Channel.EMAIL)
            contact.value, contact.set_at = f"{patient.pk}@patient.example", now
            contacts.append(contact)
        Contact.objects.bulk_create(contacts)
        # A clinic's chain of audit events begins before the race.
        for patient in Patient.objects.all():
            record_consent(
                patient=patient, channel=Channel.EMAIL, is_given=True, by=SYSTEM, now=now
            )
        Message.objects.update(not_before=now)
        planned = list(Assignment.objects.all())
        for item in planned:
            item.pk = Assignment._meta.pk.get_default()
            item._state.adding = True
            item.instrument, item.state, item.asked_at = gad7, "planned", None
            item.rule_code = "later"
        Assignment.objects.bulk_create(planned)


def submits(number: int, transactions: int) -> Iterator[Callable[[], Any]]:
    """Yield finished questionnaires, one in ten with a positive safety answer."""
    from django.utils import timezone

    from outcomes import workflows
    from outcomes.audit.models import SYSTEM
    from outcomes.responses.models import Mode

    for place, pk in enumerate(_assignments(number, transactions)):
        answers = {str(item): (place + item) % 4 for item in range(1, 11)}
        answers["9"] = int(place % 10 == 0)
        yield lambda pk=pk, answers=answers: workflows.submit_response(  # type: ignore[misc]
            assignment_id=pk,
            answers=answers,
            submission_id=str(uuid4()),
            language="en",
            mode=Mode.LINK,
            by=SYSTEM,
            now=timezone.now(),
        )


def autosaves(number: int, transactions: int) -> Iterator[Callable[[], Any]]:
    """Yield taps, five to a form."""
    from django.utils import timezone

    from outcomes import workflows
    from outcomes.audit.models import SYSTEM
    from outcomes.responses.models import Mode

    for pk in _assignments(number + 2, transactions // 5):
        for item in range(1, 6):
            yield lambda pk=pk, item=item: workflows.save_answers(  # type: ignore[misc]
                assignment_id=pk,
                answers={str(item): 1},
                language="en",
                mode=Mode.LINK,
                by=SYSTEM,
                now=timezone.now(),
            )


def sends(number: int, transactions: int) -> Iterator[Callable[[], Any]]:
    """Yield claims of one message: rechecked, handed to the provider, settled."""
    from django.utils import timezone

    from outcomes.delivery import services as delivery

    for place in range(transactions):
        lane = "alert" if place % 4 == 0 else "bulk"
        yield lambda lane=lane: delivery.send_batch(  # type: ignore[misc]
            lane=lane, channel="email", clock=timezone.now, size=1
        )


def sweeps(number: int, transactions: int) -> Iterator[Callable[[], Any]]:
    """Yield what runs with nobody watching: invite, escalate, plan, expire."""
    from django.utils import timezone

    from outcomes import workflows

    def invite() -> int:
        return workflows.invite_due(now=timezone.now(), at_most=1)

    def escalate() -> int:
        return workflows.escalate_due(now=timezone.now() + timedelta(minutes=16))

    def expire() -> int:
        return workflows.expire_assignments(now=timezone.now())

    def plan() -> int:
        return workflows.replan_due(now=timezone.now())

    for place in range(transactions):
        yield (invite, invite, invite, expire, invite, escalate, invite, plan)[place % 8]


def _assignments(share: int, count: int) -> list[Any]:
    from outcomes.scheduling.models import Assignment

    rows = Assignment.objects.filter(instrument__code="PHQ-9").order_by("pk")
    return list(rows.values_list("pk", flat=True)[share::4][:count])


STEPS = {"submit": submits, "autosave": autosaves, "send": sends, "sweep": sweeps}

if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
