"""Choosing what to look at on the delivery page, and what to do about an invitation."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from outcomes.care.models import Channel
from outcomes.clinic_site.forms.fields import DayField
from outcomes.clinic_site.forms.lists import ANY
from outcomes.clinics.models import Clinic
from outcomes.delivery import channels
from outcomes.review.deliveries import Only, Period

DAYS = ("7", "30", "90")
LONGEST = timedelta(days=366)


class DeliveryFilter(forms.Form):
    """Which days, and which rows of them."""

    days = forms.ChoiceField(
        label=_("Period"),
        required=False,
        choices=[
            ("7", _("Last 7 days")),
            ("30", _("Last 30 days")),
            ("90", _("Last 90 days")),
            ("own", _("From – to")),
        ],
    )
    first = DayField(label=_("From"), required=False)
    last = DayField(label=_("Until"), required=False)
    only = forms.ChoiceField(label=_("Show"), required=False, choices=[ANY, *Only.choices])
    before = forms.UUIDField(required=False, widget=forms.HiddenInput)

    def clean(self) -> dict[str, Any]:
        """Refuse days of one's own that are missing, in the wrong order or too many."""
        given = super().clean() or {}
        if self.errors:
            return given
        first, last = given.get("first"), given.get("last")
        if given.get("days") != "own":
            if first or last:
                raise forms.ValidationError(_("The days count with the period “From – to” alone."))
            return given
        if first is None or last is None:
            raise forms.ValidationError(_("Enter both days, or choose another period."))
        if first > last:
            raise forms.ValidationError(_("The first day is after the last one."))
        if last - first > LONGEST:
            raise forms.ValidationError(_("Choose a year at most."))
        return given

    def period(self, clinic: Clinic, today: date) -> Period:
        """Return the days asked for; where they make no sense, the last thirty."""
        given = self.cleaned_data if self.is_valid() else {}
        if given.get("days") == "own":
            return Period(given["first"], given["last"], clinic.time_zone)
        days = int(given.get("days") or 30)
        return Period(today - timedelta(days=days - 1), today, clinic.time_zone)


class ResendForm(forms.Form):
    """By which channel to write once more."""

    channel = forms.ChoiceField(label=_("By"), widget=forms.RadioSelect)
    is_confirmed = forms.BooleanField(label=_("Send it all the same"), required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        in_use = channels.in_use()
        chosen = [choice for choice in Channel.choices if choice[0] in in_use]
        self.fields["channel"].choices = chosen  # type: ignore[attr-defined]
        if len(chosen) == 1:
            self.fields["channel"].initial = chosen[0][0]

    @property
    def asks_to_confirm(self) -> bool:
        """Say whether the last try was refused for being too soon."""
        return "is_confirmed" in self.errors


class ReasonForm(forms.Form):
    """Why a member of staff does this; it is kept in the audit record."""

    reason = forms.CharField(label=_("Reason"), max_length=200)


class SettleForm(forms.Form):
    """What was done so that the patient can be reached."""

    note = forms.CharField(
        label=_("What was done"),
        max_length=200,
        help_text=_("For example: telephoned, new address entered."),
    )
