"""One episode's answers over time: a row for each question, a column for each date."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from outcomes.care.models import EpisodeOfCare
from outcomes.delivery import sitting
from outcomes.instruments.definition import Definition, Item, Wording
from outcomes.instruments.models import definition_of
from outcomes.responses.models import QuestionnaireResponse
from outcomes.review.trajectory import FIRST
from outcomes.scheduling.models import Assignment, AssignmentState

# How many dates a grid shows unless all are asked for.
COLUMNS_SHOWN = 16
# The darkest shade; 0 is the lightest.
DARKEST = 4


class Filled(NamedTuple):
    """One filling-in as the grid needs it; without an instant it was missed."""

    response_id: UUID | None
    content_hash: str
    at: datetime
    language: str


@dataclass(frozen=True, slots=True)
class Column:
    """One date: a questionnaire filled in, or one asked and missed (then without a key)."""

    response_id: UUID | None
    at: datetime

    @property
    def is_missed(self) -> bool:
        """Say whether it was asked and never answered."""
        return self.response_id is None


@dataclass(frozen=True, slots=True)
class Cell:
    """One answer; without a value it was left open, not asked, or the whole was missed.

    `shade` runs from 0, the item's lowest option, to DARKEST, its highest.
    """

    value: int | None = None
    shade: int = 0
    is_positive: bool = False  #: a safety rule holds for it
    is_missed: bool = False


@dataclass(frozen=True, slots=True)
class ItemRow:
    """One question and its answers, oldest first; without words where none are in the house."""

    link_id: str
    words: str
    is_safety: bool
    is_scored: bool
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Key:
    """What the numbers of some items mean, lowest first."""

    link_ids: tuple[str, ...]
    labels: tuple[tuple[int, str], ...]


@dataclass(frozen=True, slots=True)
class Grid:
    """One instrument's answers over time, its safety items first."""

    definition: Definition
    language: str  #: of the words; empty without any
    columns: tuple[Column, ...]  #: oldest first
    rows: tuple[ItemRow, ...]
    keys: tuple[Key, ...]
    count: int  #: of the columns there are in all

    @property
    def years(self) -> list[tuple[int, int]]:
        """Return each year with how many columns in a row it has."""
        years: list[tuple[int, int]] = []
        for column in self.columns:
            if years and years[-1][0] == column.at.year:
                years[-1] = (column.at.year, years[-1][1] + 1)
            else:
                years.append((column.at.year, 1))
        return years

    @property
    def safety_rows(self) -> list[ItemRow]:
        """Return the questions whose answers may need a person."""
        return [row for row in self.rows if row.is_safety]


def build(
    episode: EpisodeOfCare, *, languages: Sequence[str] = (), most: int | None = COLUMNS_SHOWN
) -> list[Grid]:
    """Return a grid for each instrument with stored answers, by code; three queries.

    `most` limits the dates of each to the last ones; None shows all. Local dates are the patient's.
    The words are those of the newest version filled in, in the first of `languages` that it has.
    """
    zone = ZoneInfo(episode.patient.time_zone)
    filled: dict[str, list[Filled]] = defaultdict(list)
    for row in _filled(episode):
        filled[definition_of(row.content_hash).code].append(row)
    missed = _missed(episode) if filled else {}
    shown = {
        code: sorted([*rows, *missed.get(code, ())], key=lambda row: row.at)
        for code, rows in filled.items()
    }
    kept = {code: rows[-most:] if most else rows for code, rows in shown.items()}
    answers = _answers(row.response_id for rows in kept.values() for row in rows)
    return [
        _grid(filled[code][-1], kept[code], answers, languages, zone, count=len(shown[code]))
        for code in sorted(filled, key=_rank)
    ]


def _rank(code: str) -> tuple[int, str]:
    """Order the questionnaires as the chart does."""
    return (FIRST.index(code) if code in FIRST else len(FIRST), code)


def _filled(episode: EpisodeOfCare) -> Iterator[Filled]:
    rows = episode.responses.final().exclude(answers={}).order_by("submitted_at", "pk")
    columns = rows.values_list("pk", "content_hash", "submitted_at", "language")
    for key, content_hash, at, language in columns:
        assert at is not None  # what is final was submitted
        yield Filled(key, content_hash, at, language)


def _missed(episode: EpisodeOfCare) -> dict[str, list[Filled]]:
    rows = Assignment.objects.filter(episode=episode, state=AssignmentState.EXPIRED)
    missed: dict[str, list[Filled]] = defaultdict(list)
    for code, due_at in rows.values_list("instrument__code", "due_at"):
        missed[code].append(Filled(None, "", due_at, ""))
    return missed


def _answers(keys: Iterable[UUID | None]) -> dict[UUID, dict[str, int | None]]:
    rows = QuestionnaireResponse.objects.filter(pk__in=[key for key in keys if key])
    return dict(rows.values_list("pk", "answers"))


def _grid(
    newest: Filled,
    shown: Sequence[Filled],
    answers: Mapping[UUID, Mapping[str, int | None]],
    languages: Sequence[str],
    zone: ZoneInfo,
    *,
    count: int,
) -> Grid:
    definition = definition_of(newest.content_hash)
    words = None
    if definition.languages:
        words = sitting.wording_for(definition, *languages, newest.language)
    in_order = sorted(_items(definition, shown), key=lambda item: item.safety is None)
    return Grid(
        definition=definition,
        language=words.language if words else "",
        columns=tuple(Column(row.response_id, row.at.astimezone(zone)) for row in shown),
        rows=tuple(_row(item, words, shown, answers) for item in in_order),
        keys=tuple(_keys(in_order, words)),
        count=count,
    )


def _items(newest: Definition, shown: Sequence[Filled]) -> list[Item]:
    """Return the newest version's items, then whatever an earlier one asked besides."""
    hashes = dict.fromkeys(row.content_hash for row in shown if row.content_hash)
    items = {item.link_id: item for item in newest.items}
    for content_hash in hashes:
        for item in definition_of(content_hash).items:
            items.setdefault(item.link_id, item)
    return list(items.values())


def _row(
    item: Item,
    words: Wording | None,
    shown: Sequence[Filled],
    answers: Mapping[UUID, Mapping[str, int | None]],
) -> ItemRow:
    values = sorted(option.value for option in item.options)
    cells = []
    for row in shown:
        if row.response_id is None:
            cells.append(Cell(is_missed=True))
            continue
        value = answers[row.response_id].get(item.link_id)
        cells.append(_cell(item, values, value) if value is not None else Cell())
    return ItemRow(
        link_id=item.link_id,
        words=words.items.get(item.link_id, "") if words else "",
        is_safety=item.safety is not None,
        is_scored=item.scored,
        cells=tuple(cells),
    )


def _cell(item: Item, values: Sequence[int], value: int) -> Cell:
    # A value of an earlier version that the item no longer takes is shown, unshaded.
    place = values.index(value) if value in values else 0
    rule = item.safety
    return Cell(
        value=value,
        shade=round(DARKEST * place / max(len(values) - 1, 1)),
        is_positive=rule is not None and value >= rule.at_least,
    )


def _keys(items: Iterable[Item], words: Wording | None) -> Iterator[Key]:
    """Gather the items whose numbers mean the same."""
    gathered: dict[tuple[tuple[int, str], ...], list[str]] = defaultdict(list)
    for item in items:
        if words and item.link_id in words.options:
            labels = sorted(words.options[item.link_id].items())
            gathered[tuple(labels)].append(item.link_id)
    yield from (Key(tuple(link_ids), labels) for labels, link_ids in gathered.items())
