"""What a column of an export is, and the columns that several tables share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import QuerySet

from outcomes.care.models import CourseKind, Indication
from outcomes.exports import cells
from outcomes.exports.cells import Kind
from outcomes.responses.models import Mode


@dataclass(frozen=True, slots=True)
class Selection:
    """Which rows: one clinic's, with a time from `since` (included) until `until` (excluded)."""

    clinic_id: UUID
    since: datetime | None = None
    until: datetime | None = None

    def of(self, rows: QuerySet[Any], at: str) -> QuerySet[Any]:
        """Keep the rows of the selection; `at` names the column of a row's time."""
        rows = rows.filter(clinic_id=self.clinic_id)
        if self.since:
            rows = rows.filter(**{f"{at}__gte": self.since})
        if self.until:
            rows = rows.filter(**{f"{at}__lt": self.until})
        return rows


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its name, its kind, the SQL values it is made of, and what it means."""

    name: str
    kind: Kind
    sources: tuple[str, ...]
    meaning: str
    unit: str = ""
    values: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rows:
    """A FROM clause with its order and parameters: what the columns' sources refer to."""

    sql: str
    params: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Described:
    """What a file holds: a name, what a row is, and its columns."""

    name: str
    meaning: str
    columns: tuple[Column, ...]


@dataclass(frozen=True, slots=True)
class Table(Described):
    """One table, and where its rows come from: the database writes them."""

    rows: Callable[[Selection], Rows]


def column(
    name: str,
    kind: Kind,
    meaning: str,
    *sources: str,
    unit: str = "",
    values: type[Any] | Mapping[str, str] | None = None,
) -> Column:
    """Describe a column; without `sources` it is the value of its own name."""
    given = {} if values is None else values
    allowed = given if isinstance(given, Mapping) else {c.value: str(c.label) for c in given}
    return Column(name, kind, sources or (f"core.{name}",), meaning, unit, allowed)


def compiled(rows: QuerySet[Any, Any]) -> tuple[str, tuple[Any, ...]]:
    """Return a queryset's SQL and its parameters."""
    sql, params = rows.query.get_compiler(connection=connection).as_sql()
    return sql, tuple(params)


# -- Columns that several tables share -----------------------------------------------------------

PATIENT = (
    column("patient_key", cells.KEY, "the patient, the same in every table", "core.patient_id"),
    column("record_number", cells.TEXT, "the clinic's own number for the patient"),
    column("is_synthetic", cells.FLAG, "whether the patient was made up for practice"),
    column("episode_key", cells.KEY, "the episode of care", "core.episode_id"),
    column("indication", cells.CODE, "the problem the episode treats", values=Indication),
)
COURSE = (
    column("course_key", cells.KEY, "the course of sessions, if there is one", "core.course_id"),
    column("course", cells.CODE, "what the course is for", "core.course_kind", values=CourseKind),
)
ZONE = column("time_zone", cells.TEXT, "the patient's time zone now, of every local time here")
FILLED_IN = (
    column("response_key", cells.KEY, "the filling-in of one questionnaire", "core.response_id"),
    column("instrument", cells.TEXT, "the questionnaire's code", "core.code"),
)
VERSION = (
    column("content_hash", cells.CODE, "SHA-256 of the questionnaire's exact wording and scoring"),
    column("language", cells.TEXT, "the language it was shown in"),
    column("mode", cells.CODE, "how the answers came in", values=Mode),
    column(
        "is_entered_twice",
        cells.FLAG,
        "whether a form filled in on paper was entered twice, alike; empty where none was",
        "CASE WHEN core.entered_by_id IS NULL THEN NULL ELSE core.is_entered_twice END",
    ),
)


def utc(name: str, meaning: str) -> Column:
    """Describe the time of this name, in UTC."""
    return column(f"{name}_utc", cells.UTC_TIME, meaning, f"core.{name}")
