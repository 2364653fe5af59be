"""Read a CSV file and its map into measurements, or into the list of what is wrong (pure)."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from outcomes.imports.mapping import ImportRefused, Map, Measure
from outcomes.instruments.definition import Definition, Scale

_NUMBER = re.compile(r"-?[0-9]{1,9}(\.[0-9]{1,9})?")
# Statistics programs write whole numbers so.
_POINT_ZERO = re.compile(r"(-?[0-9]+)\.0+")
RECORD_NUMBER_LENGTH = 64


@dataclass(frozen=True, slots=True)
class Row:
    """One row: its number as a spreadsheet counts, the header being row 1, and its cells."""

    number: int
    cells: Mapping[str, str]

    def where(self, column: str) -> str:
        """Name one of its cells to a person."""
        return f"row {self.number}, column {column}"


@dataclass(slots=True)
class Measurement:
    """One filling-in of one questionnaire: its scores by scale or, `by_item`, its answers."""

    record_number: str
    instrument: str
    at: datetime
    by_item: bool
    values: dict[str, int]
    where: str  #: in the file it first stands, for a person
    number: int | None = None  #: of the measurement in the source, where that numbers them

    @property
    def key(self) -> tuple[str, str, datetime]:
        """Return what makes it the same measurement: patient, instrument and time."""
        return self.record_number, self.instrument, self.at

    def contradictions(self, known: Mapping[str, float]) -> list[str]:
        """Say where another reading of the same measurement has other values."""
        if self.by_item:
            return ["the answers contradict those"] if self.values != known else []
        return [
            f"{value} contradicts {known[scale]:g}"
            for scale, value in self.values.items()
            if known.get(scale, value) != value
        ]


@dataclass(slots=True)
class Reading:
    """All that a file holds: measurements in file order, empty cells per measure, problems."""

    measurements: dict[tuple[str, str, datetime], Measurement] = field(default_factory=dict)
    numbered: dict[tuple[str, str, int], Measurement] = field(default_factory=dict)
    skipped: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)


def read_rows(content: bytes, delimiter: str) -> list[Row]:
    """Return the rows of a CSV file; raises ImportRefused for one that cannot be read."""
    records = _records(_text(content), delimiter)
    if not records:
        raise ImportRefused(["The file is empty."])
    header = [cell.strip() for cell in records[0][1]]
    if problem := _header_problem(header):
        raise ImportRefused([problem])
    if len(records) == 1:
        raise ImportRefused(["The file has a header but no rows."])
    if problems := [
        f"row {number}: has {len(cells)} cells where the header has {len(header)}."
        for number, cells in records[1:]
        if len(cells) != len(header)
    ]:
        raise ImportRefused(problems)
    return [
        Row(number, dict(zip(header, (cell.strip() for cell in cells), strict=True)))
        for number, cells in records[1:]
    ]


def _text(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        row = content[: error.start].count(b"\n") + 1
        raise ImportRefused(
            [f"The file is not UTF-8 text: see row {row}. Save it again as “CSV UTF-8”."]
        ) from error


def _records(text: str, delimiter: str) -> list[tuple[int, list[str]]]:
    try:
        records = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
    except csv.Error as error:
        raise ImportRefused([f"The file is not CSV: {error}."]) from error
    return [(number, cells) for number, cells in enumerate(records, 1) if any(cells)]


def _header_problem(header: list[str]) -> str:
    if len(header) == 1:
        for other in ";\t|,":
            if other in header[0]:
                shown = "a tab" if other == "\t" else f"“{other}”"
                return f"The header is one column: if {shown} is the delimiter, say so in the map."
    repeated = [name for name, count in Counter(header).items() if count > 1 and name]
    return f"Column {', '.join(repeated)}: stands twice in the header." if repeated else ""


def plain(cell: str) -> str:
    """Return a cell without the “.0” that statistics programs add to whole numbers."""
    match = _POINT_ZERO.fullmatch(cell)
    return match[1] if match else cell


def definition_problems(plan: Map, definitions: Mapping[str, Definition]) -> Iterator[str]:
    """Yield what the map asks of questionnaires that they do not have."""
    for i, measure in enumerate(plan.measures):
        definition = definitions.get(measure.instrument)
        if definition is None:
            known = ", ".join(sorted(definitions))
            yield f"Map: measures[{i}]: unknown instrument {measure.instrument}; known are {known}."
            continue
        scales = [scale.code for scale in definition.scales]
        if measure.column and measure.scale not in scales:
            has = ", ".join(scales)
            yield f"Map: measures[{i}]: {definition.code} has no scale {measure.scale}, but {has}."
        if unknown := [link_id for link_id in measure.items if link_id not in definition.allowed]:
            yield f"Map: measures[{i}]: {definition.code} has no item {', '.join(unknown)}."


def read(
    rows: list[Row], plan: Map, definitions: Mapping[str, Definition], now: datetime
) -> Reading:
    """Return what the rows hold by the map, with every problem of every cell.

    `definitions` passed `definition_problems`. Raises ImportRefused for a column that the file
    does not have.
    """
    missing = [column for column in plan.columns if column not in rows[0].cells]
    if missing:
        has = ", ".join(name for name in rows[0].cells if name)
        raise ImportRefused([f"The file has no column {', '.join(missing)}. It has {has}."])
    reading = Reading()
    for row in rows:
        _read_row(row, plan, definitions, now, reading)
    return reading


def _read_row(
    row: Row, plan: Map, definitions: Mapping[str, Definition], now: datetime, reading: Reading
) -> None:
    record_number = plan.prefix + plain(row.cells[plan.patient_column])
    if record_number == plan.prefix or len(record_number) > RECORD_NUMBER_LENGTH:
        reading.problems.append(
            f"{row.where(plan.patient_column)}: a record number has 1 to "
            f"{RECORD_NUMBER_LENGTH} characters."
        )
        return
    at, told = _time(row, plan, now, reading), _number(row, plan, reading)
    for measure in plan.measures:
        values, problems = _values(row, measure, definitions[measure.instrument], plan.missing)
        reading.problems += problems
        reading.skipped[measure.label] += not values and not problems
        measured_at = at if measure.day is None else plan.clock.on_day(measure.day)
        if values and measured_at is not None:
            where = row.where(" ".join(measure.columns))
            by_item, number = not measure.column, plan.number_of(measure, told, measured_at)
            _add(
                Measurement(
                    record_number, measure.instrument, measured_at, by_item, values, where, number
                ),
                reading,
            )


def _time(row: Row, plan: Map, now: datetime, reading: Reading) -> datetime | None:
    cell = row.cells[plan.clock.column]
    try:
        at = plan.clock.read(plain(cell))
        if at > now:
            raise ValueError(f"“{cell}” is in the future")
    except ValueError as error:
        reading.problems.append(f"{row.where(plan.clock.column)}: {error}.")
        return None
    return at


def _number(row: Row, plan: Map, reading: Reading) -> int | None:
    column = plan.clock.number_column
    if not column:
        return None
    try:
        return plan.clock.number(plain(row.cells[column]))
    except ValueError as error:
        reading.problems.append(f"{row.where(column)}: {error}.")
        return None


def _values(
    row: Row, measure: Measure, definition: Definition, missing: frozenset[str]
) -> tuple[dict[str, int], list[str]]:
    """Return a measure's values in one row, and every cell that cannot be read: never a gap."""
    values, problems = {}, []
    for name, column in measure.parts.items():
        cell = plain(row.cells[column])
        if cell not in missing:
            try:
                values[name] = _value(cell, name, measure, definition)
            except ValueError as error:
                problems.append(f"{row.where(column)}: {error}.")
    return values, problems


def _value(cell: str, name: str, measure: Measure, definition: Definition) -> int:
    if not _NUMBER.fullmatch(cell):
        raise ValueError(f"“{cell}” is not a number")
    if measure.column:
        scale = next(scale for scale in definition.scales if scale.code == name)
        return _total(cell, measure, scale)
    if int(float(cell)) not in definition.allowed[name] or "." in cell:
        takes = ", ".join(str(value) for value in sorted(definition.allowed[name]))
        raise ValueError(f"“{cell}” is no answer to {definition.code} item {name}: {takes} are")
    return int(cell)


def _total(cell: str, measure: Measure, scale: Scale) -> int:
    """Return a score as the scale counts it: a whole number, for prorated ones are not taken."""
    value = float(cell) * measure.multiply
    said = f"“{cell}”" if measure.multiply == 1 else f"“{cell}” times {measure.multiply:g}"
    if value > scale.high:
        raise ValueError(f"{said} is above {scale.high:g}, the most {measure.label} can be")
    if value < scale.low:
        raise ValueError(f"{said} is below {scale.low:g}, the least {measure.label} can be")
    if value % scale.multiplier:
        step = "whole number" if scale.multiplier == 1 else f"multiple of {scale.multiplier}"
        raise ValueError(f"{said} is not a {step}, as {measure.label} always is")
    return int(value)


def _add(found: Measurement, reading: Reading) -> None:
    """Keep a measurement; the same one again changes nothing, a different one is a problem."""
    known = reading.measurements.setdefault(found.key, found)
    reading.problems += [
        f"{found.where}: {words} in {known.where}, for the same patient and time."
        for words in found.contradictions(known.values)
    ]
    known.values = found.values | known.values
    if found.number != known.number:
        reading.problems.append(
            f"{found.where}: measurement {found.number} is numbered {known.number} in "
            f"{known.where}, for the same patient and time."
        )
    elif found.number is not None:
        first = reading.numbered.setdefault((*found.key[:2], found.number), found)
        if first.at != found.at:
            reading.problems.append(
                f"{found.where}: measurement {found.number} is at another time in {first.where}, "
                "for the same patient."
            )
