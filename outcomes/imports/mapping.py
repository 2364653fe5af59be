"""A map says how the columns of a file become scores (pure; schema.json describes it)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Self
from zoneinfo import ZoneInfo, available_timezones

from jsonschema import Draft202012Validator

SCHEMA = Path(__file__).parent / "schema.json"
YEARS = range(1900, 2100)
MOST_MEASUREMENTS = 9999


class ImportRefused(Exception):
    """Say why nothing was imported: every problem found, one sentence each, for the person."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("The import was refused.")
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True)
class Measure:
    """One measure: a score in a column, or answers in several columns (item to column)."""

    instrument: str
    scale: str
    column: str
    items: Mapping[str, str]
    multiply: float
    day: int | None
    number: int | None  #: of the measurement, where `day` fixes it

    @property
    def parts(self) -> Mapping[str, str]:
        """Return its columns, by scale or by item."""
        return {self.scale: self.column} if self.column else self.items

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the columns it is read from."""
        return tuple(self.parts.values())

    @property
    def label(self) -> str:
        """Return what a person calls it."""
        return f"{self.instrument} {self.scale if self.column else 'answers'}"


@dataclass(frozen=True, slots=True)
class Clock:
    """Where a row's time comes from: a date column, or a day counted from `start_on`."""

    zone: ZoneInfo
    at: time
    column: str
    date_format: str
    start_on: date | None
    days: Mapping[str, int] | None
    number_column: str  #: holds the number of the measurement; "" where none does

    def on_day(self, day: int, at: time | None = None) -> datetime:
        """Return the instant of a day counted from `start_on`, in UTC; `at` is a time of day."""
        assert self.start_on is not None
        local = datetime.combine(self.start_on + timedelta(days=day), at or self.at, self.zone)
        return local.astimezone(UTC)

    def read(self, cell: str) -> datetime:
        """Return the instant a cell stands for, in UTC; raises ValueError saying what is wrong."""
        if self.date_format:
            return self._dated(cell)
        if self.days is not None:
            if cell not in self.days:
                raise ValueError(f"“{cell}” is none of {', '.join(self.days)}")
            return self.on_day(self.days[cell])
        if not cell.lstrip("-").isdecimal() or len(cell) > 6:
            raise ValueError(f"“{cell}” is not a whole number of days")
        return self.on_day(int(cell))

    def number(self, cell: str) -> int:
        """Return the number of the measurement that a cell holds; raises ValueError."""
        if not cell.isdecimal() or not 1 <= int(cell) <= MOST_MEASUREMENTS:
            raise ValueError(f"“{cell}” is not a whole number from 1 to {MOST_MEASUREMENTS}")
        return int(cell)

    def _dated(self, cell: str) -> datetime:
        try:
            local = datetime.strptime(cell, self.date_format).replace(tzinfo=self.zone)
        except ValueError:
            raise ValueError(f"“{cell}” is not a date like {self.date_format}") from None
        if "%H" not in self.date_format:
            local = datetime.combine(local.date(), self.at, self.zone)
        if local.year not in YEARS:
            raise ValueError(f"“{cell}” is not a date of this or the last century")
        return local.astimezone(UTC)


@dataclass(frozen=True, slots=True)
class Map:
    """One file's map."""

    title: str
    citation: str
    note: str
    delimiter: str
    missing: frozenset[str]
    language: str
    indication: str
    patient_column: str
    prefix: str
    clock: Clock
    course_kind: str  #: "" where the file says nothing about a treatment
    course_from: datetime | None
    measures: tuple[Measure, ...]
    listed: Mapping[datetime, int]  #: where the map lists every day, their numbers in order

    @classmethod
    def from_text(cls, text: bytes) -> Self:
        """Read a map; raises ImportRefused with every problem of it."""
        try:
            data = json.loads(text.decode("utf-8-sig"))
        except (ValueError, RecursionError) as error:
            raise ImportRefused([f"The map is not JSON: {error}."]) from error
        if problems := list(_problems(data)):
            raise ImportRefused([f"Map: {problem}." for problem in problems])
        clock, course = _clock(data["time"]), data.get("course")
        measures = tuple(_measure(measure) for measure in data["measures"])
        return cls(
            title=data["title"],
            citation=data.get("citation", ""),
            note=data.get("note", ""),
            delimiter=data.get("delimiter", ","),
            missing=frozenset(["", *data.get("missing", [])]),
            language=data.get("language", ""),
            indication=data["indication"],
            patient_column=data["patient"]["column"],
            prefix=data["patient"].get("prefix", ""),
            clock=clock,
            course_kind=course["kind"] if course else "",
            course_from=(
                clock.on_day(course["day"], time.fromisoformat(course["at"])) if course else None
            ),
            measures=measures,
            listed=_listed(clock, measures),
        )

    @property
    def columns(self) -> list[str]:
        """Return every column the map reads, each once."""
        measured = (column for measure in self.measures for column in measure.columns)
        told = [self.patient_column, self.clock.column, self.clock.number_column]
        return list(dict.fromkeys([*filter(None, told), *measured]))

    def number_of(self, measure: Measure, told: int | None, at: datetime) -> int | None:
        """Return the number of a measurement taken at `at` in its source, if that numbers them.

        `told` is that of the row. A map that lists every day numbers them in their order.
        """
        if self.clock.number_column:
            return told if measure.day is None else measure.number
        return self.listed.get(at)


def _clock(data: Mapping[str, Any]) -> Clock:
    dated = data.get("date", {})
    return Clock(
        zone=ZoneInfo(data["zone"]),
        at=time.fromisoformat(data["at"]),
        column=dated.get("column") or data["day"]["column"],
        date_format=dated.get("format", "%Y-%m-%d") if dated else "",
        start_on=date.fromisoformat(data["start_on"]) if "start_on" in data else None,
        days=data.get("day", {}).get("days"),
        number_column=data.get("number", {}).get("column", ""),
    )


def _measure(data: Mapping[str, Any]) -> Measure:
    return Measure(
        instrument=data["instrument"],
        scale=data.get("scale", "total"),
        column=data.get("column", ""),
        items=data.get("items", {}),
        multiply=data.get("multiply", 1),
        day=data.get("day"),
        number=data.get("number"),
    )


def _listed(clock: Clock, measures: Sequence[Measure]) -> Mapping[datetime, int]:
    if clock.days is None:
        return {}
    days = {*clock.days.values(), *(m.day for m in measures if m.day is not None)}
    return {clock.on_day(day): number for number, day in enumerate(sorted(days), 1)}


@cache
def _validator() -> Draft202012Validator:
    return Draft202012Validator(json.loads(SCHEMA.read_text("utf-8")))


def _problems(data: Any) -> Iterator[str]:
    errors = sorted(_validator().iter_errors(data), key=lambda error: (error.json_path, str(error)))
    for error in errors:
        path = error.json_path.removeprefix("$").removeprefix(".")
        yield f"{path}: {error.message}" if path else error.message
    if not errors:
        yield from _time_problems(data["time"])
        if "course" in data and "start_on" not in data["time"]:
            yield "course.day: needs time.start_on to count from"
        yield from _measure_problems(data)


def _time_problems(data: Mapping[str, Any]) -> Iterator[str]:
    """Say what the schema cannot, in words a person can act on."""
    if data["zone"] not in available_timezones():
        yield f"time.zone: “{data['zone']}” is not a time zone name"
    if ("date" in data) == ("day" in data):
        yield "time: needs either date or day, to say which column holds the time"
    if "day" in data and "start_on" not in data:
        yield "time.start_on: is needed to count days from"
    try:
        if date.fromisoformat(data.get("start_on", "2000-01-01")).year not in YEARS:
            raise ValueError
    except ValueError:
        yield f"time.start_on: “{data['start_on']}” is not a date of this or the last century"


def _measure_problems(data: Mapping[str, Any]) -> Iterator[str]:
    by_items = {measure["instrument"] for measure in data["measures"] if "items" in measure}
    seen: set[tuple[str, str, int | None]] = set()
    for i, measure in enumerate(data["measures"]):
        where, code = f"measures[{i}]", measure["instrument"]
        key = (code, "" if code in by_items else measure.get("scale", "total"), measure.get("day"))
        if key in seen:
            yield f"{where}: {code} is read twice for the same time"
        seen.add(key)
        if ("column" in measure) == ("items" in measure):
            yield f"{where}: needs either column, for a score, or items, for answers"
        if "items" in measure and {"scale", "multiply"} & set(measure):
            yield f"{where}: answers are scored here, so scale and multiply do not go with items"
        if "day" in measure and "start_on" not in data["time"]:
            yield f"{where}.day: needs time.start_on to count from"
        if "number" in measure and ("day" not in measure or "number" not in data["time"]):
            yield f"{where}.number: goes with day, where time.number tells those of the rows"
