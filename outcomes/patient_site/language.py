"""The languages of the patient's pages and of the questions on them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import lru_cache
from pathlib import Path

from django.conf import settings
from django.http import HttpRequest
from django.utils import translation

from outcomes.care import services as care
from outcomes.delivery import sitting as tickets
from outcomes.delivery.models import Link


@lru_cache(maxsize=64)
def interface_language(wanted: str) -> str:
    """Return the wanted language if the pages are translated into it, else the product's own.

    Django translates some of its own words into languages we do not have: without this a page
    would be a mixture.
    """
    name = translation.to_locale(wanted)
    catalogues = (Path(folder) / name / "LC_MESSAGES/django.mo" for folder in settings.LOCALE_PATHS)
    return wanted if any(path.exists() for path in catalogues) else settings.LANGUAGE_CODE


@contextmanager
def speaking(wanted: str) -> Iterator[None]:
    """Write what is rendered inside in this language, or in the product's own."""
    with translation.override(interface_language(wanted)):
        yield


def choose_words(request: HttpRequest, link: Link, now: datetime) -> None:
    """Keep in which of the languages offered to ask what has no words in the patient's own."""
    patient, wanted = link.invitation.patient, request.POST.get("words", "")
    asked = tickets.assignments_of(link.invitation, now)
    is_offered = wanted in tickets.other_languages(asked, patient.language)
    if is_offered and wanted != patient.words_language:
        changes = {"words_language": wanted}
        by = tickets.actor_of(link.invitation)
        care.change_patient(patient=patient, changes=changes, by=by, now=now)
