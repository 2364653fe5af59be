"""Patients: enrolling them, and what is known of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from outcomes.alerts import services as alerts
from outcomes.audit import services as audit
from outcomes.audit.models import Actor
from outcomes.care import services as care
from outcomes.care.models import (
    Channel,
    Contact,
    Course,
    CourseKind,
    EpisodeOfCare,
    Patient,
    SessionStatus,
)
from outcomes.clinics.models import Clinic, User
from outcomes.delivery import services as delivery
from outcomes.scheduling import services as scheduling
from outcomes.workflows.asking import invite_again


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What enrolling a patient made."""

    patient: Patient
    episode: EpisodeOfCare
    course: Course


@audit.atomic()
def enrol_patient(
    *,
    clinic: Clinic,
    details: Mapping[str, Any],
    contacts: Mapping[Channel, str],
    consents: Iterable[Channel],
    indication: str,
    clinicians: Iterable[User],
    course_kind: CourseKind | str,
    schedule_id: UUID | None,
    sessions_planned_at: Iterable[datetime],
    by: Actor,
    now: datetime,
) -> Enrolment:
    """Enrol a patient: person, contacts, consents, episode, course and planned sessions.

    `details` are columns of Patient. Raises ValidationError naming the field; then nothing is kept.
    """
    alerts.require_reachable(clinic=clinic, schedule_id=schedule_id, now=now)
    if clinic.checks_birth_date and contacts and not details.get("birth_date"):
        raise ValidationError({"birth_date": _("Needed: it is asked before a form opens.")})
    patient = care.create_patient(clinic=clinic, by=by, now=now, **details)
    for channel, value in contacts.items():
        care.set_contact(patient=patient, channel=channel, value=value, by=by, now=now)
    for channel in consents:
        care.record_consent(patient=patient, channel=channel, is_given=True, by=by, now=now)
    episode = care.open_episode(
        patient=patient,
        indication=indication,
        clinicians=clinicians,
        started_on=now.date(),
        by=by,
        now=now,
    )
    course = care.start_course(
        episode=episode, kind=course_kind, schedule_id=schedule_id, started_at=now, by=by, now=now
    )
    for planned_at in sorted(sessions_planned_at):
        record = {"planned_at": planned_at, "status": SessionStatus.PLANNED}
        care.add_session(course=course, record=record, by=by, now=now)
    scheduling.replan(course=course, now=now)
    return Enrolment(patient, episode, course)


@audit.atomic()
def change_contact(
    *, patient: Patient, channel: Channel, value: str, by: Actor, now: datetime
) -> Contact | None:
    """Change or, with an empty value, forget a contact; links sent to the old one stop working."""
    existing = patient.contacts.filter(channel=channel).first()
    contact: Contact | None = None
    if value:
        normal = care.normalise_contact(channel, value)
        is_same = existing is not None and existing.value == normal
        if existing is not None and is_same and not _is_in_doubt(existing):
            return existing
        contact = care.set_contact(patient=patient, channel=channel, value=value, by=by, now=now)
    elif existing is not None:
        care.remove_contact(contact=existing, by=by, now=now)
    if existing is not None:
        delivery.settle_channel(
            patient=patient, channel=channel, note="contact changed", by=by, now=now
        )
        delivery.revoke_for_patient(patient=patient, reason="contact changed", by=by, now=now)
        delivery.forget_devices(patient=patient, now=now)
        delivery.renew_own_page(patient=patient, reason="contact changed", by=by, now=now)
    invite_again(patient, now)
    return contact


def _is_in_doubt(contact: Contact) -> bool:
    # Set again unchanged it is right after all; but what a patient has stopped stays stopped.
    if contact.suppressed_at is not None:
        return contact.suppressed_reason not in care.OWN_WORD
    return delivery.is_astray(contact)


@audit.atomic()
def decide_consent(
    *, patient: Patient, channel: Channel, is_given: bool, by: Actor, now: datetime
) -> None:
    """Record a patient's decision about a channel.

    A withdrawal stops what is under way; a consent asks again what is open.
    """
    care.record_consent(patient=patient, channel=channel, is_given=is_given, by=by, now=now)
    if not is_given:
        delivery.revoke_for_patient(patient=patient, reason="consent withdrawn", by=by, now=now)
    else:
        delivery.settle_channel(
            patient=patient,
            channel=channel,
            note="consent given again",
            by=by,
            now=now,
            reasons=care.OWN_WORD,
        )
        invite_again(patient, now)


@audit.atomic()
def change_patient(
    *, patient: Patient, changes: Mapping[str, Any], by: Actor, now: datetime
) -> Patient:
    """Change a patient's details.

    Another time zone re-plans what was not sent. Another birth date opens the links that were
    locked because it did not match.
    """
    before = Patient.objects.get(pk=patient.pk)
    moved = "time_zone" in changes and changes["time_zone"] != before.time_zone
    patient = care.change_patient(patient=patient, changes=changes, by=by, now=now)
    if patient.birth_date != before.birth_date:
        delivery.unlock_for_patient(patient=patient, by=by, now=now)
        invite_again(patient, now)
    if moved:
        for course in Course.objects.filter(episode__patient=patient, ended_at=None):
            scheduling.replan(course=course, now=now)
    return patient


def view_list(*, clinic: Clinic, page: str, by: Actor, now: datetime) -> None:
    """Record that somebody read a list of the clinic's patients."""
    audit.record(
        clinic_id=clinic.pk,
        by=by,
        now=now,
        action="patients.listed",
        object_type="Clinic",
        object_id=clinic.pk,
        data={"page": page},
    )


def view_patient(*, patient: Patient, page: str, by: Actor, now: datetime) -> None:
    """Record that somebody read a patient's record."""
    audit.record(
        clinic_id=patient.clinic_id,
        by=by,
        now=now,
        action="patient.viewed",
        object_type="Patient",
        object_id=patient.pk,
        patient_id=patient.pk,
        data={"page": page},
    )
