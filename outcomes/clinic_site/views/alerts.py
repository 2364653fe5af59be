"""Alerts: the list, and one alert with what was answered, what happened and what to record."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from outcomes import workflows
from outcomes.alerts import services
from outcomes.alerts.models import Alert, AlertState
from outcomes.clinic_site.answers import answer_of, repeat_of
from outcomes.clinic_site.forms.alerts import OutcomeForm
from outcomes.clinic_site.forms.fields import refusals_on
from outcomes.clinic_site.views.page import StaffRequest, find, on_clinic_clock, posted
from outcomes.clinics.access import Audience, Permission, declare

RECENT = 50
ALERTS = Alert.objects.select_related(
    "patient", "rule__instrument", "acknowledged_by", "response__instrument_version"
)


@declare(Audience.CLINIC, Permission.VIEW_PATIENTS)
@require_safe
@on_clinic_clock
def alerts(request: StaffRequest) -> HttpResponse:
    """List alerts: open, then those with something still owed, then the last ones closed."""
    now = timezone.now()
    workflows.view_list(clinic=request.clinic, page="alerts", by=request.user.actor, now=now)
    rows = ALERTS.visible_to(request.user).filter(clinic=request.clinic)
    closed = rows.filter(state=AlertState.RESOLVED).order_by("-resolved_at")
    context = {
        "open": rows.open().order_by("opened_at"),
        "waiting": rows.filter(state=AlertState.PROVISIONAL).order_by("raised_at"),
        "owed": rows.filter(state=AlertState.ACKNOWLEDGED).order_by("acknowledged_at"),
        "closed": closed[:RECENT],
    }
    return render(request, "clinic_site/alerts.html", context)


@declare(Audience.CLINIC, Permission.VIEW_PATIENTS)
@require_http_methods(["GET", "HEAD", "POST"])
@on_clinic_clock
def alert(request: StaffRequest, alert_id: UUID) -> HttpResponse:
    """Show one alert, and take what a person found or did; the care team only reads."""
    found, now = find(request, ALERTS, alert_id), timezone.now()
    is_owed = found.state == AlertState.ACKNOWLEDGED
    form = OutcomeForm(posted(request))
    if request.method == "POST":
        if not request.membership.allows(Permission.ANSWER_ALERTS):
            raise PermissionDenied("Your role does not allow this.")
        if form.is_valid():
            with refusals_on(form):
                answer = services.resolve if is_owed else services.acknowledge
                answer(alert=found, user=request.user, now=now, **form.cleaned_data)
                messages.success(request, _("What you did was recorded."))
                return redirect("clinic_site:alert", request.clinic.slug, found.pk)
    workflows.view_patient(patient=found.patient, page="alert", by=request.user.actor, now=now)
    return render(request, "clinic_site/alert.html", _picture_of(found, form))


def _picture_of(found: Alert, form: OutcomeForm) -> dict[str, object]:
    return {
        "alert": found,
        "patient": found.patient,
        "answer": answer_of(found),
        "repeat": repeat_of(found),
        "events": found.events.all(),
        "mails": found.messages.select_related("user").order_by("created_at"),
        "form": form,
        "is_answerable": found.state != AlertState.RESOLVED,
        "is_owed": found.state == AlertState.ACKNOWLEDGED,
    }
