"""The reader's language for modules that know no framework: whoever does lends them its words.

Texts are marked for translation by calling `gettext` or `ngettext` from here, or `gettext_noop`
where they are spoken later. Until a tongue is lent they are spoken in English, as written.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tongue:
    """Hold how texts are translated now, and what stands between a number and its decimals."""

    gettext: Callable[[str], str]
    ngettext: Callable[[str, str, int], str]
    decimal_point: Callable[[], str]


def _as_written(one: str, many: str, count: int) -> str:
    return one if count == 1 else many


ENGLISH = Tongue(str, _as_written, lambda: ".")

_lent = [ENGLISH]


def lend(tongue: Tongue) -> None:
    """Have every text from now on spoken by this tongue, in whichever language it speaks then."""
    _lent[0] = tongue


def gettext(message: str) -> str:
    """Return a text in the reader's language."""
    return _lent[0].gettext(message)


def gettext_noop(message: str) -> str:
    """Mark a text for translation and return it as written."""
    return message


def ngettext(one: str, many: str, count: int) -> str:
    """Return the text that goes with a count in the reader's language."""
    return _lent[0].ngettext(one, many, count)


def decimal_point() -> str:
    """Return what stands between a number and its decimals."""
    return _lent[0].decimal_point()
