"""Begin the demo again."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from outcomes.management.lock import alone

SUFFIXES = ("", "-wal", "-shm")


class Command(BaseCommand):
    """Put the embedded database aside, empty the mail folder, and set up anew."""

    help = "Put the embedded database aside (.before-reset) and make the demo clinic anew."

    def handle(self, *args: Any, **options: Any) -> None:
        """Touch only the embedded database; any other is refused."""
        database = Path(settings.DATABASES["default"]["NAME"])
        if connection.vendor != "sqlite" or database.parent != settings.VAR_DIR:
            raise CommandError("Only the embedded database can be reset: unset DATABASE_URL.")
        with alone(settings.VAR_DIR):
            connection.close()
            put_aside(database)
            if settings.MAIL_FOLDER:
                shutil.rmtree(settings.MAIL_FOLDER, ignore_errors=True)
            call_command("setup", stdout=self.stdout)
        self.stdout.write(f"The former database is {database}.before-reset.")


def put_aside(database: Path) -> None:
    """Rename the database with its journal files, replacing an earlier one put aside."""
    for suffix in SUFFIXES:
        former = database.with_name(f"{database.name}{suffix}")
        aside = database.with_name(f"{database.name}.before-reset{suffix}")
        aside.unlink(missing_ok=True)
        if former.exists():
            former.rename(aside)
