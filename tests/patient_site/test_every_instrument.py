"""Every questionnaire whose words ship, answered to its end on a phone that looks for barriers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest
import time_machine
from playwright.sync_api import Browser, Page, Route, expect

from outcomes import workflows
from outcomes.audit.models import SYSTEM
from outcomes.clinics.models import User
from outcomes.delivery import services as delivery
from outcomes.delivery import sitting as tickets
from outcomes.delivery.models import Link
from outcomes.instruments.models import InstrumentVersion
from outcomes.patient_site import remembering
from outcomes.responses.models import Mode, Score
from outcomes.scheduling.models import Assignment, ScheduleRule
from outcomes.workflows import Enrolment
from tests.browser import AXE, NEEDS_CHROMIUM
from tests.conftest import NOW, signed_in
from tests.library import LIBRARY

QUICK = {"PHQ-9", "MOOD-1"}
BUNDLED = [
    code if code in QUICK else pytest.param(code, marks=pytest.mark.thorough)
    for code, definition in LIBRARY.items()
    if definition.is_sendable
]

pytestmark = NEEDS_CHROMIUM


@pytest.fixture(autouse=True)
def clock() -> Iterator[time_machine.Traveller]:
    """Start the clock at NOW and let it run: the browser's own does."""
    with time_machine.travel(NOW, tick=True) as traveller:
        yield traveller


def ask(enrolment: Enrolment, code: str) -> str:
    """Ask the patient one questionnaire; return the ticket of a phone past the birth date."""
    schedule = enrolment.course.schedule
    assert schedule is not None
    rule = ScheduleRule.objects.create(
        schedule=schedule, code=f"only-{code}", position=99, content={"instruments": [code]}
    )
    version = InstrumentVersion.objects.shipped().of_code(code).get()
    assignment = Assignment.objects.create(
        clinic=enrolment.patient.clinic,
        patient=enrolment.patient,
        episode=enrolment.episode,
        course=enrolment.course,
        rule=rule,
        rule_code=rule.code,
        occurrence=0,
        instrument=version.instrument,
        state="open",
        opens_at=NOW,
        due_at=NOW + timedelta(hours=12),
        closes_at=NOW + timedelta(days=1),
    )
    invitation = delivery.create_invitation(
        patient=enrolment.patient, assignments=[assignment], now=NOW
    )
    return tickets.make_ticket(delivery.create_link(invitation=invitation, now=NOW), NOW)


def save(code: str, answers: dict[str, int]) -> None:
    """Keep these answers, as from another device of the patient."""
    workflows.save_answers(
        assignment_id=Assignment.objects.get(rule_code=f"only-{code}").pk,
        answers=answers,
        language="en",
        mode=Mode.LINK,
        by=SYSTEM,
        now=NOW,
    )


def look(page: Page) -> None:
    """Assert that the screen has no barrier and does not scroll sideways."""
    page.wait_for_load_state("load")
    page.evaluate(AXE)
    found = page.evaluate(
        "axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']})"
    )
    assert [rule["id"] for rule in found["violations"]] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 375


@pytest.mark.parametrize("code", BUNDLED)
def test_it_is_answered_to_the_end_at_375_px(
    code: str, chromium: Browser, live_server, enrolment: Enrolment
) -> None:
    workflows.expire_assignments(now=NOW)
    context = chromium.new_context(
        viewport={"width": 375, "height": 720}, has_touch=True, base_url=live_server.url
    )
    context.add_cookies(
        [{"name": tickets.COOKIE, "value": ask(enrolment, code), "url": live_server.url}]
    )
    page = context.new_page()
    definition = LIBRARY[code]
    before = definition.items[:-1]
    page.goto("/answer/")
    if before:
        page.wait_for_url("**/answer/1/")
        look(page)
        page.locator(".option-card").last.tap()
        if page.locator("section.crisis").first.is_visible():
            page.get_by_role("button", name="Next").click()
        page.wait_for_url("**/answer/2/")
        # The pages between are made as these are. The last option of each opens every branch.
        save(code, {item.link_id: item.options[-1].value for item in before})
        words = definition.wording("en").items
        longest = max(range(len(before)), key=lambda at: len(words[before[at].link_id]))
        page.goto(f"/answer/{longest + 1}/")
        look(page)
        page.goto("/answer/")
    page.wait_for_url(f"**/answer/{len(definition.items)}/")
    page.locator("input[name=value]").last.press("Space")
    if before:
        page.get_by_role("button", name="Next").click()
        # A positive safety answer by keyboard leads through the crisis text.
        page.wait_for_url(re.compile(r"/answer/(review|\d+/after)/$"))
        if "/after/" in page.url:
            look(page)
            page.get_by_role("link", name="Continue").click()
            page.wait_for_url("**/answer/review/")
        look(page)
    page.get_by_role("button", name="Send").first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Thank you")
    context.close()
    results = dict(Score.objects.current().values_list("scale", "value"))
    assert set(results) == {row.code for row in (*definition.scales, *definition.levels)}
    assert all(results[scale.code] is not None for scale in definition.scales)


def test_a_gate_opened_in_the_review_leads_to_what_it_opens(
    chromium: Browser, live_server, enrolment: Enrolment
) -> None:
    context = chromium.new_context(
        viewport={"width": 375, "height": 720}, has_touch=True, base_url=live_server.url
    )
    ticket = ask(enrolment, "PC-PTSD-5")
    context.add_cookies([{"name": tickets.COOKIE, "value": ticket, "url": live_server.url}])
    page = context.new_page()
    page.goto("/answer/")
    expect(page.locator("#progress")).to_have_text("Question 1 of 6 at most")
    page.get_by_label("No", exact=True).locator("..").tap()
    page.wait_for_url("**/answer/review/")
    page.goto("/answer/1/?review")
    page.get_by_label("Yes", exact=True).locator("..").tap()
    page.wait_for_url("**/answer/2/")
    context.close()


def test_on_one_page_a_gate_opens_what_it_leads_to(
    chromium: Browser, live_server, enrolment: Enrolment
) -> None:
    context = chromium.new_context(
        viewport={"width": 375, "height": 720}, has_touch=True, base_url=live_server.url
    )
    ticket = ask(enrolment, "PC-PTSD-5")
    context.add_cookies([{"name": tickets.COOKIE, "value": ticket, "url": live_server.url}])
    page = context.new_page()
    page.goto("/answer/all/")
    look(page)
    expect(page.locator(".asked")).to_have_count(1)
    page.locator("input[type=radio]").last.press("Space")
    expect(page.locator(".asked")).to_have_count(6)
    expect(page.locator("input[type=radio]").nth(1)).to_be_focused()
    page.locator(".asked").nth(3).locator(".option-card").last.tap()
    expect(page.locator(".asked").nth(3).get_by_role("status")).to_have_text("Saved")
    page.locator(".asked").first.locator(".option-card").first.tap()
    expect(page.locator(".asked")).to_have_count(1)
    context.close()


@pytest.mark.thorough
def test_on_one_page_a_line_that_fails_delays_what_a_gate_opens_and_no_tap(
    chromium: Browser, live_server, enrolment: Enrolment
) -> None:
    context = chromium.new_context(
        viewport={"width": 375, "height": 720}, has_touch=True, base_url=live_server.url
    )
    ticket = ask(enrolment, "PC-PTSD-5")
    context.add_cookies([{"name": tickets.COOKIE, "value": ticket, "url": live_server.url}])
    page = context.new_page()
    page.goto("/answer/all/")
    cards = page.locator(".asked").first.locator(".option-card")
    failing = iter([True])

    def fail_once(route: Route) -> None:
        """Tap again while the page is fetched, then let the fetch fail."""
        if next(failing, False):
            cards.first.tap()
            cards.last.tap()
            route.abort()
        else:
            route.continue_()

    page.route("**/answer/all/", fail_once)
    cards.last.tap()
    expect(page.locator(".asked")).to_have_count(6)
    page.locator(".asked").nth(5).locator(".option-card").last.tap()
    expect(page.locator(".asked").nth(5).get_by_role("status")).to_have_text("Saved")
    context.close()


def test_a_mood_check_takes_two_taps_from_the_message_to_done(
    chromium: Browser, live_server, enrolment: Enrolment
) -> None:
    ask(enrolment, "MOOD-1")
    link = Link.objects.get()
    secret = workflows.remember_device(invitation=link.invitation, by=SYSTEM, now=NOW)
    context = chromium.new_context(
        viewport={"width": 375, "height": 720}, has_touch=True, base_url=live_server.url
    )
    cookie = {"name": remembering.COOKIE, "value": remembering.SIGNER.sign(secret)}
    context.add_cookies([{**cookie, "url": live_server.url}])
    page = context.new_page()
    page.goto("/a/" + delivery.address_of(link).split("/a/")[1])
    look(page)
    page.locator(".option-card").nth(4).tap()
    page.get_by_role("button", name="Send").tap()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Thank you")
    assert Score.objects.get().value is not None
    context.close()


def test_an_owners_copyright_line_stands_with_the_question(client, enrolment: Enrolment) -> None:
    client.cookies[tickets.COOKIE] = ask(enrolment, "K10")
    assert "Copyright Ronald C. Kessler" in client.get("/answer/1/").content.decode()


def test_an_answer_that_was_taken_back_is_told_as_such(
    client, enrolment: Enrolment, clinician: User
) -> None:
    ask(enrolment, "ASQ")
    assignment = Assignment.objects.get(instrument__code="ASQ")
    saved = {
        "assignment_id": assignment.pk,
        "language": "en",
        "mode": "link",
        "by": SYSTEM,
        "now": NOW,
    }
    workflows.save_answers(answers={"1": 0, "2": 1, "3": 0, "4": 0, "5": 1}, **saved)
    answers = {"1": 0, "2": 0, "3": 0, "4": 0, "5": 1}
    response = workflows.submit_response(answers=answers, submission_id="one", **saved).response
    alert = response.alerts.get(rule__link_id="5")
    assert alert.state == "open"
    staff, slug = signed_in(clinician), enrolment.patient.clinic.slug
    page = staff.get(f"/c/{slug}/alerts/{alert.pk}/").content.decode()
    assert "changed or took it back before sending" in page
    page = staff.get(f"/c/{slug}/responses/{response.pk}/").content.decode()
    assert "given, then taken back with an earlier answer" in page
