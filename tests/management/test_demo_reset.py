"""Only the embedded database can be put aside, and only while nobody uses it."""

from __future__ import annotations

import pytest
from django.core.management import CommandError, call_command

from outcomes.management.commands.demo_reset import put_aside
from outcomes.management.lock import alone


def test_a_database_elsewhere_is_refused(settings, tmp_path):
    settings.VAR_DIR = tmp_path
    with pytest.raises(CommandError, match="Only the embedded database can be reset"):
        call_command("demo_reset")


def test_data_in_use_is_not_touched(tmp_path):
    refused = pytest.raises(CommandError, match="Outcomes is running here: stop it first")
    with alone(tmp_path), refused, alone(tmp_path):
        pass
    with alone(tmp_path):
        pass


def test_the_database_is_put_aside_with_its_journal_in_place_of_an_earlier_one(tmp_path):
    database = tmp_path / "outcomes.sqlite3"
    for suffix in ("", "-wal"):
        (tmp_path / f"outcomes.sqlite3{suffix}").write_text("second")
    for suffix in ("", "-wal", "-shm"):
        (tmp_path / f"outcomes.sqlite3.before-reset{suffix}").write_text("first")
    put_aside(database)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        "outcomes.sqlite3.before-reset": "second",
        "outcomes.sqlite3.before-reset-wal": "second",
    }
