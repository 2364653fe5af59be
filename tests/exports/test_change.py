"""The class of each patient's change, against a second computation straight from the file."""

from __future__ import annotations

import csv
import io
import math
import statistics
from collections import Counter
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from outcomes.audit.models import SYSTEM, AuditEvent
from outcomes.clinics.models import Clinic
from outcomes.imports.mapping import Map
from outcomes.imports.services import import_scores
from outcomes.responses.models import QuestionnaireResponse
from outcomes.scheduling.models import Assignment
from outcomes.workflows import Enrolment
from tests.conftest import NOW
from tests.imports.conftest import plan_of

pytestmark = pytest.mark.django_db

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples"
JT = "jt,reliability=0.80"
COMBINED = f"{JT},cutoff=c,functional=8/8"
TIME = {
    "zone": "UTC", "at": "12:00", "start_on": "2020-01-06",
    "day": {"column": "time", "days": {"1": 0, "2": 14, "3": 28, "4": 42}},
}  # fmt: skip
PLAN = {"patient": {"column": "id"}, "time": TIME, "missing": []}
# Invented. The changes: -7, -6, +7, +6, 0; patient 6 has no second and third measurement at all;
# patient 7 misses the second BDI-II only; patient 8 has no fourth.
INVENTED = """id,time,bdi,hamd
1,1,30,24
1,4,23,10
2,1,30,26
2,4,24,22
3,1,20,19
3,4,27,25
4,1,21,27
4,4,27,24
5,1,15,21
5,4,15,21
6,1,40,28
6,4,10,9
7,1,33,23
7,2,,20
7,3,30,18
7,4,25,12
8,1,28,22
8,2,25,20
8,3,,15
8,4,,
"""


def second_opinion(
    content: str, column: str, rule: str, better: int = -1
) -> tuple[Counter[str], int]:
    """Count the classes straight from a file, and the patients who have none.

    Written apart from the product: Jacobson & Truax 1991 and the R package's inequalities.
    """
    scores: dict[str, dict[int, float]] = {}
    for row in csv.DictReader(io.StringIO(content)):
        mine = scores.setdefault(row["id"], {})
        if row[column]:
            mine[int(float(row["time"]))] = float(row[column])
    both = [(mine[1], mine[4]) for mine in scores.values() if 1 in mine and 4 in mine]
    given = dict(part.partition("=")[::2] for part in rule.split(","))
    m, s = statistics.fmean(a for a, _ in both), statistics.stdev(a for a, _ in both)
    functional = [float(one) for one in given.get("functional", "0/1").split("/")]
    c = (s * functional[0] + functional[1] * m) / (s + functional[1])
    counts: Counter[str] = Counter()
    for before, after in both:
        if "mid" in given:
            up = better * (after - before) >= float(given["mid"])
            down = better * (before - after) >= float(given["mid"])
        else:
            error = math.sqrt(2 * (s * math.sqrt(1 - float(given["reliability"]))) ** 2)
            index = better * (after - before) / error
            up, down = index > 1.96, index < -1.96
        ill_before, well_after = better * before < better * c, better * after > better * c
        if "cutoff" in given and up and ill_before and well_after:
            counts["recovered"] += 1
        elif "cutoff" in given and down and not ill_before and not well_after:
            counts["harmed"] += 1
        else:
            counts["improved" if up else "deteriorated" if down else "unchanged"] += 1
    return counts, len(scores) - len(both)


def run(
    clinic: Clinic, instrument: str, rule: str, folder: Path, **more: str
) -> list[dict[str, str]]:
    """Export, and read the file back."""
    output = folder / f"{instrument}{len(list(folder.iterdir()))}.csv"
    options = {"clinic": clinic.slug, "instrument": instrument, "first": "1", "last": "4", **more}
    call_command("export", "change", rule=rule, output=str(output), **options)
    with output.open(encoding="utf-8", newline="") as text:
        return list(csv.DictReader(text))


def counts_of(rows: list[dict[str, str]]) -> Counter[str]:
    return Counter(row["change"] for row in rows if row["change"])


def bring_in(clinic: Clinic, content: str, plan: Map) -> None:
    import_scores(clinic=clinic, plan=plan, content=content.encode(), by=SYSTEM, now=NOW)


@pytest.fixture
def invented(clinic: Clinic) -> Clinic:
    """A clinic with the invented file imported."""
    measures = [
        {"instrument": "BDI-II", "column": "bdi"},
        {"instrument": "HAM-D17", "column": "hamd"},
    ]
    bring_in(clinic, INVENTED, plan_of(**PLAN, measures=measures))
    return clinic


@pytest.mark.parametrize(
    ("instrument", "column", "rule"),
    [
        ("BDI-II", "bdi", "mid=7"),
        ("HAM-D17", "hamd", JT),
        ("HAM-D17", "hamd", COMBINED),
        ("BDI-II", "bdi", "mid=6,cutoff=c,functional=8/8"),
    ],
)
def test_the_classes_agree_with_a_second_computation(
    instrument: str, column: str, rule: str, invented: Clinic, tmp_path: Path
) -> None:
    rows = run(invented, instrument, rule, tmp_path)
    counts, without = second_opinion(INVENTED, column, rule)
    assert counts_of(rows) == counts
    assert [bool(row["reason"]) for row in rows].count(True) == without == 1
    assert all(bool(row["change"]) != bool(row["reason"]) for row in rows)


def test_every_patient_has_one_row_that_says_all(invented: Clinic, tmp_path: Path) -> None:
    rows = {row["record_number"]: row for row in run(invented, "BDI-II", "mid=7", tmp_path)}
    assert {number: row["change"] for number, row in rows.items()} == {
        "1": "improved", "2": "unchanged", "3": "deteriorated", "4": "unchanged",
        "5": "unchanged", "6": "improved", "7": "improved", "8": "",
    }  # fmt: skip
    assert (rows["6"]["from_value"], rows["6"]["to_value"]) == ("40", "10")
    assert rows["6"]["difference"] == "-30"
    assert rows["8"]["reason"] == "Measurement 4: there is none."
    assert {row["numbered_by"] for row in rows.values()} == {"source"}
    assert (rows["1"]["threshold"], rows["1"]["sample_n"]) == ("7", "7")


def test_without_numbers_of_the_source_what_was_measured_beside_it_keeps_the_place(
    invented: Clinic, tmp_path: Path
) -> None:
    QuestionnaireResponse.objects.update(measurement_number=None)
    rows = {row["record_number"]: row for row in run(invented, "BDI-II", "mid=7", tmp_path)}
    # Patient 7 has no BDI-II at the second of four measurements, where a HAM-D17 was taken.
    assert (rows["7"]["change"], rows["7"]["numbered_by"]) == ("improved", "order")
    assert rows["6"]["reason"] == "Measurement 4: there is none."
    third = run(invented, "BDI-II", "mid=7", tmp_path, last="3")
    assert {row["record_number"]: row["reason"] for row in third}["8"] == (
        "Measurement 3: BDI-II was not measured."
    )


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ("open", "Measurement 1: PHQ-9 is not answered yet. Measurement 2: there is none."),
        ("started", "Measurement 1: PHQ-9 is not answered yet. Measurement 2: there is none."),
        (
            "expired",
            "Measurement 1: PHQ-9 was asked and not answered. Measurement 2: there is none.",
        ),
    ],
)
def test_what_is_asked_now_is_told_from_what_was_missed(
    enrolment: Enrolment, clinic: Clinic, tmp_path: Path, state: str, reason: str
) -> None:
    asked = Assignment.objects.filter(instrument__code="PHQ-9").order_by("due_at")[:1]
    Assignment.objects.filter(pk__in=asked.values("pk")).update(state=state)

    (row,) = run(clinic, "PHQ-9", "mid=5", tmp_path, last="2")
    assert (row["change"], row["reason"]) == ("", reason)


def test_an_export_of_change_is_audited_without_a_score(invented: Clinic, tmp_path: Path) -> None:
    run(invented, "HAM-D17", JT, tmp_path)
    made = AuditEvent.objects.get(action="export.made")
    assert made.data == {
        "table": "change", "format": "csv", "instrument": "HAM-D17", "scale": "total",
        "from": 1, "to": 4, "rule": JT, "rows": 8, "is_complete": True,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"clinic": "nowhere"}, "There is no clinic “nowhere”."),
        ({"instrument": "BDI-2"}, "--instrument: there is no instrument “BDI-2”."),
        ({"scale": "mood"}, "--scale: BDI-II has no scale “mood”; it has total."),
        ({"first": "0"}, "--from 0: is not the number of a measurement, from 1 to 9999."),
        ({"last": "1"}, "--to 1: is not after --from 1."),
        ({"rule": ""}, "--rule: is needed for change."),
        ({"since": "2026-01-01"}, "--since: does not go with change."),
        ({"instrument": "PHQ-9", "rule": JT}, "--rule “jt,reliability=0.80”: needs two patients"),
        ({"output": "/no/such/folder/x.csv"}, "/no/such/folder/x.csv cannot be written: "),
    ],
)
def test_bad_input_is_refused_in_one_sentence_and_leaves_no_file(
    invented: Clinic, tmp_path: Path, options: dict[str, str], sentence: str
) -> None:
    given = {
        "clinic": "north", "instrument": "BDI-II", "first": "1", "last": "4", "rule": "mid=7",
        "output": str(tmp_path / "x.csv"), **options,
    }  # fmt: skip
    with pytest.raises(CommandError) as refusal:
        call_command("export", "change", **given)
    assert str(refusal.value).startswith(sentence)
    assert "\n" not in str(refusal.value)
    assert refusal.value.returncode == 2
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_change_is_never_written_over(invented: Clinic, tmp_path: Path) -> None:
    file = tmp_path / "there.csv"
    file.write_text("mine")
    with pytest.raises(CommandError, match="the file exists already"):
        call_command(
            "export", "change", clinic="north", instrument="BDI-II", first="1", last="4",
            rule="mid=7", output=str(file),
        )  # fmt: skip
    assert file.read_text() == "mine"


def test_a_sample_without_spread_is_refused(clinic: Clinic, tmp_path: Path) -> None:
    content = "id,time,bdi\n1,1,20\n1,4,10\n2,1,20\n2,4,20\n"
    bring_in(clinic, content, plan_of(**PLAN, measures=[{"instrument": "BDI-II", "column": "bdi"}]))
    with pytest.raises(CommandError, match="the standard deviation is 0, for all 2 patients"):
        run(clinic, "BDI-II", JT, tmp_path)
    assert list(tmp_path.iterdir()) == []


# What the manual of the R package clinicalsignificance 2.1 prints for its data set claus_2020, but
# for HAM-D17 with cut-off c, which it does not show; the last but one is its README of version 1.
PRINTED = [
    ("BDI-II", "bdi", "mid=7", {"improved": 25, "unchanged": 11, "deteriorated": 4}),
    ("HAM-D17", "hamd", JT, {"improved": 29, "unchanged": 10, "deteriorated": 1}),
    (
        "HAM-D17", "hamd", COMBINED,
        {"recovered": 26, "improved": 3, "unchanged": 10, "deteriorated": 1},
    ),
    (
        "BDI-II", "bdi", "jt,reliability=0.81,cutoff=c,functional=8/8",
        {"recovered": 10, "improved": 9, "unchanged": 21},
    ),
    (
        "BDI-II", "bdi", "mid=8,cutoff=c,functional=7/7",
        {"recovered": 11, "improved": 9, "unchanged": 17, "deteriorated": 3},
    ),
]  # fmt: skip


def test_the_claus_trial_is_classed_as_published(
    clinic: Clinic, data_dir: Path, tmp_path: Path
) -> None:
    content = (data_dir / "claus_2020.csv").read_text()
    bring_in(clinic, content, Map.from_text((EXAMPLES / "claus_2020.map.json").read_bytes()))
    for instrument, column, rule, printed in PRINTED:
        rows = run(clinic, instrument, rule, tmp_path)
        assert len(rows) == 43
        assert counts_of(rows) == Counter(printed) == second_opinion(content, column, rule)[0]
        without = {row["record_number"] for row in rows if row["reason"]}
        assert without == {"claus-4", "claus-17", "claus-27"}
