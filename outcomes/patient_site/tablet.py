"""A tablet of the clinic: a code opens one patient's questions, and nothing stays behind."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import wraps
from typing import Any

from django import forms
from django.conf import settings
from django.contrib.auth import logout
from django.core import signing
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import rotate_token
from django.shortcuts import redirect, render
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from outcomes import workflows
from outcomes.clinics.access import Audience, declare
from outcomes.delivery import services as delivery
from outcomes.delivery import sitting as tickets
from outcomes.delivery.models import HandOver, Link
from outcomes.patient_site import guards, pages
from outcomes.patient_site.checks import check_of, is_right_person
from outcomes.patient_site.forms import BirthDateForm, CodeForm
from outcomes.patient_site.guards import DEVICE_COOKIE, keep_awake, kindly, let_in, lock_soon
from outcomes.patient_site.language import choose_words, speaking
from outcomes.patient_site.throttle import client_network
from outcomes.responses.services import last_seen_on
from outcomes.scheduling.models import AssignmentState

DEVICE_LASTS = timedelta(hours=12)
DEVICES = signing.TimestampSigner(salt="outcomes.device")
read_or_send = require_http_methods(["GET", "HEAD", "POST"])

CheckView = Callable[[HttpRequest, Link, datetime], HttpResponse]


@declare(Audience.PUBLIC)
@read_or_send
@kindly
def tablet(request: HttpRequest) -> HttpResponse:
    """Ask for a code; whatever the tablet knew before is forgotten.

    A wrong, an expired and a used code get the same answer, and so does any code past the limit.
    """
    now = timezone.now()
    form = CodeForm(request.POST if request.method == "POST" else None)
    status = 200
    if form.is_valid():
        device = _device_of(request)
        source, is_known = device or client_network(request), bool(device)
        if not delivery.may_try_code(source=source, now=now, is_known=is_known):
            form.add_error("code", _("Too many codes were tried. Wait ten minutes, or scan."))
            status = 429
        elif hand_over := delivery.find_by_code(form.cleaned_data["code"], now):
            delivery.forget_try(source=source, now=now, is_known=is_known)
            return _open(request, hand_over, now)
        else:
            form.add_error("code", _("This code opens nothing. Ask for a new one."))
    with speaking(translation.get_language() or settings.LANGUAGE_CODE):
        return _forget(render(request, "patient_site/tablet.html", {"form": form}, status=status))


@declare(Audience.PATIENT_LINK)
@read_or_send
@kindly
def tablet_link(request: HttpRequest, token: str) -> HttpResponse:
    """Open what a scanned QR code leads to; only its button uses it up."""
    now = timezone.now()
    hand_over = delivery.find_by_token(token, now)
    if hand_over is None:
        return guards.no_such_link(request, now)
    if request.method == "POST":
        return _open(request, hand_over, now)
    with speaking(hand_over.invitation.patient.language):
        context = {"clinic": hand_over.clinic}
        return _forget(render(request, "patient_site/tablet_link.html", context))


def _open(request: HttpRequest, hand_over: HandOver, now: datetime) -> HttpResponse:
    """Use the code up and lead to the check; whoever was signed in here is no more."""
    by = tickets.actor_of(hand_over.invitation)
    if not workflows.open_tablet(hand_over=hand_over, by=by, now=now):
        return redirect("patient_site:tablet")
    if request.user.is_authenticated:
        logout(request)
    rotate_token(request)
    response = _forget(redirect("patient_site:tablet_start"))
    ticket = tickets.make_tablet_ticket(hand_over.link, now)
    guards.set_cookie(response, tickets.TABLET_COOKIE, ticket, tickets.LASTS_ON_TABLET)
    device = DEVICES.sign(_device_of(request) or secrets.token_urlsafe(12))
    guards.set_cookie(response, DEVICE_COOKIE, device, DEVICE_LASTS)
    return response


def _device_of(request: HttpRequest) -> str:
    """Return which of the devices this is that a code was opened on today; empty for any other."""
    try:
        return DEVICES.unsign(request.COOKIES.get(DEVICE_COOKIE, ""), max_age=DEVICE_LASTS)
    except signing.BadSignature:
        return ""


def _forget(response: HttpResponse) -> HttpResponse:
    """Take every ticket of a sitting back."""
    for name in (tickets.COOKIE, tickets.RECEIPT_COOKIE, tickets.TABLET_COOKIE):
        response.delete_cookie(name, samesite="Lax")
    return response


def on_tablet(view: CheckView) -> Callable[..., HttpResponse]:
    """Let a tablet through whose code was accepted; any other goes to the page for codes."""

    @kindly
    @wraps(view)
    def guarded(request: HttpRequest, **kwargs: Any) -> HttpResponse:
        now = timezone.now()
        link = _link_of(request, now)
        if link is None:
            return redirect("patient_site:tablet")
        with speaking(link.invitation.patient.language):
            return view(request, link, now)

    return guarded


def _link_of(request: HttpRequest, now: datetime) -> Link | None:
    """Return the link of the tablet's ticket, to the check or past it, while it opens anything."""
    cookies = request.COOKIES
    link = tickets.find_tablet_ticket(cookies.get(tickets.TABLET_COOKIE, ""), now)
    if link is None:
        link = tickets.find_ticket(cookies.get(tickets.COOKIE, ""), now)
    is_open = link is not None and tickets.is_on_tablet(link) and delivery.is_live(link, now)
    return link if is_open else None


@declare(Audience.PATIENT_LINK)
@read_or_send
@on_tablet
def tablet_start(request: HttpRequest, link: Link, now: datetime) -> HttpResponse:
    """Say why, how long and who looks, and check that the tablet reached the right person."""
    invitation = link.invitation
    assignments = tickets.assignments_of(invitation, now)
    if not assignments:
        return lock_soon(pages.show(request, pages.NOTHING_ASKED, invitation.clinic))
    form = check_of(invitation)(request.POST if request.method == "POST" else None)
    if form.is_valid() and is_right_person(form, invitation, now):
        delivery.note_opened(link=link, now=now)
        response = let_in(link, now)
        choose_words(request, link, now)
        response.delete_cookie(tickets.TABLET_COOKIE, samesite="Lax")
        return response
    if invitation.locked_at is not None:
        return lock_soon(pages.show(request, pages.LOCKED, invitation.clinic))
    page = render(request, "patient_site/tablet_start.html", _greeting(form, link, assignments))
    return keep_awake(page, tickets.TABLET_COOKIE, tickets.make_tablet_ticket(link, now))


def _greeting(form: forms.Form, link: Link, assignments: list[Any]) -> dict[str, Any]:
    return {
        "clinic": link.invitation.clinic,
        "form": form,
        "asks_birth_date": isinstance(form, BirthDateForm),
        "minutes": tickets.expected_minutes(assignments),
        "seen_on": last_seen_on(link.invitation.patient),
        "is_begun": any(item.state == AssignmentState.STARTED for item in assignments),
        "languages": tickets.other_languages(assignments, link.invitation.patient.language),
        "patient": link.invitation.patient,
    }


@declare(Audience.PATIENT_LINK)
@require_safe
@on_tablet
def tablet_pause(request: HttpRequest, link: Link, now: datetime) -> HttpResponse:
    """Ask whether somebody is there; the ticket goes on ageing meanwhile."""
    is_past_check = tickets.find_ticket(request.COOKIES.get(tickets.COOKIE, ""), now) is not None
    way_on = "patient_site:answer" if is_past_check else "patient_site:tablet_start"
    context = {"clinic": link.invitation.clinic, "way_on": way_on}
    return lock_soon(render(request, "patient_site/tablet_pause.html", context))


@declare(Audience.PATIENT_LINK)
@require_POST
@kindly
def tablet_lock(request: HttpRequest) -> HttpResponse:
    """End what this tablet shows, and forget it."""
    now = timezone.now()
    link = _link_of(request, now)
    if link is not None:
        workflows.lock_tablet(link=link, by=tickets.actor_of(link.invitation), now=now)
    return _forget(redirect("patient_site:tablet"))
