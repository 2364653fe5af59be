"""Write the database to one file."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from outcomes.management.backup import back_up


class Command(BaseCommand):
    """Back the database up while everything goes on; the file holds health data."""

    help = "Write the whole database to a new file: pg_dump's custom format, or a SQLite database."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the file."""
        parser.add_argument("--to", required=True, type=Path, metavar="FILE", help="a new file")

    def handle(self, *args: Any, to: Path, **options: Any) -> None:
        """Write it, and say when it was begun."""
        begun_at = timezone.now()
        back_up(to)
        size = to.stat().st_size
        self.stdout.write(f"{to}: {size} bytes, taken at {begun_at.isoformat(timespec='seconds')}.")
