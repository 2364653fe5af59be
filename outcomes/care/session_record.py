"""What a session record may hold, and which values ask for confirmation (pure).

Values outside a plausible range are kept as entered once a person confirms them; nothing here
computes or suggests a dose.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

# (low, high), inclusive. A design choice: wide enough that only slips of the finger fall outside.
PLAUSIBLE: dict[str, tuple[float, float]] = {
    "weight_kg": (30, 250),
    "infusion_minutes": (1, 240),
    "sedation": (0, 5),
    "dissociation": (0, 92),
    "sedation_minute": (0, 600),
    "dissociation_minute": (0, 600),
}
PLAUSIBLE_VITALS: dict[str, tuple[float, float]] = {
    "minute": (-120, 600),
    "systolic": (70, 220),
    "diastolic": (40, 130),
    "heart_rate": (35, 180),
    "spo2": (80, 100),
    "respiratory_rate": (6, 40),
}
# Milligrams of any route seen in practice lie far inside; other units are not judged.
PLAUSIBLE_DOSE_MG = (0.1, 500)

SEVERITIES = ("none", "mild", "moderate", "severe")
ROWS: dict[str, tuple[frozenset[str], frozenset[str]]] = {
    # list name: (columns that must be filled, columns that may be)
    "vitals": (frozenset({"minute"}), frozenset(PLAUSIBLE_VITALS) - {"minute"}),
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
    if column == "severity" and value not in SEVERITIES:
        raise RecordError(name, f"{where}: “{value}” is not one of {', '.join(SEVERITIES)}.")
    if column == "is_serious" and not isinstance(value, bool):
        raise RecordError(name, f"{where}: “is_serious” must be true or false.")
    if column.endswith("_on"):
        try:
            date.fromisoformat(str(value))
        except ValueError:
            raise RecordError(name, f"{where}: “{value}” is not a date.") from None


def implausible(record: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield (field, sentence) for every value that a person should confirm before it is kept."""
    for name, bounds in PLAUSIBLE.items():
        yield from _outside(name, name, record.get(name), bounds)
    if record.get("dose_unit") == "mg":
        yield from _outside("dose_amount", "dose", record.get("dose_amount"), PLAUSIBLE_DOSE_MG)
    for position, row in enumerate(record.get("vitals") or [], 1):
        for column, bounds in PLAUSIBLE_VITALS.items():
            yield from _outside("vitals", f"row {position} {column}", row.get(column), bounds)


def _outside(
    field: str, label: str, value: float | Decimal | None, bounds: tuple[float, float]
) -> Iterator[tuple[str, str]]:
    low, high = bounds
    if value is not None and not low <= float(value) <= high:
        words = label.replace("_", " ")
        yield field, f"{words} {value} is outside {low:g} to {high:g}. Check it."
