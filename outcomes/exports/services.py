"""Write a table as CSV, one line at a time, and record that it left."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, cast
from zoneinfo import ZoneInfo

from django.db import connection

from outcomes.audit import services as audit
from outcomes.audit.models import Actor
from outcomes.clinics.models import Clinic
from outcomes.exports.cells import line
from outcomes.exports.columns import Column, Selection, Table

if TYPE_CHECKING:
    from django.db.backends.postgresql.operations import DatabaseOperations

_FETCH = 2000
_BLOCK = 64 * 1024


def export(
    *,
    table: Table,
    clinic: Clinic,
    by: Actor,
    now: datetime,
    since: date | None = None,
    until: date | None = None,
) -> Generator[bytes, None, None]:
    """Yield a clinic's table as CSV (UTF-8, header first) in blocks, whatever its size.

    `since` and `until` are days in the clinic's time zone, both included. The start is recorded
    before the first byte leaves; the end, with the number of rows, even if the reader goes away.
    """
    filters = {name: str(day) for name, day in (("since", since), ("until", until)) if day}
    data: dict[str, object] = {"table": table.name, "format": "csv", "filters": filters}
    rows = lines(table, selection_of(clinic, since, until))
    yield from recorded(rows, data, clinic=clinic, by=by, now=now)


def recorded(
    rows: Generator[bytes, None, None],
    data: dict[str, object],
    *,
    clinic: Clinic,
    by: Actor,
    now: datetime,
) -> Generator[bytes, None, None]:
    """Yield CSV lines (header first) in blocks; `data` is what the audit record says they are."""
    _record("export.started", clinic, by, now, data)
    count = -1  # the header is no row
    is_complete = False
    try:
        with closing(rows):
            block = bytearray()
            for row in rows:
                count += 1
                block += row
                if len(block) >= _BLOCK:
                    yield bytes(block)
                    block.clear()
            yield bytes(block)
        is_complete = True
    finally:
        data = {**data, "rows": max(count, 0), "is_complete": is_complete}
        _record("export.made", clinic, by, now, data)


def _record(action: str, clinic: Clinic, by: Actor, now: datetime, data: dict[str, object]) -> None:
    audit.record(
        clinic_id=clinic.pk, by=by, now=now, action=action, object_type="Export", data=data
    )


def selection_of(clinic: Clinic, since: date | None, until: date | None) -> Selection:
    """Return the rows from the first moment of `since` to the last of `until`, as the clinic's."""
    zone = ZoneInfo(clinic.time_zone)
    return Selection(
        clinic.pk,
        datetime.combine(since, time(), zone) if since else None,
        datetime.combine(until + timedelta(days=1), time(), zone) if until else None,
    )


def lines(table: Table, selection: Selection) -> Generator[bytes, None, None]:
    """Yield a table's header and rows as CSV lines, the same bytes from every database."""
    if connection.vendor == "postgresql":
        return _copied(table, selection)
    return _written(table, selection)


def _copied(table: Table, selection: Selection) -> Generator[bytes, None, None]:
    cells = ", ".join(
        f'{column.kind.sql.format(*column.sources)} AS "{column.name}"' for column in table.columns
    )
    rows = table.rows(selection)
    # Made of this room's own words; what comes from outside is a parameter.
    query = f"SELECT {cells} FROM {rows.sql}"  # noqa: S608
    statement = cast("DatabaseOperations", connection.ops).compose_sql(query, rows.params)
    with (
        connection.cursor() as cursor,
        cursor.copy(f"COPY ({statement}) TO STDOUT (FORMAT csv, HEADER)") as copy,
    ):
        # One message is one row, always: so the protocol says.
        yield from map(bytes, copy)


def _written(table: Table, selection: Selection) -> Generator[bytes, None, None]:
    yield line([column.name for column in table.columns]).encode()
    sources = ", ".join(source for column in table.columns for source in column.sources)
    rows = table.rows(selection)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {sources} FROM {rows.sql}", rows.params)  # noqa: S608
        while batch := cursor.fetchmany(_FETCH):
            for values in batch:
                yield line(list(_cells(table.columns, iter(values)))).encode()


def _cells(columns: Iterable[Column], values: Iterator[object]) -> Iterator[str]:
    for column in columns:
        stored = [next(values) for _ in column.sources]
        yield "" if None in stored else column.kind.text(*stored)
