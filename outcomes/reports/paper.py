"""A page of HTML as a PDF, by WeasyPrint, which needs Pango from the operating system."""

from __future__ import annotations

from collections.abc import Iterable


class NoPaperError(Exception):
    """No PDF can be made here: Pango is not installed on the server."""


def pdf_of(pages: Iterable[str]) -> bytes:
    """Return a tagged PDF of the first page that fits one sheet; nothing is fetched for it.

    The pages are the same in fewer and fewer words. Each carries all it shows: a picture's `data:`
    address is all that is opened. Raises NoPaperError where Pango is missing.
    """
    try:
        from outcomes.reports.press import press
    except OSError as error:  # the shared library could not be loaded
        raise NoPaperError from error
    return press(pages)
