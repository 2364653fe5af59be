"""Answering an alert, step by step, and who is on cover."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django import forms
from django.utils.dates import WEEKDAYS
from django.utils.translation import gettext_lazy as _

from outcomes.alerts import services
from outcomes.alerts.models import Alert, AlertOutcome, AlertReason, ContactWay
from outcomes.audit.models import Actor
from outcomes.clinic_site.alert_queue import SECTIONS
from outcomes.clinic_site.forms.fields import ClockField, DayField, MomentField
from outcomes.clinics.models import Clinic, User

# The last is the product's own word, for an answer the patient took back.
CHOICES = [choice for choice in AlertOutcome.choices if choice[0] != AlertOutcome.CHANGED]


def _text(label: Any, **options: Any) -> forms.CharField:
    return forms.CharField(
        label=label, widget=forms.Textarea(attrs={"rows": "4"}), max_length=4000, **options
    )


class AlertFilter(forms.Form):
    """Which part of the queue, and which kind; what makes no sense is left out."""

    show = forms.ChoiceField(required=False, choices=list(SECTIONS.items()))
    kind = forms.ChoiceField(
        label=_("Kind"), required=False, choices=[("", _("All")), *AlertReason.choices]
    )

    def asked(self) -> tuple[str, str]:
        """Return the part and the kind that are asked for; empty where nothing is."""
        self.is_valid()
        given = self.cleaned_data
        return given.get("show", ""), given.get("kind", "")


class AlertStep(forms.Form):
    """One step of a person on one alert; several stand on a page, so ids carry the step's name."""

    step = ""
    place = ""  #: the part of the page to return to

    def __init__(self, data: Any = None) -> None:
        super().__init__(data, auto_id=f"{self.step}_%s")

    def record(self, alert: Alert, user: User, now: datetime) -> None:
        """Record the step; raises ValidationError."""
        raise NotImplementedError


class AcknowledgeForm(AlertStep):
    """Take the alert. Nothing else need be said at that moment."""

    step = "acknowledge"

    def record(self, alert: Alert, user: User, now: datetime) -> None:
        """Take the alert in the user's name."""
        services.acknowledge(alert=alert, user=user, now=now)


class AttemptForm(AlertStep):
    """One attempt to reach the patient."""

    step = "attempt"
    place = "reaching"
    way = forms.ChoiceField(
        label=_("How did you try?"), choices=ContactWay.choices, widget=forms.RadioSelect
    )
    is_reached = forms.TypedChoiceField(
        label=_("Was the patient reached?"),
        choices=[("yes", _("Reached")), ("no", _("Not reached"))],
        coerce=lambda value: value == "yes",
        widget=forms.RadioSelect,
    )
    tried_at = MomentField(label=_("When, if not just now"), required=False)
    note = _text(_("Note"), required=False)

    def record(self, alert: Alert, user: User, now: datetime) -> None:
        """Record the attempt."""
        services.record_attempt(alert=alert, user=user, now=now, **self.cleaned_data)


class PlanForm(AlertStep):
    """What is to happen next."""

    step = "plan"
    place = "decided"
    plan = _text(_("What is to happen next, who does it and when?"))

    def record(self, alert: Alert, user: User, now: datetime) -> None:
        """Record the plan."""
        services.record_plan(alert=alert, user=user, now=now, **self.cleaned_data)


class OutcomeForm(AlertStep):
    """What a named person found or did."""

    step = "outcome"
    outcome = forms.ChoiceField(
        label=_("What did you find or do?"), choices=CHOICES, widget=forms.RadioSelect
    )
    note = _text(_("Note"), required=False)

    def record(self, alert: Alert, user: User, now: datetime) -> None:
        """Record the outcome, which may close the alert."""
        services.resolve(alert=alert, user=user, now=now, **self.cleaned_data)


STEPS: tuple[type[AlertStep], ...] = (AcknowledgeForm, AttemptForm, PlanForm, OutcomeForm)


class CallForm(forms.Form):
    """What was done about a call that a patient asked for."""

    note = forms.CharField(
        label=_("What was done"),
        max_length=200,
        help_text=_("For example: telephoned, will come on Monday."),
    )


class CoverForm(forms.Form):
    """A person on cover: hours of some weekdays, or of every day between two dates."""

    user = forms.ModelChoiceField(
        label=_("Who"), queryset=User.objects.none(), empty_label=_("Choose a person")
    )
    starts = ClockField(label=_("From"))
    ends = ClockField(
        label=_("Until"),
        help_text=_("A time at or before “From” is on the next day. Equal times: a whole day."),
    )
    weekdays = forms.MultipleChoiceField(
        label=_("Every week on"),
        choices=[(str(number), name) for number, name in WEEKDAYS.items()],
        widget=forms.CheckboxSelectMultiple,
        required=False,
    )
    starts_on = DayField(
        label=_("Or on dates, from"),
        required=False,
        help_text=_("For a holiday: these hours go before those of the week."),
    )
    ends_on = DayField(label=_("Last day"), required=False)

    def __init__(self, clinic: Clinic, data: Any = None) -> None:
        super().__init__(data)
        members = services.answering_members().filter(clinic=clinic)
        people: Any = self.fields["user"]
        people.queryset = User.objects.filter(pk__in=members.values("user")).order_by("name")

    def save_for(self, clinic: Clinic, by: Actor, now: datetime) -> None:
        """Write the lines; raises ValidationError."""
        given = self.cleaned_data
        weekdays = tuple(int(day) for day in given["weekdays"])
        services.add_cover(clinic=clinic, by=by, now=now, **{**given, "weekdays": weekdays})
