"""What a patient answered, item by item, its correction, and what was answered on paper."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from outcomes import workflows
from outcomes.care.models import Patient
from outcomes.clinic_site.answers import answers_of, results_of, wording_of
from outcomes.clinic_site.forms.fields import refusals_on
from outcomes.clinic_site.forms.responses import CorrectionForm, PaperForm, SeenForm
from outcomes.clinic_site.views.page import StaffRequest, find, on_clinic_clock, posted
from outcomes.clinics.access import Audience, Permission, declare
from outcomes.responses import services
from outcomes.responses.models import QuestionnaireResponse
from outcomes.scheduling.models import Assignment

RESPONSES = QuestionnaireResponse.objects.select_related(
    "patient",
    "assignment",
    "instrument_version__instrument",
    "corrects",
    "correction",
    "entered_by",
    "remark",
    "seen_by",
    "loss_confirmed_by",
)


@declare(Audience.CLINIC, Permission.VIEW_PATIENTS)
@require_safe
@on_clinic_clock
def response(request: StaffRequest, response_id: UUID) -> HttpResponse:
    """Show one filling-in: every answer in its words, its scores and whose rules they are."""
    found = find(request, RESPONSES.prefetch_related("scores", "alerts"), response_id)
    workflows.view_patient(
        patient=found.patient, page="response", by=request.user.actor, now=timezone.now()
    )
    definition = found.instrument_version.definition
    context = {
        "response": found,
        "patient": found.patient,
        "definition": definition,
        "wording": wording_of(definition, found.language),
        "answers": answers_of(found),
        "results": results_of(found),
        "remarks": [found.remark],
    }
    return render(request, "clinic_site/response.html", context)


@declare(Audience.CLINIC, Permission.RECORD_SESSIONS)
@require_POST
@on_clinic_clock
def response_seen(request: StaffRequest, response_id: UUID) -> HttpResponse:
    """Note that the user has seen one filling-in."""
    found, now = find(request, RESPONSES, response_id), timezone.now()
    services.mark_seen(responses=[found.pk], by_user=request.user, now=now)
    messages.success(request, _("Marked as seen."))
    return redirect("clinic_site:response", request.clinic.slug, found.pk)


@declare(Audience.CLINIC, Permission.RECORD_SESSIONS)
@require_POST
@on_clinic_clock
def response_loss(request: StaffRequest, response_id: UUID) -> HttpResponse:
    """Confirm by one filling-in that response is lost, or take that back."""
    rows, now = RESPONSES.select_related("episode__clinic"), timezone.now()
    found = find(request, rows, response_id)
    try:
        if "is_taken_back" in request.POST:
            workflows.take_back_loss(response=found, by_user=request.user, now=now)
            messages.success(request, _("The confirmation was taken back."))
        else:
            workflows.confirm_loss(response=found, by_user=request.user, now=now)
            messages.success(request, _("The loss of response is confirmed."))
    except ValidationError as error:
        messages.warning(request, error.messages[0])
    return redirect("clinic_site:patient", request.clinic.slug, found.patient_id)


@declare(Audience.CLINIC, Permission.RECORD_SESSIONS)
@require_POST
@on_clinic_clock
def all_seen(request: StaffRequest, patient_id: UUID) -> HttpResponse:
    """Note that the user has seen all that was there when they opened the patient's page."""
    person, now = find(request, Patient.objects.all(), patient_id), timezone.now()
    form = SeenForm(request.POST)
    if form.is_valid():
        shown = person.responses.unseen().filter(stored_at__lte=form.cleaned_data["until"])
        keys = list(shown.values_list("pk", flat=True))
        services.mark_seen(responses=keys, by_user=request.user, now=now)
        messages.success(request, _("Marked as seen."))
    return redirect("clinic_site:patient", request.clinic.slug, person.pk)


@declare(Audience.CLINIC, Permission.RECORD_SESSIONS)
@require_http_methods(["GET", "HEAD", "POST"])
@on_clinic_clock
def paper(request: StaffRequest, assignment_id: UUID) -> HttpResponse:
    """Copy a questionnaire that was filled in on paper, once or until two readings agree."""
    now, by = timezone.now(), request.user
    rows = Assignment.objects.enterable_at(now).select_related("patient", "episode")
    asked = find(request, rows, assignment_id)
    form = PaperForm(asked, posted(request))
    if request.method == "POST" and form.is_valid():
        if not form.is_settled:
            form = form.next_reading()
        else:
            with refusals_on(form):
                made = form.save(by, now)
                messages.success(request, _("The paper form was saved."))
                return redirect("clinic_site:response", request.clinic.slug, made.response.pk)
    workflows.view_patient(patient=asked.patient, page="paper", by=by.actor, now=now)
    context = {"form": form, "asked": asked, "patient": asked.patient}
    return render(request, "clinic_site/paper.html", context)


@declare(Audience.CLINIC, Permission.RECORD_SESSIONS)
@require_http_methods(["GET", "HEAD", "POST"])
@on_clinic_clock
def response_correct(request: StaffRequest, response_id: UUID) -> HttpResponse:
    """Replace a final response by a corrected version, with the reason."""
    found = find(request, RESPONSES.filter(status="final"), response_id)
    form = CorrectionForm(found, posted(request))
    if request.method == "POST" and form.is_valid():
        with refusals_on(form):
            made = workflows.correct_response(
                response=found,
                answers=form.answers(),
                reason=form.cleaned_data["reason"],
                by=request.user.actor,
                now=timezone.now(),
            )
            messages.success(request, _("The correction was saved; the old answers are kept."))
            return redirect("clinic_site:response", request.clinic.slug, made.response.pk)
    workflows.view_patient(
        patient=found.patient, page="correction", by=request.user.actor, now=timezone.now()
    )
    wording = wording_of(found.instrument_version.definition, found.language)
    context = {"form": form, "response": found, "patient": found.patient, "wording": wording}
    return render(request, "clinic_site/response_correct.html", context)
