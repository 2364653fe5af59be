"""The small parts of a FHIR resource that both ways share: addresses, strict access, extensions.

Pure: no Django. What stands here knows FHIR R4 and JSON, and nothing of instruments.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote

LOINC = "http://loinc.org"
_CORE = "http://hl7.org/fhir/StructureDefinition/"
_SDC = "http://hl7.org/fhir/uv/sdc/StructureDefinition/"
ORDINAL = _CORE + "ordinalValue"
WEIGHTS = (ORDINAL, _CORE + "itemWeight")
TRANSLATION = _CORE + "translation"
ABSENT = _CORE + "data-absent-reason"
VARIABLE = _CORE + "variable"
CALCULATED = _SDC + "sdc-questionnaire-calculatedExpression"
CALCULATIONS = (CALCULATED, _CORE + "questionnaire-calculatedExpression")

#: the ends of our own addresses, below the publisher's base
INSTRUMENT = "/StructureDefinition/instrument-definition"
STORED_VALUE = "/StructureDefinition/stored-value"
ANSWERS = "/CodeSystem/answer-value"
CODES = "/NamingSystem/instrument-code"

_DEEPEST = 40
_LOINC_CODE = re.compile(r"[0-9]{1,7}-[0-9]")
_INTEGER, _LARGEST = 2**31, 1e300
_EMPTY: dict[str, Any] = {
    "null": None,
    "empty-string": "",
    "empty-array": (),
    "empty-object": {},
}


class FhirError(ValueError):
    """Say what in a Questionnaire cannot be taken, and where."""

    def __init__(self, path: str, reason: str) -> None:
        self.path, self.reason = path.strip("."), reason
        super().__init__(": ".join(part for part in (self.path, reason) if part))


@dataclass(frozen=True, slots=True)
class Node:
    """Hold one element with its path, and give its children only as what they should be."""

    path: str
    data: Mapping[str, Any]

    def text(self, key: str) -> str | None:
        """Return a string, None where it is absent or blank; raises FhirError."""
        value = self.data.get(key)
        if value is None:
            return None
        return checked_text(f"{self.path}.{key}", value) if value != "" else None

    def flag(self, key: str) -> bool:
        """Return a boolean, False where it is absent; raises FhirError."""
        value = self.data.get(key, False)
        if not isinstance(value, bool):
            raise FhirError(f"{self.path}.{key}", "is neither true nor false")
        return value

    def child(self, key: str) -> Node | None:
        """Return an element, None where it is absent; raises FhirError."""
        value = self.data.get(key)
        return None if value is None else as_node(f"{self.path}.{key}", value)

    def children(self, key: str) -> list[Node]:
        """Return a list of elements, empty where it is absent; raises FhirError."""
        value = self.data.get(key)
        if value is None:
            return []
        if not isinstance(value, list):
            raise FhirError(f"{self.path}.{key}", "is not a list")
        return [as_node(f"{self.path}.{key}[{i}]", row) for i, row in enumerate(value)]

    def extensions(self, *urls: str) -> Iterator[Node]:
        """Yield the extensions with one of these addresses."""
        for extension in self.children("extension"):
            if extension.text("url") in urls:
                yield extension

    def loinc(self) -> str | None:
        """Return the first LOINC code of an element's `code`."""
        for coding in self.children("code"):
            code = coding.text("code") or ""
            if coding.text("system") == LOINC and _LOINC_CODE.fullmatch(code):
                return code
        return None

    def translated(self, key: str) -> dict[str, str]:
        """Return the translations of a text, by language."""
        beside, found = self.child(f"_{key}"), {}
        for extension in beside.extensions(TRANSLATION) if beside else ():
            parts = {part.text("url"): part for part in extension.children("extension")}
            lang, content = parts.get("lang"), parts.get("content")
            if lang and content:
                language = lang.text("valueCode") or ""
                words = content.text("valueString") or content.text("valueMarkdown")
                found.update({language: words} if words else {})
        return found


def as_node(path: str, value: object) -> Node:
    """Return a value as an element; raises FhirError where it is no object."""
    if not isinstance(value, Mapping):
        raise FhirError(path, "is not an object")
    return Node(path.removeprefix("."), value)


def checked_text(path: str, value: object) -> str:
    """Return a value that is text which can be stored; raises FhirError."""
    if not isinstance(value, str):
        raise FhirError(path, "is not a text")
    if any("\ud800" <= char <= "\udfff" or char == "\0" for char in value):
        raise FhirError(path, "holds characters that cannot be stored")
    return value


def as_number(path: str, value: object) -> int | float:
    """Return a value that is a number, and not beyond all measure; raises FhirError."""
    # The comparison is false for what is not a number by name, too.
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= _LARGEST:
        raise FhirError(path, "is not a number, or too large")
    return value


def encode(key: str, value: Any) -> dict[str, Any]:
    """Write a JSON value as an extension whose address is its key, percent-encoded.

    An object's members and a list's entries are extensions within it; an entry's address is `*`.
    Members stand in the order of their names: a database may have forgotten any other.
    What an extension may not hold is a valueCode: null, empty-string, empty-array, empty-object.
    """
    url = key if key == "*" else quote(key, safe="") or "%"
    if isinstance(value, bool):
        return {"url": url, "valueBoolean": value}
    if isinstance(value, int) and abs(value) < _INTEGER:
        return {"url": url, "valueInteger": value}
    if isinstance(value, int | float):
        return {"url": url, "valueDecimal": value}
    if isinstance(value, Mapping) and value:
        return {"url": url, "extension": [encode(name, value[name]) for name in sorted(value)]}
    if isinstance(value, list | tuple) and value:
        return {"url": url, "extension": [encode("*", row) for row in value]}
    if isinstance(value, str) and value:
        return {"url": url, "valueString": value}
    if value is None:
        return {"url": url, "valueCode": "null"}
    kind = "string" if value == "" else "object" if isinstance(value, Mapping) else "array"
    return {"url": url, "valueCode": f"empty-{kind}"}


def decode(extension: Node, depth: int = 0) -> Any:
    """Read a JSON value that encode() wrote; raises FhirError."""
    if depth > _DEEPEST:
        raise FhirError(extension.path, "is nested too deeply")
    if parts := extension.children("extension"):
        if all(part.text("url") == "*" for part in parts):
            return [decode(part, depth + 1) for part in parts]
        return {_key(part): decode(part, depth + 1) for part in parts}
    values = [(name, value) for name, value in extension.data.items() if name != "url"]
    if len(values) != 1:
        raise FhirError(extension.path, "should hold one value")
    name, value = values[0]
    path = f"{extension.path}.{name}"
    if name == "valueCode":
        if not isinstance(value, str) or value not in _EMPTY:
            raise FhirError(path, "is not understood")
        found = _EMPTY[value]
        return list(found) if found == () else dict(found) if found == {} else found
    if name == "valueBoolean" and isinstance(value, bool):
        return value
    if name in ("valueInteger", "valueDecimal"):
        return as_number(path, value)
    if name == "valueString":
        return checked_text(path, value)
    raise FhirError(path, "is not understood")


def _key(extension: Node) -> str:
    url = extension.text("url") or "%"
    return "" if url == "%" else checked_text(f"{extension.path}.url", unquote(url))
