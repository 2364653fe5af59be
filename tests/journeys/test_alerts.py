"""Who is told of an alert, set up in the browser; and one alert, taken on a phone."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import pytest
from playwright.sync_api import Page, expect

from outcomes import workflows
from outcomes.alerts import services as alerts
from outcomes.alerts.models import Alert, Recipient
from outcomes.audit.models import SYSTEM
from outcomes.clinics.models import Clinic, User
from outcomes.delivery import services as delivery
from outcomes.delivery.models import Invitation, Message
from outcomes.instruments.models import Instrument
from outcomes.responses.models import Mode
from outcomes.scheduling.models import Assignment
from tests.conftest import NOW, make_enrolment
from tests.journeys.conftest import DESK, PHONE, OpenPage, look


def put_on_cover(page: Page, person: str, weekdays: list[str], starts: str, ends: str) -> None:
    page.get_by_label("Who").select_option(label=person)
    page.get_by_label("From", exact=True).fill(starts)
    page.get_by_label("Until", exact=True).fill(ends)
    for day in weekdays:
        page.get_by_label(day, exact=True).check()
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_text("The cover was added.")).to_be_visible()


@pytest.mark.thorough
def test_an_admin_says_who_is_told_and_each_confirms(
    clinic: Clinic, clinician: User, admin: User, open_page: OpenPage
) -> None:
    Recipient.objects.filter(user=clinician).update(failed_at=NOW, failed_reason="bounced")
    desk, phone = open_page(DESK, user=admin), open_page(PHONE, user=admin)
    desk.goto(f"/c/{clinic.slug}/cover/")
    look(desk, "cover-empty")
    working_days = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday"]
    put_on_cover(desk, "Clara", working_days, "09:00", "18:00")
    put_on_cover(desk, "Ada", ["Saturday"], "20:00", "08:00")
    expect(desk.get_by_text("Nobody is on cover Mon 18:00–24:00")).to_be_visible()
    for page in (desk, phone):
        page.goto(f"/c/{clinic.slug}/cover/")
        look(page, "cover")
        page.goto(f"/c/{clinic.slug}/recipients/")
        look(page, "recipients")
        page.goto("/me/")
        look(page, "my-account")
    desk.get_by_label("Telephone for alerts").fill("12")
    desk.get_by_role("button", name="Save the number").click()
    expect(desk.get_by_role("alert")).to_be_visible()
    look(desk, "my-account-refused")

    phone.goto(f"/c/{clinic.slug}/recipients/")
    phone.get_by_role("button", name="Send a test now Clara").click()
    expect(phone.get_by_text("A test was sent to Clara.")).to_be_visible()
    test = Message.objects.select_related("clinic").get(kind="test")
    hers = open_page(PHONE, user=clinician)
    hers.goto(delivery.path_of(test))
    look(hers, "alert-test")
    hers.get_by_role("button", name="It has reached me").click()
    expect(hers.get_by_text("Confirmed: alerts reach you.")).to_be_visible()
    assert not Recipient.objects.get(user=clinician).has_failed


@pytest.mark.thorough
def test_an_alert_is_taken_on_a_phone_and_worked_through(
    clinic: Clinic, clinician: User, admin: User, care_team: User, open_page: OpenPage
) -> None:
    alert = raise_alert(clinic, clinician, NOW)
    address = f"/c/{clinic.slug}/alerts/{alert}/"
    late, reader = open_page(DESK, user=admin), open_page(PHONE, user=care_team)
    late.goto(address)
    reader.goto(address)
    look(reader, "alert-read-only")
    phone = open_page(PHONE, user=clinician)
    phone.goto(address)
    look(phone, "alert-open")
    phone.get_by_role("button", name="Acknowledge").click()
    expect(phone.get_by_role("heading", name="Outcome")).to_be_visible()
    look(phone, "alert-taken")

    late.get_by_role("button", name="Acknowledge").click()
    expect(late.get_by_role("alert")).to_contain_text("Clara has this alert already")
    look(late, "alert-taken-by-another")

    phone.get_by_text("Record an attempt to reach the patient").click()
    phone.get_by_role("button", name="Record the attempt").click()
    expect(phone.get_by_role("alert")).to_be_visible()
    look(phone, "attempt-refused")
    phone.get_by_label("Telephone").check()
    phone.get_by_label("Not reached").check()
    phone.get_by_role("button", name="Record the attempt").click()
    expect(phone.get_by_text("Telephone: not reached")).to_be_visible()
    phone.get_by_text("Record a plan").click()
    phone.get_by_label(re.compile("What is to happen next")).fill("Clara calls again at noon.")
    phone.get_by_role("button", name="Record the plan").click()
    expect(phone.get_by_text("Clara calls again at noon.")).to_be_visible()
    look(phone, "alert-worked")
    phone.get_by_label("Spoke with the patient; safety plan agreed").check()
    phone.get_by_role("button", name="Record the outcome").click()
    expect(phone.get_by_role("heading", name="Outcome")).to_have_count(0)
    look(phone, "alert-closed")


@pytest.mark.thorough
def test_the_queue_and_a_mania_score_are_read_on_any_screen(
    clinic: Clinic, clinician: User, admin: User, open_page: OpenPage
) -> None:
    first = Alert.objects.get(pk=raise_alert(clinic, clinician, NOW))
    for day, total in ((28, 4), (21, 7), (14, 9)):
        score_mania(first, total, NOW - timedelta(days=day))
    later = score_mania(first, 9, NOW - timedelta(minutes=20))
    workflows.escalate_due(now=NOW)
    alerts.acknowledge(alert=first, user=admin, now=NOW)
    for size in (DESK, PHONE):
        for scheme in ("light", "dark"):
            page = open_page(size, user=clinician, color_scheme=scheme)
            page.goto(f"/c/{clinic.slug}/alerts/")
            expect(page.get_by_text("a step is still owed")).to_be_visible()
            look(page, f"alert-queue-{scheme}")
            page.goto(f"/c/{clinic.slug}/alerts/{later.pk}/")
            expect(page.get_by_text("ASRM 9, published cut-off 6")).to_be_visible()
            look(page, f"alert-mania-{scheme}")
            page.goto(f"/c/{clinic.slug}/alerts/{first.pk}/")
            look(page, f"alert-answer-{scheme}")


def score_mania(beside: Alert, total: int, now: datetime) -> Alert | None:
    """Let the same patient reach a total on the ASRM; return the alert, if there is one."""
    row = Assignment.objects.get(pk=beside.response.assignment_id)
    row.pk, row.occurrence, row.state = None, (NOW - now) // timedelta(minutes=10), "open"
    row.instrument = Instrument.objects.get(code="ASRM")
    row.save(force_insert=True)
    made = workflows.submit_response(
        assignment_id=row.pk,
        answers={str(key): min(4, max(0, total - 4 * (key - 1))) for key in range(1, 6)},
        submission_id=f"mania-{row.pk}",
        language="en",
        mode=Mode.LINK,
        by=SYSTEM,
        now=now,
    )
    return next(iter(made.alerts), None)


def test_what_was_refused_is_in_view_and_has_the_focus_below_the_banner(
    clinic: Clinic, clinician: User, open_page: OpenPage
) -> None:
    raise_alert(clinic, clinician, NOW)
    invitation = Invitation.objects.get()
    page = open_page(PHONE, user=clinician)
    page.goto(f"/c/{clinic.slug}/invitations/{invitation.pk}/revoke/")
    page.get_by_role("button", name="Revoke").click()
    refusal = page.get_by_role("alert")
    expect(refusal).to_contain_text("This field is required")
    expect(refusal).to_be_focused()
    expect(refusal).to_be_in_viewport(ratio=1)
    look(page, "refused-below-the-banner")


def raise_alert(clinic: Clinic, clinician: User, now: datetime) -> str:
    """Let a patient answer item 9 with 2; return the alert's key."""
    enrolment = make_enrolment(clinic, clinician)
    workflows.invite_due(now=now)
    asked = Assignment.objects.get(
        patient=enrolment.patient, instrument__code="PHQ-9", state="open"
    )
    made = workflows.submit_response(
        assignment_id=asked.pk,
        answers={**{str(number): 1 for number in range(1, 11)}, "9": 2},
        submission_id="journey",
        language="en",
        mode=Mode.LINK,
        by=SYSTEM,
        now=now,
    )
    assert alerts.recipients(made.alerts[0], now) == [clinician]
    return str(made.alerts[0].pk)
