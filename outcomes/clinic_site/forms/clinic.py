"""Forms about the clinic itself: its settings, its members, its tokens."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from outcomes.clinic_site.forms.fields import ClockField, DayField, ZoneField
from outcomes.clinics.access import Role, Scope
from outcomes.clinics.models import Clinic, Membership
from outcomes.scheduling.local_time import local_instant

LONGEST_TOKEN = timedelta(days=366)


class ClinicForm(forms.ModelForm):  # type: ignore[type-arg]
    """What a clinic decides about itself."""

    time_zone = ZoneField(label=_("Time zone"))
    quiet_from = ClockField(label=_("Quiet hours from"))
    quiet_until = ClockField(
        label=_("Quiet hours until"),
        help_text=_("On the patient's clock. No message to a patient leaves in between."),
    )

    class Meta:
        model = Clinic
        fields = (
            "name",
            "display_name",
            "phone",
            "crisis_text",
            "language",
            "time_zone",
            "checks_birth_date",
            "quiet_from",
            "quiet_until",
        )
        widgets = {"phone": forms.TextInput(attrs={"type": "tel", "class": "input-medium"})}

    def changes(self) -> dict[str, Any]:
        """Return the columns that were changed."""
        return {name: self.cleaned_data[name] for name in self.changed_data}


class RoleForm(forms.Form):
    """A member's role."""

    role = forms.ChoiceField(label=_("Role"), choices=Role.choices)

    def __init__(self, member: Membership, data: Any = None) -> None:
        super().__init__(data, initial={"role": member.role})
        self.member = member


class MemberForm(forms.Form):
    """A new member."""

    email = forms.EmailField(
        label=_("E-mail address"), widget=forms.EmailInput(attrs={"autocomplete": "off"})
    )
    name = forms.CharField(label=_("Name"), max_length=150)
    role = forms.ChoiceField(label=_("Role"), choices=Role.choices)


class TokenForm(forms.Form):
    """A new token."""

    name = forms.CharField(label=_("Name"), max_length=80, help_text=_("Which system uses it."))
    scopes = forms.MultipleChoiceField(
        label=_("It may"), choices=Scope.choices, widget=forms.CheckboxSelectMultiple
    )
    expires_on = DayField(label=_("Last day"), help_text=_("At most a year from today."))

    def clean_expires_on(self) -> date:
        """Refuse a day gone by, and a token without an end in sight."""
        day: date = self.cleaned_data["expires_on"]
        today = timezone.localdate()
        if not today <= day <= today + LONGEST_TOKEN:
            raise ValidationError(_("Enter a day between today and a year from today."))
        return day

    def expires_at(self, zone: str) -> datetime:
        """Return the end of the last day on the clinic's clock."""
        after: date = self.cleaned_data["expires_on"] + timedelta(days=1)
        return local_instant(after, time(0), zone)
