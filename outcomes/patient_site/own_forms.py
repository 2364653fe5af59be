"""What patients send from their own page, validated. The templates draw the fields themselves."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import time
from typing import Any

from django import forms
from django.conf import settings
from django.utils.translation import gettext_lazy as _

from outcomes.care import services as care
from outcomes.care.models import Channel, Patient
from outcomes.clinics.models import Clinic
from outcomes.delivery import channels, quiet

MOST_WEEKS = 4
CHOOSE_ONE = {"required": _("Choose one."), "invalid_choice": _("Choose one.")}


def hours_of(clinic: Clinic) -> Iterator[time]:
    """Yield the whole hours at which the clinic's quiet hours let a message leave."""
    for hour in range(1, 24):
        clock = time(hour)
        if not quiet.is_quiet_at(clock, clinic.quiet_from, clinic.quiet_until):
            yield clock


class WishesForm(forms.Form):
    """By which channel, not before which hour, and in which language a patient is written to."""

    channel = forms.ChoiceField(error_messages=CHOOSE_ONE)
    consents = forms.BooleanField(required=False)
    asked_from = forms.TypedChoiceField(
        required=False, coerce=time.fromisoformat, empty_value=None, error_messages=CHOOSE_ONE
    )
    language = forms.ChoiceField(choices=settings.LANGUAGES, error_messages=CHOOSE_ONE)

    def __init__(self, patient: Patient, clinic: Clinic, data: Any = None) -> None:
        chosen = care.choosable_channels(patient, channels.in_use())
        used = care.reachable_contact(patient, channels.in_use())
        #: where the patient has not agreed to be written to, as things stand
        self.unagreed = [each for each in chosen if care.reachable_contact(patient, [each]) is None]
        wished = used.channel if used else patient.preferred_channel
        initial = {
            "channel": wished or (chosen[0] if chosen else ""),
            "asked_from": f"{patient.asked_from:%H:%M}" if patient.asked_from else "",
            "language": patient.language,
        }
        super().__init__(data, initial=initial)
        self.channels = [(each, Channel(each).label) for each in chosen]
        self.fields["channel"].choices = self.channels  # type: ignore[attr-defined]
        clocks = [f"{clock:%H:%M}" for clock in hours_of(clinic)]
        hours = [("", _("At any time of the day")), *((clock, clock) for clock in clocks)]
        self.fields["asked_from"].choices = hours  # type: ignore[attr-defined]


class PauseForm(forms.Form):
    """For how many weeks nothing is sent."""

    weeks = forms.TypedChoiceField(
        coerce=int,
        choices=[(number, str(number)) for number in range(1, MOST_WEEKS + 1)],
        error_messages=CHOOSE_ONE,
    )


class StopForm(forms.Form):
    """The patient wants no message any more; a tick, so that no slip of a finger does it."""

    is_sure = forms.BooleanField(
        error_messages={"required": _("Tick the box to confirm, or go back.")}
    )


class DataForm(forms.Form):
    """As which file the patient takes their data along."""

    form = forms.ChoiceField(choices=[("json", ""), ("csv", "")])
