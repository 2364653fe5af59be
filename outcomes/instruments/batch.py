"""Scores of many forms of one instrument at once, the same as scoring.py gives one by one.

Pure: numpy, no Django. A form is a row of an integer matrix, an item of the definition a column.
Reasons are not put in words here: score() says them for a form without a result.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from outcomes.instruments.conditions import Answered, Condition, Number, Reached, Several
from outcomes.instruments.conditions import Not as NotCondition
from outcomes.instruments.definition import Definition, Levels, Maximum, Scale
from outcomes.instruments.scoring import AnswerError, checked, value_of_sum

#: an item without an answer
MISSING = -128
#: forms scored at a time: few enough to stay in the processor's cache
ROWS = 16_384

Bools = NDArray[np.bool_]
Numbers = NDArray[np.float64]
Integers = NDArray[Any]
#: where a condition holds, and where it holds or an open question could make it hold
Truth = tuple[Bools, Bools]


class RowError(AnswerError):
    """Refuse an answer, naming its form by its row (from 0) too."""

    def __init__(self, row: int, link_id: str, value: object, message: str) -> None:
        super().__init__(link_id, value, message)
        self.row = row

    def __str__(self) -> str:
        return f"row {self.row}, {super().__str__()}"


@dataclass(frozen=True, slots=True)
class ScaleBatch:
    """Hold one scale's results, a form each; a form has a reason instead where its value is NaN.

    `bands` are indices of `labels`, -1 for none; `missing` counts the items left open;
    `standard_errors` are NaN where the scale has none.
    """

    values: Numbers
    standard_errors: Numbers
    prorated: Bools
    bands: NDArray[np.int8]
    missing: NDArray[np.int16]
    labels: tuple[str, ...]

    def part(self, rows: slice) -> ScaleBatch:
        """Return the results of some forms; what is written there is written here."""
        return ScaleBatch(
            self.values[rows],
            self.standard_errors[rows],
            self.prorated[rows],
            self.bands[rows],
            self.missing[rows],
            self.labels,
        )


@dataclass(frozen=True, slots=True)
class LevelsBatch:
    """Hold one result in words, a form each: an index of `labels`, -1 where it cannot be told."""

    ranks: NDArray[np.int8]
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BatchResult:
    """Hold all results of many forms, by the code of the scale or of the result in words."""

    scales: dict[str, ScaleBatch]
    levels: dict[str, LevelsBatch]


def as_matrix(definition: Definition, forms: Sequence[Mapping[str, int | None]]) -> Integers:
    """Return forms as score_many takes them, in the smallest type; raises RowError."""
    link_ids = [item.link_id for item in definition.items]
    matrix = np.full((len(forms), len(link_ids)), MISSING, _storage(definition))
    for row, answers in enumerate(forms):
        try:
            given = checked(definition, answers)
        except AnswerError as error:
            raise RowError(row, error.link_id, error.value, error.message) from error
        matrix[row] = [given.get(link_id, MISSING) for link_id in link_ids]
    return matrix


def score_many(definition: Definition, matrix: Integers) -> BatchResult:
    """Score forms by row; MISSING stands for an item without an answer, skipped or not.

    Takes any signed integer type, int8 soonest. Raises RowError for a value outside an item's
    options, TypeError for other types, ValueError for another number of columns.
    """
    if matrix.dtype.kind != "i":
        raise TypeError(f"answers must be signed integers, not {matrix.dtype}")
    if matrix.ndim != 2 or matrix.shape[1] != len(definition.items):
        raise ValueError(f"{definition.code} takes {len(definition.items)} columns, one an item")
    forms = len(matrix)
    reader = _Reader(definition)
    rules = [_Rule(scale, reader.places) for scale in definition.scales]
    result = BatchResult(
        {rule.scale.code: rule.room_for(forms) for rule in rules},
        {
            row.code: LevelsBatch(
                np.empty(forms, np.int8), (*(rank.label for rank in row.ranks), row.otherwise)
            )
            for row in definition.levels
        },
    )
    for start in range(0, forms, ROWS):
        rows = slice(start, min(start + ROWS, forms))
        block = reader.read(matrix[rows], start)
        for rule in rules:
            part = result.scales[rule.scale.code].part(rows)
            rule.score(block, part)
            block.scores[rule.scale.code] = part.values
        for row in definition.levels:
            _find_level(row, block, result.levels[row.code].ranks[rows])
    return result


# -- forms, turned so that an item is a row ------------------------------------------------------


@dataclass(slots=True)
class _Block:
    """Hold some forms by item: the answers, and which were given (None if all were)."""

    answers: Integers
    given: Bools | None
    places: Mapping[str, int]
    #: the answers, 0 where there is none
    filled: Integers = field(init=False)
    skipped: dict[int, Bools] = field(default_factory=dict)
    scores: dict[str, Numbers] = field(default_factory=dict)
    counts: dict[tuple[tuple[str, int], ...], tuple[Integers, Integers]] = field(
        default_factory=dict
    )

    def __post_init__(self) -> None:
        self.filled = self.answers
        if self.given is not None:
            self.filled = self.answers * self.given.view(np.int8)

    @property
    def size(self) -> int:
        return len(self.answers[0])

    def settled(self, place: int) -> Bools | None:
        """Say where an item was answered or skipped; None for everywhere."""
        if self.given is None:
            return None
        given: Bools = self.given[place]
        return given | self.skipped[place] if place in self.skipped else given


class _Reader:
    """Turn, check and branch forms of one instrument."""

    def __init__(self, definition: Definition) -> None:
        self.definition = definition
        self.storage = _storage(definition)
        self.places = {item.link_id: i for i, item in enumerate(definition.items)}
        self.options: dict[frozenset[int], list[int]] = {}
        for i, item in enumerate(definition.items):
            self.options.setdefault(definition.allowed[item.link_id], []).append(i)

    def read(self, forms: Integers, start: int) -> _Block:
        """Return checked forms, the first of which is a row of that number."""
        wide = np.promote_types(forms.dtype, self.storage)
        answers = np.ascontiguousarray(forms.T, wide)
        is_given: Bools = answers != MISSING
        given = None if is_given.all() else is_given
        for allowed, places in self.options.items():
            if self._has_other(allowed, places, answers, given):
                self._refuse(answers, start)
        block = _Block(answers.astype(self.storage, copy=False), given, self.places)
        if given is not None and self.definition.branches:
            self._skip(block, given)
        return block

    def _has_other(
        self, allowed: frozenset[int], places: list[int], answers: Integers, given: Bools | None
    ) -> bool:
        whole = len(places) == len(answers)
        steps = _steps(answers if whole else answers[places], min(allowed))
        bad = steps > max(allowed) - min(allowed)
        if len(allowed) <= max(allowed) - min(allowed):
            known = np.array([value in allowed for value in _span(allowed)])
            bad |= ~known[np.minimum(steps, len(known) - 1)]
        if given is not None:
            bad &= given if whole else given[places]
        return bool(bad.any())

    def _refuse(self, answers: Integers, start: int) -> None:
        allowed = self.definition.allowed
        for form, values in enumerate(answers.T.tolist()):
            answered = {k: values[i] for k, i in self.places.items() if values[i] != MISSING}
            for link_id, value in answered.items():
                if value not in allowed[link_id]:
                    takes = ", ".join(str(option) for option in sorted(allowed[link_id]))
                    message = f"must be one of the whole numbers {takes}, or {MISSING} for none"
                    raise RowError(start + form, link_id, value, message)

    def _skip(self, block: _Block, given: Bools) -> None:
        for place, item in enumerate(self.definition.items):
            if item.enabled_when is not None:
                _, maybe = _holds(item.enabled_when, block)
                block.skipped[place] = ~(given[place] | maybe)


def _storage(definition: Definition) -> np.dtype[Any]:
    """Return the smallest type for an instrument's answers; raises ValueError where none does."""
    values = {value for allowed in definition.allowed.values() for value in allowed}
    if min(values) <= MISSING or max(values) > np.iinfo(np.int16).max:
        raise ValueError(f"the answers of {definition.code} lie beyond what a matrix holds")
    return np.dtype(np.int8 if max(values) <= np.iinfo(np.int8).max else np.int16)


def _span(values: frozenset[int] | Mapping[int, Any]) -> range:
    return range(min(values), max(values) + 1)


def _steps(answers: Integers, lowest: int) -> Integers:
    """Return how far answers lie above the lowest: what lies below wraps round to far above."""
    steps = answers - answers.dtype.type(lowest)
    unsigned: Integers = steps.view(np.dtype(f"u{steps.itemsize}"))
    return unsigned


# -- scales --------------------------------------------------------------------------------------


class _Points:
    """Say what an item counts in a scale: its value itself, or what a table has for it."""

    def __init__(self, place: int, points: Mapping[int, int | None], kind: np.dtype[Any]) -> None:
        self.place, self.lowest = place, min(points)
        span = [points.get(value) for value in _span(points)]
        self.is_value = all(value == score for value, score in points.items())
        self.table = np.array([score or 0 for score in span], kind)
        self.applies = np.array([score is not None for score in span])
        self.may_not_apply = None in points.values()

    def of(self, block: _Block) -> Integers:
        """Return the points of each form: 0 where there is no answer or it does not apply."""
        if self.is_value:
            points: Integers = block.filled[self.place]
            return points
        steps = _steps(block.answers[self.place], self.lowest)
        points = self.table.take(steps, mode="clip")
        return points if block.given is None else points * block.given[self.place]

    def counted(self, block: _Block) -> Bools | None:
        """Say which forms have an answer that counts; None if all do."""
        given: Bools | None = None if block.given is None else block.given[self.place]
        if not self.may_not_apply:
            return given
        steps = _steps(block.answers[self.place], self.lowest)
        applies: Bools = self.applies.take(steps, mode="clip")
        return applies if given is None else applies & given


class _Rule:
    """Score one scale by a table of what each possible total is worth.

    Few forms are worth something else than their total says: the prorated, and those a mean or
    a table of which an item was skipped or does not apply. Each kind of these is worked out once.
    """

    def __init__(self, scale: Scale, places: Mapping[str, int]) -> None:
        self.scale = scale
        self.labels = tuple(band.label for band in scale.bands)
        ends = [[score or 0 for score in points.values()] for _, points in scale.points]
        bound = sum(max(abs(score) for score in scores) for scores in ends)
        # One more than the bound, so that the lowest number of the type is never a total.
        self.kind = np.min_scalar_type(-bound - 1)
        self.points = {k: _Points(places[k], points, self.kind) for k, points in scale.points}
        self.may_not_apply = any(points.may_not_apply for points in self.points.values())
        self.by_items = scale.method in ("mean", "table")
        low, high = scale.sums
        if not self.by_items:
            low = min(low, sum(min(0, *scores) for scores in ends))
            high = max(high, sum(max(0, *scores) for scores in ends))
        self.lowest = low
        size = len(scale.points)
        worths = [self._worth(total, size, 0) for total in range(low, high + 1)]
        worths.append((np.nan, np.nan, -1))
        self.no_score = len(worths) - 1
        self.values = np.array([value for value, _, _ in worths], np.float64)
        self.errors = np.array([error for _, error, _ in worths], np.float64)
        self.bands = np.array([band for _, _, band in worths], np.int8)

    def _worth(self, total: Number, answered: int, missing: int) -> tuple[Number, float, int]:
        if missing:
            total = total * (answered + missing) / answered
        value, error = value_of_sum(self.scale, total, answered + missing)
        band = self.scale.band_of(value)
        return (
            value,
            np.nan if error is None else error,
            -1 if band is None else self.labels.index(band),
        )

    def room_for(self, forms: int) -> ScaleBatch:
        """Return unwritten results."""
        has_errors = self.scale.method == "table"
        return ScaleBatch(
            np.empty(forms),
            np.empty(forms) if has_errors else np.broadcast_to(np.float64(np.nan), forms),
            np.zeros(forms, np.bool_),
            np.empty(forms, np.int8) if self.labels else np.broadcast_to(np.int8(-1), forms),
            np.zeros(forms, np.int16),
            self.labels,
        )

    def score(self, block: _Block, out: ScaleBatch) -> None:
        """Write the results of some forms."""
        total = self._total(block)
        if block.given is None and not self.may_not_apply:
            self._look_up(np.subtract(total, self.lowest, dtype=np.intp), out)
            return
        answered, missing = self._answered(block), self._missing(block)
        has_score = self._has_score(block, answered, missing)
        is_odd = has_score & (missing > 0)
        out.missing[:] = missing
        out.prorated[:] = is_odd
        if self.by_items:
            is_odd |= has_score & (answered < len(self.points))
        index = np.subtract(total, self.lowest, dtype=np.intp)
        index[~has_score | is_odd] = self.no_score
        self._look_up(index, out)
        if is_odd.any():
            self._work_out(np.flatnonzero(is_odd), (total, answered, missing), out)

    def _total(self, block: _Block) -> Integers:
        of_maxima = {key for maximum in self.scale.maxima for key in maximum.items}
        terms = [points.of(block) for key, points in self.points.items() if key not in of_maxima]
        terms.extend(self._highest(maximum, block) for maximum in self.scale.maxima)
        total = terms[0].astype(self.kind)
        for term in terms[1:]:
            total += term
        return total

    def _highest(self, maximum: Maximum, block: _Block) -> Integers:
        """Return the highest points of a maximum's items that count, 0 where none does."""
        none = self.kind.type(np.iinfo(self.kind).min)
        highest = np.full(block.size, none)
        for points in (self.points[key] for key in maximum.items):
            counted = points.counted(block)
            found = points.of(block)
            np.maximum(
                highest,
                found if counted is None else np.where(counted, found, none),
                out=highest,
            )
        highest[highest == none] = 0
        return highest

    def _answered(self, block: _Block) -> Integers:
        counted = [points.counted(block) for points in self.points.values()]
        return _tally(counted, block.size)

    def _missing(self, block: _Block) -> Integers:
        if block.given is None:
            return np.zeros(block.size, np.uint8)
        settled = {key: block.settled(points.place) for key, points in self.points.items()}
        for maximum in self.scale.maxima:
            for chosen in maximum.alternatives:
                places = [block.places[key] for key in chosen]
                any_of_them = np.any(block.given[places], axis=0)
                for key in chosen:
                    before = settled[key]
                    settled[key] = None if before is None else before | any_of_them
        return len(settled) - _tally(list(settled.values()), block.size)

    def _has_score(self, block: _Block, answered: Integers, missing: Integers) -> Bools:
        is_empty = answered == 0
        if self.scale.method == "sum":
            for skipped in block.skipped.values():
                is_empty &= ~skipped
        has_score: Bools = (missing <= self.scale.missing.max_missing) & ~is_empty
        return has_score

    def _look_up(self, index: NDArray[np.intp], out: ScaleBatch) -> None:
        # Every index is in the table; "clip" only spares a copy.
        self.values.take(index, out=out.values, mode="clip")
        if self.labels:
            self.bands.take(index, out=out.bands, mode="clip")
        if self.scale.method == "table":
            self.errors.take(index, out=out.standard_errors, mode="clip")

    def _work_out(
        self, rows: NDArray[np.intp], facts: tuple[Integers, ...], out: ScaleBatch
    ) -> None:
        kinds, kind_of = np.unique(
            np.stack([fact[rows].astype(np.int64) for fact in facts]), axis=1, return_inverse=True
        )
        for number, (total, answered, missing) in enumerate(kinds.T.tolist()):
            value, error, band = self._worth(total, answered, missing)
            these = rows[kind_of == number]
            out.values[these] = value
            if self.labels:
                out.bands[these] = band
            if self.scale.method == "table":
                out.standard_errors[these] = error


def _tally(masks: Sequence[Bools | None], size: int) -> Integers:
    """Count, for each form, how many of the masks hold; None is one that always does."""
    some = [mask for mask in masks if mask is not None]
    # Signed, and so never surprising when it is taken from something.
    kind = np.dtype(np.int8 if len(masks) < 128 else np.int16)
    count: Integers = np.full(size, len(masks) - len(some), kind)
    for mask in some:
        count += mask.view(np.int8)
    return count


# -- conditions, and results in words ------------------------------------------------------------


def _find_level(levels: Levels, block: _Block, out: NDArray[np.int8]) -> None:
    out.fill(len(levels.ranks))
    for number, rank in reversed(list(enumerate(levels.ranks))):
        sure, maybe = _holds(rank.when, block)
        if maybe is not sure:
            _put(out, maybe, -1)
        _put(out, sure, number)


def _put(out: NDArray[np.int8], where: Bools, number: int) -> None:
    # What numpy does with a mask goes byte by byte; this goes many at a time.
    out += where.view(np.int8) * (number - out)


def _holds(condition: Condition, block: _Block) -> Truth:
    match condition:
        case Answered(items, at_least):
            sure, maybe = _reached(tuple(items.items()), block)
        case Several(conditions, at_least):
            sure, maybe = _both_tallies([_holds(each, block) for each in conditions], block)
        case NotCondition(inner):
            held, could = _holds(inner, block)
            denied = ~could
            return denied, (denied if could is held else ~held)
        case Reached(scale, value):
            scores = block.scores[scale]
            is_reached = scores >= value
            return is_reached, is_reached | np.isnan(scores)
    is_sure = sure >= at_least
    return is_sure, (is_sure if maybe is sure else maybe >= at_least)


def _reached(items: tuple[tuple[str, int], ...], block: _Block) -> tuple[Integers, Integers]:
    """Count the items at or above their values, and those that are or may yet be."""
    if items not in block.counts:
        block.counts[items] = _both_tallies([_reaches(k, v, block) for k, v in items], block)
    return block.counts[items]


def _reaches(link_id: str, value: int, block: _Block) -> Truth:
    place = block.places[link_id]
    reached = block.answers[place] >= value
    if block.given is None:
        return reached, reached
    sure = reached & block.given[place]
    settled = block.settled(place)
    return sure, sure if settled is None else sure | ~settled


def _both_tallies(truths: Sequence[Truth], block: _Block) -> tuple[Integers, Integers]:
    sure = _tally([held for held, _ in truths], block.size)
    if all(could is held for held, could in truths):
        return sure, sure
    return sure, _tally([could for _, could in truths], block.size)
