"""Store the shipped instruments, their safety rules and the shipped schedules."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from outcomes import workflows
from outcomes.instruments.definition import DefinitionError


class Command(BaseCommand):
    """Install the library; running it again changes nothing."""

    help = "Store the shipped instruments and schedules; safe to repeat."

    def handle(self, *args: Any, **options: Any) -> None:
        """Install what is new and say how much that was."""
        try:
            instruments, schedules = workflows.install_library(now=timezone.now())
        except DefinitionError as error:
            raise CommandError(f"The library is broken: {error}") from error
        self.stdout.write(f"{instruments} new instrument versions, {schedules} new schedules.")
