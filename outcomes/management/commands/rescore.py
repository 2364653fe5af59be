"""Score stored answers again by the current definitions."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from outcomes import workflows
from outcomes.audit.models import SYSTEM


class Command(BaseCommand):
    """List what would differ, or store it beside the old scores."""

    help = "Score stored answers again where a definition was corrected; old scores are kept."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the one option."""
        parser.add_argument(
            "--dry-run", action="store_true", help="Only list what would differ; write nothing."
        )

    def handle(self, *args: Any, dry_run: bool, **options: Any) -> None:
        """Print one line for each result that differs, then how many there were."""
        count = 0
        for change in workflows.rescore(by=SYSTEM, now=timezone.now(), is_dry_run=dry_run):
            count += 1
            self.stdout.write(
                f"{change.response_id}  {change.instrument} {change.scale}: "
                f"{change.before} -> {change.after}"
            )
        verb = "would differ" if dry_run else "differ from before"
        self.stdout.write(f"{count} results {verb}.")
