"""The patient asks the clinic for a call."""

from __future__ import annotations

from datetime import datetime

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from outcomes.alerts import services as alerts
from outcomes.alerts.models import CallRequest
from outcomes.clinics.access import Audience, declare
from outcomes.delivery import services as delivery
from outcomes.delivery import sitting as tickets
from outcomes.delivery.models import Link
from outcomes.patient_site import pages
from outcomes.patient_site.guards import DEVICE_COOKIE, kindly, lock_soon
from outcomes.patient_site.language import speaking


@declare(Audience.PATIENT_LINK)
@require_http_methods(["GET", "HEAD", "POST"])
@kindly
def call_me(request: HttpRequest) -> HttpResponse:
    """Put a call on the clinic's list, during the questions or after them, and say that it is."""
    now = timezone.now()
    link, way_on = _link_of(request, now)
    if link is None:
        is_tablet = DEVICE_COOKIE in request.COOKIES
        closed = pages.CLOSED_UNSAVED if request.method == "POST" else pages.CLOSED
        return redirect("patient_site:tablet") if is_tablet else pages.show(request, closed)
    invitation = link.invitation
    # Of two links opened on one phone, a page of the first must not ask in the other's name.
    if request.POST.get("invitation", invitation.pk.hex) != invitation.pk.hex:
        with speaking(invitation.patient.language):
            return pages.show(request, pages.OTHER_LINK)
    if request.method == "POST":
        by = tickets.actor_of(invitation)
        alerts.ask_to_be_called(invitation=invitation, by=by, now=now)
        return redirect("patient_site:call_me")
    if not CallRequest.objects.open().filter(invitation=invitation).exists():
        return redirect(way_on)
    with speaking(invitation.patient.language):
        context = {"clinic": invitation.clinic, "way_on": way_on}
        page = render(request, "patient_site/call_me.html", context)
    return lock_soon(page) if tickets.is_on_tablet(link) else page


def _link_of(request: HttpRequest, now: datetime) -> tuple[Link | None, str]:
    """Return the link of whoever answers or has just answered, and where they go on."""
    link = tickets.find_ticket(request.COOKIES.get(tickets.COOKIE, ""), now)
    if link is not None and delivery.is_live(link, now):
        return link, "patient_site:answer"
    receipt = tickets.read_receipt(request.COOKIES.get(tickets.RECEIPT_COOKIE, ""), now)
    return receipt, "patient_site:thanks"
