"""A backup is whole, private and never replaces anything; a restored database sends nothing twice.

In each story the installation goes on after the backup, is lost, and is restored from it.
"""

from __future__ import annotations

import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from io import StringIO
from pathlib import Path

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.db import connection, connections
from django.utils import timezone

from outcomes import workflows
from outcomes.alerts import services as alerts
from outcomes.alerts.models import Alert, AlertState
from outcomes.audit.models import SYSTEM, AuditEvent
from outcomes.audit.services import find_breaks
from outcomes.care.models import Channel
from outcomes.delivery import services as delivery
from outcomes.delivery.channels.base import Guarantee, Outgoing
from outcomes.delivery.models import (
    DispatcherLoop,
    DispatchMark,
    Invitation,
    Message,
    MessageState,
)
from outcomes.delivery.services import outbox
from outcomes.management import backup
from outcomes.responses.models import Mode
from outcomes.scheduling.models import Assignment

PATIENT = "robin@patient.example"
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


class Recorder:
    """A provider that keeps what it is given: (kind of recipient, address)."""

    name, guarantee, per_second = "recorder", Guarantee.KEYED, 0.0

    def __init__(self) -> None:
        self.sent: list[str] = []

    def send(self, outgoing: Outgoing) -> str:
        self.sent.append(outgoing.to)
        return str(len(self.sent))

    def find(self, outgoing: Outgoing) -> str | None:
        raise AssertionError("only a searchable provider is asked")


@pytest.fixture(autouse=True)
def provider(monkeypatch) -> Recorder:
    recorder = Recorder()
    monkeypatch.setattr(outbox, "providers", lambda: {Channel.EMAIL: recorder})
    return recorder


@pytest.fixture(autouse=True)
def _programs(request) -> None:
    if "transactional_db" in request.fixturenames and connection.vendor == "postgresql":
        for program in ("pg_dump", "pg_restore"):
            if shutil.which(program) is None:
                pytest.skip(f"{program} is not installed")


@pytest.fixture(autouse=True)
def host(settings, tmp_path) -> Path:
    settings.VAR_DIR = tmp_path / "var"
    settings.VAR_DIR.mkdir()
    return settings.VAR_DIR


@contextmanager
def another_database(folder: Path) -> Iterator[None]:
    """Use an empty database in place of the tests' own, in this thread."""
    former = connections["default"]
    fresh = former.copy()
    if former.vendor == "postgresql":
        name = f"{former.settings_dict['NAME']}_restored"
        with former.cursor() as cursor:
            cursor.execute(f'DROP DATABASE IF EXISTS "{name}"')
            cursor.execute(f'CREATE DATABASE "{name}"')
    else:
        name = str(folder / "restored.sqlite3")
    fresh.settings_dict["NAME"] = name
    connections["default"] = fresh
    try:
        yield
    finally:
        fresh.close()
        connections["default"] = former
        if former.vendor == "postgresql":
            with former.cursor() as cursor:
                cursor.execute(f'DROP DATABASE "{name}"')


def dispatch(now: datetime) -> None:
    """Do what dispatchers do at one moment, until nothing is due."""
    workflows.replan_due(now=now)
    workflows.invite_due(now=now)
    workflows.escalate_due(now=now)
    for lane in ("alert", "bulk"):
        while workflows.send_due(lane=lane, clock=lambda: now):
            pass


def answer(now: datetime, value: int) -> None:
    form = Assignment.objects.filter(instrument__code="PHQ-9", state="open").earliest("opens_at")
    workflows.submit_response(
        assignment_id=form.pk,
        answers={"9": value},
        submission_id=f"of {now.isoformat()}",
        language="en",
        mode=Mode.LINK,
        by=SYSTEM,
        now=now,
    )


def reconcile(*options: str) -> str:
    out = StringIO()
    call_command("reconcile", *options, stdout=out)
    return out.getvalue()


# -- The file --------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_a_backup_comes_back_whole_in_an_empty_database(enrolment, tmp_path, capsys):
    file = tmp_path / "backup"
    call_command("backup", "--to", str(file))
    assert "taken at" in capsys.readouterr().out
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["backup"]
    counts = Assignment.objects.count(), AuditEvent.objects.count()
    with another_database(tmp_path):
        call_command("restore", "--from", str(file))
        assert (Assignment.objects.count(), AuditEvent.objects.count()) == counts
        assert list(find_breaks(enrolment.patient.clinic_id)) == []
        with pytest.raises(CommandError, match="The database holds tables"):
            call_command("restore", "--from", str(file))
        call_command("backup", "--to", str(tmp_path / "again"))  # of a database in a file, too
        assert (tmp_path / "again").stat().st_size > 100_000


@pytest.mark.django_db(transaction=True)
def test_it_replaces_no_file(tmp_path):
    file = tmp_path / "kept"
    file.write_text("of last night")
    with pytest.raises(CommandError, match="exists: name a new file"):
        call_command("backup", "--to", str(file))
    assert file.read_text() == "of last night"
    with pytest.raises(CommandError, match="is not a folder"):
        call_command("backup", "--to", str(tmp_path / "missing" / "file"))


@pytest.mark.django_db(transaction=True)
def test_what_is_no_backup_is_refused_and_nothing_is_written(tmp_path):
    file = tmp_path / "notes.txt"
    file.write_text("not a database " * 100)
    with another_database(tmp_path):
        with pytest.raises(CommandError) as error:
            call_command("restore", "--from", str(file))
        assert "\n" not in str(error.value)
        with connection.cursor() as cursor:
            assert connection.introspection.table_names(cursor) == []
        with pytest.raises(CommandError, match="is not a file"):
            call_command("restore", "--from", str(tmp_path))


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_without_pg_dump_it_says_what_to_install(tmp_path, monkeypatch):
    if connection.vendor != "postgresql":
        pytest.skip("no PostgreSQL: set DATABASE_URL")
    monkeypatch.setattr(backup.shutil, "which", lambda program: None)
    with pytest.raises(CommandError, match="pg_dump is not here: install PostgreSQL's client"):
        call_command("backup", "--to", str(tmp_path / "file"))
    assert list(tmp_path.glob("*file*")) == []


# -- After the restore -----------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_a_restored_database_sends_nothing_again_and_pages_every_open_alert_once(
    enrolment, admin, provider, tmp_path, now
):
    dispatch(now)
    answer(now + HOUR, 2)  # an alert that is open in the backup
    dispatch(now + HOUR)
    call_command("backup", "--to", str(tmp_path / "file"))
    lost = [now + hours * HOUR for hours in range(2, 74, 6)]
    for moment in lost:  # life goes on: reminders, the first session's questionnaires, pages
        dispatch(moment)
    assert len([to for to in provider.sent if to == PATIENT]) > 2
    provider.sent.clear()

    with another_database(tmp_path), time_machine.travel(lost[-1] + HOUR, tick=False) as clock:
        call_command("restore", "--from", str(tmp_path / "file"))
        dispatch(timezone.now())
        assert PATIENT not in provider.sent, "bulk messages wait for reconcile"
        assert Message.objects.filter(lane="bulk", state=MessageState.PENDING).exists()
        provider.sent.clear()

        said = reconcile()
        assert f"taken at {(now + HOUR).isoformat()}" in said
        assert "1 open alerts paged again" in said
        dispatch(timezone.now())
        assert {"ada@north.example", "clara@north.example"} <= set(provider.sent)
        assert len(provider.sent) == len(set(provider.sent)), "once to each recipient"
        assert PATIENT not in provider.sent
        paged = len(provider.sent)

        again = reconcile("--backup-taken-at", (now + HOUR).isoformat())
        assert "nothing was changed" in again
        clock.shift(60)
        dispatch(timezone.now())
        assert len(provider.sent) == paged
        assert list(find_breaks(enrolment.patient.clinic_id)) == []
        assert AuditEvent.objects.filter(action="database.reconciled").count() == 1


# -- Reconcile, step by step -----------------------------------------------------------------------


@pytest.fixture
def restored(enrolment, admin, now) -> Iterator[datetime]:
    """When the backup was taken that is now the database; its file is a day newer, as is the time.

    The first questionnaires are asked in it; the message and its reminders are not sent.
    """
    workflows.invite_due(now=now)
    delivery.note_mark(now + DAY)
    DispatchMark.objects.update(sent_until=now)
    with time_machine.travel(now + DAY, tick=False):
        yield now


@pytest.mark.django_db
def test_what_fell_due_is_cancelled_and_what_lies_ahead_stays(restored):
    message = Message.objects.get(kind="invitation")
    ahead = Message.objects.filter(not_before__gt=timezone.now())
    waiting = ahead.count()
    Message.objects.filter(pk=message.pk).update(state=MessageState.SENDING, fence=3)
    assert "bulk messages cancelled" in reconcile()
    message.refresh_from_db()
    assert (message.state, message.state_reason) == ("cancelled", delivery.MAY_HAVE_BEEN_SENT)
    assert ahead.filter(state=MessageState.PENDING).count() == waiting
    assert not Message.objects.unsent().filter(not_before__lte=timezone.now(), lane="bulk").exists()


@pytest.mark.django_db
def test_what_was_to_be_asked_counts_as_asked_and_staff_can_see_why_nothing_was_sent(restored):
    Message.objects.all().delete()
    Invitation.objects.all().delete()
    Assignment.objects.filter(state="open").update(state="planned", asked_at=None)
    assert "2 questionnaires marked as asked" in reconcile()
    assert Assignment.objects.filter(state="open", opens_at__lte=timezone.now()).count() == 2
    message = Message.objects.get(kind="invitation")
    assert message.state_reason == "restored: may have been sent"
    workflows.invite_due(now=timezone.now())
    assert Invitation.objects.count() == 1


@pytest.mark.django_db
def test_what_fell_due_after_the_last_dispatcher_stopped_is_asked_as_ever(restored):
    Message.objects.all().delete()
    Invitation.objects.all().delete()
    Assignment.objects.filter(state="open").update(
        state="planned", asked_at=None, opens_at=timezone.now() - HOUR
    )
    stopped = (timezone.now() - 2 * HOUR).isoformat()
    assert "0 questionnaires marked as asked" in reconcile("--sent-until", stopped)
    workflows.invite_due(now=timezone.now())
    assert Message.objects.get(kind="invitation").state == MessageState.PENDING


@pytest.mark.django_db
def test_every_alert_that_nobody_took_pages_anew_and_one_that_somebody_took_does_not(
    restored, clinician
):
    answer(restored, 1)
    alert = Alert.objects.get()
    Alert.objects.update(state=AlertState.PROVISIONAL, opened_at=None)
    assert "1 open alerts paged again" in reconcile()
    alert.refresh_from_db()
    assert alert.state == AlertState.OPEN
    due = Message.objects.filter(kind="alert", state=MessageState.PENDING)
    assert sorted(due.values_list("user__email", flat=True)) == ["clara@north.example"]
    assert due.get().fence == 0

    alerts.acknowledge(
        alert=alert, user=clinician, outcome="spoke_safe", note="", now=timezone.now()
    )
    with time_machine.travel(timezone.now() + HOUR, tick=False):
        assert "0 open alerts" in reconcile("--backup-taken-at", timezone.now().isoformat())


@pytest.mark.django_db
def test_no_dispatcher_that_lived_through_the_restore_can_record_anything(restored):
    ahead = Message.objects.filter(kind="reminder", not_before__gt=timezone.now())
    before = dict(ahead.values_list("pk", "fence"))
    assert before
    reconcile()
    assert all(fence > before[key] + 1000 for key, fence in ahead.values_list("pk", "fence"))
    assert not DispatcherLoop.objects.exists()


@pytest.mark.django_db
def test_a_dry_run_says_the_same_and_changes_nothing(restored):
    before = list(Message.objects.order_by("pk").values())
    said = reconcile("--dry-run")
    assert "A dry run: nothing was changed." in said
    assert list(Message.objects.order_by("pk").values()) == before
    assert delivery.is_restored(timezone.now())
    assert [*reconcile().splitlines(), "A dry run: nothing was changed."] == said.splitlines()


@pytest.mark.django_db
def test_a_database_that_does_not_look_restored_is_left_alone_unless_told_when(enrolment):
    with pytest.raises(CommandError, match="Nothing shows that this database was restored"):
        reconcile()
    taken_at = (timezone.now() - HOUR).isoformat()
    assert "open alerts paged again" in reconcile("--backup-taken-at", taken_at)
    assert "nothing was changed" in reconcile("--backup-taken-at", taken_at)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ("yesterday", "--backup-taken-at 'yesterday' is not a time"),
        ("2999-01-01T00:00:00+00:00", "lies in the future"),
        ("2026-01-01T00:00:00", "has no time zone: write 2026-01-01T00:00:00\\+00:00 for UTC"),
    ],
)
def test_a_bad_time_gets_one_sentence(given, sentence):
    with pytest.raises(CommandError, match=sentence):
        reconcile("--backup-taken-at", given)


@pytest.mark.django_db
def test_a_lost_folder_holds_bulk_until_somebody_says_that_nothing_was_lost(restored, host):
    DispatchMark.objects.update(sent_until=timezone.now() - HOUR)
    for file in host.iterdir():
        file.unlink()
    assert delivery.is_restored(timezone.now())
    waiting = Message.objects.unsent().count()
    assert "sent again" in reconcile("--nothing-lost")
    assert not delivery.is_restored(timezone.now())
    assert Message.objects.unsent().count() == waiting
    assert AuditEvent.objects.filter(action="database.trusted").exists()
    with pytest.raises(CommandError, match="goes with no other option"):
        reconcile("--nothing-lost", "--dry-run")
