"""Score answers from standard input, one JSON document per line; the database is not touched."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from typing import Any, NoReturn

from django.core.management.base import BaseCommand, CommandError

from outcomes.instruments.definition import Definition, load_library
from outcomes.instruments.scoring import ScaleScore, ScoreResult, score


class Command(BaseCommand):
    """Print one JSON line of scores per input line, or one error and nothing else."""

    help = (
        'Score answers: each line of standard input is {"answers": {"1": 0, ...}} by item number. '
        "The first bad line ends it with exit status 2, and nothing is printed."
    )
    requires_system_checks: tuple[str, ...] = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the instrument's code."""
        parser.add_argument("code", help="an instrument of the library, for example PHQ-9")

    def handle(self, *args: Any, **options: Any) -> None:
        """Score every line before the first is printed."""
        library = load_library()
        definition = library.get(options["code"])
        if definition is None:
            _fail(f"unknown instrument {options['code']!r}; the library has {', '.join(library)}")
        results = list(_results(definition))
        for result in results:
            self.stdout.write(result)


def _results(definition: Definition) -> Iterator[str]:
    for number, line in enumerate(_lines(), start=1):
        try:
            result = score(definition, _answers(line))
            yield json.dumps(_document(definition, result), ensure_ascii=False)
        except ValueError as error:
            _fail(f"line {number}: {error}")


def _lines() -> Iterator[str]:
    try:
        yield from sys.stdin
    except UnicodeDecodeError:
        _fail("the input is not UTF-8 text")


def _answers(line: str) -> dict[str, Any]:
    try:
        document = json.loads(line, object_pairs_hook=_unrepeated)
    except json.JSONDecodeError as error:
        raise ValueError(f"is not JSON: {error.msg} at column {error.colno}") from error
    except RecursionError as error:
        raise ValueError("is nested too deeply") from error
    answers = document.get("answers") if isinstance(document, dict) else None
    if not isinstance(answers, dict):
        raise ValueError('must be an object like {"answers": {"1": 0}}')
    return answers


def _unrepeated(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"item {name[:40]}: stands twice")
        found[name] = value
    return found


def _document(definition: Definition, result: ScoreResult) -> dict[str, Any]:
    scales = [scale.code for scale in definition.scales]
    levels = [levels.code for levels in definition.levels]
    return {
        "complete": result.complete,
        "scores": {code: _scale_document(result.scores[code]) for code in scales},
        **({"levels": {code: _level(result.scores[code]) for code in levels}} if levels else {}),
        "safety": [
            {"item": hit.link_id, "value": hit.value, "at_least": hit.at_least}
            for hit in result.safety
        ],
    }


def _scale_document(scale: ScaleScore) -> dict[str, Any]:
    document: dict[str, Any] = {"value": scale.value, "band": scale.band}
    if scale.standard_error is not None:
        document["standard_error"] = scale.standard_error
    if scale.prorated:
        document["prorated"] = True
    if scale.reason:
        document["reason"] = scale.reason
    return document


def _level(result: ScaleScore) -> dict[str, Any]:
    return {"value": result.band} | ({"reason": result.reason} if result.reason else {})


def _fail(message: str) -> NoReturn:
    raise CommandError(message, returncode=2)
