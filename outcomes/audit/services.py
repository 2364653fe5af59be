"""Append to the audit record and prove that it is whole."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from outcomes.audit.models import Actor, AuditChain, AuditEvent

_waiting: ContextVar[list[AuditEvent] | None] = ContextVar("audit_events_waiting", default=None)


@contextmanager
def atomic() -> Iterator[None]:
    """Run one clinical event as one transaction, and append its audit events at its very end.

    A clinic's chain is locked from the first append to the commit. Appending last keeps that short,
    and keeps two events that touch the same rows from waiting for each other for ever.
    Nested blocks append with the outermost; one that fails takes its own events along.
    """
    waiting = _waiting.get()
    if waiting is not None:
        before = len(waiting)
        try:
            with transaction.atomic():
                yield
        except BaseException:
            del waiting[before:]
            raise
        return
    token = _waiting.set([])
    try:
        with transaction.atomic():
            yield
            _append(_waiting.get() or [])
    finally:
        _waiting.reset(token)


def record(
    *,
    clinic_id: UUID,
    by: Actor,
    now: datetime,
    action: str,
    object_type: str,
    object_id: UUID | str = "",
    patient_id: UUID | None = None,
    reason: str = "",
    data: dict[str, Any] | None = None,
) -> None:
    """Append one event to the clinic's chain, in the transaction of what it tells.

    Inside `atomic` it is appended when the outermost block ends. `data` must be JSON-ready.
    """
    event = AuditEvent(
        clinic_id=clinic_id,
        at=now,
        actor_kind=by.kind,
        actor_id=by.id,
        actor_label=by.label,
        action=action,
        object_type=object_type,
        object_id=str(object_id),
        patient_id=patient_id,
        reason=reason,
        data=data or {},
    )
    waiting = _waiting.get()
    if waiting is None:
        _append([event])
    else:
        waiting.append(event)


def _append(events: Sequence[AuditEvent]) -> None:
    # Clinics in one order everywhere: two who append to the same ones never wait for each other.
    by_clinic: dict[UUID, list[AuditEvent]] = {}
    for event in events:
        by_clinic.setdefault(event.clinic_id, []).append(event)
    with transaction.atomic(savepoint=False):
        for clinic_id in sorted(by_clinic):
            chain = _locked_chain(clinic_id)
            for event in by_clinic[clinic_id]:
                event.number, event.previous_hash = chain.number + 1, chain.hash
                event.hash = event.computed_hash()
                chain.number, chain.hash = event.number, event.hash
            AuditEvent.objects.bulk_create(by_clinic[clinic_id], batch_size=500)
            chain.save(update_fields=["number", "hash"])


def _locked_chain(clinic_id: UUID) -> AuditChain:
    locked = AuditChain.objects.select_for_update().filter(pk=clinic_id).first()
    if locked is None:
        AuditChain.objects.get_or_create(pk=clinic_id)
        locked = AuditChain.objects.select_for_update().get(pk=clinic_id)
    return locked


def find_breaks(clinic_id: UUID) -> Iterator[str]:
    """Yield one sentence per place where the clinic's chain was edited, reordered or cut."""
    expected_number, expected_hash = 1, ""
    events = AuditEvent.objects.filter(clinic_id=clinic_id).order_by("number")
    for event in events.iterator(chunk_size=2000):
        if event.number != expected_number:
            yield f"Event {expected_number} is missing: the next one found is {event.number}."
        elif event.previous_hash != expected_hash:
            yield f"Event {event.number} does not follow the event before it."
        if event.hash != event.computed_hash():
            yield f"Event {event.number} was changed after it was written."
        expected_number, expected_hash = event.number + 1, event.hash
    chain = AuditChain.objects.filter(pk=clinic_id).first()
    if chain and (chain.number, chain.hash) != (expected_number - 1, expected_hash):
        yield f"The chain ends at event {expected_number - 1}, but {chain.number} were written."
