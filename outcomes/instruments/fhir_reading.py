"""Read a FHIR R4 Questionnaire, ours or another's, as a definition document.

Pure: no Django. What our own extension says is the ground; what the elements say stands above it.
What is not understood is refused, or left out with a remark, and never silently.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from outcomes.instruments.definition import Definition, DefinitionError
from outcomes.instruments.fhir_answers import Asked, read_answers, weights_of
from outcomes.instruments.fhir_elements import (
    CALCULATIONS,
    INSTRUMENT,
    FhirError,
    Node,
    as_node,
    decode,
)
from outcomes.instruments.fhir_rules import read_gate, turn, turned_items
from outcomes.instruments.fhir_scales import Calculated, edited_scales, read_scales
from outcomes.instruments.fhir_words import Words, read_head

_MOST_ITEMS, _MOST_SCORES, _DEEPEST = 500, 50, 10
_ENTRIES = {
    "integer", "decimal", "string", "text", "date", "dateTime", "time", "url", "attachment",
    "reference", "quantity", "open-choice",
}  # fmt: skip
_R5 = {"answerConstraint", "disabledDisplay", "versionAlgorithmString", "copyrightLabel"}
_R5_TYPES = {"coding", "question"}
_UNASKED = ("enableWhenExpression", "answerExpression", "candidateExpression")
#: extensions that this reading uses, and some that only say how a form looks
_KNOWN = {
    "ordinalValue", "itemWeight", "translation", "data-absent-reason", "variable",
    "sdc-questionnaire-calculatedExpression", "questionnaire-calculatedExpression",
    "questionnaire-itemControl", "questionnaire-choiceOrientation", "questionnaire-optionPrefix",
    "instrument-definition", "stored-value",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Imported:
    """Hold a definition document, and a sentence on each thing that was not understood or lost."""

    content: dict[str, Any]
    remarks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Found:
    """Describe an item of the tree: the groups above it, and how deep it lies."""

    node: Node
    link_id: str
    kind: str
    groups: tuple[Node, ...]
    depth: int | None


@dataclass(frozen=True, slots=True)
class _Question:
    """Describe a question that was understood; row is its entry in the document."""

    found: _Found
    asked: Asked
    row: dict[str, Any]


def read(resource: object) -> Imported:
    """Read a Questionnaire; raises FhirError with the path and the reason."""
    root = as_node("", resource)
    if root.data.get("resourceType") != "Questionnaire":
        raise FhirError("resourceType", "is not Questionnaire")
    reading = _Reading(root)
    content = reading.content()
    try:
        Definition.from_json(content)
    except DefinitionError as error:
        raise FhirError(error.path, f"what was read is no instrument: {error.reason}") from error
    return Imported(content, tuple(dict.fromkeys(reading.remarks)))


class _Reading:
    """Read one Questionnaire."""

    def __init__(self, root: Node) -> None:
        self.root, self.remarks = root, list[str]()
        _check_understood(root)
        self.rest = _rest_of(root)
        self.is_ours = bool(self.rest)
        self.stem_item = self.rest.pop("stem_item", None)
        self.score_items = _mapping(self.rest.pop("score_items", {}), "score_items")
        self.rows = _mapping(self.rest.get("items", {}), "items")
        self.turned = self._turned()
        self.source = f"Imported from a FHIR Questionnaire ({root.text('url') or 'without url'})"
        self.items = self._walk(root, (), 1)
        if repeated := _repeated([item.link_id for item in self.items]):
            raise FhirError("item", f"linkId {repeated!r} stands twice")
        self.left_out: dict[str, FhirError] = {}
        self.ids: dict[str, str] = {}  # from the linkId there to the one stored

    def content(self) -> dict[str, Any]:
        questions = self._questions()
        if not questions:
            first = next(iter(self.left_out.values()), FhirError("item", "there is no question"))
            raise FhirError(first.path, f"no question can be read here, for it {first.reason}")
        scales = self._scales(questions)
        self._remark_on_extensions()
        for error in self.left_out.values():
            self.remarks.append(f"The question at {error.path} is left out: it {error.reason}.")
        return self._document(questions, scales)

    def _remark_on_extensions(self) -> None:
        nodes = [self.root, *(found.node for found in self.items)]
        nodes += [option for node in nodes for option in node.children("answerOption")]
        rows = [row for node in nodes for row in node.children("extension")]
        names = {(row.text("url") or "").rsplit("/", 1)[-1][:60] for row in rows} - _KNOWN
        if names:
            self.remarks.append(f"Extensions left out: {', '.join(sorted(names)[:20])}.")
        if self.root.data.get("contained"):
            self.remarks.append("Contained resources are left out.")

    def _turned(self) -> set[str]:
        try:
            return turned_items(self.rest.get("scales", []))
        except (TypeError, KeyError, AttributeError) as error:
            raise FhirError("extension", "the scales in it are not understood") from error

    def _walk(self, node: Node, groups: tuple[Node, ...], depth: int | None) -> list[_Found]:
        """Return every item in the order of the form."""
        found: list[_Found] = []
        if len(groups) > _DEEPEST:
            raise FhirError(node.path, f"groups lie more than {_DEEPEST} deep")
        for child in node.children("item"):
            _check_understood(child)
            link_id, kind = child.text("linkId"), child.text("type")
            if link_id is None or kind is None:
                raise FhirError(child.path, f"has no {'type' if link_id else 'linkId'}")
            if kind in _R5_TYPES:
                raise FhirError(child.path, f"its type {kind!r} is of FHIR R5; R4 is read here")
            found.append(_Found(child, link_id, kind, groups, depth))
            is_group = kind == "group"
            below = depth + 1 if is_group and depth is not None else None
            found += self._walk(child, (*groups, child), below)
            if len(found) > _MOST_ITEMS:
                raise FhirError(node.path, f"has more than {_MOST_ITEMS} items")
        return found

    def _questions(self) -> list[_Question]:
        questions: list[_Question] = []
        before: dict[str, Asked] = {}
        for found in self.items:
            if found.kind in ("group", "display") or self._is_computed(found):
                continue
            try:
                question = self._question(found, before)
            except FhirError as error:
                if found.node.flag("required") or self.is_ours:
                    raise
                self.left_out[found.link_id] = error
                continue
            questions.append(question)
            before[found.link_id] = question.asked
        return questions

    def _is_computed(self, found: _Found) -> bool:
        if found.link_id in self.score_items or any(found.node.extensions(*CALCULATIONS)):
            return True
        return found.node.flag("readOnly") and found.kind in ("integer", "decimal", "quantity")

    def _question(self, found: _Found, before: Mapping[str, Asked]) -> _Question:
        node = found.node
        _check_askable(found)
        row = dict(_mapping(self.rows.get(found.link_id, {}), f"items.{found.link_id}"))
        answers = read_answers(found.kind, node)
        if found.link_id in self.turned:
            points = turn({answer.value: answer.weight for answer in answers})
            answers = [replace(answer, weight=points[answer.value]) for answer in answers]
        gate = self._gate(found, before, row.pop("enabled_when", None))
        if gate:
            row["enabled_when"] = gate
        if node.flag("required") != row.get("required", True):
            row["required"] = node.flag("required")
        if loinc := node.loinc():
            row["loinc"] = loinc
        if found.depth is None:
            self.remarks.append("Questions beneath an answer are asked like all others.")
        options = node.children("answerOption")
        if node.data.get("initial") or any(row.data.get("initialSelected") for row in options):
            self.remarks.append("Initial answers are left out.")
        if node.text("prefix"):
            self.remarks.append("Printed numbers (prefix) are left out.")
        link_id = self.ids[found.link_id] = self._link_id(found.link_id)
        asked = Asked(found.link_id, found.depth, answers)
        return _Question(found, asked, row | {"link_id": link_id})

    def _gate(self, found: _Found, before: Mapping[str, Asked], known: Any) -> Any:
        """Return when a question is asked: by its own rule, or that of one thing above it."""
        gates = [read_gate(node, before) for node in (*found.groups, found.node)]
        given = [gate for gate in gates if gate]
        if not given:
            return None
        if len(given) > 1:
            raise FhirError(found.node.path, "is asked on conditions within conditions")
        if isinstance(known, Mapping) and _same_gate(known, given[0], before):
            return known
        return given[0] | {"items": {self.ids[k]: v for k, v in given[0]["items"].items()}}

    def _link_id(self, link_id: str) -> str:
        """Return a linkId in the form that is stored, unlike all others."""
        start = re.sub(r"[^A-Za-z0-9._-]+", "-", link_id).strip("-")[:40] or "item"
        found, number = start, 1
        while found in self.ids.values():
            number += 1
            found = f"{start[:36]}-{number}"
        if found != link_id:
            self.remarks.append("Some linkIds are stored in a simpler form, without / and spaces.")
        return found

    def _scales(self, questions: Sequence[_Question]) -> list[dict[str, Any]]:
        """Return the scales: our own as they were edited, or those of its sums."""
        asked = [question.asked for question in questions]
        items = [
            Calculated(found.node, (self.root, *found.groups, found.node))
            for found in self.items
            if self._is_computed(found)
        ]
        if len(items) > _MOST_SCORES:
            raise FhirError("item", f"has more than {_MOST_SCORES} scores")
        if self.is_ours:
            return edited_scales(
                self.rest.get("scales", []), self.score_items, items, asked, self.ids
            )
        # A sum may count a question that is left out, where that has weights.
        elsewhere = [
            Asked(found.link_id, found.depth, weights_of(found.node))
            for found in self.items
            if found.link_id in self.left_out
        ]
        return read_scales(items, [*asked, *elsewhere], self.ids, self.source, self.remarks)

    def _document(self, questions: Sequence[_Question], scales: list[Any]) -> dict[str, Any]:
        counted = {key for scale in scales for key in scale["scoring"]["items"]}
        if scales and not self.is_ours:
            for question in questions:
                if question.row["link_id"] not in counted:
                    question.row["scored"] = False
        words = Words(self.root, self.rest, self.source, self.remarks)
        stem = self._stem(questions)
        options, wording = words.collect(
            [(q.found.node, q.row, q.asked.answers) for q in questions], stem
        )
        head = read_head(self.root, self.rest, self.source, self.remarks, len(questions))
        return {
            **head,
            "response_options": options,
            "items": [question.row for question in questions],
            "scales": scales,
            "wording": wording,
        }

    def _stem(self, questions: Sequence[_Question]) -> Node | None:
        """Return the element whose text stands above the questions, and mark who is without it."""
        texts = [f.node for f in self.items if f.kind in ("group", "display") and _has_text(f)]
        stem = next((f.node for f in self.items if f.link_id == self.stem_item), None)
        if not self.is_ours:
            stem = self._group_stem(questions) or self._first_text(texts)
        for node in texts:
            if node is not stem:
                self.remarks.append(f"The text at {node.path} is left out.")
        return stem

    def _group_stem(self, questions: Sequence[_Question]) -> Node | None:
        above = [
            next((g for g in reversed(q.found.groups) if g.data.get("text")), None)
            for q in questions
        ]
        stems = {node.path: node for node in above if node}
        if len(stems) != 1:
            return None
        for question, node in zip(questions, above, strict=True):
            if node is None:
                question.row["uses_stem"] = False
        return next(iter(stems.values()))

    def _first_text(self, texts: Sequence[Node]) -> Node | None:
        """Return the one text that stands before every question."""
        first = self.items[0]
        is_alone = len(texts) == 1 and first.node is texts[0]
        return first.node if is_alone and first.kind == "display" else None


def _rest_of(root: Node) -> dict[str, Any]:
    for extension in root.children("extension"):
        if (extension.text("url") or "").endswith(INSTRUMENT):
            return dict(_mapping(decode(extension), "extension"))
    return {}


def _mapping(value: Any, path: str) -> Mapping[str, Any]:
    return as_node(path, value).data


def _repeated(names: Sequence[str]) -> str | None:
    return next((name for name, count in Counter(names).items() if count > 1), None)


def _has_text(found: _Found) -> bool:
    return bool(found.node.text("text"))


def _same_gate(known: Mapping[str, Any], read: Any, before: Mapping[str, Asked]) -> bool:
    """Tell whether a rule says the same as one whose values stand between two answers."""
    items = known.get("items")
    if not isinstance(items, Mapping) or set(items) != set(read["items"]):
        return False
    reached = {
        key: min((a.value for a in before[key].answers if a.value >= least), default=None)
        for key, least in items.items()
        if type(least) is int
    }
    return bool(reached == read["items"] and known.get("at_least") == read["at_least"])


def _check_understood(node: Node) -> None:
    """Refuse what may not be overlooked, and what is not R4."""
    for name in ("modifierExtension", "implicitRules"):
        if node.data.get(name):
            raise FhirError(f"{node.path}.{name}", "may not be overlooked, and is not known here")
    for name in sorted(_R5 & node.data.keys()):
        raise FhirError(f"{node.path}.{name}", "is of FHIR R5; R4 is read here")


def _check_askable(found: _Found) -> None:
    """Refuse a question that is not one answer out of several."""
    node = found.node
    if found.kind not in ("boolean", "choice") and not (
        found.kind == "integer" and not node.flag("readOnly")
    ):
        kind = found.kind if found.kind in _ENTRIES else "unknown"
        raise FhirError(node.path, f"is of type {kind}, which is no choice of whole numbers")
    for place in (*found.groups, node):
        if place.flag("repeats"):
            raise FhirError(place.path, "repeats, which is not supported")
        for extension in place.children("extension"):
            name = (extension.text("url") or "").rsplit("/", 1)[-1]
            is_hidden = (
                name == "questionnaire-hidden" and extension.data.get("valueBoolean") is True
            )
            if is_hidden or name.endswith(_UNASKED):
                raise FhirError(place.path, f"has the extension {name}, which is not supported")
    if node.flag("readOnly"):
        raise FhirError(node.path, "is read-only, so that nobody is asked")
