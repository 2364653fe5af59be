"""The address in a mail's header by which its reader stops further mail (RFC 8058)."""

from __future__ import annotations

from uuid import UUID

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone, translation
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from outcomes import workflows
from outcomes.clinics.access import Audience, declare
from outcomes.delivery import services as delivery
from outcomes.patient_site import pages
from outcomes.patient_site.guards import no_such_link
from outcomes.patient_site.language import speaking


@declare(Audience.PATIENT_LINK)
@csrf_exempt  # a mail program sends it: whoever has the address may use it, and nobody else can
@require_http_methods(["GET", "HEAD", "POST"])
def stop(request: HttpRequest, message_id: UUID, token: str) -> HttpResponse:
    """Ask whether to stop the mail and, once that is sent, stop it. Opening changes nothing."""
    now = timezone.now()
    contact = delivery.find_stoppable(message_id, token)
    if contact is None:
        return no_such_link(request, now)
    clinic = contact.patient.clinic
    with speaking(contact.patient.language or translation.get_language() or settings.LANGUAGE_CODE):
        if request.POST.get("List-Unsubscribe") != "One-Click":
            return render(request, "patient_site/stop.html", {"clinic": clinic})
        workflows.unsubscribe(contact=contact, message_id=message_id, now=now)
        return pages.show(request, pages.STOPPED, clinic)
