"""One patient on one sheet, as a PDF, after five years of treatment."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from datetime import datetime
from importlib import import_module

from django.urls import reverse

from bench.figures import Figure, milliseconds, percentile
from bench.pages import signed_in
from bench.patient import make_five_years
from bench.people import analyse, make_clinic

REQUESTS = 30
TARGET = 1.5


def measure(now: datetime) -> Iterator[Figure]:
    """Yield the first PDF of a process, importing WeasyPrint with it, and those afterwards."""
    import_module("config.wsgi")  # what the served process sets, garbage collection too
    clinic, clinician = make_clinic("five-years-on-paper", now)
    patient_id = make_five_years(clinic, clinician, now)
    analyse()
    address = reverse("clinic_site:patient_summary_pdf", args=[clinic.slug, patient_id])
    client, taken = signed_in(clinician), []
    if "weasyprint" in sys.modules:
        raise RuntimeError("WeasyPrint is loaded already: the first PDF would not be the first.")
    for _ in range(1 + REQUESTS):
        begun = time.perf_counter()
        reply = client.get(address)
        taken.append(time.perf_counter() - begun)
        if not reply.content.startswith(b"%PDF"):
            raise RuntimeError(f"{address} made no PDF")
    first, later = taken[0], taken[1:]
    p50, p99 = percentile(later, 0.5), percentile(later, 0.99)
    target = f"<= {TARGET * 1000:,.0f} ms"
    name = "PDF, five years, first of a process"
    yield Figure(name, milliseconds(first), "", None, target, first <= TARGET)
    yield Figure("  afterwards, p50", milliseconds(p50), "", None, target, p50 <= TARGET)
    yield Figure("  afterwards, p99", milliseconds(p99), "", None, target, p99 <= TARGET)
    yield Figure("  its size", f"{len(reply.content) / 1024:,.0f} KiB", "", None, "", None)
