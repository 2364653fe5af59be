"""Answers in the words they were given in."""

from __future__ import annotations

from dataclasses import dataclass

from outcomes.instruments.definition import Definition, Item, Scale, Source, Wording
from outcomes.responses.models import QuestionnaireResponse, Score


@dataclass(frozen=True, slots=True)
class Answer:
    """One item and what was chosen; the texts are empty where the wording is not in the house."""

    item: Item
    text: str
    value: int | None
    label: str
    is_skipped: bool = False  #: not asked, because of an earlier answer
    is_taken_back: bool = False  #: given, and then changed or ruled out by an earlier answer

    @property
    def is_positive(self) -> bool:
        """Say whether a safety rule holds for the answer."""
        rule = self.item.safety
        return rule is not None and self.value is not None and self.value >= rule.at_least


@dataclass(frozen=True, slots=True)
class Result:
    """One stored score beside what is published about it; a result in words has no scale."""

    score: Score
    title: str
    source: Source
    scale: Scale | None


def wording_of(definition: Definition, language: str) -> Wording | None:
    """Return the words the patient saw, else the first there are, else None."""
    languages = definition.languages
    if not languages:
        return None
    return definition.wording(language if language in languages else languages[0])


def answers_of(response: QuestionnaireResponse) -> list[Answer]:
    """Return every item of a response in its order."""
    definition = response.instrument_version.definition
    words = wording_of(definition, response.language)
    if response.submitted_at is None:
        return [
            _answer(item, response.answers.get(item.link_id), words) for item in definition.items
        ]
    alarming = _alarming(response)
    found = []
    for item in definition.items:
        key = item.link_id
        is_skipped = key not in response.answers
        if is_skipped and key in alarming:
            found.append(_answer(item, alarming[key], words, is_taken_back=True))
        else:
            found.append(_answer(item, response.answers.get(key), words, is_skipped=is_skipped))
    return found


def _alarming(response: QuestionnaireResponse) -> dict[str, int]:
    """Return, by item, the answers that raised an alert, whatever became of them."""
    raised = response.alerts.filter(rule__isnull=False).values_list("rule__link_id", "value")
    return {link_id: value for link_id, value in raised if value is not None}


def _answer(
    item: Item,
    value: int | None,
    words: Wording | None,
    *,
    is_skipped: bool = False,
    is_taken_back: bool = False,
) -> Answer:
    if words is None:
        return Answer(item, "", value, "", is_skipped, is_taken_back)
    label = words.options[item.link_id].get(value, "") if value is not None else ""
    return Answer(item, words.items[item.link_id], value, label, is_skipped, is_taken_back)


def results_of(response: QuestionnaireResponse) -> list[Result]:
    """Return the stored scores of a response in the order of its definition."""
    stored = {score.scale: score for score in response.scores.all() if score.is_current}
    definition = response.instrument_version.definition
    found = [
        Result(stored[row.code], row.title, row.scoring, row)
        for row in definition.scales
        if row.code in stored
    ]
    words = [row for row in definition.levels if row.code in stored]
    return [*found, *(Result(stored[row.code], row.title, row, None) for row in words)]
