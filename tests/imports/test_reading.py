"""What a file may hold, and how each fault is named."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from outcomes.imports.mapping import Map
from outcomes.imports.reading import Reading, definition_problems, plain, read, read_rows
from tests.imports.conftest import FILE, plan_of, refusal_of
from tests.library import LIBRARY

NOW = datetime(2026, 2, 2, 9, 0, tzinfo=UTC)
EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples"
ITEMS = [{"instrument": "PHQ-9", "items": {str(n): f"q{n}" for n in range(1, 10)}}]


def reading(content: bytes, plan: Map | None = None) -> Reading:
    plan = plan or plan_of()
    return read(read_rows(content, plan.delimiter), plan, LIBRARY, NOW)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "The file is empty."),
        (b"\n\n", "The file is empty."),
        (b"\xef\xbb\xbf", "The file is empty."),
        (b"id,on,bdi,who\n", "The file has a header but no rows."),
        (b"id,on,bdi,bdi,who\n", "Column bdi: stands twice in the header."),
        (b"id;on;bdi;who\n1;2;3;4\n", "The header is one column: if “;” is the delimiter, say so"),
        (b"id\ton\n1\t2\n", "The header is one column: if a tab is the delimiter, say so"),
        (b"id,on,who\n1,2025-01-10,0\n", "The file has no column bdi. It has id, on, who."),
        (b"id,on,bdi,who\n1,2025-01-10,33,\xe4\n", "The file is not UTF-8 text: see row 2."),
        ("id,on,bdi,who\n".encode("utf-16"), "The file is not UTF-8 text: see row 1."),
        (b"id,on,bdi,who\n1,2025-01-10,33\n", "row 2: has 3 cells where the header has 4."),
        (b'id,on,bdi,who\n1,2025-01-10,"33,4\n', "The file is not CSV: "),
    ],
)
def test_a_file_that_cannot_be_read_is_refused(content: bytes, sentence: str) -> None:
    (problem,) = refusal_of(lambda: reading(content))
    assert problem.startswith(sentence)


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ("1,2025-01-10,99,1", "row 2, column bdi: “99” is above 63, the most BDI-II total can be."),
        ("1,2025-01-10,-1,1", "row 2, column bdi: “-1” is below 0, the least BDI-II total can be."),
        ("1,2025-01-10,x,1", "row 2, column bdi: “x” is not a number."),
        ("1,2025-01-10,1e1,1", "row 2, column bdi: “1e1” is not a number."),
        ("1,2025-01-10,9.5,1", "row 2, column bdi: “9.5” is not a whole number, as BDI-II total"),
        ("1,2025-01-10,9,26", "row 2, column who: “26” times 4 is above 100, the most WHO-5 total"),
        ("1,2025-01-10,9,1.5", "row 2, column who: “1.5” times 4 is not a multiple of 4, as WHO-5"),
        ("1,10/01/2025,9,1", "row 2, column on: “10/01/2025” is not a date like %Y-%m-%d."),
        ("1,2025-02-30,9,1", "row 2, column on: “2025-02-30” is not a date like %Y-%m-%d."),
        ("1,,9,1", "row 2, column on: “” is not a date like %Y-%m-%d."),
        ("1,2031-01-01,9,1", "row 2, column on: “2031-01-01” is in the future."),
        ("1,0202-01-01,9,1", "row 2, column on: “0202-01-01” is not a date of this or the last"),
        (",2025-01-10,9,1", "row 2, column id: a record number has 1 to 64 characters."),
        (f"{'9' * 65},2025-01-10,9,1", "row 2, column id: a record number has 1 to 64 characters."),
    ],
)
def test_a_wrong_cell_is_named_by_row_and_column(row: str, sentence: str) -> None:
    (problem,) = reading(f"id,on,bdi,who\n{row}\n".encode()).problems
    assert problem.startswith(sentence)


def test_every_wrong_cell_is_named_not_only_the_first() -> None:
    problems = reading(b"id,on,bdi,who\n1,2025-01-10,99,99\n2,never,99,1\n").problems
    assert [problem.split(":")[0] for problem in problems] == [
        "row 2, column bdi", "row 2, column who", "row 3, column on", "row 3, column bdi",
    ]  # fmt: skip


def test_a_repeated_measurement_is_one_and_a_contradicting_one_is_refused() -> None:
    same = reading(b"id,on,bdi,who\n1,2025-01-10,33,0\n1.0,2025-01-10,33.0,\n")
    assert len(same.measurements) == 2
    assert same.problems == []
    other = reading(b"id,on,bdi,who\n1,2025-01-10,33,0\n1,2025-01-10,34,0\n")
    assert other.problems == [
        "row 3, column bdi: 34 contradicts 33 in row 2, column bdi, for the same patient and time."
    ]


def test_a_fixed_day_is_taken_once_per_patient() -> None:
    time = {"zone": "UTC", "at": "12:00", "start_on": "2025-01-01", "day": {"column": "day"}}
    measures = [
        {"instrument": "HAM-D17", "column": "base", "day": 0},
        {"instrument": "HAM-D17", "column": "now"},
    ]
    plan = plan_of(time=time, measures=measures)
    same = reading(b"id,day,base,now\n1,7,20,15\n1,14,20,9\n", plan)
    at = {key[2].day: found.values for key, found in same.measurements.items()}
    assert at == {1: {"total": 20}, 8: {"total": 15}, 15: {"total": 9}}
    other = reading(b"id,day,base,now\n1,7,20,15\n1,14,21,9\n", plan)
    assert other.problems == [
        "row 3, column base: 21 contradicts 20 in row 2, column base, "
        "for the same patient and time."
    ]


def test_missing_cells_are_counted_and_never_stored() -> None:
    found = reading(FILE + b"3,2025-01-10,-9.0,NA\n")
    assert found.skipped == {"BDI-II total": 2, "WHO-5 total": 2}
    assert {key[0] for key in found.measurements} == {"old-1", "old-2"}
    zero = found.measurements["old-1", "WHO-5", datetime(2025, 1, 10, 11, tzinfo=UTC)]
    assert zero.values == {"total": 0}


def test_several_scales_of_one_time_are_one_filling_in() -> None:
    plan = plan_of(
        measures=[
            {"instrument": "WHO-5", "column": "pct"},
            {"instrument": "WHO-5", "scale": "raw", "column": "raw"},
        ]
    )
    (found,) = reading(b"id,on,pct,raw\n1,2025-01-10,28,7\n", plan).measurements.values()
    assert found.values == {"total": 28, "raw": 7}


def test_answers_are_read_by_item() -> None:
    header = b"id,on," + b",".join(b"q%d" % n for n in range(1, 10)) + b"\n"
    found = reading(header + b"1,2025-01-10,1,1,1,,1,1,1,1,3.0\n", plan_of(measures=ITEMS))
    (one,) = found.measurements.values()
    assert one.by_item
    assert one.values == dict.fromkeys("1235678", 1) | {"9": 3}
    wrong = reading(header + b"1,2025-01-10,1,7,1,1,1,1,1,1.5,x\n", plan_of(measures=ITEMS))
    assert wrong.problems == [
        "row 2, column q2: “7” is no answer to PHQ-9 item 2: 0, 1, 2, 3 are.",
        "row 2, column q8: “1.5” is no answer to PHQ-9 item 8: 0, 1, 2, 3 are.",
        "row 2, column q9: “x” is not a number.",
    ]
    twice = header + b"1,2025-01-10,1,1,1,1,1,1,1,1,0\n1,2025-01-10,1,1,1,1,1,1,1,1,1\n"
    (problem,) = reading(twice, plan_of(measures=ITEMS)).problems
    assert "q1 q2 q3 q4 q5 q6 q7 q8 q9: the answers contradict those in row 2, column" in problem


@pytest.mark.parametrize(
    ("measure", "sentence"),
    [
        ({"instrument": "BDI-3", "column": "b"}, "Map: measures[0]: unknown instrument BDI-3;"),
        (
            {"instrument": "BDI-II", "scale": "raw", "column": "b"},
            "Map: measures[0]: BDI-II has no scale raw, but total.",
        ),
        (
            {"instrument": "GAD-7", "items": {"9": "b"}},
            "Map: measures[0]: GAD-7 has no item 9.",
        ),
    ],
)
def test_a_map_may_name_only_what_the_library_has(measure: dict[str, Any], sentence: str) -> None:
    (problem,) = definition_problems(plan_of(measures=[measure]), LIBRARY)
    assert problem.startswith(sentence)


@pytest.mark.parametrize("name", ["claus_2020", "antidepressant_trial"])
def test_the_example_maps_are_maps(name: str) -> None:
    plan = Map.from_text((EXAMPLES / f"{name}.map.json").read_bytes())
    assert list(definition_problems(plan, LIBRARY)) == []
    assert plan.note.startswith("ASSUMED")


def test_the_delimiter_of_the_map_is_used() -> None:
    content = FILE.replace(b",", b";")
    assert len(reading(content, plan_of(delimiter=";")).measurements) == 4


@pytest.mark.parametrize(
    ("cell", "read_as"), [("1.0", "1"), ("-3.00", "-3"), ("007", "007"), ("1.5", "1.5"), ("", "")]
)
def test_whole_numbers_lose_the_point_zero_of_statistics_programs(cell: str, read_as: str) -> None:
    assert plain(cell) == read_as
