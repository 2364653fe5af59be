"""Questionnaires: what the clinic can use, the evidence for each, its words, the clinic's own."""

from __future__ import annotations

import json
from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from outcomes import workflows
from outcomes.clinic_site.answers import wording_of
from outcomes.clinic_site.forms.fields import refusals_on
from outcomes.clinic_site.forms.instruments import (
    ConditionForm,
    DocumentForm,
    OwnForm,
    WordingForm,
)
from outcomes.clinic_site.instruments import (
    Entry,
    InstrumentPage,
    find_entry,
    language_name,
    questions_of,
    usable,
)
from outcomes.clinic_site.views.page import StaffRequest, on_clinic_clock, posted
from outcomes.clinics.access import Audience, Permission, declare
from outcomes.instruments.fhir import to_questionnaire


def _find(request: StaffRequest, code: str) -> Entry:
    """Return the questionnaire with this code that the clinic uses."""
    entry = find_entry(request.user, request.clinic, code)
    if entry is None:
        raise Http404
    return entry


@declare(Audience.CLINIC, Permission.VIEW_PATIENTS)
@require_safe
@on_clinic_clock
def instruments(request: StaffRequest) -> HttpResponse:
    """List what the clinic can use, for one condition or for all."""
    form = ConditionForm(request.GET or None)
    entries = [row for row in usable(request.user, request.clinic) if form.wants(row.definition)]
    return render(request, "clinic_site/instruments.html", {"form": form, "entries": entries})


@declare(Audience.CLINIC, Permission.VIEW_PATIENTS)
@require_safe
@on_clinic_clock
def instrument(request: StaffRequest, code: str) -> HttpResponse:
    """Show what a questionnaire measures, how it scores, and what that rests on."""
    page = InstrumentPage(_find(request, code))
    context = {"page": page, "entry": page.entry, "definition": page.definition}
    return render(request, "clinic_site/instrument.html", context)


@declare(Audience.CLINIC, Permission.VIEW_PATIENTS)
@require_safe
@on_clinic_clock
def instrument_fhir(request: StaffRequest, code: str) -> HttpResponse:
    """Send a questionnaire as a FHIR R4 Questionnaire."""
    resource = to_questionnaire(_find(request, code).definition)
    return _file(resource, "application/fhir+json", f"{code}.fhir.json")


@declare(Audience.CLINIC, Permission.VIEW_PATIENTS)
@require_safe
@on_clinic_clock
def instrument_json(request: StaffRequest, code: str) -> HttpResponse:
    """Send a questionnaire's definition as it is stored."""
    return _file(_find(request, code).definition.content, "application/json", f"{code}.json")


def _file(document: Any, content_type: str, name: str) -> HttpResponse:
    return HttpResponse(
        json.dumps(document, ensure_ascii=False, indent=2),
        content_type=content_type,
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


@declare(Audience.CLINIC, Permission.VIEW_PATIENTS)
@require_safe
@on_clinic_clock
def instrument_preview(request: StaffRequest, code: str) -> HttpResponse:
    """Show every question as the patient sees it."""
    entry = _find(request, code)
    wording = wording_of(entry.definition, request.GET.get("language", "en"))
    if wording is None:
        raise Http404
    context = {
        "entry": entry,
        "definition": entry.definition,
        "wording": wording,
        "questions": questions_of(entry.definition, wording),
        "languages": [(each, language_name(each)) for each in entry.definition.languages],
    }
    return render(request, "clinic_site/instrument_preview.html", context)


@declare(Audience.CLINIC, Permission.MANAGE_CLINIC)
@require_http_methods(["GET", "HEAD", "POST"])
@on_clinic_clock
def instrument_wording(request: StaffRequest, code: str) -> HttpResponse:
    """Load the words that the clinic is licensed to use."""
    entry = _find(request, code)
    if not entry.takes_wording:
        raise Http404
    form = WordingForm(entry.definition, posted(request), request.FILES or None)
    if request.method == "POST" and form.is_valid():
        with refusals_on(form):
            workflows.add_wording(
                instrument=entry.version.instrument,
                clinic=request.clinic,
                **form.words(),
                by=request.user.actor,
                now=timezone.now(),
            )
            messages.success(request, _("The wording was stored: patients can be asked now."))
            return redirect("clinic_site:instrument", request.clinic.slug, code)
    context = {"form": form, "entry": entry, "definition": entry.definition}
    return render(request, "clinic_site/instrument_wording.html", context)


@declare(Audience.CLINIC, Permission.MANAGE_CLINIC)
@require_http_methods(["GET", "HEAD", "POST"])
@on_clinic_clock
def instrument_new(request: StaffRequest) -> HttpResponse:
    """Take a questionnaire of the clinic's own, show it as patients will see it, then store it."""
    if "content" in request.POST:
        return _save(request, OwnForm(request.POST))
    form = DocumentForm(posted(request), request.FILES or None)
    if request.method == "POST" and form.is_valid():
        return _check(request, OwnForm.of(form.read))
    return render(request, "clinic_site/instrument_new.html", {"form": form})


def _save(request: StaffRequest, form: OwnForm) -> HttpResponse:
    if form.is_valid():
        with refusals_on(form):
            version = workflows.save_own_instrument(
                clinic=request.clinic,
                content=form.named(),
                by=request.user.actor,
                now=timezone.now(),
            )
            messages.success(request, _("%s was stored.") % version.instrument.code)
            return redirect("clinic_site:instrument", request.clinic.slug, version.instrument.code)
    return _check(request, form)


def _check(request: StaffRequest, form: OwnForm) -> HttpResponse:
    definition = form.shown
    if definition is None:
        refused = DocumentForm({"text": str(form["content"].value() or "")})
        return render(request, "clinic_site/instrument_new.html", {"form": refused})
    wording = wording_of(definition, "en")
    context = {
        "form": form,
        "definition": definition,
        "same_code": find_entry(request.user, request.clinic, definition.code),
        "wording": wording,
        "questions": questions_of(definition, wording) if wording else [],
    }
    return render(request, "clinic_site/instrument_check.html", context)


@declare(Audience.CLINIC, Permission.MANAGE_CLINIC)
@require_POST
@on_clinic_clock
def instrument_retire(request: StaffRequest, code: str) -> HttpResponse:
    """Ask the clinic's own version no more."""
    entry = _find(request, code)
    if entry.version.clinic_id is None:
        raise Http404
    try:
        workflows.retire_instrument(
            version=entry.version, clinic=request.clinic, by=request.user.actor, now=timezone.now()
        )
    except ValidationError as refusal:
        messages.warning(request, " ".join(refusal.messages))
        return redirect("clinic_site:instrument", request.clinic.slug, code)
    messages.success(request, _("%s is not asked any more.") % code)
    return redirect("clinic_site:instruments", request.clinic.slug)
