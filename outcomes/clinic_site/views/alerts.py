"""Alerts: the list, and one alert with what was answered, what happened and what to record."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from outcomes import workflows
from outcomes.alerts import services
from outcomes.alerts.models import Alert, CallRequest
from outcomes.clinic_site.alert_page import AlertPage
from outcomes.clinic_site.alert_queue import PER_PAGE, QUEUED, entries_of, narrowed, tabs_of
from outcomes.clinic_site.forms.alerts import STEPS, AlertFilter, AlertStep, CallForm
from outcomes.clinic_site.forms.fields import refusals_on
from outcomes.clinic_site.views.page import StaffRequest, find, on_clinic_clock, posted
from outcomes.clinics.access import Audience, Permission, declare

ALERTS = Alert.objects.select_related(
    "patient", "rule__instrument", "acknowledged_by", "response__instrument_version"
)


@declare(Audience.CLINIC, Permission.VIEW_PATIENTS)
@require_safe
@on_clinic_clock
def alerts(request: StaffRequest) -> HttpResponse:
    """List calls asked for, then one part of the queue of alerts, a page at a time."""
    now, clinic = timezone.now(), request.clinic
    workflows.view_list(clinic=clinic, page="alerts", by=request.user.actor, now=now)
    form = AlertFilter(request.GET)
    show, kind = form.asked()
    rows = QUEUED.visible_to(request.user).filter(clinic=clinic)
    pages = Paginator(narrowed(rows, show, kind, request.user), PER_PAGE)
    page = pages.get_page(request.GET.get("page"))
    calls = CallRequest.objects.visible_to(request.user).filter(clinic=clinic)
    context = {
        "calls": calls.open().select_related("patient").order_by("asked_at"),
        "tabs": tabs_of(rows, show, kind, request.user),
        "entries": entries_of(list(page), clinic, now),
        **{"page": page, "form": form, "show": show, "kind": kind, "now": now},
    }
    return render(request, "clinic_site/alerts.html", context)


@declare(Audience.CLINIC, Permission.VIEW_PATIENTS)
@require_http_methods(["GET", "HEAD", "POST"])
@on_clinic_clock
def alert(request: StaffRequest, alert_id: UUID) -> HttpResponse:
    """Show one alert, and take one step on it; the care team only reads."""
    found, now = find(request, ALERTS, alert_id), timezone.now()
    forms = _forms(request)
    if request.method == "POST":
        if not request.membership.allows(Permission.ANSWER_ALERTS):
            raise PermissionDenied("Your role does not allow this.")
        form = _sent(forms)
        if form.is_valid():
            with refusals_on(form):
                form.record(found, request.user, now)
                messages.success(request, _("What you did was recorded."))
                address = reverse("clinic_site:alert", args=[request.clinic.slug, found.pk])
                return redirect(f"{address}#{form.place}" if form.place else address)
        found = find(request, ALERTS, alert_id)
    workflows.view_patient(patient=found.patient, page="alert", by=request.user.actor, now=now)
    return render(
        request, "clinic_site/alert.html", _picture_of(AlertPage(found, request.clinic, now), forms)
    )


@declare(Audience.CLINIC, Permission.ANSWER_ALERTS)
@require_http_methods(["GET", "HEAD", "POST"])
@on_clinic_clock
def call_settle(request: StaffRequest, call_id: UUID) -> HttpResponse:
    """Show a call a patient asks for, and record what was done about it."""
    rows = CallRequest.objects.select_related("patient", "settled_by")
    call, now = find(request, rows, call_id), timezone.now()
    form = CallForm(posted(request))
    if request.method == "POST" and form.is_valid():
        note = form.cleaned_data["note"]
        services.settle_call(call=call, by_user=request.user, note=note, now=now)
        messages.success(request, _("It is settled."))
        return redirect("clinic_site:patient", request.clinic.slug, call.patient_id)
    workflows.view_patient(patient=call.patient, page="call", by=request.user.actor, now=now)
    contacts = call.patient.contacts.order_by("-channel")
    context = {"call": call, "patient": call.patient, "contacts": contacts, "form": form}
    return render(request, "clinic_site/call_settle.html", context)


def _forms(request: StaffRequest) -> dict[str, AlertStep]:
    # Each step has a button of its own; only the form whose button was pressed is filled in.
    sent = request.POST.get("step")
    return {form.step: form(request.POST if form.step == sent else None) for form in STEPS}


def _sent(forms: dict[str, AlertStep]) -> AlertStep:
    form = next((form for form in forms.values() if form.is_bound), None)
    if form is None:
        raise Http404
    return form


def _picture_of(page: AlertPage, forms: dict[str, AlertStep]) -> dict[str, object]:
    found = page.alert
    return {
        "alert": found,
        "page": page,
        "patient": found.patient,
        # For a call at once; that the page was read is in the audit record.
        "contacts": found.patient.contacts.order_by("-channel"),
        "mails": found.messages.select_related("user").order_by("created_at"),
        "forms": forms,
        "form": next((form for form in forms.values() if form.is_bound), None),
    }
