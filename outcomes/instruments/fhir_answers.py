"""The answers that a Questionnaire's item takes, as stored values with what each counts.

Pure: no Django.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from outcomes.instruments.fhir_elements import (
    ANSWERS,
    LOINC,
    STORED_VALUE,
    WEIGHTS,
    FhirError,
    Node,
    as_number,
)

_LARGEST = 2**31
_MOST = 200
_NUMBERS = (
    "http://hl7.org/fhir/StructureDefinition/minValue",
    ("http://hl7.org/fhir/StructureDefinition/maxValue"),
)
#: what stands for yes and no; without weights, yes is the higher answer wherever it is printed
_YES, _NO = {"LA33-6", "Y", "373066001"}, {"LA32-8", "N", "373067005"}
_NO_YES = {
    "en": ("No", "Yes"),
    "de": ("Nein", "Ja"),
    "es": ("No", "Sí"),
    "fr": ("Non", "Oui"),
    "it": ("No", "Sì"),
    "nl": ("Nee", "Ja"),
    "pt": ("Não", "Sim"),
}


@dataclass(frozen=True, slots=True)
class Answer:
    """Describe one answer: its stored value, what it is in FHIR, and what it counts there.

    key is a system and a code, or the answer itself; weight is None where FHIR gives none; the
    labels are by language, the form's own under "".
    """

    value: int
    key: object
    weight: int | float | None = None
    loinc: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    stored: int | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """Describe a question as a rule sees it; depth is None beneath another's answer."""

    link_id: str
    depth: int | None
    answers: Sequence[Answer]

    @property
    def weighs(self) -> bool:
        """Tell whether any answer has a weight."""
        return any(answer.weight is not None for answer in self.answers)

    @property
    def is_number(self) -> bool:
        """Tell whether every answer is a whole number, and counts as such."""
        return bool(self.answers) and all(
            type(answer.key) is int and answer.weight in (None, answer.key)
            for answer in self.answers
        )


def is_whole(number: float) -> bool:
    """Tell whether a weight can be counted here."""
    return number == int(number) and abs(number) < _LARGEST


def read_answers(kind: str, node: Node) -> list[Answer]:
    """Return the answers of a boolean, choice or whole-number item; raises FhirError."""
    if kind == "boolean":
        return [
            Answer(value, bool(value), labels={lang: row[value] for lang, row in _NO_YES.items()})
            for value in (0, 1)
        ]
    if node.text("answerValueSet"):
        raise FhirError(node.path, "has its answers in a ValueSet, which is not read")
    options = node.children("answerOption")
    if kind == "integer" and not options:
        return _range(node)
    if not 2 <= len(options) <= _MOST:
        raise FhirError(node.path, f"has {len(options)} answers to choose from")
    answers = [_answer(option) for option in options]
    if len({answer.key for answer in answers}) < len(answers):
        raise FhirError(node.path, "has two answers that are the same")
    values = _values(answers)
    if len(set(values)) < len(values):
        raise FhirError(node.path, "has two answers with the same stored value")
    return [_with_value(answer, value) for answer, value in zip(answers, values, strict=True)]


def weight_of(option: Node) -> int | float | None:
    """Return the weight of an answerOption, None where it has none; raises FhirError."""
    coding = option.child("valueCoding")
    for place in (option, coding) if coding else (option,):
        for extension in place.extensions(*WEIGHTS):
            for name in ("valueDecimal", "valueInteger"):
                if name in extension.data:
                    found = as_number(f"{extension.path}.{name}", extension.data[name])
                    return int(found) if is_whole(found) else found
    return None


def weights_of(node: Node) -> list[Answer]:
    """Return the weights of an item that is not read otherwise."""
    weights = [weight_of(option) for option in node.children("answerOption")]
    return [Answer(i, None, weight) for i, weight in enumerate(weights)]


def _range(node: Node) -> list[Answer]:
    """Return every whole number between the least and the greatest, where both are given."""
    ends = [
        extension.data.get("valueInteger") for url in _NUMBERS for extension in node.extensions(url)
    ]
    low, high = ends if len(ends) == 2 else (None, None)
    if type(low) is not int or type(high) is not int or not 0 < high - low < _MOST:
        raise FhirError(node.path, "asks for a number without a least and a greatest one")
    if max(abs(low), abs(high)) >= _LARGEST:
        raise FhirError(node.path, "takes numbers that are too large")
    return [Answer(value, value, labels={"*": str(value)}) for value in range(low, high + 1)]


def _answer(option: Node) -> Answer:
    """Read one option; its value is still open."""
    weight = weight_of(option)
    stored = next((row.data.get("valueInteger") for row in _stored_rows(option)), None)
    stored = stored if type(stored) is int else None
    if coding := option.child("valueCoding"):
        system, code, display = (coding.text(name) for name in ("system", "code", "display"))
        if code is None and display is None:
            raise FhirError(f"{option.path}.valueCoding", "has neither code nor display")
        if system and code and system.endswith(ANSWERS):
            if not code.removeprefix("-").isdecimal() or len(code) > 11:
                raise FhirError(f"{option.path}.valueCoding.code", "is no stored value")
            stored = int(code)
        labels = coding.translated("display") | ({"": display} if display else {})
        loinc = code if system == LOINC else None
        return Answer(0, (system, code or display), weight, loinc, labels, stored)
    if "valueInteger" in option.data:
        number = option.data["valueInteger"]
        if type(number) is not int or abs(number) >= _LARGEST:
            raise FhirError(f"{option.path}.valueInteger", "is no whole number")
        return Answer(0, number, weight, labels={"*": str(number)}, stored=number)
    if words := option.text("valueString"):
        labels = option.translated("valueString") | {"": words}
        return Answer(0, words, weight, labels=labels, stored=stored)
    kinds = [name for name in option.data if name.startswith("value")]
    raise FhirError(option.path, f"{kinds[0]} is not supported" if kinds else "has no value")


def _stored_rows(option: Node) -> list[Node]:
    rows = option.children("extension")
    return [row for row in rows if (row.text("url") or "").endswith(STORED_VALUE)]


def _values(answers: Sequence[Answer]) -> list[int]:
    """Choose what is stored: our own value, the number, the weight, yes over no, or the place."""
    wanted: list[int | None] = [answer.stored for answer in answers]
    if not any(value is not None for value in wanted):
        wanted = _values_of_weights(answers) or _no_and_yes(answers) or list(range(len(answers)))
    found: list[int] = []
    free = max([value for value in wanted if value is not None], default=-1) + 1
    for value in wanted:
        found.append(free if value is None else value)
        free += value is None
    return found


def _values_of_weights(answers: Sequence[Answer]) -> list[int | None] | None:
    weights = [answer.weight for answer in answers if answer.weight is not None]
    if not weights or len(set(weights)) < len(weights) or not all(map(is_whole, weights)):
        return None
    return [None if answer.weight is None else int(answer.weight) for answer in answers]


def _no_and_yes(answers: Sequence[Answer]) -> list[int | None] | None:
    codes = [answer.key[1] if isinstance(answer.key, tuple) else None for answer in answers]
    if len(codes) == 2 and codes[0] in _YES and codes[1] in _NO:
        return [1, 0]
    return None


def _with_value(answer: Answer, value: int) -> Answer:
    return Answer(value, answer.key, answer.weight, answer.loinc, answer.labels)
