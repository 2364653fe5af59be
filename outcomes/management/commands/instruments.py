"""Tell what the library holds and what that rests on."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from outcomes.instruments.definition import DefinitionError, load_library
from outcomes.instruments.evidence import evidence


class Command(BaseCommand):
    """List the shipped instruments; --json gives everything the evidence pages show."""

    help = "List the shipped instruments; with --json all facts, sources and marks."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the codes and the form."""
        parser.add_argument("codes", nargs="*", metavar="CODE", help="Only these; else all.")
        parser.add_argument("--json", action="store_true", help="All facts, as one JSON document.")

    def handle(self, *args: Any, codes: list[str], **options: Any) -> None:
        """Print the library, or the named instruments."""
        try:
            library = load_library()
        except DefinitionError as error:
            raise CommandError(str(error)) from error
        if unknown := [code for code in codes if code not in library]:
            raise CommandError(f"unknown instrument {unknown[0]!r}", returncode=2)
        found = [evidence(library[code]) for code in codes or library]
        if options["json"]:
            self.stdout.write(json.dumps(found, ensure_ascii=False, indent=2))
            return
        for row in found:
            rows = row["proof"]["golden_rows"]
            self.stdout.write(
                f"{row['code']:<16} {row['title']}: {len(row['items'])} items, "
                f"{row['minutes']['value']:g} min, {row['licence']['class']}, "
                f"{', '.join(row['languages']) or 'no wording'}, {rows} golden rows"
            )
