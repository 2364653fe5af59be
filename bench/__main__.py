"""Measure, side by side and in one run, and print one line per figure."""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from importlib import import_module
from io import StringIO

from bench.figures import HEADER, Figure
from bench.scratch import scratch_database

PARTS = (
    *("submit", "stack", "answering", "pages", "patient", "pdf", "caseload", "files"),
    *("scoring", "due", "planning", "dispatch", "nine", "locked"),
)


def main(wanted: list[str]) -> int:
    """Run the parts named, or all; return the exit status."""
    if unknown := sorted(set(wanted) - set(PARTS)):
        print(f"There is no part {unknown[0]!r}: choose from {', '.join(PARTS)}.", file=sys.stderr)
        return 2
    with scratch_database() as database:
        now = set_up()
        print(f"{now:%Y-%m-%d %H:%M} UTC, {machine()}, {database}")
        print(HEADER)
        for part in PARTS:
            if part in wanted or not wanted:
                for figure in part_of(part)(now):
                    print(figure.line(), flush=True)
        from django.db import connections

        connections.close_all()
    return 0


def set_up() -> datetime:
    """Start Django on the scratch database and fill in the questionnaires; return the time."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
    os.environ.setdefault("LOG_LEVEL", "WARNING")
    import django
    from django.core.management import call_command
    from django.utils import timezone

    django.setup()
    call_command("migrate", verbosity=0)
    call_command("createcachetable", verbosity=0)
    call_command("install_library", stdout=StringIO())
    return timezone.now()


def part_of(name: str) -> Callable[[datetime], Iterator[Figure]]:
    """Import a part once Django is up."""
    measure: Callable[[datetime], Iterator[Figure]] = import_module(f"bench.{name}").measure
    return measure


def machine() -> str:
    """Describe the machine in a few words."""
    load = f", load {os.getloadavg()[0]:.1f} at the start" if hasattr(os, "getloadavg") else ""
    return f"Python {platform.python_version()}, {os.cpu_count()} cores{load}"


if __name__ == "__main__":
    begun = time.monotonic()
    status = main(sys.argv[1:])
    if status == 0:
        print(f"Took {time.monotonic() - begun:.0f} s.")
    sys.exit(status)
