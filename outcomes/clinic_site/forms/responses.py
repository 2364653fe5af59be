"""Correcting an answered questionnaire, and copying one from paper."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, time
from typing import Any

from django import forms
from django.core import signing
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from outcomes import workflows
from outcomes.clinic_site.answers import wording_of
from outcomes.clinic_site.forms.fields import DayField
from outcomes.clinics.models import User
from outcomes.instruments.definition import Definition, Wording
from outcomes.instruments.models import InstrumentVersion
from outcomes.responses.models import QuestionnaireResponse
from outcomes.responses.services import Paper, current_response
from outcomes.scheduling.local_time import local_instant
from outcomes.scheduling.models import Assignment


def item_fields(definition: Definition, words: Wording | None) -> dict[str, forms.Field]:
    """Return a field for every item, by its name in a form; without words, with numbers alone."""
    fields: dict[str, forms.Field] = {}
    for item in definition.items:
        labels = words.options[item.link_id] if words else {}
        choices = [
            (option.value, f"{option.value} – {labels[option.value]}" if labels else option.value)
            for option in item.options
        ]
        text = words.items[item.link_id] if words else ""
        fields[f"item-{item.link_id}"] = forms.TypedChoiceField(
            label=f"{item.link_id}. {text}".strip(". "),
            coerce=int,
            empty_value=None,
            required=False,
            choices=[("", _("No answer")), *choices],
        )
    return fields


def answers_in(cleaned: Mapping[str, Any]) -> dict[str, int | None]:
    """Return the answers by item from what such fields gave."""
    return {
        name.removeprefix("item-"): value
        for name, value in cleaned.items()
        if name.startswith("item-")
    }


class CorrectionForm(forms.Form):
    """Every item with the answer it has, and why it is corrected."""

    reason = forms.CharField(
        label=_("Reason for the correction"),
        max_length=200,
        help_text=_("The old answers are kept and stay readable."),
    )

    def __init__(self, response: QuestionnaireResponse, data: Any = None) -> None:
        super().__init__(data)
        definition = response.instrument_version.definition
        self.fields |= item_fields(definition, wording_of(definition, response.language))
        self.initial = {f"item-{key}": value for key, value in response.answers.items()}
        self.order_fields([*(name for name in self.fields if name != "reason"), "reason"])

    def answers(self) -> dict[str, int | None]:
        """Return the answers by item."""
        return answers_in(self.cleaned_data)


class SeenForm(forms.Form):
    """When the page was made on which somebody has seen what there was."""

    until = forms.DateTimeField()


class PaperForm(forms.Form):
    """A form filled in on paper, copied once, or as often as it takes for two readings to agree.

    What was read before goes along with the page, sealed; nothing is stored until all agrees.
    """

    filled_on = DayField(label=_("Filled in on"))
    is_twice = forms.BooleanField(
        label=_("Enter it twice and compare"),
        required=False,
        help_text=_("A second, blank form follows, and every difference is shown."),
    )
    readings = forms.CharField(widget=forms.HiddenInput, required=False)

    def __init__(self, assignment: Assignment, data: Any = None) -> None:
        super().__init__(data)
        self.assignment = assignment
        self.earlier = self._unsealed((data or {}).get("readings", ""))
        self.definition = _definition_of(assignment)
        self.wording = wording_of(self.definition, assignment.patient.language)
        every = item_fields(self.definition, self.wording)
        open_keys = _open_items(self.earlier) if self.earlier else {name[5:] for name in every}
        self.fields |= {name: field for name, field in every.items() if name[5:] in open_keys}
        if self.earlier:
            for name in ("filled_on", "is_twice"):
                self.fields[name].widget = forms.HiddenInput()
        if len(self.earlier) > 1:
            for name in open_keys:
                self._show_earlier(name)

    def clean_filled_on(self) -> date:
        """Refuse a day that is still to come, or before the patient's treatment."""
        day: date = self.cleaned_data["filled_on"]
        if day > timezone.localdate():
            raise ValidationError(_("This day is still to come."))
        if day < self.assignment.episode.started_on:
            raise ValidationError(_("This day is before the patient came into care here."))
        return day

    @property
    def answers(self) -> dict[str, int | None]:
        """Return every answer as it was read last."""
        known = self.earlier[-1] if self.earlier else {}
        return {**known, **answers_in(self.cleaned_data)}

    @property
    def is_settled(self) -> bool:
        """Say whether no more is to be read: entered once, or each answer read twice alike."""
        if not self.cleaned_data["is_twice"]:
            return True
        return bool(self.earlier) and not _open_items([*self.earlier, self.answers])

    def filled_at(self, now: datetime) -> datetime:
        """Return from when the answers count: noon of that day on the clinic's clock."""
        day = self.cleaned_data["filled_on"]
        return min(now, local_instant(day, time(12), timezone.get_current_timezone_name()))

    def save(self, user: User, now: datetime) -> workflows.Submission:
        """Store what was read; raises ValidationError."""
        language = self.wording.language if self.wording else self.assignment.patient.language
        paper = Paper(self.filled_at(now), user, self.cleaned_data["is_twice"])
        return workflows.enter_paper(
            assignment=self.assignment,
            answers=self.answers,
            language=language,
            paper=paper,
            now=now,
        )

    def next_reading(self) -> PaperForm:
        """Return the form for what is to be read again, blank."""
        sealed = signing.dumps([*self.earlier, self.answers], salt=self._salt)
        given = {"filled_on": self.data["filled_on"], "is_twice": "on", "readings": sealed}
        form = PaperForm(self.assignment, given)
        form.is_bound = False
        form.initial = given
        return form

    @property
    def _salt(self) -> str:
        return f"outcomes.paper.{self.assignment.pk}"

    def _unsealed(self, text: str) -> list[dict[str, int | None]]:
        try:
            readings: list[dict[str, int | None]] = signing.loads(text, salt=self._salt)
        except signing.BadSignature:
            return []
        return readings

    def _show_earlier(self, key: str) -> None:
        field: Any = self.fields[f"item-{key}"]
        labels = {value: label for value, label in field.choices if value != ""}
        read = [str(labels.get(reading[key], _("No answer"))) for reading in self.earlier]
        field.help_text = _("Read before: %(answers)s") % {"answers": "; ".join(read)}


def _definition_of(assignment: Assignment) -> Definition:
    """Return the questionnaire that the patient has begun, else the one they would be asked."""
    begun = current_response(assignment)
    if begun is not None:
        return begun.instrument_version.definition
    versions = InstrumentVersion.objects.defer("content")
    return versions.newest_of(assignment.instrument_id, assignment.clinic_id).definition


def _open_items(readings: list[dict[str, int | None]]) -> set[str]:
    """Return the items whose last reading agrees with none before it; after one reading, all."""
    *before, last = readings
    return {key for key, value in last.items() if value not in [each[key] for each in before]}
