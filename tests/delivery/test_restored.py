"""A database that is older than what was sent from it is noticed, and holds the bulk lane."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from outcomes.delivery import services as delivery
from outcomes.delivery.models import DispatchMark
from outcomes.delivery.services import restored

pytestmark = pytest.mark.django_db
SECOND, MINUTE, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(days=1)


@pytest.fixture(autouse=True)
def host(settings, tmp_path) -> Path:
    """The folder that this host keeps to itself."""
    settings.VAR_DIR = tmp_path
    return tmp_path


def restore(at: datetime) -> None:
    """Do to the mark what restoring a backup taken at this moment does to it."""
    DispatchMark.objects.update(sent_until=at, reconciled_at=None)


def test_a_new_database_is_sent_from(now):
    assert not delivery.is_restored(now)
    delivery.note_mark(now)
    assert not delivery.is_restored(now + DAY)


def test_a_backup_of_yesterday_is_noticed_and_stays_noticed(now):
    delivery.note_mark(now)
    restore(now - DAY)
    for minutes in range(5):
        assert delivery.is_restored(now + minutes * MINUTE)
        delivery.note_mark(now + minutes * MINUTE)  # as the alert lane goes on doing
    assert DispatchMark.objects.get().sent_until == now - DAY


def test_a_pause_of_every_dispatcher_is_no_restore(now):
    delivery.note_mark(now)
    assert not delivery.is_restored(now + 30 * DAY)
    delivery.note_mark(now + 30 * DAY)
    assert DispatchMark.objects.get().sent_until == now + 30 * DAY


def test_another_dispatcher_that_moves_both_marks_between_two_looks_is_no_restore(now, monkeypatch):
    delivery.note_mark(now)
    later, read = now + 10 * MINUTE, restored._read

    def moved_meanwhile(mark):
        monkeypatch.setattr(restored, "_read", read)
        delivery.note_mark(later)
        return read(mark)

    monkeypatch.setattr(restored, "_read", moved_meanwhile)
    assert not delivery.is_restored(later)
    assert DispatchMark.objects.get().sent_until == later


def test_a_host_without_its_file_trusts_only_a_database_that_another_dispatcher_keeps_fresh(
    now, host
):
    delivery.note_mark(now)
    for file in host.iterdir():
        file.unlink()
    assert not delivery.is_restored(now + MINUTE)
    assert delivery.is_restored(now + 10 * MINUTE)


def test_a_host_that_was_away_cannot_vouch_for_a_database_that_stands_still(
    now, settings, tmp_path
):
    away, present = tmp_path / "away", tmp_path / "present"
    for settings.VAR_DIR in (away, present):
        settings.VAR_DIR.mkdir()
    settings.VAR_DIR = away
    delivery.note_mark(now - 2 * DAY)
    settings.VAR_DIR = present
    delivery.note_mark(now)
    restore(now - DAY)
    settings.VAR_DIR = away
    assert delivery.is_restored(now + 10 * MINUTE)
    delivery.note_mark(now + 10 * MINUTE)
    settings.VAR_DIR = present
    assert delivery.is_restored(now + 10 * MINUTE)


def test_another_database_on_the_same_host_is_not_taken_for_an_old_one(now):
    delivery.note_mark(now)
    DispatchMark.objects.all().delete()
    delivery.note_mark(now - DAY)
    assert not delivery.is_restored(now - DAY)


def test_it_trusts_a_reconciled_database(now):
    delivery.note_mark(now)
    restore(now - DAY)
    delivery.mark_reconciled(now + MINUTE)
    delivery.keep_mark()
    assert not delivery.is_restored(now + DAY)


def test_it_writes_at_most_every_ten_seconds(now, host):
    delivery.note_mark(now)
    delivery.note_mark(now + 9 * SECOND)
    assert DispatchMark.objects.get().sent_until == now
    delivery.note_mark(now + 10 * SECOND)
    assert DispatchMark.objects.get().sent_until == now + 10 * SECOND
    assert len(list(host.iterdir())) == 1


def test_a_folder_that_cannot_be_written_stops_no_dispatcher(now, settings, host, caplog):
    settings.VAR_DIR = host / "missing"
    delivery.note_mark(now)
    assert "cannot be written: FileNotFoundError" in caplog.text


def test_a_file_that_cannot_be_read_vouches_for_nothing(now, host, caplog):
    delivery.note_mark(now)
    next(host.iterdir()).write_text("torn")
    assert delivery.is_restored(now + 10 * MINUTE)
    assert "cannot be read: ValueError" in caplog.text
