"""Bring the database to where the product can be used."""

from __future__ import annotations

from argparse import ArgumentParser
from io import StringIO
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError

from outcomes.clinics.models import Clinic
from outcomes.management.demo import demo_summary


class Command(BaseCommand):
    """Migrate, install the questionnaires, and make a demo clinic where there is none."""

    help = "Migrate, install the questionnaires, make the demo clinic if there is no clinic."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the one option."""
        parser.add_argument(
            "--no-log-ins", action="store_true", help="Print neither log-ins nor a link."
        )

    def handle(self, *args: Any, no_log_ins: bool, **options: Any) -> None:
        """Do each step; one that was done before changes nothing."""
        try:
            call_command("migrate", verbosity=0, interactive=False)
        except OperationalError as error:
            first_line = str(error).strip().splitlines()[0]
            raise CommandError(f"The database does not answer: {first_line}") from error
        call_command("createcachetable", verbosity=0)
        call_command("install_library", stdout=StringIO())
        if not Clinic.objects.exists():
            call_command("simulate", "--demo", stdout=self.stdout)
        for line in [] if no_log_ins else demo_summary(settings.BASE_URL):
            self.stdout.write(line)
