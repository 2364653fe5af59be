"""Write patients, their contacts and consents, episodes and courses."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import date, datetime
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import connection, transaction
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
    MarkKind,
    Patient,
    Suppression,
    TreatmentChange,
)
from outcomes.clinics.models import Clinic, User
from outcomes.clinics.phone import normalise_phone

# The words a patient agrees to, by version: templates/clinic_site/consent/ holds each.
CONSENT_WORDING = "2026-11"
# Suppressions that are the patient's own decision, and that only the patient takes back.
OWN_WORD = (Suppression.OPTED_OUT, Suppression.COMPLAINT)


def normalise_contact(channel: str, value: str) -> str:
    """Return an address in lower case, or a number as E.164; raises ValidationError."""
    value = value.strip()
    if channel == Channel.EMAIL:
        validate_email(value)
        return value.lower()
    return normalise_phone(value)


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
def choose_way(*, patient: Patient, wants_one_page: bool, by: Actor, now: datetime) -> None:
    """Keep how the patient wants to be asked: all on one page, or one question after another."""
    if patient.wants_one_page == wants_one_page:
        return
    patient.wants_one_page = wants_one_page
    patient.save(update_fields=["wants_one_page"])
    data = {"fields": ["wants_one_page"]}
    _record(patient, by, now, "patient.changed", "Patient", patient.pk, data)


@transaction.atomic
def set_pause(*, patient: Patient, until: datetime | None, by: Actor, now: datetime) -> Patient:
    """Send the patient nothing until then, because they asked for it; None ends the pause."""
    patient.paused_until = until
    patient.save(update_fields=["paused_until"])
    action, data = "patient.resumed", {}
    if until is not None:
        action, data = "patient.paused", {"until": until.isoformat()}
    _record(patient, by, now, action, "Patient", patient.pk, data)
    return patient


def lock_patients(patients: Collection[UUID]) -> list[Patient]:
    """Return these patients, kept from being asked elsewhere until the transaction ends.

    Left out are those that somebody else has locked.
    """
    rows = Patient.objects.filter(pk__in=patients).select_related("clinic")
    skips = connection.features.has_select_for_update_skip_locked
    return list(rows.select_for_update(of=("self",), no_key=True, skip_locked=skips))


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
    contact.suppressed_at, contact.suppressed_reason = None, ""
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
def suppress_contact(
    *, contact: Contact, reason: Suppression | str, by: Actor, now: datetime
) -> bool:
    """Send nothing to this contact any more; say whether that is news.

    The patient's own word (STOP, spam) goes before what a provider found out.
    """
    contact = Contact.objects.select_for_update(of=("self",)).get(pk=contact.pk)
    is_own_word = reason in OWN_WORD and contact.suppressed_reason not in OWN_WORD
    if contact.suppressed_at is not None and not is_own_word:
        return False
    contact.suppressed_at, contact.suppressed_reason = now, Suppression(reason)
    contact.save(update_fields=["suppressed_at", "suppressed_reason"])
    data = {"channel": contact.channel, "reason": str(reason)}
    _record(contact.patient, by, now, "contact.suppressed", "Contact", contact.pk, data)
    return True


@transaction.atomic
def lift_suppression(*, contact: Contact, by: Actor, now: datetime) -> None:
    """Send to this contact again."""
    data = {"channel": contact.channel, "reason": contact.suppressed_reason}
    contact.suppressed_at, contact.suppressed_reason = None, ""
    contact.save(update_fields=["suppressed_at", "suppressed_reason"])
    _record(contact.patient, by, now, "contact.allowed", "Contact", contact.pk, data)


@transaction.atomic
def record_consent(
    *, patient: Patient, channel: Channel, is_given: bool, by: Actor, now: datetime
) -> Consent:
    """Record the patient's decision about a channel, with the wording they were shown.

    A consent given after the patient had opted out takes that back.
    """
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
    if is_given:
        for contact in patient.contacts.filter(channel=channel, suppressed_reason__in=OWN_WORD):
            lift_suppression(contact=contact, by=by, now=now)
    return consent


def reachable_contact(patient: Patient, channels: Collection[str]) -> Contact | None:
    """Return the contact to use; None if there is none.

    Consented and not stopped; the patient's preferred channel, else e-mail before text message.
    `channels` are the ones that this installation can send by.
    """
    return reachable_contacts([patient], channels).get(patient.pk)


def reachable_contacts(
    patients: Collection[Patient], channels: Collection[str]
) -> dict[UUID, Contact]:
    """Return the contact to use for each patient who has one, in two queries."""
    consented = Consent.objects.given_now_by(patients)
    usable: dict[UUID, dict[str, Contact]] = {patient.pk: {} for patient in patients}
    for contact in Contact.objects.usable().filter(patient__in=patients, channel__in=channels):
        if (contact.patient_id, contact.channel) in consented:
            usable[contact.patient_id][contact.channel] = contact
    found: dict[UUID, Contact] = {}
    for patient in patients:
        for channel in (patient.preferred_channel, *Channel.values):
            if chosen := usable[patient.pk].get(channel):
                chosen.patient = patient
                found[patient.pk] = chosen
                break
    return found


def choosable_channels(patient: Patient, channels: Collection[str]) -> list[Channel]:
    """Return by which of these channels the patient may wish to be written to, agreed to or not.

    Those with a contact of which nobody has found out that it does not exist.
    """
    contacts = patient.contacts.exclude(suppressed_reason=Suppression.HARD_BOUNCE)
    known = set(contacts.filter(channel__in=channels).values_list("channel", flat=True))
    return [channel for channel in Channel if channel in known]


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
def set_schedule(*, course: Course, schedule_id: UUID, by: Actor, now: datetime) -> Course:
    """Let a running course follow another version of a schedule, or another schedule."""
    course = (
        Course.objects.select_for_update(of=("self",))
        .select_related("episode__patient")
        .get(pk=course.pk)
    )
    if course.ended_at is not None or course.episode.ended_on is not None:
        raise ValidationError(_("This course has ended: it keeps its schedule."))
    if course.schedule_id == schedule_id:
        raise ValidationError(_("This course follows that version already."))
    data = {"from": str(course.schedule_id), "to": str(schedule_id)}
    course.schedule_id = schedule_id
    course.save(update_fields=["schedule"])
    patient = course.episode.patient
    _record(patient, by, now, "course.schedule_changed", "Course", course.pk, data)
    return course


@transaction.atomic
def record_treatment_change(
    *,
    episode: EpisodeOfCare,
    happened_on: date,
    description: str,
    kind: str = MarkKind.CHANGE,
    by: Actor,
    now: datetime,
) -> TreatmentChange:
    """Keep a change of other treatment, or a note, which the chart marks."""
    change = TreatmentChange(
        clinic_id=episode.clinic_id,
        episode=episode,
        kind=kind,
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
