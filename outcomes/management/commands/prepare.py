"""Bring a production host up to date with the code."""

from __future__ import annotations

from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError


class Command(BaseCommand):
    """Migrate, make the cache's table, install the library, collect static files; no clinic."""

    help = "Migrate, make the cache's table, install the library, collect static files."

    def handle(self, *args: Any, **options: Any) -> None:
        """Do each step; one that was done before changes nothing."""
        try:
            call_command("migrate", verbosity=0, interactive=False)
        except OperationalError as error:
            first_line = str(error).strip().splitlines()[0]
            raise CommandError(f"The database does not answer: {first_line}") from error
        call_command("createcachetable", verbosity=0)
        call_command("install_library", stdout=self.stdout)
        call_command("collectstatic", verbosity=0, interactive=False)
        self.stdout.write("Ready to start.")
