"""Settle a restored database before anything is sent from it."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils import timezone

from outcomes import workflows
from outcomes.audit.models import SYSTEM
from outcomes.delivery import services as delivery
from outcomes.delivery.models import DispatchMark


class Command(BaseCommand):
    """Cancel what may have been sent since the backup, and page every open alert again."""

    help = (
        "After a restore: cancel bulk messages that may have been sent since the backup, mark as "
        "asked what may have been asked, page every open alert again. Stop the dispatchers first."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the two instants as text, so that a bad one gets one sentence."""
        parser.add_argument(
            "--backup-taken-at",
            metavar="TIME",
            help="when the backup was taken (the last moment at which a dispatcher wrote to it)",
        )
        parser.add_argument(
            "--sent-until",
            metavar="TIME",
            help="when the last dispatcher stopped; what is due later is sent (now)",
        )
        parser.add_argument("--dry-run", action="store_true", help="change nothing, print figures")
        parser.add_argument(
            "--nothing-lost",
            action="store_true",
            help="the database is the newest there is, only VAR_DIR was lost: hold nothing",
        )

    def handle(
        self,
        *args: Any,
        backup_taken_at: str | None,
        sent_until: str | None,
        dry_run: bool,
        nothing_lost: bool,
        **options: Any,
    ) -> None:
        """Reconcile in one transaction, then write the mark outside the database."""
        now = timezone.now()
        if nothing_lost:
            if backup_taken_at or sent_until or dry_run:
                raise CommandError("--nothing-lost goes with no other option.")
            workflows.trust_database(by=SYSTEM, now=now)
            self.stdout.write("Nothing was changed; bulk messages are sent again.")
        else:
            taken_at = read_time("--backup-taken-at", backup_taken_at, now) or backup_time(now)
            until = read_time("--sent-until", sent_until, now) or now
            done = reconcile(taken_at, until, now, is_dry_run=dry_run)
            self._report(taken_at, done, is_dry_run=dry_run)
        if not dry_run:
            delivery.keep_mark()

    def _report(
        self, taken_at: datetime, done: workflows.Reconciled | None, *, is_dry_run: bool
    ) -> None:
        self.stdout.write(f"The backup was taken at {taken_at.isoformat(timespec='seconds')}.")
        if done is None:
            self.stdout.write("It was reconciled since: nothing was changed.")
            return
        self.stdout.write(f"{done.asked} questionnaires marked as asked, without a message.")
        self.stdout.write(f"{done.cancelled} bulk messages cancelled: they may have been sent.")
        self.stdout.write(f"{done.paged} open alerts paged again.")
        if is_dry_run:
            self.stdout.write("A dry run: nothing was changed.")


def reconcile(
    taken_at: datetime, until: datetime, now: datetime, *, is_dry_run: bool
) -> workflows.Reconciled | None:
    """Reconcile, all or nothing; a dry run is undone."""
    try:
        with transaction.atomic():
            done = workflows.reconcile(
                backup_taken_at=taken_at, sent_until=until, by=SYSTEM, now=now
            )
            transaction.set_rollback(is_dry_run)
    except ValidationError as error:
        raise CommandError(error.messages[0]) from error
    return done


def backup_time(now: datetime) -> datetime:
    """Return until when a dispatcher wrote to this database, if that shows it to be an old one."""
    mark = DispatchMark.objects.first()
    if mark is None or not delivery.is_restored(now):
        raise CommandError(
            "Nothing shows that this database was restored: say when the backup was taken "
            "(--backup-taken-at 2026-11-27T03:00:00+00:00)."
        )
    return mark.sent_until


def read_time(option: str, text: str | None, now: datetime) -> datetime | None:
    """Return the instant, or refuse with one sentence what is none, has no zone, or lies ahead."""
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise CommandError(
            f"{option} {text!r} is not a time: write 2026-11-27T03:00:00+00:00."
        ) from error
    if found.tzinfo is None:
        raise CommandError(f"{option} {text!r} has no time zone: write {text}+00:00 for UTC.")
    if found > now:
        raise CommandError(f"{option} {text!r} lies in the future.")
    return found
