"""One patient's chart in other forms: its numbers as a file, two courses side by side."""

from __future__ import annotations

from uuid import UUID

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from outcomes.care.models import Patient
from outcomes.clinic_site.patient_page import PatientPage
from outcomes.clinic_site.views.page import StaffRequest, find, note_reading, on_clinic_clock
from outcomes.clinics.access import Audience, Permission, declare
from outcomes.exports import trajectory
from outcomes.review import side_by_side


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


@declare(Audience.CLINIC, Permission.VIEW_PATIENTS)
@require_safe
@on_clinic_clock
def patient_compare(request: StaffRequest, patient_id: UUID) -> HttpResponse:
    """Show two courses on days since the first session of each: the last two unless chosen."""
    person = find(request, Patient.objects.all(), patient_id)
    courses = {str(course.pk): course for course in side_by_side.comparable(person)}
    last = [*courses][-2:]
    chosen = [request.GET.get(name, key) for name, key in zip(("a", "b"), last, strict=False)]
    if any(key not in courses for key in chosen):
        raise Http404
    note_reading(request, person, "compare")
    is_pair = len(set(chosen)) == 2
    context = {
        "patient": person,
        "choices": [(key, side_by_side.name_of(row, person)) for key, row in courses.items()],
        "chosen": chosen,
        "compared": side_by_side.build(person, [courses[key] for key in chosen])
        if is_pair
        else None,
    }
    return render(request, "clinic_site/patient_compare.html", context)
