"""One sitting: every question an invitation asks, in order, with what was answered so far."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from uuid import UUID

from outcomes.delivery import sitting as tickets
from outcomes.delivery.models import Link
from outcomes.instruments import scoring
from outcomes.instruments.definition import Definition, Item, Wording
from outcomes.instruments.models import definition_of
from outcomes.responses.models import QuestionnaireResponse
from outcomes.scheduling.models import Assignment

# A longer list of answers would stand below the edge of a small phone.
LONGEST_LIST = 7
# Ends the names of the fields that say in which revision a questionnaire was seen.
REVISION = "-revision"


@dataclass(frozen=True, slots=True)
class Choice:
    """One answer to choose; `needs_help` marks an answer after which the crisis text is shown."""

    value: int
    label: str
    is_chosen: bool
    needs_help: bool


@dataclass(frozen=True, slots=True)
class Step:
    """One question on its page. `is_met` says that it was answered or skipped before."""

    number: int
    assignment: Assignment
    item: Item
    wording: Wording
    revision: int
    value: int | None
    is_met: bool
    branches: bool  #: whether an answer may open or close questions after it
    most: int  #: how many questions its questionnaire asks at most

    @property
    def key(self) -> str:
        """Return what names this question on a page that asks several."""
        return f"{self.assignment.pk.hex[-12:]}-{self.item.link_id}"

    @property
    def is_open(self) -> bool:
        """Say whether it waits for an answer, or for being skipped."""
        return self.item.required and not self.is_met

    @property
    def text(self) -> str:
        """Return the question, word for word."""
        return self.wording.items[self.item.link_id]

    @property
    def stem(self) -> str:
        """Return what stands before the question, word for word; empty where nothing does."""
        return self.wording.stem if self.item.uses_stem else ""

    @property
    def answer(self) -> str:
        """Return the words of the answer given; empty where there is none."""
        return "" if self.value is None else self.wording.options[self.item.link_id][self.value]

    @property
    def is_scale(self) -> bool:
        """Say whether it is answered on a long scale of numbers: at most its ends have words."""
        words = self.wording.options[self.item.link_id]
        values = [option.value for option in self.item.options]
        between = [(str(value), words[value]) for value in values[1:-1]]
        return len(values) > LONGEST_LIST and all(number == word for number, word in between)

    @property
    def choices(self) -> list[Choice]:
        """Return the answers in the instrument's order."""
        labels = self.wording.options[self.item.link_id]
        return [
            Choice(
                value=option.value,
                label=labels[option.value],
                is_chosen=option.value == self.value,
                needs_help=self.needs_help(option.value),
            )
            for option in self.item.options
        ]

    @property
    def is_safety(self) -> bool:
        """Say whether the instrument flags this question."""
        return self.item.safety is not None

    @property
    def shows_help(self) -> bool:
        """Say whether the answer given calls for the crisis text."""
        return self.needs_help(self.value)

    def needs_help(self, value: int | None) -> bool:
        """Say whether this answer calls for the crisis text."""
        safety = self.item.safety
        return safety is not None and value is not None and value >= safety.at_least


@dataclass(frozen=True, slots=True)
class Section:
    """One questionnaire on a page that asks everything."""

    steps: tuple[Step, ...]

    @property
    def first(self) -> Step:
        """Return its first question, which knows its assignment, its words and its revision."""
        return self.steps[0]

    @property
    def revision_name(self) -> str:
        """Return the name of the field that says in which revision it was seen."""
        return f"{self.first.assignment.pk.hex[-12:]}{REVISION}"

    @property
    def stem(self) -> str:
        """Return what stands before its questions; empty where nothing does."""
        return next((step.stem for step in self.steps if step.stem), "")


@dataclass(frozen=True, slots=True)
class Sitting:
    """All steps of one invitation that can be answered now."""

    link: Link
    steps: tuple[Step, ...]

    def step(self, number: int) -> Step | None:
        """Return the step with this number, counted from 1."""
        return self.steps[number - 1] if 1 <= number <= len(self.steps) else None

    def find(self, assignment_id: UUID, link_id: str) -> Step | None:
        """Return the step that asks this item of this assignment."""
        for step in self.steps:
            if (step.assignment.pk, step.item.link_id) == (assignment_id, link_id):
                return step
        return None

    @property
    def most(self) -> int:
        """Return how many questions there can be: branches may yet open."""
        asked = {step.assignment.pk: step.most for step in self.steps}
        return sum(asked.values())

    @property
    def branches(self) -> bool:
        """Say whether an answer may open or close questions."""
        return any(step.branches for step in self.steps)

    @property
    def is_single(self) -> bool:
        """Say whether exactly one question is asked: it is sent from its own page."""
        return self.most == 1

    @property
    def takes_words(self) -> bool:
        """Say whether the patient may add words of their own: not to a single question."""
        return self.link.invitation.clinic.takes_words and not self.is_single

    @property
    def may_show_all(self) -> bool:
        """Say whether all may be asked on one page. A tablet locks while nobody turns pages."""
        return not self.is_single and not tickets.is_on_tablet(self.link)

    @property
    def shows_all(self) -> bool:
        """Say whether all are asked on one page, as the patient has chosen."""
        return self.may_show_all and self.link.invitation.patient.wants_one_page

    @property
    def sections(self) -> list[Section]:
        """Return the questions by questionnaire."""
        by_assignment = groupby(self.steps, key=lambda step: step.assignment.pk)
        return [Section(tuple(steps)) for _, steps in by_assignment]

    @property
    def open(self) -> list[Step]:
        """Return the questions that wait for an answer, or for being skipped."""
        return [step for step in self.steps if step.is_open]

    @property
    def first_unmet(self) -> Step | None:
        """Return the first question neither answered nor skipped."""
        return next((step for step in self.steps if not step.is_met), None)

    @property
    def answered(self) -> list[Step]:
        """Return the questions with an answer."""
        return [step for step in self.steps if step.value is not None]

    @property
    def unanswered(self) -> list[Step]:
        """Return the questions without an answer, skipped ones too."""
        return [step for step in self.steps if step.value is None]

    @property
    def seen(self) -> str:
        """Return whose answers, and what changes whenever one is stored: each revision."""
        revisions = (str(revision) for revision in self.revisions.values())
        return ".".join((self.link.invitation_id.hex[-12:], *revisions))

    @property
    def revisions(self) -> dict[UUID, int]:
        """Return the revision of each questionnaire."""
        return {step.assignment.pk: step.revision for step in self.steps}

    @property
    def languages(self) -> dict[UUID, str]:
        """Return the language of each questionnaire's words."""
        return {step.assignment.pk: step.wording.language for step in self.steps}

    @property
    def language(self) -> str:
        """Return the language of the first questionnaire's words."""
        return self.steps[0].wording.language

    def answers(self) -> dict[UUID, dict[str, int | None]]:
        """Return the answers by questionnaire, None for a question left open."""
        answers: dict[UUID, dict[str, int | None]] = {}
        for step in self.steps:
            answers.setdefault(step.assignment.pk, {})[step.item.link_id] = step.value
        return answers


def build(link: Link, now: datetime) -> Sitting:
    """Read a link's sitting: three queries, however many questionnaires it has."""
    assignments = tickets.assignments_of(link.invitation, now)
    responses = {
        response.assignment_id: response
        for response in QuestionnaireResponse.objects.in_progress().filter(
            assignment__in=assignments
        )
    }
    current = tickets.hashes_of(assignments)
    steps: list[Step] = []
    for assignment in assignments:
        response = responses.get(assignment.pk)
        content_hash = response.content_hash if response else current[assignment.instrument_id]
        steps += _steps_of(
            link, assignment, definition_of(content_hash), response, starts_at=len(steps) + 1
        )
    return Sitting(link, tuple(steps))


def _steps_of(
    link: Link,
    assignment: Assignment,
    definition: Definition,
    response: QuestionnaireResponse | None,
    *,
    starts_at: int,
) -> Iterator[Step]:
    wording = tickets.words_for(definition, link.invitation.patient)
    answers = response.answers if response else {}
    asked = scoring.asked_items(definition, answers)
    for number, item in enumerate(asked, starts_at):
        yield Step(
            number=number,
            assignment=assignment,
            item=item,
            wording=wording,
            revision=response.revision if response else 0,
            value=answers.get(item.link_id),
            is_met=item.link_id in answers,
            branches=definition.branches,
            most=len(definition.items),
        )
