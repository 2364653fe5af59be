"""Write a clinic's data to a file, with a codebook beside it."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser
from collections.abc import Callable, Generator, Iterable, Mapping
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
from outcomes.exports import change, codebook
from outcomes.exports.services import export
from outcomes.exports.tables import TABLES
from outcomes.imports.mapping import MOST_MEASUREMENTS
from outcomes.review.classifying import ChangeRule, RuleRefused

CODEBOOKS = {".csv": codebook.as_csv, ".json": codebook.as_json}


# What only `export change` takes, and what it does not take.
OF_CHANGE = {"instrument": "--instrument", "first": "--from", "last": "--to", "rule": "--rule"}
OF_TABLES = {"since": "--since", "until": "--until"}


class Command(BaseCommand):
    """Export one table of one clinic; a file appears whole or not at all."""

    help = (
        "Export scores, answers or sessions of a clinic as CSV, or the class of each patient's"
        " change between two measurements. Every export is audited."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take what to export, and where to."""
        parser.add_argument("table", choices=[*TABLES, change.CHANGE.name])
        parser.add_argument("--clinic", required=True, metavar="SLUG")
        parser.add_argument("--format", choices=["csv"], default="csv")
        parser.add_argument("--output", required=True, metavar="FILE", help="- is standard output")
        parser.add_argument(
            "--codebook", metavar="FILE", help="ends in .csv or .json (FILE.codebook.csv)"
        )
        parser.add_argument("--since", type=date.fromisoformat, metavar="YYYY-MM-DD")
        parser.add_argument("--until", type=date.fromisoformat, metavar="YYYY-MM-DD")
        only = parser.add_argument_group("only for change")
        only.add_argument("--instrument", metavar="CODE")
        only.add_argument("--scale", metavar="CODE", default="", help="if not its first")
        only.add_argument("--from", dest="first", metavar="N", help="number of a measurement")
        only.add_argument("--to", dest="last", metavar="N", help="number of a later one")
        only.add_argument(
            "--rule",
            help="mid=POINTS (as mid=7), or Jacobson and Truax's jt,reliability=R (as"
            " jt,reliability=0.80); either with ,cutoff=c,functional=MEAN/SD (as 8/8), those of"
            " people without the disorder",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Write the table, then the codebook beside it."""
        clinic = Clinic.objects.filter(slug=options["clinic"]).first()
        if clinic is None:
            raise CommandError(f"There is no clinic “{options['clinic']}”.", returncode=2)
        output = options["output"]
        book = options["codebook"] or beside(output)
        if book:
            codebook_writer(book)
        check_options(options)
        by = Actor(kind="system", id="", label="manage.py export")
        answered = classes(clinic, options) if options["table"] == change.CHANGE.name else None
        if answered is not None:
            blocks = change.export(answered, clinic=clinic, by=by, now=timezone.now())
        else:
            blocks = export(
                table=TABLES[options["table"]],
                clinic=clinic,
                by=by,
                now=timezone.now(),
                since=options["since"],
                until=options["until"],
            )
        if output == "-":
            print_out(blocks)
        else:
            write(output, blocks)
            if answered is not None:
                self.stdout.write(counted(answered))
        if book:
            write_codebook(book, clinic)


def classes(clinic: Clinic, options: Mapping[str, Any]) -> change.Answer:
    """Return the class of each patient's change, or refuse in one sentence."""
    try:
        question = change.ask(
            clinic=clinic,
            instrument=options["instrument"],
            scale=options["scale"],
            first=number("--from", options["first"]),
            last=number("--to", options["last"]),
            rule=ChangeRule.from_text(options["rule"]),
        )
        return change.answer(clinic, question)
    except RuleRefused as refusal:
        raise CommandError(str(refusal), returncode=2) from refusal


def counted(answered: change.Answer) -> str:
    """Say how many patients are in each class."""
    classes = [f"{name or 'no class'} {n}" for name, n in answered.counts.items()]
    return f"{len(answered.rows)} patients: {', '.join(classes)}."


def check_options(options: Mapping[str, Any]) -> None:
    """Refuse what is missing, what goes with another table, and a file of change that is there."""
    table, output = options["table"], options["output"]
    is_change = table == change.CHANGE.name
    for name, option in OF_CHANGE.items():
        if is_change and not options[name]:
            raise CommandError(f"{option}: is needed for change.", returncode=2)
    for name, option in (OF_TABLES if is_change else {**OF_CHANGE, "scale": "--scale"}).items():
        if options[name]:
            raise CommandError(f"{option}: does not go with {table}.", returncode=2)
    # What was classified by another rule is not lost unasked.
    if is_change and output != "-" and Path(output).exists():
        raise CommandError(f"--output {output}: the file exists already.", returncode=2)


def number(option: str, text: str) -> int:
    """Read the number of a measurement."""
    if not (str(text).isdecimal() and 1 <= int(text) <= MOST_MEASUREMENTS):
        raise CommandError(
            f"{option} {text}: is not the number of a measurement, from 1 to {MOST_MEASUREMENTS}.",
            returncode=2,
        )
    return int(text)


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
