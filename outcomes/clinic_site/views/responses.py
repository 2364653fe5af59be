"""What a patient answered, item by item, and its correction."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from outcomes import workflows
from outcomes.clinic_site.answers import answers_of, results_of, wording_of
from outcomes.clinic_site.forms.fields import refusals_on
from outcomes.clinic_site.forms.responses import CorrectionForm
from outcomes.clinic_site.views.page import StaffRequest, find, on_clinic_clock, posted
from outcomes.clinics.access import Audience, Permission, declare
from outcomes.responses.models import QuestionnaireResponse

RESPONSES = QuestionnaireResponse.objects.select_related(
    "patient", "assignment", "instrument_version__instrument", "corrects", "correction"
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
    }
    return render(request, "clinic_site/response.html", context)


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
