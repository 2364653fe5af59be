"""The example of docs/schedules.md is a real one: it may be published, and every line is asked."""

from __future__ import annotations

import json
import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from outcomes.care.models import Indication
from outcomes.instruments.definition import load_library
from outcomes.scheduling.checking import Sending, findings_on
from outcomes.scheduling.definition import RuleSpec, parse_schedule
from outcomes.scheduling.sample import Sample, asks_of

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "schedules.md").read_text("utf-8")


@pytest.fixture
def example() -> dict[str, Any]:
    found = re.search(r"```json\n(.*?)```", PAGE, re.DOTALL)
    assert found
    content: dict[str, Any] = json.loads(found.group(1))
    return content


def test_nothing_speaks_against_the_example(example: dict[str, Any]) -> None:
    kinds: dict[str, Sending] = {
        code: "sendable" for code, definition in load_library().items() if definition.is_sendable
    }
    assert findings_on(example, kinds, set(Indication.values), date(2026, 2, 2)) == []


def test_every_line_of_it_is_asked(example: dict[str, Any]) -> None:
    spec = parse_schedule(example)
    asks = asks_of(spec, Sample(session_days=(0, 7, 21), weeks=20, end_day=60))
    assert {ask.rule_code for ask in asks} == {rule.code for rule in spec.rules}


def test_the_page_names_every_field_and_the_example_uses_it(example: dict[str, Any]) -> None:
    used = {name for rule in example["rules"] for name in rule} | {"basis"}
    for field in RuleSpec.__slots__:
        assert f"`{field}`" in PAGE, field
    assert used | {"repeat_every_days"} >= set(RuleSpec.__slots__) - {"title"}
