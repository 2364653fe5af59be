"""Pages that were read in a test, shown in Chromium as wide and as dark as they come.

A rule is asked again where its answer may have changed: targets and overflow for each width,
colours for each scheme, all the others for each page.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from django.contrib.staticfiles import finders
from django.utils.translation import trans_real
from playwright.sync_api import Browser, Page, Route

from tests.browser import AXE

RIGHT_TO_LEFT = "he"
SCHEMES = ("light", "dark")
STANDARD = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
BY_WIDTH = ["target-size"]
BY_SCHEME = ["color-contrast", "link-in-text-block"]
# All screens have one style sheet, so that one page can show them all.
SHOW = """html => {
  const page = new DOMParser().parseFromString(html, "text/html");
  const { lang, dir } = page.documentElement;
  Object.assign(document.documentElement, { lang, dir });
  document.title = page.title;
  document.body.replaceWith(document.adoptNode(page.body));
}"""
LOOK = """async ([rules, targets]) => {
  const told = [];
  const found = await axe.run(document, { resultTypes: ["violations"], runOnly: rules });
  for (const rule of found.violations)
    told.push(`${rule.id}: ${rule.nodes.map(node => node.target).slice(0, 4)}`);
  const { scrollWidth, clientWidth } = document.documentElement;
  if (scrollWidth > clientWidth) told.push(`${scrollWidth} px wide`);
  for (const it of targets ? document.querySelectorAll(targets) : [])
    if (it.checkVisibility() && !it.ariaHidden && it.getBoundingClientRect().height < 43.9)
      told.push(`small: ${it.outerHTML.slice(0, 60)}`);
  return told;
}"""


class Pseudo(trans_real.DjangoTranslation):
    """English between right-to-left letters, for every text that is asked for."""

    def gettext(self, message: str) -> str:
        """Return the text of the message, without its context."""
        return f"אב {message.split(trans_real.CONTEXT_SEPARATOR)[-1]} גד"

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        """Return the same of the one or of the many."""
        return self.gettext(msgid1 if n == 1 else msgid2)


def speak_right_to_left(settings, folder: Path, patch: pytest.MonkeyPatch) -> None:
    """Let the site speak the pseudo-language until the test ends."""
    catalogues = folder / RIGHT_TO_LEFT / "LC_MESSAGES"
    catalogues.mkdir(parents=True)
    with (catalogues / "django.mo").open("wb") as file:
        write_mo(file, Catalog(locale=RIGHT_TO_LEFT))
    settings.LOCALE_PATHS = [*settings.LOCALE_PATHS, folder]
    settings.LANGUAGES = [*settings.LANGUAGES, (RIGHT_TO_LEFT, "Pseudo")]
    patch.setitem(trans_real._translations, RIGHT_TO_LEFT, Pseudo(RIGHT_TO_LEFT))


def stage(chromium: Browser, html: str) -> Page:
    """Open one page, on which SHOW then shows all the others, with axe beside it."""
    page = chromium.new_page()
    page.route("**/*", serve)
    page.set_content(html.replace('="/static', '="http://here.example/static'))
    page.evaluate(AXE)
    return page


def serve(route: Route) -> None:
    """Answer with the static file that is asked for."""
    found = finders.find(route.request.url.partition("/static/")[2])
    route.fulfill(path=found) if found else route.abort()


def looked_at(
    page: Page, widths: Sequence[int], schemes: Sequence[str], *, targets: str = ""
) -> list[str]:
    """Return what is wrong with the page that is shown; `targets` are at least 44 px high."""
    found = []
    for scheme, width in product(schemes, widths):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        page.set_viewport_size({"width": width, "height": 720})
        rules = {(schemes[-1], widths[0]): BY_SCHEME, (schemes[0], widths[0]): STANDARD}
        wrong = page.evaluate(LOOK, [rules.get((scheme, width), BY_WIDTH), targets])
        found += [f"{width} px, {scheme}: {it}" for it in wrong]
    return found
