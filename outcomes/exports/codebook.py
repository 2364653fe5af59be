"""What stands beside an export so that a stranger can read it: columns and questionnaires."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from uuid import UUID

from django.db.models import Q

from outcomes.exports.cells import guard, line
from outcomes.exports.change import CHANGE
from outcomes.exports.columns import Described
from outcomes.exports.tables import TABLES
from outcomes.instruments.definition import Definition, Item, Rule, Scale
from outcomes.instruments.evidence import missing_words, rules_of
from outcomes.instruments.models import InstrumentVersion

DESCRIBED: tuple[Described, ...] = (*TABLES.values(), CHANGE)
READING = (
    "The text is UTF-8, commas separate the cells, the first line names the columns.",
    "An empty cell is a missing value. A 0 is always a recorded 0; nothing is carried forward.",
    "Times are the true ones, to the second: in UTC where the column's name ends in _utc, in the "
    "zone of time_zone where its type is local time.",
    "Text that a spreadsheet might run as a formula has an apostrophe before it: where a text cell "
    "starts with an apostrophe, take that one away. Numbers are never changed.",
    "Names, birth dates and contact data are in no table. record_number is the clinic's own.",
    "A fact marked verified: false was not read in its source by this project; check it first.",
)
COLUMNS = (
    "part", "of", "content_hash", "language", "name", "meaning", "type", "unit", "values",
    "source", "verified",
)  # fmt: skip


def build(clinic_id: UUID) -> dict[str, Any]:
    """Return a clinic's codebook: how to read the files, all tables, all questionnaires it has."""
    return {
        "reading": list(READING),
        "tables": {
            table.name: {
                "meaning": table.meaning,
                "columns": [
                    {
                        "name": column.name,
                        "meaning": column.meaning,
                        "type": column.kind.name,
                        "unit": column.unit,
                        "values": dict(column.values),
                    }
                    for column in table.columns
                ],
            }
            for table in DESCRIBED
        },
        "instruments": [
            {**definition.content, "content_hash": definition.content_hash}
            for definition in _definitions(clinic_id)
        ],
    }


def _definitions(clinic_id: UUID) -> list[Definition]:
    # Another clinic's own wording is licensed to that clinic.
    held = InstrumentVersion.objects.filter(Q(clinic=None) | Q(clinic=clinic_id))
    versions = held.order_by("instrument__code", "created_at", "content_hash")
    return [version.definition for version in versions.only("content_hash")]


def as_json(clinic_id: UUID) -> str:
    """Return the codebook as JSON; a questionnaire is its whole definition, citations and all."""
    return json.dumps(build(clinic_id), ensure_ascii=False, indent=2) + "\n"


def as_csv(clinic_id: UUID) -> str:
    """Return the codebook as CSV: one line per column, item, scale, band and rule."""
    cells = ([guard(row.get(name, "")) for name in COLUMNS] for row in _rows(clinic_id))
    return line(list(COLUMNS)) + "".join(map(line, cells))


def _rows(clinic_id: UUID) -> Iterator[dict[str, str]]:
    for number, sentence in enumerate(READING, 1):
        yield {"part": "reading", "name": str(number), "meaning": sentence}
    for table in DESCRIBED:
        yield {"part": "table", "name": table.name, "meaning": table.meaning}
        for column in table.columns:
            yield {
                "part": "column",
                "of": table.name,
                "name": column.name,
                "meaning": column.meaning,
                "type": column.kind.name,
                "unit": column.unit,
                "values": _listed(column.values),
            }
    for definition in _definitions(clinic_id):
        shared = {"of": definition.code, "content_hash": definition.content_hash}
        for row in _instrument_rows(definition):
            yield {**shared, **row}


def _listed(values: Any) -> str:
    return "; ".join(f"{value} = {meaning}" for value, meaning in values.items())


def _instrument_rows(definition: Definition) -> Iterator[dict[str, str]]:
    licence = definition.licence
    yield {
        "part": "instrument",
        "name": f"{definition.title}, version {definition.version}",
        "meaning": definition.measures,
        "type": f"rated by the {definition.respondent}",
        "values": definition.direction.replace("_", " "),
    }
    yield {
        "part": "licence",
        "name": licence.kind,
        "meaning": licence.text,
        "source": licence.citation,
        "verified": _truth(licence.verified),
    }
    for name, fact, unit in (
        ("recall period", definition.recall, "days"),
        ("time to answer", definition.minutes, "minutes"),
    ):
        yield {
            "part": "fact",
            "name": name,
            "unit": unit,
            "values": "" if fact.value is None else f"{fact.value:g}",
            "source": fact.citation,
            "verified": _truth(fact.verified),
        }
    for item in definition.items:
        yield from _item_rows(definition, item)
    for scale in definition.scales:
        yield from _scale_rows(scale)
    for levels in definition.levels:
        yield {
            "part": "result in words",
            "name": levels.code,
            "meaning": levels.title,
            "values": "; ".join((*(rank.label for rank in levels.ranks), levels.otherwise)),
            "source": levels.citation,
            "verified": _truth(levels.verified),
        }


def _item_rows(definition: Definition, item: Item) -> Iterator[dict[str, str]]:
    shared = {"part": "item", "name": item.link_id, "type": "integer"}
    for language, words in definition.wordings.items():
        yield {
            **shared,
            "language": language,
            "meaning": words.items[item.link_id],
            "values": _listed(words.options[item.link_id]),
            "source": words.citation,
            "verified": _truth(words.verified),
        }
    if not definition.wordings:
        values = "; ".join(str(option.value) for option in item.options)
        yield {**shared, "meaning": "(the wording is not stored here)", "values": values}


def _scale_rows(scale: Scale) -> Iterator[dict[str, str]]:
    yield {
        "part": "scale",
        "name": scale.code,
        "meaning": scale.title,
        "type": "number",
        "values": f"{scale.low} to {scale.high}",
        "source": scale.scoring.citation,
        "verified": _truth(scale.scoring.verified),
    }
    yield {
        "part": "missing items",
        "name": scale.code,
        "meaning": missing_words(scale),
        "source": scale.missing.citation,
        "verified": _truth(scale.missing.verified),
    }
    for band in scale.bands:
        assert scale.bands_source is not None
        yield {
            "part": "band",
            "name": f"{scale.code}: {band.label}",
            "values": f"{band.low} to {band.high}",
            "source": scale.bands_source.citation,
            "verified": _truth(scale.bands_source.verified),
        }
    for name, rule in rules_of(scale):
        yield _rule_row(scale, name, rule)


def _rule_row(scale: Scale, name: str, rule: Rule) -> dict[str, str]:
    return {
        "part": "rule",
        "name": f"{scale.code}: {name}",
        "meaning": rule.meaning,
        "values": f"{rule.kind.replace('_', ' ')} {rule.value}",
        "source": rule.citation,
        "verified": _truth(rule.verified),
    }


def _truth(value: bool) -> str:
    return "true" if value else "false"
