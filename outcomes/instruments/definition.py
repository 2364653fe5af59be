"""Questionnaires as data: what is asked, how it is scored, what a score means, and who says so.

Pure: no Django. A definition is one JSON document (library/*.json, or a clinic's own), checked
first by schema.json and then for meaning, so that whatever holds a Definition may trust it.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, NoReturn, Self

from jsonschema import Draft202012Validator

from outcomes.instruments import conditions
from outcomes.instruments.conditions import Answered, Condition, Number

LIBRARY = Path(__file__).parent / "library"
SCHEMA = Path(__file__).parent / "schema.json"


class DefinitionError(ValueError):
    """Say what is wrong with a definition, where, and in which file if it came from one."""

    def __init__(self, path: str, reason: str, file: str = "") -> None:
        self.path, self.reason, self.file = path, reason, file
        super().__init__(": ".join(part for part in (file, path, reason) if part))


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
        ends = {key: _ends(points) for key, points in self.points}
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
    items: Mapping[str, str]
    options: Mapping[str, Mapping[int, str]]


@dataclass(frozen=True, slots=True)
class Proof:
    """Count the answer sets that other people's programs scored and this definition scores alike."""

    golden_rows: int
    programs: tuple[str, ...]


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
        _check_meaning(definition)
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
                _fail("code", f"is {definition.code!r}, so the file must be {definition.code}.json")
            if definition.wordings and definition.licence.kind != "bundle":
                _fail("wording", f"may not ship under licence class {definition.licence.kind!r}")
        except DefinitionError as error:
            raise DefinitionError(error.path, error.reason, file.name) from error
        library[definition.code] = definition
    return library


def _fail(path: str, reason: str) -> NoReturn:
    raise DefinitionError(path, reason)


def _read(file: Path) -> Any:
    try:
        return json.loads(file.read_text("utf-8"), object_pairs_hook=_unrepeated)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        _fail("", f"is not JSON: {error}")


def _unrepeated(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    _must_differ("", (name for name, _ in pairs))
    return dict(pairs)


@cache
def _validator() -> Draft202012Validator:
    return Draft202012Validator(json.loads(SCHEMA.read_text("utf-8")))


def _check_schema(data: Mapping[str, Any]) -> None:
    errors = sorted(_validator().iter_errors(data), key=lambda error: (error.json_path, str(error)))
    if errors:
        _fail(errors[0].json_path.removeprefix("$").removeprefix("."), errors[0].message)


def _source(data: Mapping[str, Any]) -> dict[str, Any]:
    return {"citation": data["citation"], "verified": data["verified"]}


def _options(name: str, rows: Sequence[Mapping[str, Any]]) -> tuple[Option, ...]:
    _must_differ(f"response_options.{name}", (str(row["value"]) for row in rows))
    return tuple(Option(r["value"], r.get("score", r["value"]), r.get("loinc")) for r in rows)


def _item(i: int, data: Mapping[str, Any], options: Mapping[str, tuple[Option, ...]]) -> Item:
    _must_be_known(f"items[{i}].options", [data["options"]], options)
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
    _must_be_known(f"scales[{i}].scoring.items", scoring["items"], items)
    _must_be_known(f"scales[{i}].scoring.reversed", reversed_ids, scoring["items"])
    rules = ("baseline_min", "response", "remission", "reliable_change", "minimal_change")
    maxima = scoring.get("maxima", ())
    for j, row in enumerate(maxima):
        path = f"scales[{i}].scoring.maxima[{j}]"
        _must_be_known(f"{path}.items", row["items"], scoring["items"])
        for chosen in row.get("alternatives", ()):
            _must_be_known(f"{path}.alternatives", chosen, row["items"])
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
    ends = sum(_ends(points))
    return {value: None if score is None else ends - score for value, score in points.items()}


def _ends(points: Mapping[int, int | None]) -> tuple[int, int]:
    scores = [score for score in points.values() if score is not None]
    return min(scores), max(scores)


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
    _must_match(f"{path}.items", words["items"], [item["link_id"] for item in data["items"]])
    _must_match(f"{path}.options", words["options"], data["response_options"])
    labels = {}
    for name, rows in data["response_options"].items():
        given = words["options"][name]
        _must_match(f"{path}.options.{name}", given, [str(row["value"]) for row in rows])
        labels[name] = {row["value"]: given[str(row["value"])] for row in rows}
    return Wording(
        language=language,
        title=words["title"],
        stem=words["stem"],
        items=dict(words["items"]),
        options={row["link_id"]: labels[row["options"]] for row in data["items"]},
        **_source(words),
    )


def _must_match(path: str, given: Collection[str], wanted: Collection[str]) -> None:
    if missing := [name for name in wanted if name not in given]:
        _fail(path, f"lacks {', '.join(missing)}")
    _must_be_known(path, given, wanted)


def _must_be_known(path: str, given: Collection[str], known: Collection[str]) -> None:
    if unknown := [name for name in given if name not in known]:
        _fail(path, f"nothing here is called {', '.join(unknown)}")


def _must_differ(path: str, names: Iterable[str]) -> None:
    if repeats := [name for name, count in Counter(names).items() if count > 1]:
        _fail(path, f"{', '.join(repeats)} stands twice")


def _check_meaning(definition: Definition) -> None:
    """Refuse what the schema cannot see."""
    _must_differ("items", (item.link_id for item in definition.items))
    codes = [scale.code for scale in definition.scales]
    _must_differ("scales", [*codes, *(levels.code for levels in definition.levels)])
    _must_be_known("charted", definition.charted, codes)
    _check_items(definition)
    for i, scale in enumerate(definition.scales):
        _check_scale(f"scales[{i}]", scale)
    known = definition.allowed
    for i, levels in enumerate(definition.levels):
        for j, rank in enumerate(levels.ranks):
            path = f"levels[{i}].ranks[{j}].when"
            _must_be_known(path, list(conditions.items_of(rank.when)), known)
            _must_be_known(path, list(conditions.scales_of(rank.when)), codes)


def _check_items(definition: Definition) -> None:
    counted = {link_id for scale in definition.scales for link_id, _ in scale.points}
    for levels in definition.levels:
        for rank in levels.ranks:
            counted.update(conditions.items_of(rank.when))
    before: set[str] = set()
    for i, item in enumerate(definition.items):
        # Without any scoring rule at all, nothing can be said about its items.
        if (definition.scales or definition.levels) and item.scored != (item.link_id in counted):
            _fail(f"items[{i}].scored", f"is {item.scored}, but the scales say otherwise")
        if item.safety and item.safety.at_least > max(definition.allowed[item.link_id]):
            _fail(f"items[{i}].safety.at_least", "is above every answer, so it can never be met")
        if item.enabled_when:
            path = f"items[{i}].enabled_when"
            if unknown := [key for key in item.enabled_when.items if key not in before]:
                _fail(path, f"no question before it is called {', '.join(unknown)}")
            if item.enabled_when.at_least not in (1, len(item.enabled_when.items)):
                _fail(path, "at_least must be 1 or the number of its items")
        before.add(item.link_id)


def _check_scale(path: str, scale: Scale) -> None:
    low, high = _range_of(path, scale)
    if (scale.low, scale.high) != (low, high):
        _fail(path, f"the range is {scale.low} to {scale.high}, but the items give {low} to {high}")
    if scale.missing.max_missing >= len(scale.points):
        _fail(f"{path}.missing.max_missing", "would let every item be missing")
    if scale.missing.max_missing and scale.maxima:
        _fail(f"{path}.missing.max_missing", "has no meaning where only the highest item counts")
    if len({key for maximum in scale.maxima for key in maximum.items}) != sum(
        len(maximum.items) for maximum in scale.maxima
    ):
        _fail(f"{path}.scoring.maxima", "names an item twice")
    _check_bands(path, scale)


def _range_of(path: str, scale: Scale) -> tuple[Number, Number]:
    low, high = scale.sums
    if scale.method == "percent":
        return 0, 100
    if scale.method == "mean":
        return low / scale.terms, high / scale.terms
    if scale.method == "table":
        if sorted(scale.table) != list(range(low, high + 1)):
            _fail(f"{path}.scoring.table", f"needs one row for each sum from {low} to {high}")
        values = [value for value, _ in scale.table.values()]
        return min(values), max(values)
    return scale.multiplier * low, scale.multiplier * high


def _check_bands(path: str, scale: Scale) -> None:
    # Between two bands lies one step of the score: a tenth where it is not a whole number.
    step = scale.multiplier if scale.method == "sum" else 0.1
    start = scale.low
    for i, band in enumerate(scale.bands):
        if abs(band.low - start) > 1e-9 or band.high < band.low:
            _fail(f"{path}.bands.ranges[{i}]", f"should start at {start:g} and not end before it")
        start = band.high + step
    if scale.bands and scale.bands[-1].high != scale.high:
        _fail(f"{path}.bands.ranges", f"should end at {scale.high}")
