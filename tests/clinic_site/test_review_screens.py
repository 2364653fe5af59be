"""Every page of review, in every size, colour scheme and direction, for barriers.

A clinic of one day and a year of simulated patients are read once; Chromium shows what was read.
With SCREENSHOTS set to a folder, it keeps a picture of each, on paper too.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db.models import Count
from django.test import Client
from django.urls import reverse
from playwright.sync_api import Browser, Page

from outcomes.care.models import EpisodeOfCare, Patient
from outcomes.clinics.models import User
from outcomes.management.simulation.bulk import fill_clinic
from outcomes.responses import services as responses
from outcomes.responses.models import Score
from outcomes.responses.services import Words
from tests.browser import CHROMIUM, launched
from tests.clinic_site.conftest import World
from tests.conftest import NOW
from tests.screens import RIGHT_TO_LEFT, SCHEMES, SHOW, looked_at, speak_right_to_left, stage

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db,
    pytest.mark.skipif(not CHROMIUM, reason="no Chromium on this machine"),
]

SCREENSHOTS = os.environ.get("SCREENSHOTS", "")
WIDTHS = (375, 768, 1280)
PATIENTS = 100


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """The machine's own Chromium, for this file only."""
    with launched() as browser:
        yield browser


def fill(world: World, clinician: User) -> Patient:
    """Add a year of patients; return the one who has answered most."""
    for _ in fill_clinic(
        clinic=world.clinic, clinician=clinician, patients=PATIENTS, seed="screens", now=NOW
    ):
        pass
    EpisodeOfCare.objects.update(ended_on=None)
    counted = Score.objects.values("patient").annotate(count=Count("pk")).order_by("-count")
    patient = Patient.objects.get(pk=counted[0]["patient"])
    write(patient)
    return patient


def write(patient: Patient) -> None:
    """Have a patient add words of their own: lines, and one long word."""
    sent = patient.responses.final().order_by("submitted_at").last()
    assert sent is not None
    words = Words(f"My sister drives me.\n\n{'W' * 200}", "en")
    responses.store_remark(words=words, sent=[sent], submission_id="screens", now=NOW)


def addresses(world: World, patient: Patient) -> dict[str, str]:
    """Return every page of review by name."""

    def of(name: str, **keys: object) -> str:
        return reverse(f"clinic_site:{name}", kwargs={"clinic_slug": world.clinic.slug, **keys})

    page = of("patient", patient_id=patient.pk)
    return {
        "caseload": of("caseload"),
        "patient": page,
        "patient-band-all": f"{page}?band=1&range=all",
        "compare": of("patient_compare", patient_id=patient.pk),
        "newcomer": world.url("patient"),
        "answers": of("response", response_id=patient.responses.exclude(remark=None).get().pk),
        "items": of("patient_items", patient_id=patient.pk),
        "summary": of("patient_summary", patient_id=patient.pk),
        "alerts": of("alerts"),
        "alert": world.url("alert"),
    }


def read(client: Client, address: str, spoken: str) -> str:
    reply = client.get(address, headers={"Accept-Language": spoken})
    assert reply.status_code == 200, address
    html = reply.content.decode()
    direction = "rtl" if spoken == RIGHT_TO_LEFT else "ltr"
    assert f'<html lang="{spoken}" dir="{direction}"' in html
    return html


def keep(page: Page, name: str) -> None:
    """Keep pictures of the page that is shown, when asked to."""
    for media, scheme, width in [
        *(("screen", scheme, width) for scheme in SCHEMES for width in WIDTHS),
        ("print", "light", 720),
    ]:
        page.emulate_media(media=media, color_scheme=scheme)
        page.set_viewport_size({"width": width, "height": 720})
        page.screenshot(path=f"{SCREENSHOTS}/{name}-{media}-{scheme}-{width}.png", full_page=True)
    page.emulate_media(media="screen")


@pytest.mark.thorough
def test_the_pages_opened_before_a_session_have_no_barrier(
    chromium: Browser, world: World, as_clinician: Client, clinician: User
) -> None:
    pages = addresses(world, fill(world, clinician))
    html = {name: read(as_clinician, pages[name], "en") for name in ("caseload", "patient")}
    page = stage(chromium, html["caseload"])
    told = []
    for name, words in html.items():
        page.evaluate(SHOW, words)
        told += [f"{name}: {it}" for it in looked_at(page, (375, 1280), ("light",))]
    page.close()
    assert "\n".join(told) == ""


@pytest.mark.thorough
def test_no_page_of_review_has_a_barrier(
    chromium: Browser,
    world: World,
    as_clinician: Client,
    clinician: User,
    settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    speak_right_to_left(settings, tmp_path, monkeypatch)
    pages = addresses(world, fill(world, clinician))
    page = stage(chromium, read(as_clinician, pages["caseload"], "en"))
    told = []
    for name, address in pages.items():
        for spoken in ("es", RIGHT_TO_LEFT, "en"):
            page.evaluate(SHOW, read(as_clinician, address, spoken))
            at = (WIDTHS, SCHEMES) if spoken == "en" else ((375, 1280), ("light",))
            told += [f"{name}, {spoken}: {it}" for it in looked_at(page, *at)]
        if SCREENSHOTS:
            keep(page, name)
    page.close()
    assert "\n".join(told) == ""
