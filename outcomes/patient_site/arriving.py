"""What a remembered phone, which skips the first page, is told above its first question."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from outcomes.clinics.access import Audience, declare
from outcomes.delivery import sitting as tickets
from outcomes.patient_site.guards import ARRIVED, in_sitting
from outcomes.patient_site.language import choose_words
from outcomes.patient_site.sitting import Sitting
from outcomes.responses.services import last_seen_on


@dataclass(frozen=True, slots=True)
class Arrival:
    """When the last answers were seen, and the languages for what the patient's own has not.

    `asked_in` is the one of them in which it is asked as things stand.
    """

    seen_on: date | None
    languages: tuple[str, ...]
    asked_in: str


def arrival_of(request: HttpRequest, sitting: Sitting) -> Arrival | None:
    """Return what to say on the page that a remembered phone meets first; None on any other."""
    if ARRIVED not in request.GET:
        return None
    patient = sitting.link.invitation.patient
    assignments = [section.first.assignment for section in sitting.sections]
    foreign = [code for code in sitting.languages.values() if code != patient.language]
    return Arrival(
        seen_on=last_seen_on(patient),
        languages=tickets.other_languages(assignments, patient.language),
        asked_in=foreign[0] if foreign else "",
    )


def arrived_at(address: str, request: HttpRequest) -> str:
    """Return an address of the questions, marked as the first page if this request is."""
    return f"{address}?{ARRIVED}=1" if ARRIVED in request.GET else address


@declare(Audience.PATIENT_LINK)
@require_POST
@in_sitting
def words(request: HttpRequest, sitting: Sitting, now: datetime) -> HttpResponse:
    """Ask in another of the languages offered, from the first question not met."""
    choose_words(request, sitting.link, now)
    return redirect(f"{reverse('patient_site:answer')}?{ARRIVED}=1")
