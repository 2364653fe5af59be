"""The score command: JSON lines in, JSON lines out, or one error and nothing at all."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

ROOT = Path(__file__).parents[2]
FULL = {str(item): 0 for item in range(1, 10)}


def line(answers: Any) -> str:
    """Return one input line."""
    return json.dumps({"answers": answers}) + "\n"


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that runs the command on a text and gives its standard output."""

    def run(code: str, text: str) -> str:
        monkeypatch.setattr(sys, "stdin", io.StringIO(text))
        out = io.StringIO()
        try:
            call_command("score", code, stdout=out)
        except CommandError:
            assert out.getvalue() == ""
            raise
        return out.getvalue()

    return run


def test_each_line_in_is_one_line_out(run: Any) -> None:
    printed = run("PHQ-9", line(FULL) + line({**FULL, "1": 3, "2": 3, "9": 1, "10": 2}))
    assert [json.loads(text) for text in printed.splitlines()] == [
        {
            "complete": True,
            "scores": {"total": {"value": 0, "band": "none-minimal"}},
            "levels": {"syndrome": {"value": "neither"}},
            "safety": [],
        },
        {
            "complete": True,
            "scores": {"total": {"value": 7, "band": "mild"}},
            "levels": {"syndrome": {"value": "other depressive syndrome"}},
            "safety": [{"item": "9", "value": 1, "at_least": 1}],
        },
    ]


def test_too_little_gives_no_value_but_a_reason_and_the_safety_answer(run: Any) -> None:
    (printed,) = run("PHQ-9", line({"1": 3, "9": 2, "4": None})).splitlines()
    assert json.loads(printed) == {
        "complete": False,
        "scores": {
            "total": {
                "value": None,
                "band": None,
                "reason": "7 of 9 items unanswered (2, 3, 4, 5, 6, 7, 8): all are needed",
            }
        },
        "levels": {
            "syndrome": {
                "value": None,
                "reason": "cannot be told: 2, 3, 4, 5, 6, 7, 8 unanswered",
            }
        },
        "safety": [{"item": "9", "value": 2, "at_least": 1}],
    }


def test_a_scale_without_bands_has_none(run: Any) -> None:
    printed = json.loads(run("WHO-5", line({str(item): 5 for item in range(1, 6)})))
    assert printed["scores"] == {
        "total": {"value": 100, "band": None},
        "raw": {"value": 25, "band": None},
    }


def test_no_line_in_is_no_line_out(run: Any) -> None:
    assert run("PHQ-9", "") == ""


def test_other_keys_of_a_line_are_let_be(run: Any) -> None:
    row = json.dumps({"instrument": "PHQ-9", "case": "zero", "answers": FULL})
    assert json.loads(run("PHQ-9", row))["scores"]["total"]["value"] == 0


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (line({**FULL, "4": 4}), "line 2: item 4: must be one of the whole numbers 0, 1, 2, 3"),
        (line({**FULL, "4": True}), "line 2: item 4: must be one of"),
        (line({**FULL, "4": 1.0}), "line 2: item 4: must be one of"),
        (line({**FULL, "4": "1"}), "line 2: item 4: must be one of"),
        (line({**FULL, "11": 1}), "line 2: item 11: PHQ-9 has no such item"),
        ('{"answers": {"4": NaN}}\n', "line 2: item 4: must be one of"),
        ('{"answers": {"4": 1, "4": 2}}\n', "line 2: item 4: stands twice"),
        ('{"answers": {"4": 1}\n', "line 2: is not JSON"),
        ("\n", "line 2: is not JSON"),
        ("[" * 200_000 + "\n", "line 2: is nested too deeply"),
        ("[]\n", 'line 2: must be an object like {"answers"'),
        ('{"answers": [1]}\n', 'line 2: must be an object like {"answers"'),
        ("{}\n", 'line 2: must be an object like {"answers"'),
    ],
)
def test_one_bad_line_names_itself_and_its_item_and_nothing_is_printed(
    run: Any, bad: str, message: str
) -> None:
    with pytest.raises(CommandError) as caught:
        run("PHQ-9", line(FULL) + bad + line(FULL))
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)
    assert caught.value.returncode == 2


def test_an_unknown_code_is_told_what_there_is(run: Any) -> None:
    with pytest.raises(CommandError, match=r"unknown instrument 'PHQ-99'.*PHQ-9") as caught:
        run("PHQ-99", line(FULL))
    assert caught.value.returncode == 2


def test_from_the_shell_it_needs_no_database_and_ends_with_status_two_on_error() -> None:
    def shell(text: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "manage.py", "score", "GAD-7"],
            cwd=ROOT,
            env={**os.environ, "DATABASE_URL": "postgres://nobody@127.0.0.1:1/none"},
            input=text,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    good = shell(line({str(item): 2 for item in range(1, 8)}))
    assert json.loads(good.stdout)["scores"]["total"] == {"value": 14, "band": "moderate"}
    assert (good.returncode, good.stderr) == (0, "")
    bad = shell(line({"1": 1}) + line({"1": 9}))
    assert (bad.returncode, bad.stdout) == (2, "")
    assert bad.stderr.count("\n") == 1
    assert "line 2: item 1" in bad.stderr
