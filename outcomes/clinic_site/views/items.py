"""What a patient answered, item by item over time."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import get_language
from django.views.decorators.http import require_safe

from outcomes.care.models import Patient
from outcomes.clinic_site.patient_page import PatientPage
from outcomes.clinic_site.views.page import StaffRequest, find, note_reading, on_clinic_clock
from outcomes.clinics.access import Audience, Permission, declare
from outcomes.review import items


@declare(Audience.CLINIC, Permission.VIEW_PATIENTS)
@require_safe
@on_clinic_clock
def patient_items(request: StaffRequest, patient_id: UUID) -> HttpResponse:
    """Show every item of every questionnaire over time: the last dates, or all of them."""
    person = find(request, Patient.objects.all(), patient_id)
    note_reading(request, person, "items")
    episode = PatientPage(person, request.GET.get("episode", ""), timezone.now()).episode
    most = None if request.GET.get("dates") == "all" else items.COLUMNS_SHOWN
    languages = [get_language() or "en"]
    grids = items.build(episode, languages=languages, most=most) if episode else []
    remarks = episode.remarks.newest_first() if episode else []
    context = {"patient": person, "episode": episode, "grids": grids, "remarks": remarks}
    return render(request, "clinic_site/patient_items.html", context)
