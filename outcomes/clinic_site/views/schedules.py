"""What each schedule asks, and what that takes of a patient's week."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from outcomes.clinic_site.instruments import schedules_of
from outcomes.clinic_site.views.page import StaffRequest, on_clinic_clock
from outcomes.clinics.access import Audience, Permission, declare
from outcomes.scheduling.burden import SAMPLE


@declare(Audience.CLINIC, Permission.VIEW_PATIENTS)
@require_safe
@on_clinic_clock
def schedules(request: StaffRequest) -> HttpResponse:
    """Show every schedule with its rules and the minutes it asks per week."""
    found = schedules_of(request.user, request.clinic)
    return render(request, "clinic_site/schedules.html", {"schedules": found, "sample": SAMPLE})
