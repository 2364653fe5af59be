"""The numbers of one patient's chart as a file."""

from __future__ import annotations

from uuid import UUID

from django.http import Http404, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from outcomes.care.models import Patient
from outcomes.clinic_site.patient_page import PatientPage
from outcomes.clinic_site.views.page import StaffRequest, find, on_clinic_clock
from outcomes.clinics.access import Audience, Permission, declare
from outcomes.exports import trajectory


@declare(Audience.CLINIC, Permission.VIEW_PATIENTS)
@require_safe
@on_clinic_clock
def patient_scores(request: StaffRequest, patient_id: UUID) -> HttpResponse:
    """Return the scores of the episode that the page shows, as CSV."""
    person = find(request, Patient.objects.all(), patient_id)
    now = timezone.now()
    episode = PatientPage(person, request.GET.get("episode", ""), now).episode
    if episode is None:
        raise Http404
    made = trajectory.export_trajectory(episode=episode, by=request.user.actor, now=now)
    reply = HttpResponse(made, content_type="text/csv; charset=utf-8")
    # No name in a file's name: it lies about in a folder of downloads.
    reply["Content-Disposition"] = f'attachment; filename="scores-{timezone.localdate()}.csv"'
    return reply
