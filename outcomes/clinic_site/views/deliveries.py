"""What was asked, what became of it and why not; and what staff do about it."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from outcomes import workflows
from outcomes.care.models import Patient
from outcomes.clinic_site.forms.deliveries import (
    DeliveryFilter,
    ReasonForm,
    ResendForm,
    SettleForm,
)
from outcomes.clinic_site.forms.fields import refusals_on
from outcomes.clinic_site.views.page import (
    StaffRequest,
    find,
    note_reading,
    on_clinic_clock,
    posted,
)
from outcomes.clinics.access import Audience, Permission, declare
from outcomes.delivery import services as delivery
from outcomes.delivery.models import Invitation, Unreached
from outcomes.review import deliveries as pictures
from outcomes.review import delivery_story
from outcomes.scheduling.models import Assignment

PER_PAGE = 20
read_or_send = require_http_methods(["GET", "HEAD", "POST"])
INVITATIONS = Invitation.objects.select_related("patient")
UNREACHED = Unreached.objects.select_related("patient", "settled_by")


@declare(Audience.CLINIC, Permission.MANAGE_CLINIC)
@require_safe
@on_clinic_clock
def deliveries(request: StaffRequest) -> HttpResponse:
    """Show what the clinic asked in a period, as counts with their denominators and row by row."""
    clinic, now = request.clinic, timezone.now()
    form = DeliveryFilter(request.GET or {"days": "30"})
    period = form.period(clinic, timezone.localdate())
    only, before = form.cleaned_data.get("only", ""), form.cleaned_data.get("before")
    workflows.view_list(clinic=clinic, page="deliveries", by=request.user.actor, now=now)
    steps = pictures.funnel(clinic, period)
    context = {
        "form": form,
        "period": period,
        "steps": steps,
        "asked": steps[0].of,
        "page": pictures.page(clinic, period, now, only=only, before=before),
        "query": _query_of(request),
        "set_aside": pictures.set_aside(clinic).count(),
    }
    return render(request, "clinic_site/deliveries.html", context)


def _query_of(request: StaffRequest) -> str:
    """Return the filter as it stands, without the page."""
    query = request.GET.copy()
    query.pop("before", None)
    return query.urlencode()


@declare(Audience.CLINIC, Permission.VIEW_PATIENTS)
@require_safe
@on_clinic_clock
def patient_deliveries(request: StaffRequest, patient_id: UUID) -> HttpResponse:
    """Tell what happened to each of a patient's invitations, newest first."""
    person, now = find(request, Patient.objects.all(), patient_id), timezone.now()
    workflows.view_patient(patient=person, page="deliveries", by=request.user.actor, now=now)
    pages = Paginator(delivery_story.invitations_of(person), PER_PAGE)
    page = pages.get_page(request.GET.get("page"))
    context = {
        "patient": person,
        "page": page,
        "stories": delivery_story.stories(person, list(page.object_list), now),
        "is_asked": Assignment.objects.filter(patient=person).answerable_at(now).exists(),
    }
    return render(request, "clinic_site/patient_deliveries.html", context)


@declare(Audience.CLINIC, Permission.RECORD_SESSIONS)
@read_or_send
@on_clinic_clock
def resend(request: StaffRequest, invitation_id: UUID) -> HttpResponse:
    """Write to the patient once more about an invitation."""
    invitation = find(request, INVITATIONS, invitation_id)
    form = ResendForm(posted(request))
    if request.method == "POST" and form.is_valid():
        with refusals_on(form):
            workflows.resend_invitation(
                invitation=invitation,
                by=request.user.actor,
                now=timezone.now(),
                **form.cleaned_data,
            )
            messages.success(request, _("The message waits to be sent, with a link of its own."))
            return _back(request, invitation)
    note_reading(request, invitation.patient, "resend")
    context = _about(invitation, form)
    context["sent_today"] = delivery.sent_today(patient=invitation.patient, now=timezone.now())
    return render(request, "clinic_site/delivery_resend.html", context)


@declare(Audience.CLINIC, Permission.RECORD_SESSIONS)
@read_or_send
@on_clinic_clock
def revoke(request: StaffRequest, invitation_id: UUID) -> HttpResponse:
    """End an invitation's links, after saying what that stops."""
    invitation = find(request, INVITATIONS, invitation_id)
    form = ReasonForm(posted(request))
    if request.method == "POST" and form.is_valid():
        with refusals_on(form):
            workflows.take_back_invitation(
                invitation=invitation,
                reason=form.cleaned_data["reason"],
                by=request.user.actor,
                now=timezone.now(),
            )
            messages.success(request, _("Its links no longer open anything."))
            return _back(request, invitation)
    note_reading(request, invitation.patient, "revoke")
    return render(request, "clinic_site/delivery_revoke.html", _about(invitation, form))


@declare(Audience.CLINIC, Permission.RECORD_SESSIONS)
@read_or_send
@on_clinic_clock
def call(request: StaffRequest, invitation_id: UUID) -> HttpResponse:
    """Note that a person telephones, after saying what that stops."""
    invitation, refusal = find(request, INVITATIONS, invitation_id), ""
    if request.method == "POST":
        try:
            workflows.call_instead(invitation=invitation, by_user=request.user, now=timezone.now())
        except ValidationError as error:
            refusal = error.messages[0]
        else:
            messages.success(request, _("Nothing more is sent for it: the patient is telephoned."))
            return _back(request, invitation)
    context = {"invitation": invitation, "patient": invitation.patient, "refusal": refusal}
    note_reading(request, invitation.patient, "call")
    return render(request, "clinic_site/delivery_call.html", context)


def _about(invitation: Invitation, form: ResendForm | ReasonForm) -> dict[str, object]:
    return {"invitation": invitation, "patient": invitation.patient, "form": form}


def _back(request: StaffRequest, invitation: Invitation) -> HttpResponse:
    return redirect("clinic_site:patient_deliveries", request.clinic.slug, invitation.patient_id)


@declare(Audience.CLINIC, Permission.RECORD_SESSIONS)
@require_POST
@on_clinic_clock
def ask_again(request: StaffRequest, patient_id: UUID) -> HttpResponse:
    """Ask a patient anew what is open, where no invitation asks it."""
    person = find(request, Patient.objects.all(), patient_id)
    try:
        workflows.ask_again(patient=person, by=request.user.actor, now=timezone.now())
    except ValidationError as error:
        messages.warning(request, error.messages[0])
    else:
        messages.success(request, _("The patient is asked again."))
    return redirect("clinic_site:patient_deliveries", request.clinic.slug, person.pk)


@declare(Audience.CLINIC, Permission.VIEW_PATIENTS)
@require_safe
@on_clinic_clock
def unreached(request: StaffRequest) -> HttpResponse:
    """List the patients whom a channel does not reach, the longest waiting first."""
    now = timezone.now()
    workflows.view_list(clinic=request.clinic, page="unreached", by=request.user.actor, now=now)
    rows = UNREACHED.visible_to(request.user).filter(clinic=request.clinic)
    pages = Paginator(rows.open().order_by("raised_at", "pk"), PER_PAGE)
    settled = rows.exclude(settled_at=None).order_by("-settled_at", "-pk")
    context = {
        "page": pages.get_page(request.GET.get("page")),
        "settled": settled[:PER_PAGE],
        "today": timezone.localdate(),
    }
    return render(request, "clinic_site/unreached.html", context)


@declare(Audience.CLINIC, Permission.ENROL_PATIENTS)
@read_or_send
@on_clinic_clock
def unreached_settle(request: StaffRequest, unreached_id: UUID) -> HttpResponse:
    """Record that somebody has dealt with a patient who was not reached."""
    row, now = find(request, UNREACHED, unreached_id), timezone.now()
    form = SettleForm(posted(request))
    if request.method == "POST" and form.is_valid():
        with refusals_on(form):
            note = form.cleaned_data["note"]
            delivery.settle_unreached(unreached=row, by_user=request.user, note=note, now=now)
            messages.success(request, _("It is settled."))
            return redirect("clinic_site:unreached", request.clinic.slug)
    workflows.view_patient(patient=row.patient, page="unreached", by=request.user.actor, now=now)
    context = {"row": row, "patient": row.patient, "form": form}
    return render(request, "clinic_site/unreached_settle.html", context)
