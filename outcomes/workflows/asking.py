"""Asking: one invitation for all that is open to a patient."""

from __future__ import annotations

import logging
from collections.abc import Collection
from datetime import datetime
from itertools import chain
from uuid import UUID

from outcomes.audit import services as audit
from outcomes.care import services as care
from outcomes.care.models import (
    Patient,
)
from outcomes.delivery import channels
from outcomes.delivery import services as delivery
from outcomes.delivery.models import (
    Invitation,
)
from outcomes.scheduling import services as scheduling
from outcomes.scheduling.models import Assignment, AssignmentState

log = logging.getLogger(__name__)

INVITED_AT_MOST = 10_000

# Patients asked in one transaction: enough to share its cost, too few to keep others waiting.
BATCH = 100


def invite_due(*, now: datetime, at_most: int = INVITED_AT_MOST) -> int:
    """Ask every patient what is open to them now, in one invitation each; return how many.

    A patient who cannot be reached is asked all the same: staff may hand over a link. What has
    waited longest goes first, a batch to a transaction; any number of sweeps may run side by side.
    Whoever has paused is asked at the end of the pause what is still open then.
    """
    done = 0
    paused = set(Patient.objects.paused_at(now).values_list("pk", flat=True))
    failed: set[UUID] = set()
    passed: set[UUID] = set()  # another sweep is asking them
    while done < at_most:
        size = min(BATCH, at_most - done)
        patients = scheduling.find_patients_to_ask(
            now=now, limit=size, but=failed | passed | paused
        )
        if not patients:
            break
        asked, broken = _invite_batch(patients, now)
        failed |= broken
        passed = set() if asked else passed | set(patients)
        done += asked
    return done


def _invite_batch(patients: Collection[UUID], now: datetime) -> tuple[int, set[UUID]]:
    """Return how many were asked, and for whom it failed: they must not hold up the others."""
    try:
        return len(invite_patients(patients=patients, now=now)), set()
    except Exception:
        asked, failed = 0, set()
        for patient in patients:
            try:
                asked += len(invite_patients(patients=[patient], now=now))
            except Exception as error:
                # Only the kind of error: its text may hold a patient's data.
                log.error("Patient %s was not asked: %s", patient, type(error).__name__)
                failed.add(patient)
        return asked, failed


def invite_patient(*, patient: Patient, now: datetime) -> Invitation | None:
    """Ask one patient everything that is now open to them; None if nothing new is."""
    made = invite_patients(patients=[patient.pk], now=now)
    return made[0] if made else None


@audit.atomic()
def invite_patients(*, patients: Collection[UUID], now: datetime) -> list[Invitation]:
    """Ask these patients everything that is now open to them, in one invitation each.

    Left out are those to whom nothing new is open, and those whom another sweep is asking.
    """
    due: dict[UUID, list[Assignment]] = {}
    awake = (each for each in care.lock_patients(patients) if not each.is_paused(now))
    locked = {patient.pk: patient for patient in awake}
    for item in scheduling.lock_answerable(patients=locked, now=now):
        due.setdefault(item.patient_id, []).append(item)
    new = {
        patient_id: [item for item in items if item.state == AssignmentState.PLANNED]
        for patient_id, items in due.items()
    }
    scheduling.open_due(assignments=chain.from_iterable(new.values()), now=now)
    asked = [(locked[key], due[key], new[key]) for key in due if new[key]]
    return invite_all(asked, now)


@audit.atomic()
def invite(
    *,
    patient: Patient,
    assignments: list[Assignment],
    reminders_of: list[Assignment],
    now: datetime,
) -> Invitation:
    """Make one invitation for these assignments, with its first message and its reminders."""
    return invite_all([(patient, assignments, reminders_of)], now)[0]


def invite_all(
    asked: list[tuple[Patient, list[Assignment], list[Assignment]]], now: datetime
) -> list[Invitation]:
    """Make an invitation for each (patient, assignments, those to be reminded of)."""
    invitations = delivery.create_invitations(asked=[each[:2] for each in asked], now=now)
    delivery.ensure_own_pages(patients=[each[0] for each in asked], now=now)
    contacts = care.reachable_contacts([each[0] for each in asked], channels.in_use())
    astray = delivery.astray_among(contacts.values())
    queued = []
    for invitation, (patient, _assignments, reminders_of) in zip(invitations, asked, strict=True):
        contact = contacts.get(patient.pk)
        if contact is not None and contact.pk not in astray and can_check(patient):
            queued.append((invitation, contact.channel, _reminders_after(reminders_of, now)))
    delivery.queue_first_messages(queued=queued, now=now)
    return invitations


def _reminders_after(assignments: list[Assignment], now: datetime) -> list[datetime]:
    moments = {datetime.fromisoformat(at) for item in assignments for at in item.reminders_at}
    return sorted(moment for moment in moments if moment > now)


def can_check(patient: Patient) -> bool:
    """Say whether a link may be sent: one that goes astray must not open for a stranger."""
    return patient.birth_date is not None or not patient.clinic.checks_birth_date


def invite_again(patient: Patient, now: datetime) -> None:
    """Ask what is open where the patient can answer it, if it was asked where nobody could."""
    due = list(Assignment.objects.filter(patient=patient).under_way().answerable_at(now))
    if due and not Invitation.objects.filter(patient=patient).live_at(now).exists():
        invite(patient=patient, assignments=due, reminders_of=due, now=now)
