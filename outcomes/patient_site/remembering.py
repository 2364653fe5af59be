"""The phone that a patient has their clinic remember for a course of treatment."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.core import signing
from django.http import HttpRequest, HttpResponse

from outcomes import workflows
from outcomes.audit.models import Actor
from outcomes.care.models import Patient
from outcomes.delivery import services as delivery
from outcomes.delivery import sitting as tickets
from outcomes.delivery.models import Invitation, RememberedDevice
from outcomes.patient_site.guards import set_cookie

COOKIE = "remembered"
# The course's end is what counts; browsers keep no cookie for much longer than this.
LASTS = timedelta(days=365)
SIGNER = signing.Signer(salt="outcomes.remembered")


def remember(response: HttpResponse, invitation: Invitation, now: datetime) -> None:
    """Leave on the phone what opens later links of this course without the check."""
    by = tickets.actor_of(invitation)
    secret = workflows.remember_device(invitation=invitation, by=by, now=now)
    if secret is not None:
        set_cookie(response, COOKIE, SIGNER.sign(secret), LASTS)


def is_known(request: HttpRequest, patient: Patient) -> bool:
    """Say whether this phone is remembered for this patient."""
    return _find(request, patient) is not None


def recognise(request: HttpRequest, patient: Patient, now: datetime) -> bool:
    """Say whether this phone is remembered for this patient, and note that it came again."""
    device = _find(request, patient)
    if device is not None:
        delivery.note_used(device=device, now=now)
    return device is not None


def forget(request: HttpRequest, response: HttpResponse, patient: Patient, now: datetime) -> None:
    """Have this phone asked for the check the next time."""
    by = Actor(kind="patient", id=str(patient.pk), label="Patient")
    if secret := _secret_of(request):
        workflows.forget_devices(patient=patient, by=by, now=now, secret=secret)
    response.delete_cookie(COOKIE, samesite="Lax")


def _find(request: HttpRequest, patient: Patient) -> RememberedDevice | None:
    secret = _secret_of(request)
    return delivery.find_device(secret=secret, patient=patient) if secret else None


def _secret_of(request: HttpRequest) -> str:
    try:
        return SIGNER.unsign(request.COOKIES.get(COOKIE, ""))
    except signing.BadSignature:
        return ""
