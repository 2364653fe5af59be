"""Forms about the treatment as a whole: a new course, a change of other treatment."""

from __future__ import annotations

from datetime import date
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from outcomes.care.models import CourseKind, TreatmentChange
from outcomes.clinic_site.forms.fields import DayField
from outcomes.clinic_site.forms.patients import ScheduleField
from outcomes.clinics.models import Clinic


class CourseForm(forms.Form):
    """A new course: its kind, and what is asked in it."""

    kind = forms.ChoiceField(label=_("Course"), choices=CourseKind.choices)

    def __init__(self, *args: Any, clinic: Clinic, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["schedule"] = ScheduleField(clinic)


class TreatmentChangeForm(forms.ModelForm):  # type: ignore[type-arg]
    """A change of other treatment, with its day."""

    happened_on = DayField(label=_("Date"))

    class Meta:
        model = TreatmentChange
        fields = ("happened_on", "description")

    def clean_happened_on(self) -> date:
        """Refuse a day to come: this is a record."""
        day: date = self.cleaned_data["happened_on"]
        if day > timezone.localdate():
            raise ValidationError(_("Enter a day that is not in the future."))
        return day
