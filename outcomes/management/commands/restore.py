"""Read a backup into an empty database."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand

from outcomes.management.backup import restore


class Command(BaseCommand):
    """Restore what `backup` wrote; a database that holds anything is refused."""

    help = "Read a backup into the empty database that DATABASE_URL names. Then: reconcile."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the file."""
        parser.add_argument("--from", required=True, type=Path, metavar="FILE", dest="source")

    def handle(self, *args: Any, source: Path, **options: Any) -> None:
        """Restore, and say what comes next."""
        restore(source)
        self.stdout.write("Restored. Before any dispatcher starts: manage.py reconcile")
