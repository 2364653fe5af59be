"""The example of docs/instruments.md is a real one: it loads, scores as told, and can be asked."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from outcomes.instruments.definition import Definition, load_library
from outcomes.instruments.scoring import score

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "instruments.md").read_text("utf-8")


@pytest.fixture
def example() -> dict[str, Any]:
    found = re.search(r"```json\n(.*?)```", PAGE, re.DOTALL)
    assert found
    content: dict[str, Any] = json.loads(found.group(1))
    return content


def test_the_example_is_a_library_file(example: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "TENSE-3.json").write_text(json.dumps(example), "utf-8")
    assert load_library(tmp_path)["TENSE-3"].is_sendable


def test_it_scores_as_the_page_says(example: dict[str, Any]) -> None:
    definition = Definition.from_json(example)
    told = re.findall(r"`(\{\"1\".*?\})`", PAGE)
    assert len(told) == 2
    first, second = (score(definition, json.loads(text)) for text in told)
    assert (first.scores["total"].value, first.scores["total"].band) == (6, "high")
    assert first.scores["screen"].band == "positive"
    assert [hit.link_id for hit in first.safety] == ["3"]
    assert (second.complete, second.skipped) == (True, {"3"})
    assert (second.scores["total"].value, second.scores["screen"].band) == (3, "negative")


def test_every_instrument_it_names_is_in_the_library() -> None:
    named = {"PHQ-9", "PSWQ", "DASS-21", "WHO-5", "PEG", "Q-LES-Q-SF", "QIDS-SR16", "PCL-5"}
    assert named <= set(load_library())
    assert all(name in PAGE for name in named)


def test_the_command_gives_every_fact_as_json() -> None:
    out = io.StringIO()
    call_command("instruments", "PCL-5", "--json", stdout=out)
    (row,) = json.loads(out.getvalue())
    assert (row["code"], row["proof"]["golden_rows"]) == ("PCL-5", 62)
    assert row["scales"][0]["rules"][0]["citation"]
    assert "minutes" in row["unverified"]


def test_the_command_lists_the_whole_library() -> None:
    out = io.StringIO()
    call_command("instruments", stdout=out)
    assert len(out.getvalue().splitlines()) == len(load_library())
    with pytest.raises(CommandError, match="unknown instrument 'PHQ-99'"):
        call_command("instruments", "PHQ-99")
