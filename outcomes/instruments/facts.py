"""The parts of an instrument's definition: questions, answers, scores, rules, and who says so.

Pure: no Django.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from outcomes.instruments.conditions import Answered, Condition, Number


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Say who states a fact, and whether that was read for this project."""

    citation: str
    verified: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact(Source):
    """Hold a number, None where the source gives none."""

    value: Number | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule(Source):
    """Hold a threshold.

    kind: "at_least", "at_most" and "below" compare a score with value; "percent_fall" is a fall
    from baseline by at least value per cent; "points" is a change of at least value points.
    Sensitivity and specificity, 0 to 1, are those of a cut-off against the diagnosis it names.
    """

    kind: str
    value: Number
    meaning: str
    sensitivity: float | None = None
    specificity: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Licence(Source):
    """Say on what terms an instrument is used; kind is "bundle" or "scoring only"."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SafetyRule(Source):
    """Describe the answers that need a person: those at or above at_least."""

    at_least: int
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingRule(Source):
    """Say how many items of a scale may be missing; each then takes the mean of the others."""

    max_missing: int


@dataclass(frozen=True, slots=True)
class Option:
    """Describe one answer: the value stored, the score it counts, and its LOINC answer code.

    A score of None says that the question does not apply: neither counted nor missing.
    """

    value: int
    score: int | None
    code: str | None


@dataclass(frozen=True, slots=True)
class Item:
    """Describe one question; its words are in Wording, by language."""

    link_id: str
    options: tuple[Option, ...]
    scored: bool
    required: bool
    uses_stem: bool
    enabled_when: Answered | None
    safety: SafetyRule | None
    loinc: str | None


@dataclass(frozen=True, slots=True)
class Band:
    """Name a range of scores, both ends included."""

    low: Number
    high: Number
    label: str


@dataclass(frozen=True, slots=True)
class Maximum:
    """Name items of which only the highest counts.

    Of each set in `alternatives` one answer is enough: the others of the set are not missing.
    """

    items: tuple[str, ...]
    alternatives: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Scale:
    """Describe one score: its items, arithmetic and range, and what is published about it."""

    code: str
    title: str
    low: Number
    high: Number
    loinc: str | None
    method: Literal["sum", "mean", "percent", "table"]
    multiplier: int
    #: per item, what each stored value counts; reversed items are already turned round
    points: tuple[tuple[str, Mapping[int, int | None]], ...]
    maxima: tuple[Maximum, ...]
    #: by sum, the score and its standard error
    table: Mapping[int, tuple[Number, float | None]]
    scoring: Source
    missing: MissingRule
    bands: tuple[Band, ...]
    bands_source: Source | None
    cutoffs: tuple[Rule, ...]
    baseline_min: Rule | None
    response: Rule | None
    remission: Rule | None
    reliable_change: Rule | None
    minimal_change: Rule | None

    @property
    def sums(self) -> tuple[int, int]:
        """Return the least and the greatest sum that its items give."""
        ends = {key: ends_of(points) for key, points in self.points}
        for maximum in self.maxima:
            of_these = [ends.pop(key) for key in maximum.items]
            ends[maximum.items[0]] = (
                max(low for low, _ in of_these),
                max(high for _, high in of_these),
            )
        return sum(low for low, _ in ends.values()), sum(high for _, high in ends.values())

    @property
    def terms(self) -> int:
        """Return how many parts are added up: an item each, or the highest of several."""
        return len(self.points) - sum(len(maximum.items) - 1 for maximum in self.maxima)

    def band_of(self, value: Number) -> str | None:
        """Return the label of the band a score lies in; None where no bands are published.

        A prorated score between two bands (4.5 where one ends at 4 and the next starts at 5)
        has not reached the upper one.
        """
        for band in reversed(self.bands):
            if value >= band.low:
                return band.label
        return None


@dataclass(frozen=True, slots=True)
class Rank:
    """Hold one word of a result, and what the answers must be for it."""

    label: str
    when: Condition


@dataclass(frozen=True, slots=True, kw_only=True)
class Levels(Source):
    """Describe a result that is a word and no number: the first rank that holds, or otherwise."""

    code: str
    title: str
    loinc: str | None
    ranks: tuple[Rank, ...]
    otherwise: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording(Source):
    """Hold an instrument's exact words in one language, options by item and value."""

    language: str
    title: str
    stem: str
    copyright: str
    items: Mapping[str, str]
    options: Mapping[str, Mapping[int, str]]


@dataclass(frozen=True, slots=True)
class Proof:
    """Count the answer sets scored by other people's programs that score the same here."""

    golden_rows: int
    programs: tuple[str, ...]


def ends_of(points: Mapping[int, int | None]) -> tuple[int, int]:
    """Return the least and the greatest that an answer counts."""
    scores = [score for score in points.values() if score is not None]
    return min(scores), max(scores)
