"""A patient's ticket past the first page of their own page: thirty minutes, for one purpose.

The signed cookie holds no more than the page's key and how it was opened. Another address ends it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.core import signing

from outcomes.care.models import Patient
from outcomes.clinics.models import Clinic
from outcomes.delivery.models import OwnPage

COOKIE = "own"
LASTS = timedelta(minutes=30)
SIGNER = signing.Signer(salt="outcomes.own")
# Enough of the token's hash to tell one address from the next.
MARK = 16


@dataclass(frozen=True, slots=True)
class Visit:
    """Somebody on a patient's own page. `is_checked`: they gave the patient's birth date."""

    page: OwnPage
    is_checked: bool

    @property
    def patient(self) -> Patient:
        """Return whose page it is."""
        return self.page.patient

    @property
    def clinic(self) -> Clinic:
        """Return the patient's clinic."""
        return self.page.clinic


def make_ticket(visit: Visit, now: datetime) -> str:
    """Return the ticket of whoever has shown that the address reached the right person."""
    content = {
        "page": visit.page.pk.hex,
        "address": visit.page.token_hash[:MARK],
        "checked": visit.is_checked,
        "at": int(now.timestamp()),
    }
    return SIGNER.sign_object(content)


def find_visit(text: str, now: datetime) -> Visit | None:
    """Return the visit of a genuine ticket not older than thirty minutes, to the same address."""
    try:
        content = SIGNER.unsign_object(text)
    except signing.BadSignature:
        return None
    if timedelta(seconds=now.timestamp() - content["at"]) > LASTS:
        return None
    pages = OwnPage.objects.filter(
        pk=UUID(content["page"]), token_hash__startswith=content["address"]
    )
    page = pages.select_related("patient", "clinic").first()
    return None if page is None else Visit(page, content["checked"])
