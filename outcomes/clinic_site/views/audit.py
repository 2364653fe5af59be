"""The audit record: who did what and when, and whether the record is whole."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods

from outcomes.audit.models import AuditEvent
from outcomes.audit.services import find_breaks
from outcomes.care.models import Patient
from outcomes.clinic_site.forms.lists import AuditFilter
from outcomes.clinic_site.views.page import StaffRequest, on_clinic_clock
from outcomes.clinics.access import Audience, Permission, declare

PAGE = 50
MOST_BREAKS = 100


@declare(Audience.CLINIC, Permission.MANAGE_CLINIC)
@require_http_methods(["GET", "HEAD", "POST"])
@on_clinic_clock
def audit(request: StaffRequest) -> HttpResponse:
    """List the clinic's events, newest first; on POST, check the chain from end to end."""
    form = AuditFilter(request.GET)
    events = form.narrow(AuditEvent.objects.filter(clinic_id=request.clinic.pk))
    found = list(events.order_by("-number")[: PAGE + 1])
    chosen = form.cleaned_data.get("patient")
    patients = Patient.objects.visible_to(request.user).filter(clinic=request.clinic)
    names = patients.in_bulk({event.patient_id for event in found if event.patient_id})
    context = {
        "form": form,
        "rows": [(event, names.get(event.patient_id)) for event in found[:PAGE]],
        "next": found[PAGE - 1].number if len(found) > PAGE else None,
        "patient": patients.filter(pk=chosen).first() if chosen else None,
        "breaks": None,
    }
    if request.method == "POST":
        breaks = find_breaks(request.clinic.pk)
        context["breaks"] = [line for line, _ in zip(breaks, range(MOST_BREAKS), strict=False)]
    return render(request, "clinic_site/audit.html", context)
