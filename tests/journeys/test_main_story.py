"""The main job, end to end: enrol, treat, ask, answer, alert, look, export."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
import time_machine
from django.core import mail
from django.utils import timezone
from playwright.sync_api import Page, expect

from outcomes import tasks
from outcomes.alerts.models import Alert
from outcomes.audit.services import find_breaks
from outcomes.care.models import Patient, TreatmentSession
from outcomes.clinics.models import Clinic, User
from outcomes.responses.models import Score
from tests.conftest import PASSWORD
from tests.journeys.conftest import DESK, PHONE, OpenPage, last_link, look

OFFICE_PAGES = (
    "export",
    "import",
    "messages",
    "settings",
    "members",
    "audit",
    "instruments",
    "instruments/PCL-5",
    "instruments/C-SSRS-screener",
    "instruments/DASS-21/preview",
    "instruments/ISI/wording",
    "instruments/new",
    "schedules",
)


def sweep() -> None:
    """Do what beat asks of the workers."""
    for task in (
        tasks.expire_assignments,
        tasks.plan_due,
        tasks.invite_due,
        tasks.escalate_alerts,
        tasks.send_alerts,
        tasks.send_bulk,
    ):
        task()


def enrol(page: Page, clinic: Clinic) -> None:
    page.get_by_role("link", name="Enrol a patient").first.click()
    expect(page).to_have_url(re.compile("/patients/new/$"))
    look(page, "enrol")
    page.get_by_label("Given name").fill("Robin")
    page.get_by_label("Family name").fill("Example")
    page.get_by_label("Date of birth").fill("1980-05-17")
    page.get_by_label("E-mail address").fill("robin@patient.example")
    page.get_by_label("agrees to be asked by e-mail").check()
    page.get_by_label("Indication").select_option("trd")
    page.get_by_label("Clara").check()
    page.get_by_label("Questionnaires").select_option(label="PHQ-9 and GAD-7 only")
    first = (timezone.now() + timedelta(days=3)).strftime("%Y-%m-%dT10:00")
    page.get_by_label("First session").fill(first)
    page.get_by_label("How many sessions").fill("6")
    page.get_by_label("Every so many days").fill("3")
    page.get_by_role("button", name=re.compile("Enrol")).click()
    expect(page.get_by_role("heading", name="Robin Example")).to_be_visible()


def confirm_birth_date(page: Page) -> None:
    for label, value in (("Day", "17"), ("Month", "5"), ("Year", "1980")):
        page.get_by_label(label).fill(value)
    page.get_by_role("button", name="Continue").click()
    page.wait_for_url("**/answer/1/")


def answer_all(page: Page, values: list[int], tapped: int) -> None:
    """Give these answers, the first of them by a tap, the others by keys, which do not pause."""
    for number, value in enumerate(values, 1):
        page.wait_for_url(f"**/answer/{number}/")
        if number <= tapped:
            page.locator(".option-card").nth(value).tap()
            continue
        page.locator("input[name=value]").nth(value).press("Space")
        needs_help = page.locator("section.crisis").first.is_visible()
        page.get_by_role("button", name="Next").click()
        if needs_help:
            page.wait_for_url(f"**/answer/{number}/after/")
            look(page, "crisis")
            page.get_by_role("link", name="Continue").click()


def test_from_enrolment_to_export(
    clinic: Clinic,
    clinician: User,
    admin: User,
    open_page: OpenPage,
    clock: time_machine.Traveller,
) -> None:
    # The clinician signs in and enrols a patient.
    desk = open_page(DESK)
    desk.goto("/")
    look(desk, "log-in")
    desk.get_by_label("Email").fill(clinician.email)
    desk.get_by_label("Password", exact=True).fill(PASSWORD)
    desk.get_by_role("button", name="Sign in").or_(
        desk.get_by_role("button", name="Log in")
    ).click()
    expect(desk).to_have_url(re.compile(f"/c/{clinic.slug}/$"))
    look(desk, "empty-caseload")
    enrol(desk, clinic)
    look(desk, "new-patient")
    patient = Patient.objects.get()
    assert TreatmentSession.objects.count() == 6

    # Beat asks; mail goes out; the patient answers on a phone.
    sweep()
    phone = open_page(PHONE, has_touch=True, is_mobile=True)
    phone.goto(last_link())
    look(phone, "intro")
    confirm_birth_date(phone)
    look(phone, "question")
    answer_all(phone, [2, 2, 3, 2, 1, 2, 1, 1, 1, 2, 2, 2, 3, 1, 1, 2, 1, 1], tapped=8)
    phone.wait_for_url("**/answer/review/")
    look(phone, "review")
    phone.get_by_role("button", name="Send my answers").first.click()
    phone.wait_for_url("**/answer/thanks/")
    look(phone, "thanks")
    assert dict(Score.objects.filter(scale="total").values_list("instrument_code", "value")) == {
        "PHQ-9": 15,
        "GAD-7": 12,
    }
    phone.go_back()
    expect(phone.locator(".option-card")).to_have_count(0)

    # The alert reaches the clinician by mail and stands on every page.
    assert Alert.objects.open().count() == 1
    sweep()
    assert mail.outbox[-1].to == [clinician.email]
    desk.reload()
    expect(desk.locator(".alert-banner")).to_contain_text("Robin Example")
    look(desk, "banner")
    desk.locator(".alert-banner a").first.click()
    expect(desk).to_have_url(re.compile("/alerts/[0-9a-f-]{36}/$"))
    look(desk, "alert")
    desk.get_by_role("button", name="Acknowledge").click()
    expect(desk.get_by_role("heading", name="Outcome")).to_be_visible()
    expect(desk.locator(".alert-banner")).to_have_count(0)
    assert not Alert.objects.open().exists()
    desk.get_by_label("Spoke with the patient; safety plan agreed").check()
    desk.locator("#outcome_note").fill("Called back within the hour.")
    desk.get_by_role("button", name="Record the outcome").click()
    expect(desk.get_by_text("Closed").first).to_be_visible()
    look(desk, "alert-closed")
    assert Alert.objects.get().acknowledged_by == clinician

    # The session is held; a week later the patient answers again.
    clock.move_to(timezone.now() + timedelta(days=3, hours=4))
    session = TreatmentSession.objects.get(number=1)
    desk = open_page(DESK, user=clinician)  # signing in lasts for a working day
    desk.goto(f"/c/{clinic.slug}/sessions/{session.pk}/edit/")
    look(desk, "session-form")
    desk.get_by_label("Status").select_option("done")
    desk.get_by_label("Route").select_option("iv")
    desk.get_by_label("Drug").fill("Ketamine")
    desk.get_by_label("Dose", exact=True).fill("40")
    desk.get_by_label("Unit").select_option("mg")
    desk.locator("form button.button").first.click()
    expect(desk).to_have_url(re.compile(f"/sessions/{session.pk}/$"))
    session.refresh_from_db()
    assert (session.status, str(session.dose_amount)) == ("done", "40.000")
    look(desk, "session")
    clock.move_to(timezone.now() + timedelta(days=5))
    sweep()
    phone.goto(last_link())
    confirm_birth_date(phone)
    answer_all(phone, [1, 0, 1, 1, 0, 1, 0, 0, 0, 0, 1, 1, 1, 0, 0, 1, 0, 0], tapped=1)
    phone.get_by_role("button", name="Send my answers").first.click()
    phone.wait_for_url("**/answer/thanks/")

    # The clinician looks, at the desk and on a phone.
    for size in (DESK, PHONE):
        page = open_page(size, user=clinician)
        page.goto(f"/c/{clinic.slug}/")
        look(page, "caseload")
        page.get_by_role("link", name="Robin Example").first.click()
        expect(page.locator("svg:visible").first).to_be_visible()
        expect(page.locator(".chart-summary").first).to_contain_text("PHQ-9 fell from 15")
        look(page, "patient")
        page.goto(f"/c/{clinic.slug}/alerts/")
        look(page, "alerts")

    # The admin exports and accounts for it.
    office = open_page(DESK, user=admin)
    office.goto(f"/c/{clinic.slug}/export/")
    with office.expect_download() as download:
        office.get_by_role("button", name=re.compile("scores|Download", re.IGNORECASE)).or_(
            office.get_by_role("link", name=re.compile("scores", re.IGNORECASE))
        ).first.click()
    text = download.value.path().read_text()
    assert text.count("\n") == 7
    assert "Robin" not in text
    assert patient.clinic_id == clinic.pk
    assert list(find_breaks(clinic.pk)) == []


@pytest.mark.thorough
@pytest.mark.parametrize("size", [DESK, PHONE], ids=["1280", "375"])
def test_every_page_of_the_office_is_without_a_barrier(
    size: dict[str, int], clinic: Clinic, patient: Patient, admin: User, open_page: OpenPage
) -> None:
    page = open_page(size, user=admin)
    for name in OFFICE_PAGES:
        page.goto(f"/c/{clinic.slug}/{name}/")
        look(page, name.replace("/", "-"))
