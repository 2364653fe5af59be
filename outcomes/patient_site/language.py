"""The language of the patient's pages."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

from django.conf import settings
from django.utils import translation


@lru_cache(maxsize=64)
def interface_language(wanted: str) -> str:
    """Return the wanted language if the pages are translated into it, else the product's own.

    Django translates some of its own words into languages we do not have: without this a page
    would be a mixture.
    """
    name = translation.to_locale(wanted)
    catalogues = (Path(folder) / name / "LC_MESSAGES/django.mo" for folder in settings.LOCALE_PATHS)
    return wanted if any(path.exists() for path in catalogues) else settings.LANGUAGE_CODE


@contextmanager
def speaking(wanted: str) -> Iterator[None]:
    """Write what is rendered inside in this language, or in the product's own."""
    with translation.override(interface_language(wanted)):
        yield
