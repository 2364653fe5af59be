"""The patient: found, enrolled, looked at, changed."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from outcomes import workflows
from outcomes.care import services as care
from outcomes.care.models import Channel, EpisodeOfCare, Patient, TreatmentSession
from outcomes.clinic_site.forms.fields import refusals_on
from outcomes.clinic_site.forms.patients import (
    CliniciansForm,
    ContactForm,
    DetailsForm,
    EnrolForm,
    FindForm,
)
from outcomes.clinic_site.patient_page import PatientPage
from outcomes.clinic_site.views.page import StaffRequest, find, on_clinic_clock, posted
from outcomes.clinics.access import Audience, Permission, declare
from outcomes.delivery.models import RememberedDevice
from outcomes.review import reach
from outcomes.review.ranges import range_of
from outcomes.scheduling.models import Schedule

MOST_FOUND = 100
PER_PAGE = 100


@declare(Audience.CLINIC, Permission.VIEW_PATIENTS)
@require_http_methods(["GET", "HEAD", "POST"])
@on_clinic_clock
def patients(request: StaffRequest) -> HttpResponse:
    """Find a patient, with an open episode or without; names never stand in an address."""
    form = FindForm(request.POST or {})
    now = timezone.now()
    workflows.view_list(clinic=request.clinic, page="patients", by=request.user.actor, now=now)
    rows = Patient.objects.visible_to(request.user).filter(clinic=request.clinic)
    in_order = form.matches(rows).order_by("family_name", "given_name", "pk")
    found = list(in_order.prefetch_related("episodes")[: MOST_FOUND + 1])
    context = {"form": form, "found": found[:MOST_FOUND], "has_more": len(found) > MOST_FOUND}
    return render(request, "clinic_site/patients.html", context)


@declare(Audience.CLINIC, Permission.VIEW_PATIENTS)
@require_safe
@on_clinic_clock
def patient(request: StaffRequest, patient_id: UUID) -> HttpResponse:
    """Show one patient: the trajectory first, then everything it is made of."""
    person = find(request, PatientPage.people(), patient_id)
    person.clinic, now = request.clinic, timezone.now()
    workflows.view_patient(patient=person, page="patient", by=request.user.actor, now=now)
    shows_all = request.GET.get("scores") == "all"
    page = PatientPage(
        person,
        request.GET.get("episode", ""),
        now,
        shows_all_scores=shows_all,
        shown=range_of(request.GET.get("range", "")),
        has_band="band" in request.GET,
    )
    return render(request, "clinic_site/patient.html", {"page": page, "patient": person})


@declare(Audience.CLINIC, Permission.VIEW_PATIENTS)
@require_safe
@on_clinic_clock
def patient_responses(request: StaffRequest, patient_id: UUID) -> HttpResponse:
    """List everything the patient answered."""
    person = find(request, Patient.objects.all(), patient_id)
    now = timezone.now()
    workflows.view_patient(patient=person, page="responses", by=request.user.actor, now=now)
    pages = Paginator(PatientPage.responses_of(person), PER_PAGE)
    context = {"patient": person, "responses": pages.get_page(request.GET.get("page"))}
    return render(request, "clinic_site/patient_responses.html", context)


@declare(Audience.CLINIC, Permission.VIEW_PATIENTS)
@require_safe
@on_clinic_clock
def patient_sessions(request: StaffRequest, patient_id: UUID) -> HttpResponse:
    """List every session of the patient, in every episode."""
    person = find(request, Patient.objects.all(), patient_id)
    now = timezone.now()
    workflows.view_patient(patient=person, page="sessions", by=request.user.actor, now=now)
    rows = TreatmentSession.objects.filter(episode__patient=person).select_related("course")
    context = {"patient": person, "sessions": rows.in_order().reverse()}
    return render(request, "clinic_site/patient_sessions.html", context)


@declare(Audience.CLINIC, Permission.ENROL_PATIENTS)
@require_http_methods(["GET", "HEAD", "POST"])
@on_clinic_clock
def enrol(request: StaffRequest) -> HttpResponse:
    """Enrol a patient on one page."""
    shipped = Schedule.objects.filter(clinic=None, is_current=True, code="ketamine-default")
    initial = {
        "language": request.clinic.language,
        "time_zone": request.clinic.time_zone,
        "clinicians": [request.user.pk],
        "schedule": shipped.values_list("pk", flat=True).first(),
    }
    form = EnrolForm(posted(request), clinic=request.clinic, initial=initial)
    if request.method == "POST" and form.is_valid():
        with refusals_on(form):
            made = form.save_for(request.clinic, by=request.user.actor, now=timezone.now())
            messages.success(request, _("%s is enrolled.") % made.patient.name)
            return redirect("clinic_site:patient", request.clinic.slug, made.patient.pk)
    context = {"form": form, "wording": care.CONSENT_WORDING}
    return render(request, "clinic_site/enrol.html", context)


@declare(Audience.CLINIC, Permission.ENROL_PATIENTS)
@require_http_methods(["GET", "HEAD", "POST"])
@on_clinic_clock
def edit_patient(request: StaffRequest, patient_id: UUID) -> HttpResponse:
    """Change a patient's details."""
    person = find(request, Patient.objects.all(), patient_id)
    name = person.name
    form = DetailsForm(posted(request), instance=person, clinic=request.clinic)
    if request.method == "POST" and form.is_valid():
        with refusals_on(form):
            workflows.change_patient(
                patient=find(request, Patient.objects.all(), patient_id),
                changes=form.changes(),
                by=request.user.actor,
                now=timezone.now(),
            )
            messages.success(request, _("The details were saved."))
            return redirect("clinic_site:patient", request.clinic.slug, patient_id)
    workflows.view_patient(
        patient=person, page="details", by=request.user.actor, now=timezone.now()
    )
    context = {"form": form, "patient": person, "name": name}
    return render(request, "clinic_site/edit_patient.html", context)


@declare(Audience.CLINIC, Permission.ENROL_PATIENTS)
@require_http_methods(["GET", "HEAD", "POST"])
@on_clinic_clock
def contact(request: StaffRequest, patient_id: UUID) -> HttpResponse:
    """Show and change how the patient is reached, and what they agreed to."""
    person, now = find(request, Patient.objects.all(), patient_id), timezone.now()
    forms = [ContactForm(person, channel, posted(request)) for channel in Channel]
    are_valid = [form.is_valid() for form in forms]
    if all(are_valid):
        with transaction.atomic():
            for form in forms:
                form.save(request.user.actor, now)
        messages.success(request, _("Contact and consent were saved."))
        return redirect("clinic_site:patient", request.clinic.slug, person.pk)
    workflows.view_patient(patient=person, page="contact", by=request.user.actor, now=now)
    context = {
        "patient": person,
        "forms": forms,
        "has_errors": request.method == "POST",
        "reach_problem": reach.problems([person.pk]).get(person.pk, ""),
        "wording": care.CONSENT_WORDING,
        "devices": RememberedDevice.objects.remembered().filter(patient=person),
    }
    return render(request, "clinic_site/contact.html", context)


@declare(Audience.CLINIC, Permission.ENROL_PATIENTS)
@require_POST
@on_clinic_clock
def forget_devices(request: StaffRequest, patient_id: UUID) -> HttpResponse:
    """Have every phone of the patient asked for the check again."""
    person = find(request, Patient.objects.all(), patient_id)
    workflows.forget_devices(patient=person, by=request.user.actor, now=timezone.now())
    messages.success(request, _("No phone is remembered any more."))
    return redirect("clinic_site:contact", request.clinic.slug, person.pk)


@declare(Audience.CLINIC, Permission.ENROL_PATIENTS)
@require_http_methods(["GET", "HEAD", "POST"])
@on_clinic_clock
def episode_clinicians(request: StaffRequest, episode_id: UUID) -> HttpResponse:
    """Say who answers for the patient."""
    rows = EpisodeOfCare.objects.select_related("patient", "clinic")
    episode = find(request, rows, episode_id)
    form = CliniciansForm(episode, posted(request))
    if request.method == "POST" and form.is_valid():
        care.set_clinicians(
            episode=episode,
            clinicians=form.cleaned_data["clinicians"],
            by=request.user.actor,
            now=timezone.now(),
        )
        messages.success(request, _("The responsible clinicians were saved."))
        return redirect("clinic_site:patient", request.clinic.slug, episode.patient_id)
    context = {"form": form, "patient": episode.patient}
    return render(request, "clinic_site/episode_clinicians.html", context)
