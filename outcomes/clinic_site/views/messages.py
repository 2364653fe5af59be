"""Sent messages: what left, what waits, what did not go out and why."""

from __future__ import annotations

from uuid import UUID

from django.conf import settings
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from outcomes.clinic_site.forms.lists import MessageFilter
from outcomes.clinic_site.mail import Mail
from outcomes.clinic_site.views.page import StaffRequest, find, on_clinic_clock
from outcomes.clinics.access import Audience, Permission, declare
from outcomes.delivery.models import Message

PAGE = 50
MESSAGES = Message.objects.select_related("patient", "user")


@declare(Audience.CLINIC, Permission.MANAGE_CLINIC)
@require_safe
@on_clinic_clock
def messages(request: StaffRequest) -> HttpResponse:
    """List the clinic's messages, newest first."""
    form = MessageFilter(request.GET)
    rows = form.narrow(MESSAGES.visible_to(request.user).filter(clinic=request.clinic))
    found = list(rows.order_by("-created_at", "-pk")[: PAGE + 1])
    context = {
        "form": form,
        "rows": found[:PAGE],
        "next": found[PAGE - 1].pk if len(found) > PAGE else None,
        "is_folder": settings.MAIL_FOLDER is not None,
    }
    return render(request, "clinic_site/messages.html", context)


@declare(Audience.CLINIC, Permission.MANAGE_CLINIC)
@require_safe
@on_clinic_clock
def message(request: StaffRequest, message_id: UUID) -> HttpResponse:
    """Show one message and, where mail goes to a folder, the mail itself."""
    found = find(request, MESSAGES.select_related("clinic", "alert"), message_id)
    context = {"message": found, "mail": Mail.of(found)}
    return render(request, "clinic_site/message.html", context)
