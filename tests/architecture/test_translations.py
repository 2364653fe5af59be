"""Every text marked for translation is there in every language, with its placeholders."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from io import BytesIO
from pathlib import Path

import pytest
from babel.messages.catalog import Message
from babel.messages.extract import extract
from babel.messages.mofile import read_mo
from babel.messages.pofile import read_po
from django.conf import settings
from django.utils.translation import templatize

ROOT = Path(__file__).resolve().parents[2]
LOCALE = ROOT / "locale"
TRANSLATED = [code for code, _name in settings.LANGUAGES if code != "en"]
# What stands between these is filled in, and must stand in every language.
HOLDERS = re.compile(r"%\(\w+\)[sd]|%[sd]|\{\w*\}")
# How Django writes what a template asks for, amid what is no Python.
TEXT = r"""u?(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")"""
CALL = re.compile(rf"(?:np|n|p)?gettext\((?:{TEXT},?\s*)+(?:count)?\)|_\({TEXT}\)")
KEYWORDS = {
    "_": None,
    "gettext": None,
    "gettext_lazy": None,
    "gettext_noop": None,
    "ngettext": (1, 2),
    "ngettext_lazy": (1, 2),
    "pgettext": ((1, "c"), 2),
    "pgettext_lazy": ((1, "c"), 2),
    "npgettext": ((1, "c"), 2, 3),
    "npgettext_lazy": ((1, "c"), 2, 3),
}

Key = tuple[str | None, str | tuple[str, ...]]


@cache
def asked() -> dict[Key, str]:
    """Return every text that the product has translated, and a file that asks for it."""
    texts: dict[Key, str] = {}
    for path in [*ROOT.glob("outcomes/**/*.py"), *ROOT.glob("config/*.py")]:
        texts |= _texts_of(path, path.read_bytes())
    for path in ROOT.glob("templates/**/*.*"):
        calls = CALL.findall(templatize(path.read_text("utf-8")))
        texts |= _texts_of(path, "\n".join(calls).encode())
    return texts


def _texts_of(path: Path, source: bytes) -> Iterator[tuple[Key, str]]:
    if b"_(" not in source and b"gettext(" not in source:
        return
    for _line, text, _comments, context in extract("python", BytesIO(source), keywords=KEYWORDS):
        plain = text if isinstance(text, str) else tuple(text)
        if plain:
            yield (context, plain), path.relative_to(ROOT).as_posix()


def catalogue(language: str) -> dict[tuple[str | None, str], Message]:
    with (LOCALE / language / "LC_MESSAGES/django.po").open("rb") as file:
        return {_key(row): row for row in read_po(file, locale=language)}


def _key(row: Message) -> tuple[str | None, str]:
    context = row.context.decode() if isinstance(row.context, bytes) else row.context
    return context, _first(row.id)


def _forms(row: Message) -> tuple[str, ...]:
    return (row.string,) if isinstance(row.string, str) else tuple(row.string)


def _first(text: str | list[str] | tuple[str, ...]) -> str:
    return text if isinstance(text, str) else text[0]


@pytest.mark.parametrize("language", TRANSLATED)
def test_nothing_is_left_in_english(language: str) -> None:
    known = catalogue(language)
    missing = sorted(
        {
            f"{path}: {_first(text)!r}"
            for (context, text), path in asked().items()
            if (row := known.get((context, _first(text)))) is None
            or row.fuzzy
            or not all(_forms(row))
        }
    )
    assert missing == []


@pytest.mark.parametrize("language", TRANSLATED)
def test_what_is_filled_in_stands_in_every_language(language: str) -> None:
    wrong = []
    for row in catalogue(language).values():
        originals = [row.id] if isinstance(row.id, str) else [*row.id]
        texts = _forms(row)
        allowed = {name for text in originals for name in HOLDERS.findall(text)}
        wrong += [
            text
            for text in texts
            if set(HOLDERS.findall(text)) != allowed
            and (len(texts) == 1 or not set(HOLDERS.findall(text)) <= allowed)
        ]
    assert wrong == []


@pytest.mark.parametrize("language", TRANSLATED)
def test_what_runs_is_what_was_written(language: str) -> None:
    with (LOCALE / language / "LC_MESSAGES/django.mo").open("rb") as file:
        running = {_key(row): _forms(row) for row in read_mo(file) if row.id}
    assert running == {key: _forms(row) for key, row in catalogue(language).items() if key[1]}


@pytest.mark.parametrize("language", TRANSLATED)
def test_only_what_is_filled_in_is_marked_as_a_format(language: str) -> None:
    # gettext guesses, and `compilemessages` then fails over “50 % per …”.
    # Babel adds the mark to what looks like one, beside the mark that it is none.
    rows = [row for row in catalogue(language).values() if "no-python-format" not in row.flags]
    marked = [row.id for row in rows if "python-format" in row.flags]
    assert marked
    filled_in = re.compile(rf"{HOLDERS.pattern}|%%")
    assert [forms for forms in marked if not filled_in.search(str(forms))] == []
