"""How a cell is written: pure rules."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outcomes.exports import cells
from outcomes.exports.cells import FORMULA_STARTS, guard, line, unguard

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
hostile = st.builds(str.__add__, st.text(FORMULA_STARTS, min_size=1, max_size=3), text) | text


@settings(max_examples=200, deadline=None)
@given(st.lists(hostile, min_size=50, max_size=50))
def test_ten_thousand_hostile_strings_start_no_formula_and_come_back_exactly(
    strings: list[str],
) -> None:
    written = "".join(line([guard(string), "end"]) for string in strings)
    read = [row[0] for row in csv.reader(io.StringIO(written, newline=""), strict=True)]
    assert not [cell for cell in read if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
    assert [unguard(cell) for cell in read] == strings


@pytest.mark.parametrize(
    ("plain", "guarded"),
    [("=1+1", "'=1+1"), ("-3", "'-3"), ("'=1", "''=1"), ("a=1", "a=1"), ("", ""), ("é", "é")],
)
def test_it_guards_text(plain: str, guarded: str) -> None:
    assert guard(plain) == guarded


def test_it_quotes_only_what_needs_quotes() -> None:
    assert line(["a b", "a,b", 'a"b', "a\nb", "", "'x"]) == 'a b,"a,b","a""b","a\nb",,\'x\n'


@pytest.mark.parametrize(
    ("kind", "stored", "written"),
    [
        (cells.NUMBER, (12.0,), "12"),
        (cells.NUMBER, (10.285714285714286,), "10.285714285714286"),
        (cells.DECIMAL, (40,), "40"),
        (cells.FLAG, (0,), "false"),
        (cells.UTC_TIME, ("2026-02-02 09:00:00.999999",), "2026-02-02 09:00:00"),
        (cells.LOCAL_TIME, ("2026-07-01 09:00:00", "Europe/London"), "2026-07-01 10:00:00"),
        (cells.HOURS, ("2026-02-03 11:30:00", "2026-02-02 09:00:00"), "26.5"),
        (cells.HOURS, ("2026-02-02 09:00:00", "2026-02-02 09:00:10"), "0"),
        (cells.DAYS, ("2026-02-01 09:00:00", "2026-02-02 21:00:00"), "-1.5"),
        (cells.KEY, ("01a20576088e75919dc3d93cb6f3cf83",), "01a20576-088e-7591-9dc3-d93cb6f3cf83"),
        (cells.ROWS, ("[]",), ""),
        (cells.ROWS, ('[{"systolic": 120, "minute": 0}]',), '[{"minute": 0, "systolic": 120}]'),
        (cells.ANSWER, ('{"1": 0}', "1"), "0"),
        (cells.ANSWER, ('{"1": null}', "1"), ""),
        (cells.ANSWER, ("{}", "1"), ""),
    ],
)
def test_each_kind_writes_its_value(
    kind: cells.Kind, stored: tuple[object, ...], written: str
) -> None:
    assert kind.text(*stored) == written


def test_a_line_of_values_guards_text_and_leaves_numbers_alone() -> None:
    assert cells.line_of("=1+1", -11.0, None, "a,b", 3) == '\'=1+1,-11.0,,"a,b",3\n'
