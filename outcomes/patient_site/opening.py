"""What a link opens: why, how long and who looks, and whether it reached the right person."""

from __future__ import annotations

from datetime import datetime

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from outcomes import workflows
from outcomes.care import services as care
from outcomes.clinics.access import Audience, declare
from outcomes.delivery import services as delivery
from outcomes.delivery import sitting as tickets
from outcomes.delivery.models import Invitation, Link
from outcomes.patient_site import pages, remembering
from outcomes.patient_site.checks import check_of, is_right_person
from outcomes.patient_site.forms import BirthDateForm, NotForMeForm
from outcomes.patient_site.guards import (
    in_sitting,
    kindly,
    let_in,
    no_such_link,
    not_yet,
    through_link,
)
from outcomes.patient_site.language import choose_words
from outcomes.patient_site.sitting import Sitting
from outcomes.responses.services import last_seen_on
from outcomes.scheduling.models import AssignmentState

read_or_send = require_http_methods(["GET", "HEAD", "POST"])


def choose_way(invitation: Invitation, now: datetime, *, wants_one_page: bool) -> None:
    """Keep whether the patient wants all questions on one page."""
    by = tickets.actor_of(invitation)
    care.choose_way(patient=invitation.patient, wants_one_page=wants_one_page, by=by, now=now)


@declare(Audience.PATIENT_LINK)
@read_or_send
@through_link
def open_link(request: HttpRequest, link: Link, now: datetime) -> HttpResponse:
    """Say why, how long and who looks, and check that this is the right person."""
    invitation = link.invitation
    assignments = tickets.assignments_of(invitation, now)
    if not assignments:
        if opens_at := tickets.opens_next(invitation, now):
            return not_yet(request, invitation, opens_at)
        return pages.show(request, pages.NOTHING_ASKED, invitation.clinic)
    if request.method == "GET" and remembering.recognise(request, invitation.patient, now):
        delivery.note_opened(link=link, now=now)
        return let_in(link, now, is_past_first_page=True)
    form = check_of(invitation)(request.POST if request.method == "POST" else None)
    if form.is_valid() and is_right_person(form, invitation, now):
        delivery.note_opened(link=link, now=now)
        response = let_in(link, now)
        choose_words(request, link, now)
        if "chooses" in request.POST:
            choose_way(invitation, now, wants_one_page="on_one_page" in request.POST)
        if "remembers" in request.POST:
            remembering.remember(response, invitation, now)
        return response
    if invitation.locked_at is not None:
        return pages.show(request, pages.LOCKED, invitation.clinic)
    context = {
        "clinic": invitation.clinic,
        "form": form,
        "asks_birth_date": isinstance(form, BirthDateForm),
        "minutes": tickets.expected_minutes(assignments),
        "seen_on": last_seen_on(invitation.patient),
        "is_begun": any(item.state == AssignmentState.STARTED for item in assignments),
        "can_remember": any(item.course.ended_at is None for item in assignments),
        "chooses_way": not tickets.asks_once(assignments),
        "wants_one_page": invitation.patient.wants_one_page,
        "languages": tickets.other_languages(assignments, invitation.patient.language),
        "patient": invitation.patient,
    }
    return render(request, "patient_site/open.html", context)


@declare(Audience.PATIENT_LINK)
@read_or_send
@through_link
def not_for_me(request: HttpRequest, link: Link, now: datetime) -> HttpResponse:
    """Ask whether the message really went astray and, once that is confirmed, end the invitation.

    The first page's button sends nothing to confirm, so it leads to the question only.
    """
    back = request.path.removesuffix("not-for-me/")
    return _ask_astray(request, link, now, back)


@declare(Audience.PATIENT_LINK)
@read_or_send
@in_sitting
def not_mine(request: HttpRequest, sitting: Sitting, now: datetime) -> HttpResponse:
    """Ask the same where a remembered phone has led past the first page."""
    return _ask_astray(request, sitting.link, now, reverse("patient_site:answer"))


def _ask_astray(request: HttpRequest, link: Link, now: datetime, back: str) -> HttpResponse:
    form = NotForMeForm(request.POST if "confirms" in request.POST else None)
    if not form.is_valid():
        context = {"clinic": link.invitation.clinic, "form": form, "back": back}
        return render(request, "patient_site/not_for_me.html", context)
    invitation = link.invitation
    workflows.decline_invitation(invitation=invitation, by=tickets.actor_of(invitation), now=now)
    response = pages.show(request, pages.DECLINED, invitation.clinic)
    for name in (tickets.COOKIE, remembering.COOKIE):
        response.delete_cookie(name, samesite="Lax")
    return response


@declare(Audience.PATIENT_LINK)
@kindly
def mangled_link(request: HttpRequest, rest: str) -> HttpResponse:
    """Answer an address that a mail program has torn or added to."""
    return no_such_link(request, timezone.now())
