"""R18: on SQLite, with the product's settings, nobody is told that the database is locked."""

from __future__ import annotations

import pytest

from bench.locked import PRODUCT, TRANSACTIONS, play
from tests.campaign.figure import Figure, is_full


@pytest.mark.thorough
def test_eight_processes_on_one_file_are_never_told_that_it_is_locked(
    capsys: pytest.CaptureFixture[str],
) -> None:
    tally = play(PRODUCT, TRANSACTIONS if is_full() else 160)

    is_held = tally["locked"] == tally["failed"] == 0
    text = (
        f"{tally['locked']} of {tally['done']} concurrent transactions locked,"
        f" {tally['failed']} failed, 8 processes on SQLite"
    )
    with capsys.disabled():
        print("\n" + Figure("R18", is_held, text).line())
    assert tally["done"] > 0
    assert is_held, tally
