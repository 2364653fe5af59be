"""Answers in the words they were given in, and what the same question was answered before."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from outcomes.alerts.models import Alert, AlertReason
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


@dataclass(frozen=True, slots=True)
class Repeat:
    """How an alert's answer stands to the one given before; facts only.

    `before` is None when the question had not been answered before. `earlier_alerts` counts the
    alerts this question raised before this one.
    """

    before: Answer | None
    before_at: datetime | None
    comparison: str  # "first" | "worse" | "same" | "less"
    earlier_alerts: int


def answer_of(alert: Alert) -> Answer | None:
    """Return the answer that raised an alert, even if it was changed later.

    None when the safety check itself failed.
    """
    if alert.rule is None:
        return None
    definition = alert.response.instrument_version.definition
    words = wording_of(definition, alert.response.language)
    items = {item.link_id: item for item in definition.items}
    key, response = alert.rule.link_id, alert.response
    is_taken_back = response.submitted_at is not None and response.answers.get(key) != alert.value
    return _answer(items[key], alert.value, words, is_taken_back=is_taken_back)


def repeat_of(alert: Alert) -> Repeat | None:
    """Compare an alert's answer with the patient's last one to the same question."""
    if alert.rule is None or alert.value is None:
        return None
    link_id = alert.rule.link_id
    earlier = Alert.objects.filter(
        patient=alert.patient_id,
        rule=alert.rule,
        reason=AlertReason.ANSWER,
        raised_at__lt=alert.raised_at,
    ).count()
    for response in _responses_before(alert):
        value = response.answers.get(link_id)
        if value is not None:
            before = next(row for row in answers_of(response) if row.item.link_id == link_id)
            comparison = "same" if alert.value == value else "less"
            comparison = "worse" if alert.value > value else comparison
            return Repeat(before, response.submitted_at, comparison, earlier)
    return Repeat(None, None, "first", earlier)


def _responses_before(alert: Alert) -> list[QuestionnaireResponse]:
    assert alert.rule is not None
    rows = QuestionnaireResponse.objects.final().filter(
        patient=alert.patient_id,
        instrument_version__instrument=alert.rule.instrument_id,
        submitted_at__lt=alert.response.submitted_at or alert.raised_at,
    )
    # An item may be left open, so a few are looked through for the last answer.
    return list(rows.select_related("instrument_version").order_by("-submitted_at")[:20])
