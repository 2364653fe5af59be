"""Questionnaires that come in: a clinic's licensed words, and a clinic's own instrument.

A file is read here and refused with one sentence that names the place; what it means to the
clinic is decided by the services.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from outcomes.care.models import Indication
from outcomes.clinic_site.instrument_files import (
    LARGEST,
    LARGEST_READ,
    read_document,
    read_instrument,
    small_enough,
    words_in,
)
from outcomes.clinic_site.instrument_words import Speller
from outcomes.instruments.definition import Definition
from outcomes.instruments.fhir import Imported

LONGEST_VERSION = 20


class ConditionForm(forms.Form):
    """For which condition questionnaires are looked for."""

    def __init__(self, data: Any = None) -> None:
        super().__init__(data)
        self.fields["for"] = forms.ChoiceField(
            label=_("Used with"),
            required=False,
            choices=[("", _("Every condition")), *Indication.choices],
            widget=forms.Select(attrs={"class": "input-medium"}),
        )

    def wants(self, definition: Definition) -> bool:
        """Say whether a questionnaire is used with the chosen condition; all are with none."""
        chosen = self.cleaned_data.get("for") if self.is_valid() else ""
        return not chosen or chosen in definition.conditions


class DocumentField(forms.FileField):
    """A JSON file, read when the form is cleaned."""

    widget = forms.FileInput(attrs={"accept": ".json,application/json,application/fhir+json"})
    default_validators = [small_enough]

    def clean(self, data: Any, initial: Any = None) -> dict[str, Any] | None:
        """Return the file's JSON object; None where there is no file."""
        upload = super().clean(data, initial)
        return read_document(upload.read()) if upload else None


# -- A clinic's own instrument -------------------------------------------------------------------


class DocumentForm(forms.Form):
    """A questionnaire as a file, or pasted."""

    file = DocumentField(
        label=gettext_lazy("File"),
        required=False,
        allow_empty_file=True,
        help_text=gettext_lazy("A FHIR R4 Questionnaire or a definition, as JSON; up to 500 KB."),
    )
    text = forms.CharField(
        label=gettext_lazy("Or its text"),
        required=False,
        strip=False,
        max_length=LARGEST,
        widget=forms.Textarea(attrs={"rows": 8, "spellcheck": "false", "class": "code"}),
    )

    def clean(self) -> dict[str, Any]:
        """Read what was given, and refuse both or none."""
        data = super().clean() or {}
        if self.errors:
            return data
        if bool(data["file"] is not None) == bool(data["text"].strip()):
            raise ValidationError(_("Choose a file or paste its text: one of the two."))
        document = data["file"] if data["file"] is not None else read_document(data["text"])
        data["read"] = read_instrument(document)
        return data

    @property
    def read(self) -> Imported:
        """Return the definition, and what was not understood of it."""
        read: Imported = self.cleaned_data["read"]
        return read


class OwnForm(forms.Form):
    """A questionnaire that was read and shown, to be stored under this code and title."""

    code = forms.CharField(
        label=gettext_lazy("Short name"),
        max_length=40,
        widget=forms.TextInput(attrs={"class": "input-medium"}),
        help_text=gettext_lazy(
            "As it stands in lists and charts: a capital letter first, then letters, "
            "digits and hyphens."
        ),
        validators=[
            RegexValidator(
                r"^[A-Z][A-Za-z0-9-]{1,39}\Z",
                gettext_lazy("A capital letter first, then letters, digits and hyphens."),
            )
        ],
    )
    title = forms.CharField(label=gettext_lazy("Title"), max_length=200)
    content = forms.CharField(widget=forms.HiddenInput, max_length=LARGEST_READ, strip=False)
    remarks = forms.CharField(widget=forms.HiddenInput, required=False)

    @classmethod
    def of(cls, read: Imported) -> OwnForm:
        """Return the form for what was just read."""
        return cls(
            initial={
                "code": read.content["code"],
                "title": read.content["title"],
                "content": json.dumps(read.content, ensure_ascii=False, separators=(",", ":")),
                "remarks": "\n".join(read.remarks),
            }
        )

    def clean_content(self) -> dict[str, Any]:
        """Read the definition again: it came back from a browser."""
        document = read_document(self.cleaned_data["content"])
        return read_instrument(document).content

    def clean(self) -> dict[str, Any]:
        """Refuse what the columns of the database cannot hold."""
        data = super().clean() or {}
        if "content" in data and len(data["content"]["version"]) > LONGEST_VERSION:
            self.add_error(None, _("version: is longer than %s characters.") % LONGEST_VERSION)
        return data

    def named(self) -> dict[str, Any]:
        """Return the definition under the code and title that were typed."""
        given = self.cleaned_data
        return {**given["content"], "code": given["code"], "title": given["title"]}

    @property
    def shown(self) -> Definition | None:
        """Return what the preview shows; None where the definition itself cannot be read."""
        try:
            text = self["content"].value() or ""
            return Definition.from_json(read_instrument(read_document(text)).content)
        except ValidationError:
            return None

    @property
    def remark_lines(self) -> list[str]:
        """Return what was not understood, a sentence each."""
        return str(self["remarks"].value() or "").splitlines()


# -- Wording -------------------------------------------------------------------------------------


class WordingForm(forms.Form):
    """An instrument's words in one language: a file, or every text typed."""

    language = forms.CharField(
        label=gettext_lazy("Language"),
        max_length=20,
        help_text=gettext_lazy("Its code: en for English, de for German, es for Spanish."),
        widget=forms.TextInput(attrs={"class": "input-short", "autocomplete": "off"}),
        validators=[
            RegexValidator(
                r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*\Z",
                gettext_lazy("Enter a language code, such as en, de or pt-BR."),
            )
        ],
    )
    file = DocumentField(
        label=gettext_lazy("File"),
        required=False,
        allow_empty_file=True,
        help_text=gettext_lazy(
            "JSON, up to 500 KB: the words alone (title, stem, items, options), a whole "
            "definition, or a FHIR R4 Questionnaire with the same linkIds."
        ),
    )
    licence = forms.CharField(
        label=gettext_lazy("Why the clinic may use this wording"),
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=gettext_lazy(
            "In your own words: who licensed it, to whom, until when. This is stored with the "
            "wording and your name."
        ),
    )
    confirmed = forms.BooleanField(
        label=gettext_lazy("I confirm that the clinic may use this wording for its patients."),
    )

    def __init__(self, definition: Definition, data: Any = None, files: Any = None) -> None:
        super().__init__(data, files)
        self.definition = definition
        speller = Speller(definition, None)
        self.fields["title"] = _line(_("Title"))
        self.fields["stem"] = _text(_("Text above the questions"))
        self.fields["stem"].help_text = _("Empty where every question stands on its own.")
        for item in definition.items:
            self.fields[f"item-{item.link_id}"] = _text(speller.items([item.link_id]).capitalize())
        for name, rows in self._lists.items():
            for row in rows:
                self.fields[f"option-{name}-{row['value']}"] = _line(
                    _("Answer %(value)s") % {"value": row["value"]}
                )
        # A wording may be handed over typed only in part where a file holds it.
        self.typed = [
            name for name in self.fields if name == "title" or name.startswith(("item-", "option-"))
        ]

    @property
    def is_typed(self) -> bool:
        """Say whether anything was typed rather than chosen as a file."""
        return self.is_bound and not self.files

    @property
    def _lists(self) -> Mapping[str, list[dict[str, Any]]]:
        lists: Mapping[str, list[dict[str, Any]]] = self.definition.content["response_options"]
        return lists

    @property
    def item_fields(self) -> list[forms.BoundField]:
        """Return the field of each question."""
        return [self[f"item-{item.link_id}"] for item in self.definition.items]

    @property
    def option_groups(self) -> list[tuple[str, list[forms.BoundField]]]:
        """Return the fields of the answers, by the items that share them."""
        speller = Speller(self.definition, None)
        return [
            (
                speller.items(
                    row["link_id"]
                    for row in self.definition.content["items"]
                    if row["options"] == name
                ),
                [self[f"option-{name}-{row['value']}"] for row in rows],
            )
            for name, rows in self._lists.items()
        ]

    def clean(self) -> dict[str, Any]:
        """Take the words from the file if there is one, else every text as it was typed."""
        data = super().clean() or {}
        if "file" in self.errors:
            return data
        if data.get("file") is None:
            for name in self.typed:
                if not data.get(name) and name not in self.errors:
                    self.add_error(name, _("This text is missing."))
        elif "language" in data:
            try:
                data["words"] = words_in(data["file"], data["language"], self.definition)
            except ValidationError as error:
                self.add_error("file", error)
        return data

    def words(self) -> dict[str, Any]:
        """Return what the service takes: language, wording and licence statement."""
        given = self.cleaned_data
        return {
            "language": given["language"],
            "wording": given.get("words") or self._typed_words(given),
            "licence_statement": given["licence"],
        }

    def _typed_words(self, given: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "title": given["title"],
            "stem": given["stem"],
            "items": {row.link_id: given[f"item-{row.link_id}"] for row in self.definition.items},
            "options": {
                name: {str(row["value"]): given[f"option-{name}-{row['value']}"] for row in rows}
                for name, rows in self._lists.items()
            },
        }


def _line(label: str) -> forms.CharField:
    return forms.CharField(label=label, max_length=1000, required=False)


def _text(label: str) -> forms.CharField:
    widget = forms.Textarea(attrs={"rows": 2, "class": "short"})
    return forms.CharField(label=label, max_length=2000, required=False, widget=widget)
