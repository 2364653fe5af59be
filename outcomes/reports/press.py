"""WeasyPrint, kept from opening anything; importing this fails where Pango is not installed."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from weasyprint import HTML
from weasyprint.document import Document
from weasyprint.urls import URLFetcher, URLFetcherResponse

logger = logging.getLogger(__name__)

# For screen readers: headings, table cells and the chart's words are tagged.
VARIANT = "pdf/ua-1"


class ClosedFetcher(URLFetcher):  # type: ignore[misc]
    """Open what a page carries in itself, and no other address."""

    def fetch(self, url: str, headers: dict[str, str] | None = None) -> URLFetcherResponse:
        """Return the content of a `data:` address; name no more than the scheme of another."""
        scheme = url.partition(":")[0].lower()
        if scheme != "data":
            logger.error("A page for a PDF asked for a %.8s: address, which stayed closed.", scheme)
            raise ValueError("closed")
        return super().fetch(url, headers)


def press(pages: Iterable[str]) -> bytes:
    """Return the first of the pages of HTML that fits one sheet, or else the last, as a PDF."""
    document = None
    for html in pages:
        document = _laid_out(html)
        if len(document.pages) == 1:
            break
    else:
        logger.error("A page for a PDF did not fit one sheet; it was made with its second.")
    assert document is not None  # there is a page to print
    made = document.write_pdf(pdf_variant=VARIANT)
    assert isinstance(made, bytes)
    return made


def _laid_out(html: str) -> Document:
    fetcher = ClosedFetcher(allow_redirects=False)
    return HTML(string=html, url_fetcher=fetcher).render(pdf_variant=VARIANT)
