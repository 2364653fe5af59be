"""Correcting an answered questionnaire."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from outcomes.clinic_site.answers import wording_of
from outcomes.responses.models import QuestionnaireResponse


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
        words = wording_of(definition, response.language)
        for item in definition.items:
            labels = words.options[item.link_id] if words else {}
            choices = [
                (
                    option.value,
                    f"{option.value} – {labels[option.value]}" if labels else option.value,
                )
                for option in item.options
            ]
            text = words.items[item.link_id] if words else ""
            self.fields[f"item-{item.link_id}"] = forms.TypedChoiceField(
                label=f"{item.link_id}. {text}".strip(". "),
                coerce=int,
                empty_value=None,
                required=False,
                choices=[("", _("No answer")), *choices],
                initial=response.answers.get(item.link_id),
            )
        self.order_fields([*(name for name in self.fields if name != "reason"), "reason"])

    def answers(self) -> dict[str, int | None]:
        """Return the answers by item."""
        return {
            name.removeprefix("item-"): value
            for name, value in self.cleaned_data.items()
            if name.startswith("item-")
        }
