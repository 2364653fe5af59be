"""Sent messages: what left, what waits, what did not go out and why."""

from __future__ import annotations

from uuid import UUID

from django.conf import settings
from django.contrib import messages as notes
from django.core.exceptions import ValidationError
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from outcomes import workflows
from outcomes.clinic_site.forms.deliveries import ReasonForm
from outcomes.clinic_site.forms.fields import refusals_on
from outcomes.clinic_site.forms.lists import MessageFilter
from outcomes.clinic_site.mail import Mail
from outcomes.clinic_site.views.page import StaffRequest, find, on_clinic_clock, posted
from outcomes.clinics.access import Audience, Permission, declare
from outcomes.delivery.models import Message, MessageState

PAGE = 50
MESSAGES = Message.objects.select_related("patient", "user")


@declare(Audience.CLINIC, Permission.MANAGE_CLINIC)
@require_safe
@on_clinic_clock
def messages(request: StaffRequest) -> HttpResponse:
    """List the clinic's messages, newest first."""
    form, now = MessageFilter(request.GET), timezone.now()
    workflows.view_list(clinic=request.clinic, page="messages", by=request.user.actor, now=now)
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
    if (person := found.patient) is not None:
        by, now = request.user.actor, timezone.now()
        workflows.view_patient(patient=person, page="message", by=by, now=now)
    is_aside = found.state == MessageState.QUARANTINED
    context = {"message": found, "mail": Mail.of(found), "is_aside": is_aside}
    return render(request, "clinic_site/message.html", context)


@declare(Audience.CLINIC, Permission.MANAGE_CLINIC)
@require_POST
@on_clinic_clock
def message_retry(request: StaffRequest, message_id: UUID) -> HttpResponse:
    """Let a message that was set aside be sent."""
    found = find(request, MESSAGES, message_id)
    try:
        workflows.try_message_again(message=found, by=request.user.actor, now=timezone.now())
    except ValidationError as error:
        notes.warning(request, error.messages[0])
    else:
        notes.success(request, _("It waits to be sent again."))
    return redirect("clinic_site:message", request.clinic.slug, found.pk)


@declare(Audience.CLINIC, Permission.MANAGE_CLINIC)
@require_http_methods(["GET", "HEAD", "POST"])
@on_clinic_clock
def message_give_up(request: StaffRequest, message_id: UUID) -> HttpResponse:
    """Send a message that was set aside never, with the reason."""
    found, now = find(request, MESSAGES, message_id), timezone.now()
    form = ReasonForm(posted(request))
    if request.method == "POST" and form.is_valid():
        with refusals_on(form):
            reason = form.cleaned_data["reason"]
            workflows.give_message_up(message=found, reason=reason, by=request.user.actor, now=now)
            notes.success(request, _("It is not sent."))
            return redirect("clinic_site:message", request.clinic.slug, found.pk)
    return render(request, "clinic_site/message_give_up.html", {"message": found, "form": form})
