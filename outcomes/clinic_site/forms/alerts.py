"""Answering an alert."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy as _

from outcomes.alerts.models import AlertOutcome

# The last is the product's own word, for an answer the patient took back.
CHOICES = [choice for choice in AlertOutcome.choices if choice[0] != AlertOutcome.CHANGED]


class OutcomeForm(forms.Form):
    """What a named person found or did."""

    outcome = forms.ChoiceField(
        label=_("What did you find or do?"), choices=CHOICES, widget=forms.RadioSelect
    )
    note = forms.CharField(
        label=_("Note"), required=False, widget=forms.Textarea(attrs={"rows": "4"}), max_length=4000
    )
