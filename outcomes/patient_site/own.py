"""A patient's own page: what is coming, how they are written to, what they answered, their data."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import wraps
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from outcomes import workflows
from outcomes.audit.models import Actor
from outcomes.care import services as care
from outcomes.clinics.access import Audience, declare
from outcomes.delivery import channels, own_visit
from outcomes.delivery import services as delivery
from outcomes.delivery import sitting as tickets
from outcomes.delivery.models import OwnPage
from outcomes.delivery.own_visit import Visit
from outcomes.exports import own as exports
from outcomes.patient_site import pages
from outcomes.patient_site.checks import check_of, is_right_person
from outcomes.patient_site.forms import BirthDateForm
from outcomes.patient_site.guards import DEVICE_COOKIE, kindly, no_such_link, set_cookie
from outcomes.patient_site.language import speaking
from outcomes.patient_site.own_forms import DataForm, PauseForm, StopForm, WishesForm
from outcomes.responses.services import last_seen_on
from outcomes.review import own as picture

VisitView = Callable[[HttpRequest, Visit, datetime], HttpResponse]

read_or_send = require_http_methods(["GET", "HEAD", "POST"])

CLOSED = pages.KindPage(
    403,
    _("This page has closed"),
    (
        _("To keep it private, your page closes after half an hour."),
        _("To open it again, use the link in your clinic's newest e-mail."),
    ),
)
NOT_ON_TABLET = pages.KindPage(
    403,
    _("Not on this tablet"),
    (
        _("Many people use this tablet, so your own page does not open here."),
        _("Please open it on your own phone or computer."),
    ),
)
GOODBYE = pages.KindPage(
    200,
    _("Your page is closed"),
    (_("To open it again, use the link in your clinic's newest e-mail."),),
)


# -- The door ------------------------------------------------------------------------------------


@declare(Audience.PATIENT_LINK)
@read_or_send
@kindly
def door(request: HttpRequest, token: str) -> HttpResponse:
    """Check that this is the right person; unknown, ended and revoked addresses look the same."""
    now = timezone.now()
    page = delivery.find_own_page(token)
    if page is None or not delivery.is_own_page_live(page):
        return no_such_link(request, now)
    with speaking(page.patient.language):
        if DEVICE_COOKIE in request.COOKIES:
            return pages.show(request, NOT_ON_TABLET, page.clinic)
        return _check(request, page, now)


def _check(request: HttpRequest, page: OwnPage, now: datetime) -> HttpResponse:
    form = check_of(page)(request.POST if request.method == "POST" else None)
    if page.locked_at is None and form.is_valid() and is_right_person(form, page, now):
        response = redirect("patient_site:own")
        visit = Visit(page, is_checked=isinstance(form, BirthDateForm))
        ticket = own_visit.make_ticket(visit, now)
        set_cookie(response, own_visit.COOKIE, ticket, own_visit.LASTS)
        return response
    if page.locked_at is not None:
        return pages.show(request, pages.LOCKED, page.clinic)
    context = {
        "clinic": page.clinic,
        "form": form,
        "asks_birth_date": isinstance(form, BirthDateForm),
    }
    return render(request, "patient_site/own_door.html", context)


# -- Inside --------------------------------------------------------------------------------------


def visiting(view: VisitView) -> Callable[..., HttpResponse]:
    """Let a ticket through whose page opens at this moment, on no tablet of the clinic."""

    @kindly
    @wraps(view)
    def guarded(request: HttpRequest) -> HttpResponse:
        now = timezone.now()
        visit = own_visit.find_visit(request.COOKIES.get(own_visit.COOKIE, ""), now)
        if visit is None or not _may_stay(request, visit.page):
            with speaking(translation.get_language() or settings.LANGUAGE_CODE):
                return pages.show(request, CLOSED)
        patient = visit.patient
        patient.clinic = visit.clinic
        with speaking(patient.language), timezone.override(patient.time_zone):
            return view(request, visit, now)

    return guarded


def _may_stay(request: HttpRequest, page: OwnPage) -> bool:
    is_open = page.locked_at is None and delivery.is_own_page_live(page)
    return is_open and DEVICE_COOKIE not in request.COOKIES


def _by(visit: Visit) -> Actor:
    return tickets.actor_of(visit.page)


def _sent(request: HttpRequest) -> Any:
    return request.POST if request.method == "POST" else None


def _home() -> HttpResponse:
    """Lead back to the page, which says that the change was saved."""
    return redirect(f"{reverse('patient_site:own')}?saved=1")


@declare(Audience.PATIENT_LINK)
@require_safe
@visiting
def own_page(request: HttpRequest, visit: Visit, now: datetime) -> HttpResponse:
    """Show what is coming, how the clinic writes, and what the patient can do here."""
    patient, clinic = visit.patient, visit.clinic
    contact = care.reachable_contact(patient, channels.in_use())
    context = {
        "clinic": clinic,
        "patient": patient,
        "visit": visit,
        "is_saved": "saved" in request.GET,
        "seen_on": last_seen_on(patient),
        "contact": contact,
        "is_paused": patient.is_paused(now),
        "waiting": picture.waiting(patient, now),
        "coming": picture.coming(patient, now) if contact else [],
        "next_visit": picture.next_visit(patient, now) if clinic.shows_visits else None,
        "shows_past": _shows_past(visit),
    }
    return render(request, "patient_site/own.html", context)


@declare(Audience.PATIENT_LINK)
@read_or_send
@visiting
def wishes(request: HttpRequest, visit: Visit, now: datetime) -> HttpResponse:
    """Change by which channel, not before which hour and in which language the clinic writes."""
    form = WishesForm(visit.patient, visit.clinic, _sent(request))
    if form.is_valid():
        try:
            workflows.change_wishes(
                patient=visit.patient, **form.cleaned_data, by=_by(visit), now=now
            )
        except ValidationError as refusal:
            form.add_error(None, refusal)
        else:
            return _home()
    context = {"clinic": visit.clinic, "form": form, "wording": care.CONSENT_WORDING}
    return render(request, "patient_site/own_wishes.html", context)


@declare(Audience.PATIENT_LINK)
@read_or_send
@visiting
def pause(request: HttpRequest, visit: Visit, now: datetime) -> HttpResponse:
    """Send nothing for some weeks."""
    form = PauseForm(_sent(request))
    if form.is_valid():
        workflows.pause_messages(
            patient=visit.patient, weeks=form.cleaned_data["weeks"], by=_by(visit), now=now
        )
        return _home()
    context = {"clinic": visit.clinic, "form": form}
    return render(request, "patient_site/own_pause.html", context)


@declare(Audience.PATIENT_LINK)
@require_POST
@visiting
def resume(request: HttpRequest, visit: Visit, now: datetime) -> HttpResponse:
    """End the pause."""
    workflows.resume_messages(patient=visit.patient, by=_by(visit), now=now)
    return _home()


@declare(Audience.PATIENT_LINK)
@read_or_send
@visiting
def stop(request: HttpRequest, visit: Visit, now: datetime) -> HttpResponse:
    """Send no message any more."""
    form = StopForm(_sent(request))
    if form.is_valid():
        workflows.stop_messages(patient=visit.patient, by=_by(visit), now=now)
        return _home()
    return render(request, "patient_site/own_stop.html", {"clinic": visit.clinic, "form": form})


@declare(Audience.PATIENT_LINK)
@require_safe
@visiting
def past(request: HttpRequest, visit: Visit, now: datetime) -> HttpResponse:
    """Show what the patient sent, as far as the clinic shows it."""
    if not _shows_past(visit):
        return redirect("patient_site:own")
    workflows.view_patient(patient=visit.patient, page="own past", by=_by(visit), now=now)
    context = {"clinic": visit.clinic, "past": picture.past(visit.patient)}
    return render(request, "patient_site/own_past.html", context)


def _shows_past(visit: Visit) -> bool:
    """Say whether the clinic shows past answers or totals, to whoever gave the birth date."""
    return visit.is_checked and (visit.clinic.shows_answers or visit.clinic.shows_trend)


@declare(Audience.PATIENT_LINK)
@require_POST
@visiting
def data(request: HttpRequest, visit: Visit, now: datetime) -> HttpResponse:
    """Send the patient's own data as a file, to whoever gave the birth date."""
    form = DataForm(request.POST)
    if not (visit.is_checked and form.is_valid()):
        return redirect("patient_site:own")
    kind = form.cleaned_data["form"]
    content = exports.export_own(patient=visit.patient, form=kind, by=_by(visit), now=now)
    types = {"json": "application/json", "csv": "text/csv; charset=utf-8"}
    headers = {"Content-Disposition": f'attachment; filename="my-data.{kind}"'}
    return HttpResponse(content, content_type=types[kind], headers=headers)


@declare(Audience.PATIENT_LINK)
@require_POST
@kindly
def close(request: HttpRequest) -> HttpResponse:
    """Take the ticket back."""
    with speaking(translation.get_language() or settings.LANGUAGE_CODE):
        response = pages.show(request, GOODBYE)
    response.delete_cookie(own_visit.COOKIE, samesite="Lax")
    return response
