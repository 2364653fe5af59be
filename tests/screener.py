"""A clinic with made-up words for the C-SSRS screener: the real ones need a licence."""

from __future__ import annotations

from datetime import datetime

from outcomes.clinics.models import Clinic
from outcomes.workflows import SCREENER
from tests.instruments.test_services import add_words


def give_screener(clinic: Clinic, now: datetime) -> None:
    """Let the clinic word the screener, and ask it after a positive safety answer."""
    add_words(clinic, SCREENER, now)
    Clinic.objects.filter(pk=clinic.pk).update(asks_screener=True)
