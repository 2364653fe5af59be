"""Forms for files in and out."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext_lazy as _

from outcomes.clinic_site.forms.fields import DayField
from outcomes.exports.columns import Table
from outcomes.exports.tables import TABLES

# What was previewed travels through the browser to be confirmed, inside Django's limit for a form.
LARGEST_UPLOAD = 1_500_000


class ExportForm(forms.Form):
    """Which table, and which days of it."""

    table = forms.ChoiceField(
        label=_("Table"),
        choices=[
            ("scores", _("Scores: one row per score, with its distance from the sessions")),
            ("answers", _("Answers: one row per question")),
            ("sessions", _("Sessions: one row per session, planned or held")),
        ],
        widget=forms.RadioSelect,
        initial="scores",
    )
    since = DayField(label=_("From"), required=False)
    until = DayField(label=_("Until"), required=False, help_text=_("This day is included."))

    def clean(self) -> dict[str, Any]:
        """Refuse a span that ends before it begins."""
        data = super().clean() or {}
        if data.get("since") and data.get("until") and data["until"] < data["since"]:
            self.add_error("until", _("This is before the first day."))
        return data

    @property
    def chosen(self) -> Table:
        """Return the table to export."""
        return TABLES[self.cleaned_data["table"]]


def small_enough(upload: UploadedFile[Any]) -> None:
    """Refuse a file that is too large for the page."""
    if (upload.size or 0) > LARGEST_UPLOAD:
        raise ValidationError(
            _("This file is larger than 1.5 MB. Use the command “manage.py import_scores”.")
        )


class ImportForm(forms.Form):
    """A file, and the map that says what its columns mean."""

    file = forms.FileField(
        label=_("Scores"),
        help_text=_("A CSV file in UTF-8, its first row naming the columns."),
        validators=[small_enough],
        allow_empty_file=True,
        widget=forms.FileInput(attrs={"accept": ".csv,text/csv"}),
    )
    map = forms.FileField(
        label=_("Map"),
        help_text=_("A JSON file that says what each column is."),
        validators=[small_enough],
        allow_empty_file=True,
        widget=forms.FileInput(attrs={"accept": ".json,application/json"}),
    )
