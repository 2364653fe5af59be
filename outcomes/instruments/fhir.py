"""Instruments as FHIR R4 Questionnaires, both ways.

Pure: no Django. What R4 and SDC can say stands in their elements, which win on the way back:

- `url`, `version`, `title`, `description` (what is measured), `copyright` (the licence's text),
  `code` (the LOINC panel), `language` (the words' language; other languages are translations).
  The short code is an `identifier`, for a FHIR name may not hold a hyphen.
- One choice item per question. An answer's `valueCoding` is its LOINC code where there is one,
  else its stored value in a code system of the publisher; beside a LOINC code the stored value is
  the extension stored-value. `ordinalValue` is what the answer counts, and absent where it does
  not count. Where every score turns a question round, its ordinals are turned already.
- The stem is a display item before the first question that uses it, which every form shows, and
  which leaves the questions where the usual sums look for them.
- A scale that is a plain sum is a read-only item with a calculatedExpression.

All else is ONE extension, instrument-definition: the rest of the document, as
`fhir_elements.encode` writes JSON. Its score_items and stem_item say which items are no questions.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from outcomes.instruments.definition import Definition
from outcomes.instruments.fhir_elements import (
    ABSENT,
    ANSWERS,
    CALCULATED,
    CODES,
    INSTRUMENT,
    LOINC,
    ORDINAL,
    STORED_VALUE,
    TRANSLATION,
    FhirError,
    encode,
)
from outcomes.instruments.fhir_reading import Imported, read
from outcomes.instruments.fhir_rules import (
    enable_when,
    has_own_codes,
    is_plain_sum,
    plain_sum,
    turn,
    turned_items,
)

__all__ = ["PUBLISHER", "FhirError", "Imported", "from_questionnaire", "to_questionnaire"]

PUBLISHER = "urn:outcomes"


def from_questionnaire(resource: Mapping[str, Any]) -> Imported:
    """Read a Questionnaire, ours or another's, as a definition document; raises FhirError."""
    return read(resource)


def to_questionnaire(definition: Definition, *, publisher_url: str = PUBLISHER) -> dict[str, Any]:
    """Write a definition as a Questionnaire, its own addresses below the publisher's.

    Raises FhirError where a question is asked after an answer that does not exist.
    """
    return _Export(definition.content, publisher_url.rstrip("/")).resource()


class _Export:
    """Write one definition document."""

    def __init__(self, content: Mapping[str, Any], base: str) -> None:
        self.content, self.base = content, base
        self.options: Mapping[str, list[Mapping[str, Any]]] = content["response_options"]
        self.wording: Mapping[str, Mapping[str, Any]] = content["wording"]
        languages = sorted(self.wording, key=lambda name: (name != "en", name))
        self.language = languages[0] if languages else None
        self.others = languages[1:]
        self.turned = turned_items(content["scales"])
        self.taken = {item["link_id"] for item in content["items"]}
        self.lists = {item["link_id"]: item["options"] for item in content["items"]}

    def resource(self) -> dict[str, Any]:
        content, panel = self.content, self.content.get("loinc", {}).get("panel")
        stem, scores = self._stem(), self._scores()
        questions = [self._question(item) for item in content["items"]]
        if stem:
            uses = [item.get("uses_stem", True) for item in content["items"]]
            questions.insert(uses.index(True) if True in uses else 0, stem)
        return _without_none(
            {
                "resourceType": "Questionnaire",
                "language": self.language,
                "extension": [
                    encode("", self._rest(stem, scores)) | {"url": self._own(INSTRUMENT)}
                ],
                "url": f"{self.base}/Questionnaire/{content['code']}",
                "identifier": [{"system": self._own(CODES), "value": content["code"]}],
                "version": content["version"],
                "name": re.sub(r"[^A-Za-z0-9]", "_", content["code"]),
                "title": content["title"],
                "status": "active",
                "subjectType": ["Patient"],
                "description": content["measures"],
                "copyright": content["licence"]["text"],
                "code": [{"system": LOINC, "code": panel}] if panel else None,
                "item": [*questions, *scores.values()],
            }
        )

    def _own(self, end: str) -> str:
        return self.base + end

    def _stem(self) -> dict[str, Any] | None:
        stems = {name: words["stem"] for name, words in self.wording.items()}
        if not any(stems.values()):
            return None
        return {"linkId": self._free("stem"), **self._words("text", stems), "type": "display"}

    def _free(self, link_id: str) -> str:
        while link_id in self.taken:
            link_id += "-"
        self.taken.add(link_id)
        return link_id

    def _words(self, key: str, words: Mapping[str, str]) -> dict[str, Any]:
        """Write a text in all languages; one that is nowhere is marked as withheld."""
        if self.language is None:
            return {f"_{key}": {"extension": [{"url": ABSENT, "valueCode": "masked"}]}}
        translations = [
            {
                "url": TRANSLATION,
                "extension": [
                    {"url": "lang", "valueCode": name},
                    {"url": "content", "valueString": words[name]},
                ],
            }
            for name in self.others
            if words[name]
        ]
        return _without_none(
            {
                key: words[self.language] or None,
                f"_{key}": {"extension": translations} if translations else None,
            }
        )

    def _question(self, item: Mapping[str, Any]) -> dict[str, Any]:
        link_id, gate = item["link_id"], item.get("enabled_when")
        texts = {name: words["items"][link_id] for name, words in self.wording.items()}
        return _without_none(
            {
                "linkId": link_id,
                "code": [{"system": LOINC, "code": item["loinc"]}] if "loinc" in item else None,
                **self._words("text", texts),
                "type": "choice",
                **(enable_when(gate, self._codings) if gate else {}),
                "required": item.get("required", True),
                "answerOption": self._answers(item),
            }
        )

    def _codings(self, link_id: str) -> dict[int, dict[str, str]]:
        """Return the coding of every answer, by stored value."""
        rows = self.options[self.lists[link_id]]
        is_coded = has_own_codes(rows)
        return {
            row["value"]: {"system": LOINC, "code": row["loinc"]}
            if is_coded and "loinc" in row
            else {"system": self._own(ANSWERS), "code": str(row["value"])}
            for row in rows
        }

    def _answers(self, item: Mapping[str, Any]) -> list[dict[str, Any]]:
        link_id, name = item["link_id"], item["options"]
        rows, answers = self.options[name], []
        points = {row["value"]: row.get("score", row["value"]) for row in rows}
        if link_id in self.turned:
            points = turn(points)
        for value, coding in self._codings(link_id).items():
            labels = {
                lang: words["options"][name][str(value)] for lang, words in self.wording.items()
            }
            extensions: list[dict[str, Any]] = []
            if points[value] is not None:
                extensions.append({"url": ORDINAL, "valueDecimal": points[value]})
            if coding["system"] == LOINC:
                extensions.append({"url": self._own(STORED_VALUE), "valueInteger": value})
            display = self._words("display", labels) if labels else {}
            answer = {"extension": extensions or None, "valueCoding": coding | display}
            answers.append(_without_none(answer))
        return answers

    def _scores(self) -> dict[str, dict[str, Any]]:
        """Return the items of the scales that are plain sums, by scale."""
        return {
            scale["code"]: _without_none(
                {
                    "extension": [
                        {
                            "url": CALCULATED,
                            "valueExpression": {
                                "language": "text/fhirpath",
                                "expression": plain_sum(scale["scoring"]),
                            },
                        }
                    ],
                    "linkId": self._free(f"score-{scale['code']}"),
                    "code": [{"system": LOINC, "code": scale["loinc"]}]
                    if "loinc" in scale
                    else None,
                    "text": scale["title"],
                    "type": "decimal",
                    "readOnly": True,
                }
            )
            for scale in self.content["scales"]
            if is_plain_sum(scale["scoring"], self.turned)
        }

    def _rest(self, stem: Any, scores: Mapping[str, Any]) -> dict[str, Any]:
        """Return what no element says."""
        content, used = self.content, set(self.lists.values())
        said = {"code", "title", "version", "measures"}
        return {name: value for name, value in content.items() if name not in said} | {
            "licence": _less(content["licence"], "text"),
            **({"loinc": _less(content["loinc"], "panel")} if "loinc" in content else {}),
            "response_options": {
                name: [_less(row, "loinc") for row in rows]
                if name in used and has_own_codes(rows)
                else rows
                for name, rows in self.options.items()
            },
            "items": {item["link_id"]: self._rest_of(item) for item in content["items"]},
            "wording": {
                language: _less(words, "stem", "items")
                | {"options": _less(words["options"], *used)}
                for language, words in self.wording.items()
            },
            "stem_item": stem and stem["linkId"],
            "score_items": {row["linkId"]: code for code, row in scores.items()},
        }

    def _rest_of(self, item: Mapping[str, Any]) -> dict[str, Any]:
        said, gate = ["link_id", "loinc"], item.get("enabled_when")
        if gate and all(least in self._codings(key) for key, least in gate["items"].items()):
            said.append("enabled_when")
        if item.get("required") is False:
            said.append("required")
        return _less(item, *said)


def _less(data: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in data.items() if name not in names}


def _without_none(data: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in data.items() if value is not None}
