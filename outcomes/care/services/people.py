"""Write patients, their contacts and consents, episodes and courses."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import date, datetime
from typing import Any
from uuid import UUID

import phonenumbers
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.utils.translation import gettext_lazy as _

from outcomes.audit import services as audit
from outcomes.audit.models import Actor
from outcomes.care.models import (
    Channel,
    Consent,
    Contact,
    Course,
    CourseKind,
    EpisodeOfCare,
    Indication,
    Patient,
    TreatmentChange,
)
from outcomes.clinics.models import Clinic, User

# The words a patient agrees to, by version: templates/clinic_site/consent/ holds each.
CONSENT_WORDING = "2026-11"


def normalise_contact(channel: str, value: str) -> str:
    """Return an address in lower case, or a number as E.164; raises ValidationError."""
    value = value.strip()
    if channel == Channel.EMAIL:
        validate_email(value)
        return value.lower()
    try:
        number = phonenumbers.parse(value, None)
    except phonenumbers.NumberParseException as error:
        raise ValidationError(
            _("Enter the telephone number with its country code, like +1 202 555 0123.")
        ) from error
    if not phonenumbers.is_valid_number(number):
        raise ValidationError(_("This telephone number does not exist."))
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


@transaction.atomic
def create_patient(*, clinic: Clinic, by: Actor, now: datetime, **fields: Any) -> Patient:
    """Create a patient of the clinic; raises ValidationError naming the field."""
    fields = {"is_synthetic": clinic.is_synthetic, **fields}
    patient = Patient(clinic=clinic, created_at=now, **fields)
    patient.full_clean()
    patient.save(force_insert=True)
    _record(patient, by, now, "patient.created", "Patient", patient.pk)
    return patient


@transaction.atomic
def change_patient(
    *, patient: Patient, changes: Mapping[str, Any], by: Actor, now: datetime
) -> Patient:
    """Change a patient's own details and record which fields, not their values."""
    for name, value in changes.items():
        setattr(patient, name, value)
    patient.full_clean()
    patient.save(update_fields=list(changes))
    data = {"fields": sorted(changes)}
    _record(patient, by, now, "patient.changed", "Patient", patient.pk, data)
    return patient


@transaction.atomic
def set_contact(
    *, patient: Patient, channel: Channel, value: str, by: Actor, now: datetime
) -> Contact:
    """Store how to reach the patient by this channel, in place of what was there."""
    contact = Contact.objects.filter(patient=patient, channel=channel).first() or Contact(
        clinic_id=patient.clinic_id, patient=patient, channel=channel
    )
    contact.value = normalise_contact(channel, value)
    contact.set_at = now
    contact.save()
    _record(patient, by, now, "contact.set", "Contact", contact.pk, {"channel": channel})
    return contact


@transaction.atomic
def remove_contact(*, contact: Contact, by: Actor, now: datetime) -> None:
    """Forget how to reach the patient by this channel."""
    data = {"channel": contact.channel}
    _record(contact.patient, by, now, "contact.removed", "Contact", contact.pk, data)
    contact.delete()


@transaction.atomic
def record_consent(
    *, patient: Patient, channel: Channel, is_given: bool, by: Actor, now: datetime
) -> Consent:
    """Record the patient's decision about a channel, with the wording they were shown."""
    consent = Consent.objects.create(
        clinic_id=patient.clinic_id,
        patient=patient,
        channel=channel,
        is_given=is_given,
        wording_version=CONSENT_WORDING,
        at=now,
    )
    data = {"channel": channel, "wording": CONSENT_WORDING}
    action = "consent.given" if is_given else "consent.withdrawn"
    _record(patient, by, now, action, "Consent", consent.pk, data)
    return consent


def reachable_contact(patient: Patient, channels: Collection[str]) -> Contact | None:
    """Return the contact to use: consented, e-mail before text message; None if there is none.

    `channels` are the ones that this installation can send by.
    """
    contacts = {contact.channel: contact for contact in patient.contacts.all()}
    for channel in (channel for channel in Channel.values if channel in channels):
        consent = Consent.objects.latest_for(patient, channel)
        if channel in contacts and consent is not None and consent.is_given:
            return contacts[channel]
    return None


@transaction.atomic
def open_episode(
    *,
    patient: Patient,
    indication: Indication | str,
    clinicians: Iterable[User],
    started_on: date,
    by: Actor,
    now: datetime,
) -> EpisodeOfCare:
    """Begin the clinic's responsibility for a problem, with the clinicians who answer for it."""
    episode = EpisodeOfCare(
        clinic_id=patient.clinic_id, patient=patient, indication=indication, started_on=started_on
    )
    episode.full_clean()
    episode.save(force_insert=True)
    episode.clinicians.set(clinicians)
    _record(patient, by, now, "episode.opened", "EpisodeOfCare", episode.pk)
    return episode


@transaction.atomic
def close_episode(
    *, episode: EpisodeOfCare, ended_on: date, by: Actor, now: datetime
) -> EpisodeOfCare:
    """End the responsibility and every course in it."""
    episode.ended_on = ended_on
    episode.save(update_fields=["ended_on"])
    episode.courses.filter(ended_at=None).update(ended_at=now, needs_plan=True)
    _record(episode.patient, by, now, "episode.closed", "EpisodeOfCare", episode.pk)
    return episode


@transaction.atomic
def set_clinicians(
    *, episode: EpisodeOfCare, clinicians: Iterable[User], by: Actor, now: datetime
) -> None:
    """Say who answers for the episode."""
    episode.clinicians.set(clinicians)
    data = {"users": sorted(str(key) for key in episode.clinicians.values_list("pk", flat=True))}
    _record(episode.patient, by, now, "episode.clinicians", "EpisodeOfCare", episode.pk, data)


@transaction.atomic
def start_course(
    *,
    episode: EpisodeOfCare,
    kind: CourseKind | str,
    schedule_id: UUID | None,
    started_at: datetime,
    by: Actor,
    now: datetime,
) -> Course:
    """Begin a course measured by this version of a schedule; the course before it ends."""
    episode.courses.filter(ended_at=None).update(ended_at=started_at, needs_plan=True)
    course = Course(
        clinic_id=episode.clinic_id,
        episode=episode,
        kind=kind,
        schedule_id=schedule_id,
        started_at=started_at,
    )
    # A course without a schedule asks nothing; that is a choice, not an omission.
    course.full_clean()
    course.save(force_insert=True)
    data = {"kind": str(kind), "schedule": str(schedule_id)}
    _record(episode.patient, by, now, "course.started", "Course", course.pk, data)
    return course


@transaction.atomic
def record_treatment_change(
    *, episode: EpisodeOfCare, happened_on: date, description: str, by: Actor, now: datetime
) -> TreatmentChange:
    """Note a change of other treatment, which the chart marks."""
    change = TreatmentChange(
        clinic_id=episode.clinic_id,
        episode=episode,
        happened_on=happened_on,
        description=description,
        entered_by=by.label,
        entered_at=now,
    )
    change.full_clean()
    change.save(force_insert=True)
    _record(episode.patient, by, now, "treatment_change.recorded", "TreatmentChange", change.pk)
    return change


def _record(
    patient: Patient,
    by: Actor,
    now: datetime,
    action: str,
    object_type: str,
    object_id: UUID,
    data: dict[str, Any] | None = None,
) -> None:
    audit.record(
        clinic_id=patient.clinic_id,
        by=by,
        now=now,
        action=action,
        object_type=object_type,
        object_id=object_id,
        patient_id=patient.pk,
        data=data,
    )
