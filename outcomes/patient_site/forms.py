"""What patients send, validated. The templates draw the fields themselves."""

from __future__ import annotations

from datetime import date
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from outcomes.patient_site.sitting import Sitting, Step

WRONG_DATE = _("Enter the date of birth as three numbers, for example 27 3 1985.")


class BirthDateForm(forms.Form):
    """Day, month and year; only a date that exists is ever compared and counted."""

    day = forms.IntegerField()
    month = forms.IntegerField()
    year = forms.IntegerField(min_value=1900)

    def clean(self) -> dict[str, Any]:
        """Put the date together; where that fails, one message stands for all three fields."""
        cleaned = super().clean() or {}
        try:
            cleaned["birth_date"] = date(*(int(cleaned[name]) for name in ("year", "month", "day")))
        except (KeyError, ValueError, OverflowError):
            self.add_error(None, forms.ValidationError(WRONG_DATE))
        return cleaned


class ForMeForm(forms.Form):
    """The reader says that the message is for them.

    A tick, because mail scanners press buttons.
    """

    is_mine = forms.BooleanField(
        error_messages={"required": _("Tick the box if this message is for you.")}
    )


class NotForMeForm(forms.Form):
    """The reader says that the message reached the wrong person; a tick, as above."""

    is_sure = forms.BooleanField(
        error_messages={"required": _("Tick the box to confirm, or go back.")}
    )


class AnswerForm(forms.Form):
    """One question's page as sent: which question, what was chosen, and where to go."""

    assignment = forms.UUIDField()
    item = forms.CharField(max_length=40)
    revision = forms.IntegerField(min_value=0)
    value = forms.IntegerField(required=False)
    action = forms.TypedChoiceField(
        choices=[("next", ""), ("skip", ""), ("back", "")],
        required=False,
        empty_value="next",  # sent without a button, as by the Enter key of some browsers
    )
    review = forms.BooleanField(required=False)

    def step_of(self, sitting: Sitting) -> Step | None:
        """Return the question that the page showed, whatever its number is by now."""
        return sitting.find(self.cleaned_data["assignment"], self.cleaned_data["item"])

    @property
    def chosen(self) -> int | None:
        """Return what was chosen; None for a question skipped or left open."""
        is_skipped = self.cleaned_data["action"] == "skip"
        return None if is_skipped else self.cleaned_data["value"]

    @property
    def is_left_open(self) -> bool:
        """Say whether nothing was chosen on a page that was not skipped."""
        return self.cleaned_data["action"] != "skip" and self.cleaned_data["value"] is None


class SendForm(forms.Form):
    """The review page as sent: its own number, and the state of the answers it showed."""

    sitting_id = forms.UUIDField()
    seen = forms.CharField(max_length=200)
