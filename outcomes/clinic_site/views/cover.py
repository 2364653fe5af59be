"""Who is told of an alert: the cover calendar, and whether alerts reach each recipient."""

from __future__ import annotations

from uuid import UUID

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from outcomes.alerts import services
from outcomes.alerts.models import Cover
from outcomes.alerts.services.recipients import LEAST_REACHABLE
from outcomes.care.models import Channel
from outcomes.clinic_site.cover import week_of
from outcomes.clinic_site.forms.alerts import CoverForm
from outcomes.clinic_site.forms.fields import refusals_on
from outcomes.clinic_site.recipients import rows_of
from outcomes.clinic_site.views.page import StaffRequest, find, on_clinic_clock, posted
from outcomes.clinics.access import Audience, Permission, declare
from outcomes.delivery import channels
from outcomes.delivery.models import Message, MessageKind


@declare(Audience.CLINIC, Permission.MANAGE_CLINIC)
@require_http_methods(["GET", "HEAD", "POST"])
@on_clinic_clock
def cover(request: StaffRequest) -> HttpResponse:
    """Show who is on cover, with the gaps of the coming week, and add a line."""
    form, now = CoverForm(request.clinic, posted(request)), timezone.now()
    if request.method == "POST" and form.is_valid():
        with refusals_on(form):
            form.save_for(request.clinic, request.user.actor, now)
            messages.success(request, _("The cover was added."))
            return redirect("clinic_site:cover", request.clinic.slug)
    rows = Cover.objects.visible_to(request.user).filter(clinic=request.clinic)
    rows = rows.select_related("user").order_by("weekday", "starts_on", "starts", "user__name")
    counting = list(rows.answering())
    context = {
        "form": form,
        "lines": rows,
        "counting": {row.pk for row in counting},
        "week": week_of(request.clinic, counting, timezone.localdate()),
    }
    return render(request, "clinic_site/cover.html", context)


@declare(Audience.CLINIC, Permission.MANAGE_CLINIC)
@require_POST
@on_clinic_clock
def cover_remove(request: StaffRequest, cover_id: UUID) -> HttpResponse:
    """Take a line out of the calendar."""
    line = find(request, Cover.objects.all(), cover_id)
    services.remove_cover(cover=line, by=request.user.actor, now=timezone.now())
    messages.success(request, _("The line was removed."))
    return redirect("clinic_site:cover", request.clinic.slug)


@declare(Audience.CLINIC, Permission.MANAGE_CLINIC)
@require_safe
@on_clinic_clock
def recipients(request: StaffRequest) -> HttpResponse:
    """Show whom alerts are known to reach."""
    rows = rows_of(request.clinic, timezone.now())
    context = {
        "rows": rows,
        "reachable": sum(row.is_reachable for row in rows),
        "least": LEAST_REACHABLE,
        "has_text": Channel.SMS in channels.in_use(),
    }
    return render(request, "clinic_site/recipients.html", context)


@declare(Audience.CLINIC, Permission.MANAGE_CLINIC)
@require_POST
@on_clinic_clock
def recipient_test(request: StaffRequest, member_id: UUID) -> HttpResponse:
    """Send one member a test alert now."""
    members = services.answering_members().filter(clinic=request.clinic).select_related("user")
    member = get_object_or_404(members.visible_to(request.user), pk=member_id)
    try:
        services.test_by_hand(
            clinic=request.clinic, user=member.user, by=request.user.actor, now=timezone.now()
        )
    except ValidationError as error:
        messages.warning(request, error.messages[0])
    else:
        messages.success(request, _("A test was sent to %s.") % member.user)
    return redirect("clinic_site:recipients", request.clinic.slug)


@declare(Audience.CLINIC, Permission.ANSWER_ALERTS)
@require_http_methods(["GET", "HEAD", "POST"])
@on_clinic_clock
def alert_test(request: StaffRequest, message_id: UUID) -> HttpResponse:
    """Ask the person whom a test alert reached to say so; only the button counts."""
    tests = Message.objects.filter(kind=MessageKind.TEST, user=request.user)
    test = find(request, tests.select_related("clinic"), message_id)
    form = forms.Form(posted(request))
    if request.method == "POST" and form.is_valid():
        with refusals_on(form):
            services.confirm_test(message=test, user=request.user, now=timezone.now())
            messages.success(request, _("Confirmed: alerts reach you."))
            return redirect("clinic_site:caseload", request.clinic.slug)
    return render(request, "clinic_site/alert_test.html", {"test": test, "form": form})
