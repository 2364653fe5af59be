"""What the pages about questionnaires show: the list, the evidence, the preview."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.utils.translation import get_language, get_language_info, ngettext
from django.utils.translation import gettext as _

from outcomes.clinic_site.answers import wording_of
from outcomes.clinic_site.instrument_words import Line, Speller, rule_words
from outcomes.clinics.models import Clinic, User
from outcomes.instruments.conditions import Answered
from outcomes.instruments.definition import (
    Definition,
    Item,
    Levels,
    Option,
    Scale,
    Source,
    Wording,
)
from outcomes.instruments.evidence import missing_words
from outcomes.instruments.models import InstrumentVersion, InstrumentVersionQuerySet
from outcomes.review.charts.words import number


def usable(user: User, clinic: Clinic) -> list[Entry]:
    """Return every questionnaire that the clinic can use, by code; its own before a shipped one."""
    versions = InstrumentVersion.objects.visible_to(user).used_by(clinic.pk)
    entries = [Entry(version) for version in _light(versions)]
    return sorted(entries, key=lambda entry: (entry.definition.code.lower(), not entry.is_own))


def find_entry(user: User, clinic: Clinic, code: str) -> Entry | None:
    """Return the questionnaire of this code that the clinic uses, its own before a shipped one."""
    versions = InstrumentVersion.objects.visible_to(user).used_by(clinic.pk).of_code(code)
    found = [Entry(version) for version in _light(versions)]
    return min(found, key=lambda entry: not entry.is_own, default=None)


def _light(versions: InstrumentVersionQuerySet) -> InstrumentVersionQuerySet:
    # The documents are large, and read once for all requests: by hash.
    return versions.select_related("instrument").defer("content")


@dataclass(frozen=True)
class Entry:
    """One questionnaire as a clinic uses it."""

    version: InstrumentVersion

    @cached_property
    def definition(self) -> Definition:
        """Return what is asked and how it is scored."""
        return self.version.definition

    @property
    def is_own(self) -> bool:
        """Say whether the clinic made the questionnaire itself."""
        return self.version.instrument.clinic_id is not None

    @property
    def is_worded_here(self) -> bool:
        """Say whether the words are those that the clinic loaded."""
        return self.version.clinic_id is not None and not self.is_own

    @property
    def takes_wording(self) -> bool:
        """Say whether words may be loaded: a clinician's scale is never sent."""
        return self.definition.respondent == "patient"

    @property
    def why_not(self) -> str:
        """Return why patients cannot be asked; empty where they can."""
        if not self.takes_wording:
            return _("Rated by a clinician: it is never sent to a patient.")
        if self.definition.wordings:
            return ""
        if self.is_own:
            return _("Wording is not included: the clinic must load it.")
        if self.definition.licence.kind == "bundle":
            return _("Wording is not included: none could be verified word for word.")
        return _("Wording is not included: the clinic must load wording it is licensed for.")

    @property
    def languages(self) -> list[str]:
        """Return the names of the languages in which patients can be asked."""
        return [language_name(code) for code in self.definition.languages]


def language_name(code: str) -> str:
    """Return the name of a language, or its code where Django does not know it."""
    try:
        return str(get_language_info(code)["name_translated"])
    except KeyError:
        return code


@dataclass(frozen=True, slots=True)
class Named:
    """One fact with its name, what it says and who says so."""

    name: str
    words: str
    source: Source


@dataclass(frozen=True, slots=True)
class ScaleFacts:
    """One score: how it is made, and what is published about it."""

    scale: Scale
    scoring: list[str]
    missing: str
    rules: list[Named]

    @property
    def table(self) -> list[tuple[int, str, str]]:
        """Return the rows of a published table: sum, score, standard error."""
        return [
            (total, number(value), "" if error is None else number(error))
            for total, (value, error) in sorted(self.scale.table.items())
        ]


@dataclass(frozen=True, slots=True)
class Answers:
    """The answers that some items share; an item of its own where it stands alone."""

    items: str
    options: list[tuple[Option, str]]


@dataclass(frozen=True, slots=True)
class InstrumentPage:
    """Everything that is known about one questionnaire, in words."""

    entry: Entry

    @property
    def definition(self) -> Definition:
        """Return what is asked and how it is scored."""
        return self.entry.definition

    @property
    def wording(self) -> Wording | None:
        """Return the words in the reader's language where they are here, else in another."""
        language = (get_language() or "en").split("-")[0]
        languages = self.definition.languages
        return wording_of(self.definition, language if language in languages else "en")

    @property
    def speller(self) -> Speller:
        """Return what puts conditions into words."""
        return Speller(self.definition, self.wording)

    @property
    def recall(self) -> str:
        """Return which time the questions ask about, and what that means beside a session."""
        days = self.definition.recall_days
        if days is None:
            return _("No number of days.")
        if days == 0:
            return _("Right now.")
        said = ngettext("Asks about the last day.", "Asks about the last %(days)s days.", days)
        reach = ngettext(
            "Answered within a day after a session, it reaches back past the session.",
            "Answered within %(days)s days after a session, it reaches back past the session.",
            days,
        )
        return f"{said} {reach}" % {"days": days}

    @property
    def direction(self) -> str:
        """Return which way is worse."""
        is_worse = self.definition.direction == "higher_is_worse"
        return _("A higher score is worse.") if is_worse else _("A higher score is better.")

    @property
    def scales(self) -> list[ScaleFacts]:
        """Return every score with its arithmetic and its published rules."""
        return [
            ScaleFacts(
                scale, self.speller.scoring(scale), missing_words(scale), list(_rules(scale))
            )
            for scale in self.definition.scales
        ]

    @property
    def levels(self) -> list[tuple[Levels, list[tuple[str, Line]]]]:
        """Return every result in words with the rule of each of its words."""
        return [
            (row, [(rank.label, self.speller.condition(rank.when)) for rank in row.ranks])
            for row in self.definition.levels
        ]

    @property
    def safety(self) -> list[Named]:
        """Return the answers that raise an alert."""
        return [
            Named(
                self.speller.answered(Answered({item.link_id: item.safety.at_least}, 1)),
                item.safety.note,
                item.safety,
            )
            for item in self.definition.items
            if item.safety
        ]

    @property
    def branches(self) -> list[tuple[str, str]]:
        """Return which items are asked only after certain answers."""
        return [
            (self.speller.items([item.link_id]), self.speller.answered(item.enabled_when))
            for item in self.definition.items
            if item.enabled_when
        ]

    @property
    def items(self) -> list[tuple[Item, str]]:
        """Return every item with its words; empty where they are not here."""
        words = self.wording
        return [
            (item, words.items[item.link_id] if words else "") for item in self.definition.items
        ]

    @property
    def answers(self) -> list[Answers]:
        """Return the answers, once for all items that share them."""
        words, alike = self.wording, dict[Any, list[Item]]()
        for item in self.definition.items:
            labels = tuple(words.options[item.link_id].items()) if words else ()
            alike.setdefault((item.options, labels), []).append(item)
        return [
            Answers(
                self.speller.items(item.link_id for item in items),
                [(option, dict(labels).get(option.value, "")) for option in options],
            )
            for (options, labels), items in alike.items()
        ]

    @property
    def codes(self) -> list[Named]:
        """Return the codes of the whole questionnaire, with who states them."""
        known = (("loinc", "panel", _("LOINC panel")), ("snomed", "score", _("SNOMED CT, score")))
        return [
            Named(name, found[key], Source(citation=found["citation"], verified=found["verified"]))
            for system, key, name in known
            if key in (found := self.definition.content.get(system, {}))
        ]


def _rules(scale: Scale) -> Iterator[Named]:
    for cutoff in scale.cutoffs:
        yield Named(_("Cut-off"), rule_words(cutoff), cutoff)
    named = (
        (_("Baseline for percentages"), scale.baseline_min),
        (_("Response"), scale.response),
        (_("Remission"), scale.remission),
        (_("Reliable change"), scale.reliable_change),
        (_("Minimal change"), scale.minimal_change),
    )
    yield from (Named(name, rule_words(rule), rule) for name, rule in named if rule)


# -- The preview ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Choice:
    """One answer to choose, as the patient's page shows it before anything is chosen."""

    value: int
    label: str
    needs_help: bool
    is_chosen: bool = False


@dataclass(frozen=True, slots=True)
class Question:
    """One question as the patient's page shows it, and when it is asked."""

    item: Item
    wording: Wording
    asked_when: str
    helps_when: str

    @property
    def text(self) -> str:
        """Return the question, word for word."""
        return self.wording.items[self.item.link_id]

    @property
    def stem(self) -> str:
        """Return what stands before the question; empty where nothing does."""
        return self.wording.stem if self.item.uses_stem else ""

    @property
    def choices(self) -> list[Choice]:
        """Return the answers in the instrument's order."""
        labels, safety = self.wording.options[self.item.link_id], self.item.safety
        return [
            Choice(
                option.value,
                labels[option.value],
                safety is not None and option.value >= safety.at_least,
            )
            for option in self.item.options
        ]


def questions_of(definition: Definition, wording: Wording) -> list[Question]:
    """Return every question, those too that are asked only after certain answers."""
    speller = Speller(definition, wording)

    def answered(link_id: str, at_least: int) -> str:
        return speller.answered(Answered({link_id: at_least}, 1))

    return [
        Question(
            item,
            wording,
            asked_when=speller.answered(item.enabled_when) if item.enabled_when else "",
            helps_when=answered(item.link_id, item.safety.at_least) if item.safety else "",
        )
        for item in definition.items
    ]
