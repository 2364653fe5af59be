"""Store the shipped instruments, their safety rules and the shipped schedules."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from outcomes import workflows


class Command(BaseCommand):
    """Install the library; running it again changes nothing."""

    help = "Store the shipped instruments and schedules; safe to repeat."

    def handle(self, *args: Any, **options: Any) -> None:
        """Install what is new and say how much that was."""
        instruments, schedules = workflows.install_library(now=timezone.now())
        self.stdout.write(f"{instruments} new instrument versions, {schedules} new schedules.")
