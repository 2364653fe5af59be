"""The episode and its courses: begin, note, hand over, close."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from outcomes import workflows
from outcomes.care import services as care
from outcomes.care.models import EpisodeOfCare, Patient
from outcomes.clinic_site.forms.courses import (
    CourseForm,
    TreatmentChangeForm,
    current_version,
    mark_initial,
)
from outcomes.clinic_site.forms.fields import refusals_on
from outcomes.clinic_site.qr import draw_qr
from outcomes.clinic_site.views.page import (
    StaffRequest,
    find,
    note_reading,
    on_clinic_clock,
    posted,
)
from outcomes.clinics.access import Audience, Permission, declare
from outcomes.clinics.models import User


@declare(Audience.CLINIC, Permission.RECORD_SESSIONS)
@require_http_methods(["GET", "HEAD", "POST"])
@on_clinic_clock
def course_new(request: StaffRequest, episode_id: UUID) -> HttpResponse:
    """Begin a new course; the one before it ends."""
    episode = find(request, EpisodeOfCare.objects.open().select_related("patient"), episode_id)
    before = episode.courses.filter(ended_at=None).select_related("schedule").first()
    initial = {"kind": "maintenance", "schedule": current_version(before)}
    form = CourseForm(posted(request), clinic=request.clinic, initial=initial)
    if request.method == "POST" and form.is_valid():
        schedule = form.cleaned_data["schedule"]
        with refusals_on(form):
            workflows.start_course(
                episode=episode,
                kind=form.cleaned_data["kind"],
                schedule_id=schedule.pk if schedule else None,
                by=request.user.actor,
                now=timezone.now(),
            )
            messages.success(request, _("The new course has begun."))
            return redirect("clinic_site:patient", request.clinic.slug, episode.patient_id)
    context = {"form": form, "patient": episode.patient, "before": before}
    note_reading(request, episode.patient, "course_new")
    return render(request, "clinic_site/course_new.html", context)


@declare(Audience.CLINIC, Permission.RECORD_SESSIONS)
@require_http_methods(["GET", "HEAD", "POST"])
@on_clinic_clock
def treatment_change_new(request: StaffRequest, episode_id: UUID) -> HttpResponse:
    """Add a change of other treatment, or a note, which the chart marks."""
    episode = find(request, EpisodeOfCare.objects.select_related("patient"), episode_id)
    form = TreatmentChangeForm(posted(request), initial=mark_initial(request.GET))
    if request.method == "POST" and form.is_valid():
        with refusals_on(form):
            care.record_treatment_change(
                episode=episode,
                happened_on=form.cleaned_data["happened_on"],
                description=form.cleaned_data["description"],
                kind=form.cleaned_data["kind"],
                by=request.user.actor,
                now=timezone.now(),
            )
            messages.success(request, _("It was saved, and stands on the chart."))
            return redirect("clinic_site:patient", request.clinic.slug, episode.patient_id)
    context = {"form": form, "patient": episode.patient}
    return render(request, "clinic_site/treatment_change_new.html", context)


@declare(Audience.CLINIC, Permission.RECORD_SESSIONS)
@require_http_methods(["GET", "HEAD", "POST"])
@on_clinic_clock
def episode_close(request: StaffRequest, episode_id: UUID) -> HttpResponse:
    """End an episode, after saying what that stops."""
    episode = find(request, EpisodeOfCare.objects.open().select_related("patient"), episode_id)
    if request.method == "POST":
        workflows.close_episode(episode=episode, by=request.user.actor, now=timezone.now())
        messages.success(request, _("The episode is closed. Nothing more is asked."))
        return redirect("clinic_site:patient", request.clinic.slug, episode.patient_id)
    context = {"episode": episode, "patient": episode.patient}
    return render(request, "clinic_site/episode_close.html", context)


@declare(Audience.CLINIC, Permission.RECORD_SESSIONS)
@require_POST
@on_clinic_clock
def hand_over(request: StaffRequest, patient_id: UUID) -> HttpResponse:
    """Make a tablet's code or a link for a patient who is here or on the telephone, shown once."""
    patient = find(request, Patient.objects.all(), patient_id)
    make = _tablet_for if request.POST.get("way") == "tablet" else _link_for
    made = make(patient, request.user, timezone.now())
    if made is None:
        messages.warning(request, _("There is nothing to answer now, so no link was made."))
        return redirect("clinic_site:patient", request.clinic.slug, patient.pk)
    return render(request, "clinic_site/hand_over.html", {"patient": patient, **made})


def _tablet_for(patient: Patient, user: User, now: datetime) -> dict[str, object] | None:
    tablet = workflows.hand_over_tablet(patient=patient, by=user.actor, now=now)
    if tablet is None:
        return None
    codes_at = f"{settings.BASE_URL}{reverse('patient_site:tablet')}"
    return {"tablet": tablet, "qr": draw_qr(tablet.address), "codes_at": codes_at}


def _link_for(patient: Patient, user: User, now: datetime) -> dict[str, object] | None:
    link = workflows.hand_over_link(patient=patient, by=user.actor, now=now)
    return None if link is None else {"link": link}
