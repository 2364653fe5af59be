"""Phones that patients have their clinic remember: their links open without the birth date."""

from __future__ import annotations

import secrets
from datetime import datetime

from outcomes.care.models import Course, Patient
from outcomes.delivery.links import hash_token
from outcomes.delivery.models import Invitation, RememberedDevice


def remembered_course(invitation: Invitation) -> Course | None:
    """Return the course for which a phone could be remembered: the newest one under way."""
    courses = Course.objects.filter(assignments__invitations=invitation, ended_at=None)
    return courses.order_by("-started_at").first()


def remember_device(
    *, patient: Patient, course: Course, now: datetime
) -> tuple[RememberedDevice, str]:
    """Remember a phone for a course. The secret is returned this once: its hash is stored."""
    secret = secrets.token_urlsafe(32)
    device = RememberedDevice.objects.create(
        clinic_id=patient.clinic_id,
        patient=patient,
        course=course,
        secret_hash=hash_token(secret),
        created_at=now,
    )
    return device, secret


def find_device(*, secret: str, patient: Patient) -> RememberedDevice | None:
    """Return the patient's phone with this secret, unless it is forgotten or its course is over."""
    devices = RememberedDevice.objects.remembered().filter(patient=patient)
    return devices.filter(secret_hash=hash_token(secret)).first()


def note_used(*, device: RememberedDevice, now: datetime) -> None:
    """Remember when a phone last opened a link."""
    RememberedDevice.objects.filter(pk=device.pk).update(last_used_at=now)


def forget_devices(*, patient: Patient, now: datetime, secret: str = "") -> int:
    """Forget a patient's phones, or the one with this secret; return how many that were."""
    devices = RememberedDevice.objects.filter(patient=patient, revoked_at=None)
    if secret:
        devices = devices.filter(secret_hash=hash_token(secret))
    return devices.update(revoked_at=now)
