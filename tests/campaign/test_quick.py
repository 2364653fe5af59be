"""The walk over the boundaries, in small: the whole of it is `make campaign`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.campaign.figure import read_line

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.thorough
def test_a_submission_that_dies_anywhere_loses_and_doubles_nothing() -> None:
    command = [sys.executable, "-m", "tests.campaign.part", "quick", "sqlite"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    figures = [found for line in ended.stdout.splitlines() if (found := read_line(line))]
    assert [figure.is_held for figure in figures] == [True, True], ended.stdout + ended.stderr
    assert ended.returncode == 0


def test_a_figure_is_read_as_it_is_printed() -> None:
    figure = read_line("R1 FELL SHORT: 1 of 10 missing\n")

    assert figure is not None
    assert (figure.code, figure.is_held, figure.text) == ("R1", False, "1 of 10 missing")
    assert read_line(figure.line()) == figure
    assert read_line("1 passed in 3 s") is None
