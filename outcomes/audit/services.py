"""Append to the audit record and prove that it is whole."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from outcomes.audit.models import Actor, AuditChain, AuditEvent


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
) -> AuditEvent:
    """Append one event to the clinic's chain, inside the caller's transaction.

    The end of the chain stays locked until that transaction ends, so call this last.
    `data` must be JSON-ready.
    """
    with transaction.atomic():
        chain = _locked_chain(clinic_id)
        event = AuditEvent(
            clinic_id=clinic_id,
            number=chain.number + 1,
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
            previous_hash=chain.hash,
        )
        event.hash = event.computed_hash()
        event.save(force_insert=True)
        AuditChain.objects.filter(pk=clinic_id).update(number=event.number, hash=event.hash)
    return event


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
