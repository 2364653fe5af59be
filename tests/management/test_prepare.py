"""`manage.py prepare` brings a host up to date, as often as one likes, and makes no clinic."""

from __future__ import annotations

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError

from outcomes.clinics.models import Clinic
from outcomes.instruments.models import InstrumentVersion
from outcomes.management.commands import prepare

pytestmark = pytest.mark.django_db


def test_it_can_be_repeated_and_makes_no_clinic(settings, tmp_path, capsys):
    settings.STATIC_ROOT = tmp_path / "static"
    before = InstrumentVersion.objects.count()
    call_command("prepare")
    assert InstrumentVersion.objects.count() == before
    assert not Clinic.objects.exists()
    assert (settings.STATIC_ROOT / "outcomes" / "css" / "outcomes.css").exists()
    assert capsys.readouterr().out.endswith("Ready to start.\n")


def test_a_database_that_does_not_answer_gets_one_line(monkeypatch):
    def refuse(*args, **options):
        raise OperationalError("connection refused\nIs the server running?")

    monkeypatch.setattr(prepare, "call_command", refuse)
    with pytest.raises(CommandError) as error:
        call_command("prepare")
    assert str(error.value) == "The database does not answer: connection refused"
