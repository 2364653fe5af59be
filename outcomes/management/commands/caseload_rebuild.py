"""Read anew where every open episode stands."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from outcomes.clinics.models import Clinic
from outcomes.review import services as review


class Command(BaseCommand):
    """Make the caseload's rows anew from what they are copied from, and say how many differed."""

    help = "Read anew where every open episode stands; the caseload is a copy and may always be."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the one option."""
        parser.add_argument("--clinic", metavar="SLUG", help="only this clinic (every one)")

    def handle(self, *args: Any, clinic: str | None, **options: Any) -> None:
        """Rebuild, a batch to a transaction, and print one line for each clinic."""
        clinics = Clinic.objects.order_by("slug")
        if clinic is not None:
            clinics = clinics.filter(slug=clinic)
            if not clinics:
                raise CommandError(f"There is no clinic {clinic!r}.")
        for row in clinics:
            read, differing = review.rebuild(clinic=row, now=timezone.now())
            self.stdout.write(
                f"{row.slug}: {read} episodes read, {differing} lines were different."
            )
