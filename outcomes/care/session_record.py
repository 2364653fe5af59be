"""What a session record may hold, and which values ask for confirmation (pure).

Values outside a plausible range are kept as entered once a person confirms them; nothing here
computes or suggests a dose.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo


class Usual(NamedTuple):
    """The range a value usually lies in, both ends included, and how the form names it."""

    low: float
    high: float
    label: str
    unit: str = ""


# A design choice: wide enough that only slips of the finger fall outside.
PLAUSIBLE: dict[str, Usual] = {
    "weight_kg": Usual(30, 250, "Weight", "kg"),
    "infusion_minutes": Usual(1, 240, "Minutes"),
    "sedation": Usual(0, 5, "MOAA/S"),
    "dissociation": Usual(0, 92, "CADSS total"),
    "sedation_minute": Usual(0, 600, "MOAA/S at minute"),
    "dissociation_minute": Usual(0, 600, "CADSS total at minute"),
}
PLAUSIBLE_VITALS: dict[str, Usual] = {
    "minute": Usual(-120, 600, "Minute"),
    "systolic": Usual(70, 220, "Systolic"),
    "diastolic": Usual(40, 130, "Diastolic"),
    "heart_rate": Usual(35, 180, "Heart rate"),
    "spo2": Usual(80, 100, "SpO₂", "%"),
    "respiratory_rate": Usual(6, 40, "Breaths/min"),
}
# By unit: what is given in practice, by any route, lies far inside. An unknown unit is asked about.
PLAUSIBLE_DOSES: dict[str, tuple[float, float]] = {
    "mg": (0.1, 500),
    "mg/kg": (0.01, 10),
    "mcg": (1, 5_000),
    "mL": (0.1, 500),
    "sprays": (1, 30),
    "devices": (1, 10),
    "lozenges": (0.25, 20),
    "pulses": (50, 20_000),
}

# Beyond these a value is a mistake that nobody can confirm.
NUMBER_AT_MOST = 9999
FIRST_YEAR, LAST_YEAR = 1900, 2199
WHOLE_NUMBERS = ("number", *(name for name in PLAUSIBLE if name != "weight_kg"))
MOMENTS = {
    "planned_at": "Planned for",
    "started_at": "Started",
    "ended_at": "Ended",
    "ready_at": "Ready for discharge",
}
# Sessions given before somebody was enrolled are entered afterwards; years before is a slip.
EPISODE_GRACE = timedelta(days=366)
LONGEST_SESSION = timedelta(hours=24)
FURTHEST_PLAN = timedelta(days=2 * 366)

SLOTS = {"before": "Before", "middle": "About 40 minutes", "discharge": "Discharge"}
SEVERITIES = ("none", "mild", "moderate", "severe")
ROWS: dict[str, tuple[frozenset[str], frozenset[str]]] = {
    # list name: (columns that must be filled, columns that may be)
    "vitals": (frozenset({"minute"}), frozenset({"slot", *PLAUSIBLE_VITALS}) - {"minute"}),
    "concomitant": (frozenset({"medicine"}), frozenset({"last_taken_on"})),
    "effects": (
        frozenset({"effect", "severity"}),
        frozenset({"onset_minute", "resolved_minute"}),
    ),
    "adverse_events": (
        frozenset({"term", "is_serious"}),
        frozenset({"action", "outcome"}),
    ),
}


class RecordError(ValueError):
    """A session record that cannot be kept: which field, and why, in one sentence."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Facts:
    """What a record's times and number are held against; sentences are on the clock of `zone`."""

    now: datetime
    zone: str
    born_on: date | None
    episode_started_on: date
    # Among the other sessions of the course; 0 when there is none.
    highest_number: int


def check_limits(record: Mapping[str, Any]) -> None:
    """Raise RecordError for a number or a moment that no session can have."""
    for name in WHOLE_NUMBERS:
        value = record.get(name)
        if isinstance(value, int) and value > NUMBER_AT_MOST:
            raise RecordError(name, f"must be at most {NUMBER_AT_MOST}, not {value}.")
    for name in MOMENTS:
        at = record.get(name)
        if isinstance(at, datetime) and not FIRST_YEAR <= at.year <= LAST_YEAR:
            raise RecordError(name, f"must lie between the years {FIRST_YEAR} and {LAST_YEAR}.")


def check_rows(record: Mapping[str, Any]) -> None:
    """Raise RecordError unless every list in the record has only known, well-typed columns."""
    for name, (needed, optional) in ROWS.items():
        rows = record.get(name, [])
        if not isinstance(rows, list):
            raise RecordError(name, "must be a list of rows.")
        for position, row in enumerate(rows, 1):
            where = f"{name} row {position}"
            if not isinstance(row, Mapping):
                raise RecordError(name, f"row {position} must be an object.")
            if unknown := sorted(set(row) - needed - optional):
                raise RecordError(name, f"row {position} has an unknown column “{unknown[0]}”.")
            if missing := sorted(column for column in needed if row.get(column) in (None, "")):
                raise RecordError(name, f"row {position} lacks “{missing[0]}”.")
            for column, value in row.items():
                _check_cell(name, where, column, value)


def _check_cell(name: str, where: str, column: str, value: Any) -> None:
    if value in (None, ""):
        return
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if (column in PLAUSIBLE_VITALS or column.endswith("_minute")) and not is_number:
        raise RecordError(name, f"{where}: “{column}” must be a number, not “{value}”.")
    if is_number and abs(value) > NUMBER_AT_MOST:
        limits = f"between -{NUMBER_AT_MOST} and {NUMBER_AT_MOST}"
        raise RecordError(name, f"{where}: “{column}” must lie {limits}, not {value}.")
    if column == "slot" and value not in SLOTS:
        raise RecordError(name, f"{where}: “{value}” is not one of {', '.join(SLOTS)}.")
    if column == "severity" and value not in SEVERITIES:
        raise RecordError(name, f"{where}: “{value}” is not one of {', '.join(SEVERITIES)}.")
    if column == "is_serious" and not isinstance(value, bool):
        raise RecordError(name, f"{where}: “is_serious” must be true or false.")
    if column.endswith("_on"):
        try:
            date.fromisoformat(str(value))
        except ValueError:
            raise RecordError(name, f"{where}: “{value}” is not a date.") from None


def doubts(record: Mapping[str, Any], facts: Facts) -> Iterator[tuple[str, str]]:
    """Yield (field, sentence) for everything that a person should confirm before it is kept."""
    yield from _implausible_number(record, facts)
    yield from _implausible_times(record, facts)
    yield from implausible(record)


def implausible(record: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield (field, sentence) for every measured or given value outside its usual range."""
    for name, usual in PLAUSIBLE.items():
        yield from _outside(name, "", record.get(name), usual)
    yield from _implausible_dose(record.get("dose_amount"), record.get("dose_unit") or "")
    for row in record.get("vitals") or []:
        reading = SLOTS.get(row.get("slot") or "", f"minute {row.get('minute')}")
        for column, usual in PLAUSIBLE_VITALS.items():
            yield from _outside("vitals", f"Vital signs, {reading}: ", row.get(column), usual)


def _implausible_dose(amount: Decimal | None, unit: str) -> Iterator[tuple[str, str]]:
    if amount is None:
        return
    if unit in PLAUSIBLE_DOSES:
        yield from _outside("dose_amount", "", amount, Usual(*PLAUSIBLE_DOSES[unit], "Dose", unit))
    elif unit:
        known = ", ".join(PLAUSIBLE_DOSES)
        yield "dose_unit", f"Dose {_plain(amount)} {unit}: the unit is not one of {known}."


def _outside(
    field: str, where: str, value: float | Decimal | None, usual: Usual
) -> Iterator[tuple[str, str]]:
    if value is not None and not usual.low <= float(value) <= usual.high:
        unit = f" {usual.unit}" if usual.unit else ""
        bounds = f"{usual.low:g} to {usual.high:g}{unit}"
        yield field, f"{where}{usual.label} {_plain(value)}{unit} is outside {bounds}."


def _plain(value: float | Decimal) -> str:
    return f"{value.normalize():f}" if isinstance(value, Decimal) else str(value)


def _implausible_number(record: Mapping[str, Any], facts: Facts) -> Iterator[tuple[str, str]]:
    number, highest = record.get("number"), facts.highest_number
    if number is not None and number > highest + 1:
        last = f"the course's highest is {highest}" if highest else "the course has no session yet"
        yield "number", f"Number {number} leaves a gap: {last}."


def _implausible_times(record: Mapping[str, Any], facts: Facts) -> Iterator[tuple[str, str]]:
    zone = ZoneInfo(facts.zone)
    planned, started = record.get("planned_at"), record.get("started_at")
    begins = {"started_at": started, "planned_at": None if planned == started else planned}
    ends = {name: record.get(name) for name in ("ended_at", "ready_at")}
    for name, at in {**begins, **ends}.items():
        if at is None:
            continue
        odd = _odd_begin(at, facts) if name in begins else _odd_end(at, started or planned, facts)
        if odd:
            yield name, f"{MOMENTS[name]} {_moment(at, zone)} is {odd}."
    for field, label, on in _days(record):
        if odd := _odd_day(on, facts):
            yield field, f"{label} {_day(on)} is {odd}."


def _odd_begin(at: datetime, facts: Facts) -> str:
    on = at.astimezone(ZoneInfo(facts.zone)).date()
    if facts.born_on and on < facts.born_on:
        return f"before the patient's birth on {_day(facts.born_on)}"
    if on < facts.episode_started_on - EPISODE_GRACE:
        return f"more than a year before the episode, {_day(facts.episode_started_on)}"
    return "more than 2 years ahead" if at > facts.now + FURTHEST_PLAN else ""


def _odd_end(at: datetime, begin: datetime | None, facts: Facts) -> str:
    if at > facts.now:
        return "in the future"
    if begin is not None and at < begin:
        return "before the start"
    is_long = begin is not None and at - begin > LONGEST_SESSION
    return "more than 24 hours after the start" if is_long else ""


def _days(record: Mapping[str, Any]) -> Iterator[tuple[str, str, date]]:
    if weighed := record.get("weight_on"):
        yield "weight_on", "Weighed on", weighed
    for row in record.get("concomitant") or []:
        if taken := row.get("last_taken_on"):
            yield "concomitant", f"{row['medicine']} last taken on", date.fromisoformat(taken)


def _odd_day(on: date, facts: Facts) -> str:
    if facts.born_on and on < facts.born_on:
        return f"before the patient's birth on {_day(facts.born_on)}"
    today = facts.now.astimezone(ZoneInfo(facts.zone)).date()
    return "in the future" if on > today else ""


def _moment(at: datetime, zone: ZoneInfo) -> str:
    local = at.astimezone(zone)
    return f"{_day(local)}, {local:%H:%M}"


def _day(on: date) -> str:
    return f"{on.day} {on:%b %Y}"
