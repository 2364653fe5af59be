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
from django.core.files.uploadedfile import UploadedFile
from django.core.validators import RegexValidator
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from outcomes.care.models import Indication
from outcomes.clinic_site.instruments import Speller
from outcomes.instruments.definition import Definition, DefinitionError
from outcomes.instruments.fhir import FhirError, Imported, from_questionnaire

LARGEST = 500_000
#: what was read travels through the browser to be confirmed, and may then be longer than the file
LARGEST_READ = 3 * LARGEST
LONGEST_REASON = 300
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


# -- Reading -------------------------------------------------------------------------------------


def read_document(text: str | bytes) -> dict[str, Any]:
    """Read a JSON object that can be stored; raises ValidationError."""
    if len(text) > LARGEST_READ:
        raise ValidationError(_("This is too long."))
    try:
        decoded = text.decode("utf-8-sig") if isinstance(text, bytes) else text
        document = json.loads(decoded, object_pairs_hook=_once)
        # What a database cannot hold: numbers without an end, half characters, the zero byte.
        stored = json.dumps(document, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError) as error:
        reason = error.reason if isinstance(error, _Repeated) else type(error).__name__
        if isinstance(error, json.JSONDecodeError):
            reason = _("line %(line)s, column %(column)s: %(why)s") % {
                "line": error.lineno,
                "column": error.colno,
                "why": error.msg,
            }
        raise ValidationError(_("This is not JSON in UTF-8: %s.") % reason) from error
    if rb"\u0000" in stored:
        raise ValidationError(_("This holds a zero byte, which cannot be stored."))
    if not isinstance(document, dict):
        raise ValidationError(_("This is JSON, but not an object with named fields."))
    return document


class _Repeated(ValueError):
    """A name that stands twice in one object."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.reason = _("the name “%s” stands twice") % name


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise _Repeated(name)
        found[name] = value
    return found


def read_instrument(document: Mapping[str, Any]) -> Imported:
    """Read a definition or a FHIR Questionnaire; raises ValidationError naming the place."""
    try:
        if "resourceType" in document:
            return from_questionnaire(document)
        content = {name: value for name, value in document.items() if name != "$schema"}
        Definition.from_json(content)
    except (FhirError, DefinitionError) as error:
        raise ValidationError(_sentence(error.path, error.reason)) from error
    return Imported(content, ())


def _sentence(path: str, reason: str) -> str:
    said = reason if len(reason) <= LONGEST_REASON else f"{reason[:LONGEST_REASON]} …"
    return f"{path}: {said}" if path else said


def small_enough(upload: UploadedFile[Any]) -> None:
    """Refuse a file that is too large to be a questionnaire."""
    if (upload.size or 0) > LARGEST:
        raise ValidationError(_("This file is larger than 500 KB."))


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


def words_in(document: Mapping[str, Any], language: str, definition: Definition) -> dict[str, Any]:
    """Return a file's words in a language, in the instrument's own format.

    Raises ValidationError with one sentence.
    """
    if "resourceType" not in document and "response_options" not in document:
        return _alone(document, language, definition)
    content = read_instrument(document).content
    known = content["wording"]
    # A Questionnaire that names no language is in the one the admin says.
    is_unnamed = "resourceType" in document and "language" not in document and len(known) == 1
    words = next(iter(known.values())) if is_unnamed else known.get(language)
    if words is None:
        names = ", ".join(sorted(known)) or _("none")
        sentence = _("wording: there is none in “%(language)s”; the file has %(names)s.")
        raise ValidationError(sentence % {"language": language, "names": names})
    return {
        "title": words["title"],
        "stem": words["stem"],
        "items": _matched(_("items"), words["items"], [row.link_id for row in definition.items]),
        "options": _options_in(content, words, definition),
    }


def _alone(document: Mapping[str, Any], language: str, definition: Definition) -> dict[str, Any]:
    """Return words that stand alone in a file, checked as they would be when stored."""
    source = {"citation": "-", "verified": False}
    wording = {**definition.content["wording"], language: {**document, **source}}
    try:
        Definition.from_json({**definition.content, "wording": wording})
    except DefinitionError as error:
        path = error.path.removeprefix(f"wording.{language}").removeprefix(".")
        raise ValidationError(_sentence(path, error.reason)) from error
    return {name: document[name] for name in ("title", "stem", "items", "options")}


def _options_in(
    content: Mapping[str, Any], words: Mapping[str, Any], definition: Definition
) -> dict[str, dict[str, str]]:
    """Return the answers by the instrument's own lists; its items may be listed otherwise there."""
    lists = {row["link_id"]: row["options"] for row in content["items"]}
    found: dict[str, dict[str, str]] = {}
    for row in definition.content["items"]:
        link_id, name = row["link_id"], row["options"]
        values = [str(option["value"]) for option in definition.content["response_options"][name]]
        path = _("answers to item %s") % link_id
        labels = _matched(path, words["options"][lists[link_id]], values)
        if found.setdefault(name, labels) != labels:
            raise ValidationError(
                _("%s: are not worded as those of the items before that share them.") % path
            )
    return found


def _matched(path: str, given: Mapping[str, str], wanted: list[str]) -> dict[str, str]:
    """Return the texts in the order wanted; raises ValidationError if any is missing or unknown."""
    if missing := [name for name in wanted if name not in given]:
        raise ValidationError(_("%(path)s: lacks %(names)s.") % _named(path, missing))
    if unknown := [name for name in given if name not in wanted]:
        raise ValidationError(
            _("%(path)s: nothing here is called %(names)s.") % _named(path, unknown)
        )
    return {name: given[name] for name in wanted}


def _named(path: str, names: list[str]) -> dict[str, str]:
    return {"path": path, "names": ", ".join(names)}
