"""What patients decide on their own page."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from outcomes.audit import services as audit
from outcomes.audit.models import Actor
from outcomes.care import services as care
from outcomes.care.models import (
    Channel,
    Consent,
    Patient,
    Suppression,
)
from outcomes.delivery import channels
from outcomes.delivery import services as delivery
from outcomes.scheduling.local_time import local_instant
from outcomes.workflows.patients import change_patient, decide_consent


@audit.atomic()
def change_wishes(
    *,
    patient: Patient,
    channel: Channel,
    asked_from: time | None,
    language: str,
    consents: bool,
    by: Actor,
    now: datetime,
) -> Patient:
    """Write to a patient as they wish from now on: how, not before which hour, in which language.

    `consents`: they agree to this channel. Raises ValidationError where they cannot be written to
    by it, or have not agreed.
    """
    if channel not in care.choosable_channels(patient, channels.in_use()):
        raise ValidationError({"channel": _("Your clinic cannot write to you this way.")})
    contact = care.reachable_contact(patient, [channel])
    if contact is None and not consents:
        raise ValidationError({"consents": _("Tick the box to be written to this way.")})
    wished = {"preferred_channel": channel, "asked_from": asked_from, "language": language}
    if changes := {name: new for name, new in wished.items() if getattr(patient, name) != new}:
        patient = change_patient(patient=patient, changes=changes, by=by, now=now)
    if contact is None:
        decide_consent(patient=patient, channel=channel, is_given=True, by=by, now=now)
    return patient


@audit.atomic()
def pause_messages(*, patient: Patient, weeks: int, by: Actor, now: datetime) -> Patient:
    """Send a patient nothing for some weeks, because they ask for it; what is planned stays.

    It ends with a day, on the patient's clock. Links that are out stay open.
    """
    today = now.astimezone(ZoneInfo(patient.time_zone)).date()
    until = local_instant(today + timedelta(weeks=weeks), time(0), patient.time_zone)
    patient = care.set_pause(patient=patient, until=until, by=by, now=now)
    delivery.let_pause_end(patient=patient, now=now)
    return patient


@audit.atomic()
def resume_messages(*, patient: Patient, by: Actor, now: datetime) -> Patient:
    """End a patient's pause: what is still open is asked now."""
    patient = care.set_pause(patient=patient, until=None, by=by, now=now)
    delivery.let_pause_end(patient=patient, now=now)
    return patient


@audit.atomic()
def stop_messages(*, patient: Patient, by: Actor, now: datetime) -> None:
    """Send a patient no message by any channel any more, because they say so; staff are told."""
    agreed = Consent.objects.given_now_by([patient])
    given = [channel for channel in Channel if (patient.pk, channel) in agreed]
    for channel in given:
        decide_consent(patient=patient, channel=channel, is_given=False, by=by, now=now)
    # After the last withdrawal, or the first channel's messages would move to the second.
    for channel in given:
        delivery.stop_channel(
            patient=patient, channel=channel, reason=Suppression.OPTED_OUT, now=now, by=by
        )
