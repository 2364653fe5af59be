"""One patient on one sheet of paper: to print from the browser, or as a PDF."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from outcomes.care.models import Patient
from outcomes.clinic_site.patient_page import PatientPage
from outcomes.clinic_site.views.page import StaffRequest, find, note_reading, on_clinic_clock
from outcomes.clinics.access import Audience, Permission, declare
from outcomes.reports import paper, summary
from outcomes.reports.summary import Summary

SIZES = {"a4": "A4", "letter": "letter"}


@declare(Audience.CLINIC, Permission.VIEW_PATIENTS)
@require_safe
@on_clinic_clock
def patient_summary(request: StaffRequest, patient_id: UUID) -> HttpResponse:
    """Offer the sheet in both sizes, and show what stands on it."""
    person = find(request, Patient.objects.select_related("clinic"), patient_id)
    note_reading(request, person, "summary")
    return render(request, "clinic_site/summary.html", _context(request, person))


@declare(Audience.CLINIC, Permission.VIEW_PATIENTS)
@require_safe
@on_clinic_clock
def patient_summary_pdf(request: StaffRequest, patient_id: UUID) -> HttpResponse:
    """Return the sheet as a PDF; where the server cannot make one, say what prints instead."""
    person = find(request, Patient.objects.select_related("clinic"), patient_id)
    note_reading(request, person, "summary_pdf")
    size = SIZES.get(request.GET.get("size", ""), "A4")
    try:
        made = paper.pdf_of(_sheets(request, person, size))
    except paper.NoPaperError:
        words = _("A PDF needs Pango on the server; this page prints from the browser instead.")
        messages.warning(request, words)
        return redirect("clinic_site:patient_summary", request.clinic.slug, person.pk)
    reply = HttpResponse(made, content_type="application/pdf")
    # No name in a file's name: it lies about in a folder of downloads.
    reply["Content-Disposition"] = f'inline; filename="summary-{timezone.localdate()}.pdf"'
    return reply


def _sheets(request: StaffRequest, person: Patient, size: str) -> Iterator[str]:
    context = {**_context(request, person), "size": size}
    whole = context["summary"]
    for cut in summary.fewer_and_fewer(whole) if isinstance(whole, Summary) else [None]:
        yield render_to_string("reports/summary.html", {**context, "summary": cut}, request)


def _context(request: StaffRequest, person: Patient) -> dict[str, object]:
    now = timezone.now()
    episode = PatientPage(person, request.GET.get("episode", ""), now).episode
    made = summary.build(episode, now, language=get_language() or "en") if episode else None
    return {"patient": person, "summary": made, "clinic": request.clinic, "by": request.user}
