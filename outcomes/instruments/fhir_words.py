"""What a Questionnaire says beside its rules: its head, the words by language, the answer lists.

Pure: no Django.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from outcomes.instruments.fhir_answers import Answer, is_whole
from outcomes.instruments.fhir_elements import CODES, FhirError, Node, as_node

_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")
_ANSWER_CODE = re.compile(r"LA[0-9]+-[0-9]")
_CODE = re.compile(r"[A-Z][A-Za-z0-9-]{1,39}")
_SHORT = 200
#: (the item, its entry in the document, its answers)
Row = tuple[Node, dict[str, Any], Sequence[Answer]]


def read_head(
    root: Node, rest: Mapping[str, Any], source: str, remarks: list[str], questions: int
) -> dict[str, Any]:
    """Return all of a document but its questions, scores and words."""
    title = root.text("title") or root.text("name") or "Imported questionnaire"
    head: dict[str, Any] = {
        **(rest or _guesses(root, source, remarks, questions)),
        "code": _code(root, title, remarks),
        "title": title,
        "version": _version(root, remarks),
        "measures": title,
    }
    about = root.text("description") or title
    if rest or len(about) <= _SHORT:
        head["measures"] = about
    else:
        head["notes"] = [about]
    licence = {"class": "bundle", "citation": source, "verified": False}
    licence |= as_node("extension.licence", rest.get("licence", {})).data
    terms = root.text("copyright") or "Not stated in the Questionnaire"
    head["licence"] = licence | {"text": terms}
    panel = root.loinc()
    if panel or "loinc" in rest:
        codes = as_node("extension.loinc", rest.get("loinc") or _by(source)).data
        head["loinc"] = {**codes, **({"panel": panel} if panel else {})}
    _check_subject(root)
    return head


def _guesses(root: Node, source: str, remarks: list[str], questions: int) -> dict[str, Any]:
    """Return what a Questionnaire of others does not say."""
    if (status := root.text("status")) != "active":
        remarks.append(f"Its status is {(status or 'not stated')[:20]}.")
    remarks.append("The recall period is not stated, and the minutes are an estimate.")
    return {
        "respondent": "patient",
        "validated": False,
        "direction": "higher_is_worse",
        "recall": {"days": None} | _by(source),
        "minutes": {
            "estimate": max(1, round(questions / 5)),
            "citation": "Estimated from the number of questions",
            "verified": False,
        },
        "notes": [],
    }


def _by(source: str) -> dict[str, Any]:
    return {"citation": source, "verified": False}


def _check_subject(root: Node) -> None:
    subjects = root.data.get("subjectType")
    if subjects and isinstance(subjects, list) and "Patient" not in subjects:
        raise FhirError("subjectType", "does not name Patient")


def _code(root: Node, title: str, remarks: list[str]) -> str:
    for identifier in root.children("identifier"):
        value = identifier.text("value")
        if (identifier.text("system") or "").endswith(CODES) and value:
            return value
    name = root.text("name") or title
    code = re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-")
    code = code[:1].upper() + code[1:40]
    code = code if code[:1].isalpha() else f"Q-{code}"[:40]
    code = code.rstrip("-") if _CODE.fullmatch(code.rstrip("-")) else "Imported"
    remarks.append(f"Its short name {code} is made from its name.")
    return code


def _version(root: Node, remarks: list[str]) -> str:
    version = root.text("version") or ""
    if re.fullmatch(r"[0-9]{1,9}\.[0-9]{1,9}\.[0-9]{1,9}", version, re.ASCII):
        return version
    remarks.append("Its version is not of the form 1.0.0, which is taken instead.")
    return "1.0.0"


class Words:
    """Gather the words of the questions by language, and their answers in lists."""

    def __init__(
        self, root: Node, rest: Mapping[str, Any], source: str, remarks: list[str]
    ) -> None:
        self.root, self.source, self.remarks = root, source, remarks
        self.known = as_node("extension.wording", rest.get("wording", {})).data
        self.given = as_node("extension.response_options", rest.get("response_options", {})).data
        self.lists: dict[str, list[dict[str, Any]]] = {}
        self.labels: dict[str, list[Mapping[str, str]]] = {}

    def collect(
        self, questions: Sequence[Row], stem: Node | None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the answer lists and the wording, and name each question's list in its entry."""
        for node, row, answers in questions:
            row["options"] = self._list(node, row.get("options"), answers)
        used = {name: rows for name, rows in self.given.items() if name not in self.lists}
        wording = {
            language: words
            for language in self._languages(questions)
            if (words := self._wording(language, questions, stem)) is not None
        }
        return {**self.lists, **used}, wording

    def _list(self, node: Node, name: object, answers: Sequence[Answer]) -> str:
        """Return the name of the list with just these answers, which is new if there is none."""
        is_known = isinstance(name, str) and name in self.given
        start = str(name) if is_known else "answers"
        rows = self._rows(node, answers, self._known_rows(start) if is_known else None)
        labels = [answer.labels for answer in answers]
        number, found = 1, start
        while found in self.lists and (self.lists[found], self.labels[found]) != (rows, labels):
            number += 1
            found = f"{start}-{number}"
        self.lists[found], self.labels[found] = rows, labels
        return found

    def _known_rows(self, name: str) -> dict[Any, Mapping[str, Any]]:
        rows = self.given[name]
        if not isinstance(rows, list):
            raise FhirError(f"extension.response_options.{name}", "is not a list")
        nodes = [as_node(f"extension.response_options.{name}", row).data for row in rows]
        return {row.get("value"): row for row in nodes if isinstance(row.get("value"), int)}

    def _rows(
        self, node: Node, answers: Sequence[Answer], known: Mapping[Any, Mapping[str, Any]] | None
    ) -> list[dict[str, Any]]:
        weights = [answer.weight for answer in answers]
        is_counted = known is not None or any(weight is not None for weight in weights)
        if not all(weight is None or is_whole(weight) for weight in weights):
            if known is not None:
                raise FhirError(node.path, "has weights that are no whole numbers")
            self.remarks.append("Weights that are no whole numbers are left out.")
            is_counted = False
        elif known is None and is_counted and None in weights:
            self.remarks.append("An answer without a weight is taken not to count at all.")
        return [
            self._row(answer, is_counted, (known or {}).get(answer.value)) for answer in answers
        ]

    def _row(
        self, answer: Answer, is_counted: bool, known: Mapping[str, Any] | None
    ) -> dict[str, Any]:
        score = answer.value
        if is_counted:
            score = None if answer.weight is None else int(answer.weight)  # type: ignore[assignment]
        row: dict[str, Any] = {"value": answer.value}
        if known and known.get("score", answer.value) == score:
            row |= known
        elif score != answer.value:
            row["score"] = score
        if answer.loinc and _ANSWER_CODE.fullmatch(answer.loinc):
            row["loinc"] = answer.loinc
        return row

    def _languages(self, questions: Sequence[Row]) -> Iterable[str]:
        """Return the languages in which there are words, the form's own first."""
        found = {lang for node, _, _ in questions for lang in node.translated("text")}
        texts = [node.text("text") for node, _, _ in questions]
        own = self.root.text("language")
        if own is None and any(texts):
            own = "en"
            self.remarks.append("Its language is not stated, and taken to be English.")
        self.own = own
        languages = [own] if own else []
        for language in [*languages, *sorted(found - {own})]:
            if _LANGUAGE.fullmatch(language):
                yield language
            else:
                self.remarks.append(f"The language {language[:20]!r} is left out: it has no code.")

    def _wording(
        self, language: str, questions: Sequence[Row], stem: Node | None
    ) -> dict[str, Any] | None:
        known = as_node(f"extension.wording.{language}", self.known.get(language, {})).data
        items = {row["link_id"]: self._said(node, "text", language) for node, row, _ in questions}
        options = {
            name: {
                str(row["value"]): self._label(labels, language)
                for row, labels in zip(rows, self.labels[name], strict=True)
            }
            for name, rows in self.lists.items()
        }
        words = [*items.values(), *(text for each in options.values() for text in each.values())]
        if not all(words):
            self.remarks.append(f"The words in {language} are not complete, and left out.")
            return None
        title = self.root.translated("title").get(language) or self.root.text("title")
        unused = as_node(f"extension.wording.{language}.options", known.get("options", {})).data
        return {
            "title": title or self.root.text("name") or "Imported questionnaire",
            **_by(self.source),
            **known,
            "stem": (self._said(stem, "text", language) or "") if stem else "",
            "items": items,
            "options": {**unused, **options},
        }

    def _said(self, node: Node, key: str, language: str) -> str | None:
        return node.text(key) if language == self.own else node.translated(key).get(language)

    def _label(self, labels: Mapping[str, str], language: str) -> str | None:
        own = labels.get("") if language == self.own else None
        return own or labels.get(language) or labels.get("*")
