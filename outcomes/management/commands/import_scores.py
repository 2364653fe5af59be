"""Import historical scores from a CSV file."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from outcomes.audit.models import Actor
from outcomes.clinics.models import Clinic
from outcomes.imports.mapping import ImportRefused, Map
from outcomes.imports.services import Preview, import_scores, preview

AT_MOST = 50


class Command(BaseCommand):
    """Import all of a file or, with one sentence per problem, nothing."""

    help = "Import historical scores. What the columns mean is said by a map: see docs/imports.md."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the file, its map and the clinic."""
        parser.add_argument("file", type=Path)
        parser.add_argument("--clinic", required=True, metavar="SLUG")
        parser.add_argument("--map", required=True, type=Path, metavar="MAP.json")
        parser.add_argument("--dry-run", action="store_true", help="show what would happen")

    def handle(self, *args: Any, **options: Any) -> None:
        """Import, or show what an import would do."""
        clinic = Clinic.objects.filter(slug=options["clinic"]).first()
        if clinic is None:
            raise CommandError(f"There is no clinic “{options['clinic']}”.", returncode=2)
        content, plan_text, now = _read(options["file"]), _read(options["map"]), timezone.now()
        try:
            plan = Map.from_text(plan_text)
            if options["dry_run"]:
                self._show(preview(clinic=clinic, plan=plan, content=content, now=now))
                self.stdout.write("Nothing was written: this was a dry run.")
                return
            by = Actor(kind="system", id="", label="manage.py import_scores")
            done = import_scores(clinic=clinic, plan=plan, content=content, by=by, now=now)
            self._show(done)
            self.stdout.write(f"{done.new} questionnaires were imported.")
        except ImportRefused as refusal:
            raise CommandError(_refusal(refusal), returncode=2) from refusal

    def _show(self, shown: Preview) -> None:
        self.stdout.write(f"Patients: {shown.new_patients} new, {shown.matched_patients} known.")
        for line in shown.lines:
            self.stdout.write(
                f"{line.label}: {line.new} new, {line.known} known, "
                f"{line.skipped} empty cells skipped."
            )
        if shown.safety:
            self.stdout.write(
                f"{shown.safety} new forms have a positive safety answer. They show on the "
                "patients' pages; nobody is paged for the past."
            )


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}.", returncode=2) from error


def _refusal(refusal: ImportRefused) -> str:
    more = len(refusal.problems) - AT_MOST
    rest = [f"... and {more} more."] if more > 0 else []
    return "\n".join([*refusal.problems[:AT_MOST], *rest, "Nothing was imported."])
