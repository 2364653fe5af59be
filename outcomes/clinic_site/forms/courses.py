"""Forms about the treatment as a whole: a new course, a change of other treatment."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from outcomes.care.models import Course, CourseKind, MarkKind, TreatmentChange
from outcomes.clinic_site.forms.fields import DayField
from outcomes.clinic_site.forms.patients import ScheduleField
from outcomes.clinics.models import Clinic
from outcomes.scheduling.models import Schedule


class CourseForm(forms.Form):
    """A new course: its kind, and what is asked in it."""

    kind = forms.ChoiceField(label=_("Course"), choices=CourseKind.choices)

    def __init__(self, *args: Any, clinic: Clinic, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["schedule"] = ScheduleField(clinic)


def current_version(course: Course | None) -> Schedule | None:
    """Return what a course that follows this one most likely asks: its schedule as it is now."""
    if course is None or course.schedule is None:
        return None
    return Schedule.objects.versions_of(course.schedule).current().first()


def mark_initial(asked: Mapping[str, str]) -> dict[str, object]:
    """Return what a new marker's form begins with: the day and the kind that its link names."""
    try:
        day = date.fromisoformat(asked.get("on", ""))
    except ValueError:
        day = timezone.localdate()
    kind = asked.get("kind", "")
    return {"happened_on": day, "kind": kind if kind in MarkKind.values else MarkKind.CHANGE}


class TreatmentChangeForm(forms.ModelForm):  # type: ignore[type-arg]
    """A change of other treatment, or a note, with its day."""

    kind = forms.ChoiceField(
        label=_("What is it?"), choices=MarkKind.choices, widget=forms.RadioSelect
    )
    happened_on = DayField(label=_("Date"))

    class Meta:
        model = TreatmentChange
        fields = ("kind", "happened_on", "description")

    def clean_happened_on(self) -> date:
        """Refuse a day to come: this is a record."""
        day: date = self.cleaned_data["happened_on"]
        if day > timezone.localdate():
            raise ValidationError(_("Enter a day that is not in the future."))
        return day
