"""Files with questionnaires or their words: read, or refused by one sentence with the place."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext as _

from outcomes.instruments.definition import Definition, DefinitionError
from outcomes.instruments.fhir import FhirError, Imported, from_questionnaire

LARGEST = 500_000
#: what was read travels through the browser to be confirmed, and may then be longer than the file
LARGEST_READ = 3 * LARGEST
LONGEST_REASON = 300


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
