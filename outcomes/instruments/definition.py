"""Questionnaires as data: what is asked, how it is scored, what a score means, and who says so.

Pure: no Django. A definition is one JSON document (library/*.json, or a clinic's own), checked
first by schema.json and then for meaning, so that whatever holds a Definition may trust it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, Self

from jsonschema import Draft202012Validator

from outcomes.instruments import conditions
from outcomes.instruments.checking import (
    DefinitionError,
    check_parts,
    fail,
    must_be_known,
    must_differ,
    must_match,
)
from outcomes.instruments.conditions import Answered, Number
from outcomes.instruments.facts import (
    Band,
    Fact,
    Item,
    Levels,
    Licence,
    Maximum,
    MissingRule,
    Option,
    Proof,
    Rank,
    Rule,
    SafetyRule,
    Scale,
    Source,
    Wording,
    ends_of,
)

__all__ = [
    "LIBRARY",
    "Band",
    "Definition",
    "DefinitionError",
    "Fact",
    "Item",
    "Levels",
    "Licence",
    "Maximum",
    "MissingRule",
    "Number",
    "Option",
    "Proof",
    "Rank",
    "Rule",
    "SafetyRule",
    "Scale",
    "Source",
    "Wording",
    "load_library",
]

LIBRARY = Path(__file__).parent / "library"
SCHEMA = Path(__file__).parent / "schema.json"


@dataclass(frozen=True, slots=True, eq=False)
class Definition:
    """Describe one exact version of an instrument."""

    code: str
    title: str
    version: str
    measures: str
    respondent: Literal["patient", "clinician"]
    is_validated: bool
    conditions: tuple[str, ...]
    direction: Literal["higher_is_worse", "higher_is_better"]
    recall: Fact
    minutes: Fact
    licence: Licence
    loinc_panel: str | None
    snomed_score: str | None
    items: tuple[Item, ...]
    scales: tuple[Scale, ...]
    levels: tuple[Levels, ...]
    charted: tuple[str, ...]  #: codes of the scales that a chart shows
    wordings: Mapping[str, Wording]
    notes: tuple[str, ...]
    proof: Proof | None
    content: Mapping[str, Any]  #: the document this was read from
    content_hash: str  #: SHA-256 (hex) of its canonical JSON: sorted keys, UTF-8, no spaces
    scoring_hash: str  #: the same of what decides a score: options, branches, scales, levels
    allowed: Mapping[str, frozenset[int]]  #: the values each item takes

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read a definition; raises DefinitionError with the path and the reason."""
        _check_schema(data)
        licence, wording = data["licence"], data["wording"]
        options = {name: _options(name, rows) for name, rows in data["response_options"].items()}
        items = tuple(_item(i, row, options) for i, row in enumerate(data["items"]))
        by_id = {item.link_id: item for item in items}
        scales = tuple(_scale(i, row, by_id) for i, row in enumerate(data["scales"]))
        definition = cls(
            code=data["code"],
            title=data["title"],
            version=data["version"],
            measures=data["measures"],
            respondent=data["respondent"],
            is_validated=data["validated"],
            conditions=tuple(data.get("conditions", ())),
            direction=data["direction"],
            recall=Fact(value=data["recall"]["days"], **_source(data["recall"])),
            minutes=Fact(value=data["minutes"]["estimate"], **_source(data["minutes"])),
            licence=Licence(kind=licence["class"], text=licence["text"], **_source(licence)),
            loinc_panel=data.get("loinc", {}).get("panel"),
            snomed_score=data.get("snomed", {}).get("score"),
            items=items,
            scales=scales,
            levels=tuple(_levels(row) for row in data.get("levels", ())),
            charted=tuple(data.get("charted", (scale.code for scale in scales[:1]))),
            wordings={name: _wording(name, words, data) for name, words in wording.items()},
            notes=tuple(data["notes"]),
            proof=_proof(data.get("proof")),
            content=data,
            content_hash=_hash(data),
            scoring_hash=_hash(_scoring_of(data)),
            allowed={item.link_id: frozenset(o.value for o in item.options) for item in items},
        )
        check_parts(definition.items, definition.scales, definition.levels, definition.charted)
        return definition

    @property
    def recall_days(self) -> int | None:
        """Return the days the questions look back: 0 is right now, None is not a number of days."""
        return None if self.recall.value is None else int(self.recall.value)

    def scale(self, code: str) -> Scale | None:
        """Return the scale with this code; None for a result in words, or none at all."""
        return next((scale for scale in self.scales if scale.code == code), None)

    def label_of(self, code: str) -> str:
        """Return the title of a scale or of a result in words; raises KeyError."""
        titles = {scale.code: scale.title for scale in self.scales}
        return {**titles, **{levels.code: levels.title for levels in self.levels}}[code]

    @property
    def branches(self) -> bool:
        """Tell whether any question is asked only after certain answers."""
        return any(item.enabled_when for item in self.items)

    @property
    def languages(self) -> tuple[str, ...]:
        """Return the languages whose wording is here, which is always complete."""
        return tuple(sorted(self.wordings))

    @property
    def is_sendable(self) -> bool:
        """Tell whether a patient can be asked: patient-rated, with wording."""
        return self.respondent == "patient" and bool(self.wordings)

    def wording(self, language: str) -> Wording:
        """Return the words in a language; raises KeyError where it is not in .languages."""
        return self.wordings[language]


def _hash(data: Any) -> str:
    canonical = json.dumps(data, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def _scoring_of(data: Mapping[str, Any]) -> list[Any]:
    """Return what decides a score, without words, codes and sources."""
    items = [[row["link_id"], row["options"], row.get("enabled_when")] for row in data["items"]]
    options = {
        name: [[row["value"], row.get("score", row["value"])] for row in rows]
        for name, rows in data["response_options"].items()
    }
    bands = [row.get("bands", {}).get("ranges") for row in data["scales"]]
    scales = [[row["code"], _bare(row["scoring"]), _bare(row["missing"])] for row in data["scales"]]
    levels = [[row["code"], row["ranks"], row["otherwise"]] for row in data.get("levels", ())]
    return [items, options, scales, bands, levels]


def _bare(rule: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in rule.items() if name not in ("citation", "verified")}


def load_library(folder: Path = LIBRARY) -> dict[str, Definition]:
    """Read every definition file of a folder, by code.

    Raises DefinitionError naming file, path and reason. A library file is named after its code
    and carries wording only where the licence lets it ship.
    """
    library = {}
    for file in sorted(folder.glob("*.json")):
        try:
            definition = Definition.from_json(_read(file))
            if file.stem != definition.code:
                fail("code", f"is {definition.code!r}, so the file must be {definition.code}.json")
            if definition.wordings and definition.licence.kind != "bundle":
                fail("wording", f"may not ship under licence class {definition.licence.kind!r}")
        except DefinitionError as error:
            raise DefinitionError(error.path, error.reason, file.name) from error
        library[definition.code] = definition
    return library


def _read(file: Path) -> Any:
    try:
        return json.loads(file.read_text("utf-8"), object_pairs_hook=_unrepeated)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        fail("", f"is not JSON: {error}")


def _unrepeated(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    must_differ("", (name for name, _ in pairs))
    return dict(pairs)


@cache
def _validator() -> Draft202012Validator:
    return Draft202012Validator(json.loads(SCHEMA.read_text("utf-8")))


def _check_schema(data: Mapping[str, Any]) -> None:
    errors = sorted(_validator().iter_errors(data), key=lambda error: (error.json_path, str(error)))
    if errors:
        fail(errors[0].json_path.removeprefix("$").removeprefix("."), errors[0].message)


def _source(data: Mapping[str, Any]) -> dict[str, Any]:
    return {"citation": data["citation"], "verified": data["verified"]}


def _options(name: str, rows: Sequence[Mapping[str, Any]]) -> tuple[Option, ...]:
    must_differ(f"response_options.{name}", (str(row["value"]) for row in rows))
    return tuple(Option(r["value"], r.get("score", r["value"]), r.get("loinc")) for r in rows)


def _item(i: int, data: Mapping[str, Any], options: Mapping[str, tuple[Option, ...]]) -> Item:
    must_be_known(f"items[{i}].options", [data["options"]], options)
    return Item(
        link_id=data["link_id"],
        options=options[data["options"]],
        scored=data.get("scored", True),
        required=data.get("required", True),
        uses_stem=data.get("uses_stem", True),
        enabled_when=_enabled_when(data.get("enabled_when")),
        safety=SafetyRule(**data["safety"]) if "safety" in data else None,
        loinc=data.get("loinc"),
    )


def _scale(i: int, data: Mapping[str, Any], items: Mapping[str, Item]) -> Scale:
    scoring, missing, bands = data["scoring"], data["missing"], data.get("bands")
    reversed_ids = scoring.get("reversed", ())
    must_be_known(f"scales[{i}].scoring.items", scoring["items"], items)
    must_be_known(f"scales[{i}].scoring.reversed", reversed_ids, scoring["items"])
    rules = ("baseline_min", "response", "remission", "reliable_change", "minimal_change")
    maxima = scoring.get("maxima", ())
    for j, row in enumerate(maxima):
        path = f"scales[{i}].scoring.maxima[{j}]"
        must_be_known(f"{path}.items", row["items"], scoring["items"])
        for chosen in row.get("alternatives", ()):
            must_be_known(f"{path}.alternatives", chosen, row["items"])
    return Scale(
        code=data["code"],
        title=data["title"],
        low=data["low"],
        high=data["high"],
        loinc=data.get("loinc"),
        method=scoring["method"],
        multiplier=scoring.get("multiplier", 1),
        points=tuple((k, _points(items[k], k in reversed_ids)) for k in scoring["items"]),
        maxima=tuple(_maximum(row) for row in maxima),
        table={row["sum"]: (row["value"], row.get("se")) for row in scoring.get("table", ())},
        scoring=Source(**_source(scoring)),
        missing=MissingRule(max_missing=missing.get("max_missing", 0), **_source(missing)),
        bands=tuple(Band(**row) for row in bands["ranges"]) if bands else (),
        bands_source=Source(**_source(bands)) if bands else None,
        cutoffs=tuple(Rule(**row) for row in data.get("cutoffs", ())),
        **{name: Rule(**data[name]) if name in data else None for name in rules},
    )


def _proof(data: Mapping[str, Any] | None) -> Proof | None:
    return Proof(data["golden_rows"], tuple(data["programs"])) if data else None


def _points(item: Item, is_reversed: bool) -> Mapping[int, int | None]:
    points = {option.value: option.score for option in item.options}
    if not is_reversed:
        return points
    ends = sum(ends_of(points))
    return {value: None if score is None else ends - score for value, score in points.items()}


def _maximum(data: Mapping[str, Any]) -> Maximum:
    alternatives = tuple(tuple(chosen) for chosen in data.get("alternatives", ()))
    return Maximum(tuple(data["items"]), alternatives)


def _enabled_when(data: Mapping[str, Any] | None) -> Answered | None:
    if data is None:
        return None
    condition = conditions.parse(data)
    assert isinstance(condition, Answered)
    return condition


def _levels(data: Mapping[str, Any]) -> Levels:
    return Levels(
        code=data["code"],
        title=data["title"],
        loinc=data.get("loinc"),
        ranks=tuple(Rank(row["label"], conditions.parse(row["when"])) for row in data["ranks"]),
        otherwise=data["otherwise"],
        **_source(data),
    )


def _wording(language: str, words: Mapping[str, Any], data: Mapping[str, Any]) -> Wording:
    path = f"wording.{language}"
    must_match(f"{path}.items", words["items"], [item["link_id"] for item in data["items"]])
    must_match(f"{path}.options", words["options"], data["response_options"])
    labels = {}
    for name, rows in data["response_options"].items():
        given = words["options"][name]
        must_match(f"{path}.options.{name}", given, [str(row["value"]) for row in rows])
        labels[name] = {row["value"]: given[str(row["value"])] for row in rows}
    return Wording(
        language=language,
        title=words["title"],
        stem=words["stem"],
        copyright=words.get("copyright", ""),
        items=dict(words["items"]),
        options={row["link_id"]: labels[row["options"]] for row in data["items"]},
        **_source(words),
    )
