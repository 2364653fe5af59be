"""Each tap saved and the whole sent, by many phones at once: the stack against bare views."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime

from django.conf import settings

from bench.figures import Figure
from bench.people import analyse, make_forms
from bench.submit import SUBMIT, Load, Side, both_served, compare, forms_needed

UNIT = "docs/deploy/systemd/outcomes-web.service"
ROUNDS = 4
# Whole tens, so that both sides meet as many positive answers.
TAPS = (Load(1, 10), Load(8, 40), Load(32, 60))
SUBMITS = (Load(1, 60), Load(8, 160), Load(32, 200))


def measure(now: datetime) -> Iterator[Figure]:
    """Yield rate and times of both requests; any reply but 200 ends the bench."""
    with both_served(options_in_production()) as (ours, theirs):
        taps = iter(form.taps() for form in make_forms(forms_needed(TAPS, ROUNDS), now, "taps"))
        analyse()
        product = Side(ours, "/api/v1/answering/{}/answers/", "PUT")
        bare = Side(theirs, "/bare/{}/answers/", "PUT")
        yield from compare("autosave", product, bare, taps, TAPS, ROUNDS, 0.6)
        whole = iter([form] for form in make_forms(forms_needed(SUBMITS, ROUNDS), now, "whole"))
        analyse()
        product, bare = Side(ours, SUBMIT), Side(theirs, "/bare/{}/")
        yield from compare("whole form", product, bare, whole, SUBMITS, ROUNDS, 0.5)


def options_in_production() -> list[str]:
    """Return the workers and threads that the unit of docs/running.md gives the web server."""
    unit = (settings.BASE_DIR / UNIT).read_text()
    found = re.findall(r"(--workers|--blocking-threads) (\d+)", unit)
    assert len(found) == 2, UNIT
    return [word for option in found for word in option]
