"""Write a clinic's data to a file, with a codebook beside it."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser
from collections.abc import Callable, Generator, Iterable
from contextlib import closing
from datetime import date
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from outcomes.audit.models import Actor
from outcomes.clinics.models import Clinic
from outcomes.exports import codebook
from outcomes.exports.services import export
from outcomes.exports.tables import TABLES

CODEBOOKS = {".csv": codebook.as_csv, ".json": codebook.as_json}


class Command(BaseCommand):
    """Export one table of one clinic; a file appears whole or not at all."""

    help = "Export scores, answers or sessions of a clinic as CSV. Every export is audited."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take what to export, and where to."""
        parser.add_argument("table", choices=list(TABLES))
        parser.add_argument("--clinic", required=True, metavar="SLUG")
        parser.add_argument("--format", choices=["csv"], default="csv")
        parser.add_argument("--output", required=True, metavar="FILE", help="- is standard output")
        parser.add_argument(
            "--codebook", metavar="FILE", help="ends in .csv or .json (FILE.codebook.csv)"
        )
        parser.add_argument("--since", type=date.fromisoformat, metavar="YYYY-MM-DD")
        parser.add_argument("--until", type=date.fromisoformat, metavar="YYYY-MM-DD")

    def handle(self, *args: Any, **options: Any) -> None:
        """Write the table, then the codebook beside it."""
        clinic = Clinic.objects.filter(slug=options["clinic"]).first()
        if clinic is None:
            raise CommandError(f"There is no clinic “{options['clinic']}”.", returncode=2)
        output = options["output"]
        book = options["codebook"] or beside(output)
        if book:
            codebook_writer(book)
        blocks = export(
            table=TABLES[options["table"]],
            clinic=clinic,
            by=Actor(kind="system", id="", label="manage.py export"),
            now=timezone.now(),
            since=options["since"],
            until=options["until"],
        )
        if output == "-":
            print_out(blocks)
        else:
            write(output, blocks)
        if book:
            write_codebook(book, clinic)


def beside(output: str) -> str:
    """Return the name of the codebook beside a file: scores.csv has scores.codebook.csv."""
    return "" if output == "-" else str(Path(output).with_suffix(".codebook.csv"))


def codebook_writer(name: str) -> Callable[[UUID], str]:
    """Return what writes the form that the file's ending names; refuse any other ending."""
    make = CODEBOOKS.get(Path(name).suffix)
    if make is None:
        raise CommandError("The codebook's name must end in .csv or .json.", returncode=2)
    return make


def write_codebook(name: str, clinic: Clinic) -> None:
    """Write the codebook in the form that the file's ending names."""
    write(name, [codebook_writer(name)(clinic.pk).encode()])


def print_out(blocks: Generator[bytes, None, None]) -> None:
    """Write to standard output until it is read no further."""
    with closing(blocks):
        try:
            sys.stdout.buffer.writelines(blocks)
            sys.stdout.buffer.flush()
        except BrokenPipeError:
            # What Python would still flush at its end goes nowhere, instead of failing.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def write(name: str, blocks: Iterable[bytes]) -> None:
    """Write a file that only its owner may read; it takes its name when it is complete."""
    path = Path(name)
    try:
        with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            try:
                file.writelines(blocks)
                file.flush()
                os.replace(file.name, path)
            except BaseException:
                os.unlink(file.name)
                raise
    except OSError as error:
        raise CommandError(f"{name} cannot be written: {error.strerror}", returncode=2) from error
