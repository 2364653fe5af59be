"""Every answer set that programs of other people scored, scored here: all of them, all the same."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from outcomes.instruments.definition import Definition
from outcomes.instruments.scoring import ScoreResult, score
from tests.library import LIBRARY

#: How many rows the reference holds of each instrument; fewer would be a reference cut short.
ROWS = {
    "PROMIS-DEP-4A": 249, "PROMIS-ANX-4A": 229, "PHQ-4": 120, "BDI-II": 64, "PCL-5": 62,
    "OASIS": 61, "QIDS-SR16": 60, "PROMIS-ANX-8A": 60, "PROMIS-DEP-8A": 59, "DASS-21": 57,
    "CESD-R": 55, "CES-D": 54, "PSWQ": 52, "PHQ-15": 51, "BAI": 51, "ASRM": 51, "PHQ-9": 50,
    "EPDS": 49, "AUDIT": 48, "AUDIT-C": 45, "WSAS": 45, "K6": 44, "K10": 44, "ISI": 43,
    "DAST-10": 42, "PHQ-8": 41, "WHO-5": 40, "GAD-7": 38, "C-SSRS-screener": 24, "PHQ-2": 10,
    "GAD-2": 10, "PC-PTSD-5": 10,
}  # fmt: skip
#: What the reference says yes or no to: a cut-off of ours, by its value.
CUTOFFS = {
    ("CES-D", "at_risk"): 16,
    ("CESD-R", "at_risk"): 16,
    ("PHQ-2", "positive"): 3,
    ("GAD-2", "positive"): 3,
    ("ASRM", "positive"): 6,
    ("OASIS", "positive"): 8,
    ("EPDS", "possible"): 10,
    ("EPDS", "probable"): 13,
    ("PC-PTSD-5", "positive_ge3"): 3,
    ("PC-PTSD-5", "positive_ge4"): 4,
    ("K6", "smi"): 13,
}
#: What it says yes or no to: a word of ours.
WORDS = {
    ("PHQ-9", "major_depressive_syndrome"): ("syndrome", "major depressive syndrome"),
    ("PHQ-9", "other_depressive_syndrome"): ("syndrome", "other depressive syndrome"),
    ("PCL-5", "provisional_ptsd"): ("provisional_ptsd", "criteria met"),
}
#: Safety items that it names.
SAFETY = {("PHQ-9", "item9_positive"): "9", ("EPDS", "item10_positive"): "10"}


@pytest.fixture(scope="module")
def golden(reference_dir: Path) -> dict[str, list[dict[str, Any]]]:
    """Return the rows by instrument."""
    found = defaultdict(list)
    for line in (reference_dir / "golden_scoring.jsonl").read_text("utf-8").splitlines():
        row = json.loads(line)
        found[row["instrument"]].append(row)
    return found


@pytest.mark.parametrize("code", ROWS)
def test_every_golden_row_scores_as_its_reference(
    code: str, golden: dict[str, list[dict[str, Any]]]
) -> None:
    rows = golden[code]
    assert len(rows) >= ROWS[code]
    wrong = [(row["case"], told) for row in rows if (told := _differences(LIBRARY[code], row))]
    assert wrong == []


@pytest.mark.parametrize("code", ROWS)
def test_the_proof_on_the_page_is_what_was_run(
    code: str, golden: dict[str, list[dict[str, Any]]]
) -> None:
    proof = LIBRARY[code].proof
    assert proof is not None
    assert proof.golden_rows == len(golden[code])


def test_no_proof_is_claimed_without_rows() -> None:
    assert {code for code, row in LIBRARY.items() if row.proof} == set(ROWS)


def test_no_instrument_of_the_reference_is_missing(
    golden: dict[str, list[dict[str, Any]]],
) -> None:
    assert set(golden) == set(ROWS)
    assert set(ROWS) <= set(LIBRARY)


def _differences(definition: Definition, row: Mapping[str, Any]) -> dict[str, Any]:
    answers = row["answers"]
    if "ideation_level" in answers:
        answers = _screener(answers)
    result = score(definition, answers)
    expected = dict(row["reference"])
    if t_score := (row["subscales"] or {}).get("t_score"):
        expected["t_score"] = t_score
    ours = {name: _ours(definition, result, name) for name in expected}
    wanted = {name: _wanted(name, value) for name, value in expected.items()}
    return {name: (ours[name], wanted[name]) for name in wanted if ours[name] != wanted[name]}


def _wanted(name: str, value: Any) -> Any:
    if name.endswith(("severity", "zone", "category")):
        return str(value).lower().removesuffix(" risk").removeprefix("zone ")
    return value


def _ours(definition: Definition, result: ScoreResult, name: str) -> Any:
    code, scores = definition.code, result.scores
    if (code, name) in CUTOFFS:
        cutoffs = [rule.value for rule in definition.scales[0].cutoffs]
        assert CUTOFFS[code, name] in cutoffs
        value = scores["total"].value
        return value is not None and value >= CUTOFFS[code, name]
    if (code, name) in WORDS:
        scale, word = WORDS[code, name]
        return scores[scale].band == word
    if (code, name) in SAFETY:
        return SAFETY[code, name] in [hit.link_id for hit in result.safety]
    if name == "item12":
        return next((hit.value for hit in result.safety if hit.link_id == "12"), 0)
    if name == "category":
        return _wanted(name, scores["category"].band)
    if name.endswith(("severity", "zone")):
        scale = name.removesuffix("severity").removesuffix("zone").rstrip("_") or "total"
        return _wanted(name, scores["level" if "level" in scores else scale].band)
    return scores["raw" if name == "total" and "total" not in scores else name.lower()].value


def _screener(peer: Mapping[str, Any]) -> dict[str, int]:
    """Return the screener's answers that the peer's levels stand for."""
    level = peer["ideation_level"]
    asked = range(1, 6) if level >= 2 else (1, 2)
    answers = {str(item): int(item <= level) for item in asked}
    answers["6"] = int(peer["behavior_level"] > 0)
    if answers["6"]:
        answers["6b"] = int(peer["behavior_recent"] == "Within past 3 months")
    return answers
