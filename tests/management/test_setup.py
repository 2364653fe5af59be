"""`manage.py setup` can be run as often as one likes."""

from __future__ import annotations

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError

from outcomes.instruments import services
from outcomes.instruments.definition import load_library
from outcomes.instruments.models import InstrumentVersion
from outcomes.management.commands import setup
from outcomes.management.lock import alone

pytestmark = pytest.mark.django_db


def test_it_leaves_a_clinic_as_it_is(clinic, capsys):
    before = InstrumentVersion.objects.count()
    call_command("setup")
    assert InstrumentVersion.objects.count() == before
    assert capsys.readouterr().out == ""


def test_a_folder_that_a_server_uses_is_not_served_twice(tmp_path, settings):
    settings.VAR_DIR = tmp_path
    with alone(tmp_path), pytest.raises(CommandError, match="Outcomes is running here"):
        call_command("up", "--port", "8123")


def test_a_database_that_does_not_answer_gets_one_line(monkeypatch):
    def refuse(*args, **options):
        raise OperationalError("connection refused\nIs the server running?")

    monkeypatch.setattr(setup, "call_command", refuse)
    with pytest.raises(CommandError) as error:
        call_command("setup")
    assert str(error.value) == "The database does not answer: connection refused"


def test_a_broken_library_file_is_named_with_its_place_and_reason(monkeypatch, tmp_path):
    (tmp_path / "BAD.json").write_text('{"code": "BAD"}')
    monkeypatch.setattr(services, "load_library", lambda: load_library(tmp_path))
    with pytest.raises(CommandError, match=r"The library is broken: BAD\.json: .*required"):
        call_command("install_library")
