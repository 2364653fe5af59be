"""How each kind of cell is written, in PostgreSQL and in Python, to the same bytes.

PostgreSQL writes its files itself, faster than rows can be read into Python; elsewhere Python
writes them from the values the database stores. A cell is empty where any value it is made of is
missing: never 0, never a word.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

# A spreadsheet may run a cell that begins so. The apostrophe itself is here to be undone exactly.
FORMULA_STARTS = "\t\r'+-=@"

_MICROSECOND, _DAY, _ZERO = timedelta(microseconds=1), timedelta(days=1), timedelta()
_NEEDS_QUOTES = re.compile('[",\r\n]')


def guard(text: str) -> str:
    """Put an apostrophe before text that a spreadsheet would take for a formula, or an apostrophe.

    `unguard` gives back exactly what went in.
    """
    return f"'{text}" if text.startswith(tuple(FORMULA_STARTS)) else text


def unguard(text: str) -> str:
    """Take away the apostrophe that `guard` put there."""
    return text.removeprefix("'")


def line(cells: list[str]) -> str:
    """Join cells to one CSV line as PostgreSQL does: quotes only where they are needed."""
    return ",".join(map(_quoted, cells)) + "\n"


def line_of(*values: object) -> str:
    """Return one CSV line of values: text guarded, numbers as they are, None as an empty cell."""
    return line([_text(value) for value in values])


def _text(value: object) -> str:
    if isinstance(value, str):
        return guard(value)
    return "" if value is None else str(value)  # a number may begin with a minus sign


def _quoted(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"' if _NEEDS_QUOTES.search(cell) else cell


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of cell: its name, how PostgreSQL writes it, and how Python does.

    `sql` names the values it is made of {0}, {1}, ...; `text` takes them as SQLite stores them,
    none of them missing.
    """

    name: str
    sql: str
    text: Callable[..., str]


# Django has SQLite read most times into `datetime`, but not those of an expression.
Stored = datetime | str


def _instant(stored: Stored) -> datetime:
    return datetime.fromisoformat(str(stored)).replace(tzinfo=UTC)


def _utc(stored: Stored) -> str:
    return str(stored)[:19]


def _local(stored: Stored, zone: str) -> str:
    return _instant(stored).astimezone(ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M:%S")


def _elapsed(unit: int) -> Callable[[Stored, Stored], str]:
    """Return the time between in units of so many seconds, to 2 decimals, as PostgreSQL counts."""

    def text(later: Stored, earlier: Stored) -> str:
        span = _instant(later) - _instant(earlier)
        days, rest = divmod(abs(span), _DAY)
        seconds = rest / _MICROSECOND / 1e6 + days * 86400.0
        hundredths = round(seconds / (unit / 100))
        return _number((hundredths if span >= _ZERO else -hundredths) / 100)

    return text


def _elapsed_sql(unit: int) -> str:
    # Adding 0 turns -0 into 0.
    return f"round(date_part('epoch', {{0}} - {{1}}) / {unit // 100}) / 100 + 0"


def _number(stored: float | int | str) -> str:
    return str(stored).removesuffix(".0")


def _flag(stored: int) -> str:
    return "true" if stored else "false"


@lru_cache(maxsize=64)
def _parsed(document: str) -> Any:
    return json.loads(document)


def _rows(document: str) -> str:
    # jsonb orders names by length, then by bytes.
    rows = [
        dict(sorted(row.items(), key=lambda pair: (len(pair[0].encode()), pair[0].encode())))
        for row in _parsed(document)
    ]
    return json.dumps(rows, ensure_ascii=False) if rows else ""


def _member(document: str, name: str) -> str:
    value = _parsed(document).get(name)
    return "" if value is None else str(value)


def _answered_at(document: str, link_id: str) -> str:
    return _member(document, link_id)[:19].replace("T", " ")


def _label(labels: str, language: str, answers: str, link_id: str) -> str:
    return guard(_parsed(labels).get(language, {}).get(_member(answers, link_id), ""))


def _unanswered(mode: str, answers: str, link_id: str) -> str:
    if _member(answers, link_id):
        return ""
    if link_id not in _parsed(answers):
        return "skipped"
    return "not recorded" if mode == "import" else "left open"


def _guarded(sql: str) -> str:
    codes = ", ".join(str(ord(start)) for start in FORMULA_STARTS)
    return f"CASE WHEN ascii({sql}) IN ({codes}) THEN '''' || {sql} ELSE nullif({sql}, '') END"


KEY = Kind("key", "{0}", lambda stored: str(UUID(stored)))
# A word of a fixed list, which cannot hold anything else.
CODE = Kind("code", "nullif({0}, '')", str)
TEXT = Kind("text", _guarded("{0}"), guard)
INTEGER = Kind("integer", "{0}", str)
NUMBER = Kind("number", "{0}", _number)
DECIMAL = Kind("number", "trim_scale({0})", _number)
FLAG = Kind("true or false", "({0})::text", _flag)
DATE = Kind("date", "{0}", str)
UTC_TIME = Kind("UTC time", "date_trunc('second', {0} AT TIME ZONE 'UTC')", _utc)
LOCAL_TIME = Kind("local time", "date_trunc('second', {0} AT TIME ZONE {1})", _local)
HOURS = Kind("number", _elapsed_sql(3600), _elapsed(3600))
DAYS = Kind("number", _elapsed_sql(86400), _elapsed(86400))
ROWS = Kind("JSON rows", "nullif({0}::text, '[]')", _rows)
ANSWER = Kind("integer", "{0} ->> {1}", _member)
ANSWERED_AT = Kind("UTC time", "replace(left({0} ->> {1}, 19), 'T', ' ')", _answered_at)
LABEL = Kind("text", _guarded("({0} -> {1} ->> ({2} ->> {3}))"), _label)
UNANSWERED = Kind(
    "code",
    "CASE WHEN {1} ->> {2} IS NOT NULL THEN NULL"
    " WHEN NOT jsonb_exists({1}, {2}) THEN 'skipped'"
    " WHEN {0} = 'import' THEN 'not recorded' ELSE 'left open' END",
    _unanswered,
)
