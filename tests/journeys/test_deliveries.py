"""The delivery pages and the clinic's tablet in a real browser, at three widths."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect

from outcomes import workflows
from outcomes.care.models import Patient
from outcomes.clinics.models import Clinic, User
from outcomes.delivery.models import Invitation, Link, Message, MessageState, Unreached
from outcomes.responses.models import Mode, QuestionnaireResponse
from outcomes.scheduling.models import Assignment
from outcomes.workflows import Enrolment
from tests.conftest import NOW, make_enrolment
from tests.journeys.conftest import DESK, PHONE, OpenPage, look

TABLET = {"width": 768, "height": 1024}


@pytest.fixture
def asked(clinic: Clinic, clinician: User, admin: User, enrolment: Enrolment) -> Patient:
    """Three patients who were asked, each with another fate."""
    patients = [enrolment.patient]
    patients += [make_enrolment(clinic, clinician, name).patient for name in ("Alexandra", "Bo")]
    for patient in patients:
        workflows.invite_patient(patient=patient, now=NOW)
    first, second, third = Message.objects.filter(kind="invitation").order_by("pk")
    hour = timedelta(hours=1)
    Message.objects.filter(pk=first.pk).update(state=MessageState.SENT, sent_at=NOW)
    Message.objects.filter(pk=second.pk).update(
        state=MessageState.SENT, sent_at=NOW, bounced_at=NOW, provider="mail"
    )
    Message.objects.filter(pk=third.pk).update(
        state_reason="quiet hours", not_before=NOW + hour, attempts=0
    )
    Message.objects.filter(patient=patients[2], kind="reminder").update(
        state=MessageState.QUARANTINED, state_reason="crashed repeatedly", crashes=5
    )
    Unreached.objects.create(
        clinic=clinic,
        patient=patients[1],
        channel="email",
        reason="hard_bounce",
        raised_at=NOW - timedelta(days=3),
    )
    workflows.hand_over_link(patient=patients[0], by=clinician.actor, now=NOW)
    return patients[0]


@pytest.mark.parametrize(
    ("width", "scheme"),
    [
        pytest.param(PHONE, "light", id="375"),
        pytest.param(TABLET, "dark", id="768", marks=pytest.mark.thorough),
        pytest.param(DESK, "light", id="1280", marks=pytest.mark.thorough),
    ],
)
def test_the_delivery_pages(
    open_page: OpenPage, asked: Patient, clinic: Clinic, admin: User, width: dict, scheme: str
) -> None:
    page = open_page(width, admin, color_scheme=scheme)
    at = f"/c/{clinic.slug}"
    invitation = Invitation.objects.filter(patient=asked).order_by("pk")[0]
    aside = Message.objects.filter(state=MessageState.QUARANTINED).order_by("pk")[0]
    task = Unreached.objects.get()
    for path, heading in (
        ("/deliveries/", "Deliveries"),
        ("/deliveries/?days=own&first=2026-02-05&last=2026-02-01", "Deliveries"),
        (f"/patients/{asked.pk}/deliveries/", "Deliveries to Robin Example"),
        (f"/invitations/{invitation.pk}/resend/", "Send again"),
        (f"/invitations/{invitation.pk}/revoke/", "Revoke this invitation"),
        (f"/invitations/{invitation.pk}/call/", "Call instead"),
        ("/unreached/", "Patients who are not reached"),
        (f"/unreached/{task.pk}/", "Alexandra Example is not reached"),
        ("/messages/?state=quarantined", "Sent messages"),
        (f"/messages/{aside.pk}/", "Reminder"),
        (f"/messages/{aside.pk}/give-up/", "Do not send this message"),
    ):
        page.goto(at + path)
        expect(page.get_by_role("heading", name=heading, exact=True, level=1)).to_be_visible()
        name = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "x", path).strip("/").replace("/", "-")
        look(page, f"delivery-{scheme}-{name.split('?')[0]}{'-refused' if 'own' in name else ''}")
    page.goto(f"{at}/patients/{asked.pk}/")
    page.get_by_role("button", name="Hand over on a tablet").click()
    expect(page.get_by_role("heading", name="Hand over on a tablet")).to_be_visible()
    look(page, f"delivery-{scheme}-hand-over")


@pytest.mark.thorough
def test_a_row_is_a_glance_on_a_phone_and_a_line_at_a_desk(
    open_page: OpenPage, asked: Patient, clinic: Clinic, admin: User
) -> None:
    Message.objects.filter(kind="invitation").update(
        state=MessageState.SENT, sent_at=NOW, delivered_at=NOW, bounced_at=None
    )
    Link.objects.update(opened_at=NOW)
    late = NOW + timedelta(hours=30)
    Assignment.objects.filter(patient=asked, state="open").update(
        state="completed", completed_at=late, due_at=NOW
    )
    phone, desk = open_page(PHONE, admin), open_page(DESK, admin)
    for page in (phone, desk):
        page.goto(f"/c/{clinic.slug}/deliveries/")
        expect(page.locator("table.deliveries tbody tr")).to_have_count(6)
        look(page, "delivery-rows")
    heights = phone.locator("table.deliveries tbody tr").evaluate_all(
        "rows => rows.map(row => row.getBoundingClientRect().height)"
    )
    assert max(heights) <= 120, heights
    row = phone.locator("table.deliveries tbody tr").last
    expect(row.get_by_role("rowheader")).to_contain_text("Robin Example")
    told = ["Asked 2 Feb 2026, 09:00", "Answered 3 Feb 2026, 15:00 30 hours after due"]
    expect(row.get_by_role("cell")).to_have_count(len(told))
    for name in told:
        expect(row.get_by_role("cell", name=name)).to_be_visible()
    lines = desk.locator("table.deliveries time").evaluate_all(
        "moments => moments.map(moment => moment.getClientRects().length)"
    )
    assert set(lines) == {1}


def test_staff_send_again_by_keyboard(
    open_page: OpenPage, asked: Patient, clinic: Clinic, clinician: User
) -> None:
    page = open_page(DESK, clinician)
    page.goto(f"/c/{clinic.slug}/patients/{asked.pk}/deliveries/")
    page.get_by_role("link", name=re.compile("^Send again")).last.focus()
    page.keyboard.press("Enter")
    page.get_by_label("E-mail").focus()
    page.keyboard.press("Space")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("within the hour")
    page.get_by_label("Send it all the same").focus()
    page.keyboard.press("Space")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("waits to be sent")


def code_for(page: Page) -> str:
    text = page.locator(".handover-code").inner_text()
    return text.replace(" ", "")


@pytest.mark.thorough
def test_a_tablet_from_hand_to_hand(
    open_page: OpenPage, asked: Patient, clinic: Clinic, clinician: User
) -> None:
    desk = open_page(DESK, clinician)
    desk.goto(f"/c/{clinic.slug}/patients/{asked.pk}/")
    desk.get_by_role("button", name="Hand over on a tablet").click()
    tablet = open_page(TABLET, has_touch=True)
    tablet.goto("/tablet/")
    look(tablet, "tablet-code")
    # The field has the focus: a code and Enter is all it takes.
    tablet.keyboard.type("000000" if code_for(desk) != "000000" else "111111")
    tablet.keyboard.press("Enter")
    expect(tablet.get_by_role("alert")).to_contain_text("opens nothing")
    look(tablet, "tablet-code-wrong")
    tablet.get_by_label("Code").fill(code_for(desk))
    tablet.keyboard.press("Enter")
    expect(tablet.get_by_role("heading", level=1)).to_contain_text("how you are")
    look(tablet, "tablet-start")
    for label, value in (("Day", "17"), ("Month", "5"), ("Year", "1980")):
        tablet.get_by_label(label).fill(value)
    tablet.get_by_role("button", name="Continue").click()
    for number in range(1, 18):
        tablet.wait_for_url(f"**/answer/{number}/")
        tablet.locator("input[name=value]").first.press("Space")
        tablet.get_by_role("button", name="Next").click()
    tablet.wait_for_url("**/answer/18/")
    look(tablet, "tablet-question")
    tablet.goto("/tablet/pause/")
    look(tablet, "tablet-pause")
    tablet.get_by_role("link", name="Go on").click()
    tablet.locator(".option-card").first.tap()
    tablet.wait_for_url("**/answer/review/")
    tablet.get_by_role("button", name="Send my answers").first.click()
    expect(tablet.get_by_role("heading", name="Hand the tablet back")).to_be_visible()
    look(tablet, "tablet-thanks")
    tablet.get_by_role("button", name="Lock the tablet now").click()
    tablet.wait_for_url("**/tablet/")
    for _ in range(4):
        tablet.go_back()
        expect(tablet.get_by_role("heading", name="Type the code you were given")).to_be_visible()
    names = {cookie["name"] for cookie in tablet.context.cookies()}
    assert names <= {"csrftoken", "device"}
    assert set(QuestionnaireResponse.objects.values_list("mode", flat=True)) == {Mode.KIOSK}
