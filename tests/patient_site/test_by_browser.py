"""Who meets the patient's pages otherwise than by touch: a keyboard, a screen reader, a robot."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
import time_machine
from django.core import mail
from playwright.sync_api import Browser, Page, expect

from outcomes.clinics.models import Clinic
from outcomes.responses.models import QuestionnaireResponse
from tests.browser import NEEDS_CHROMIUM
from tests.conftest import NOW
from tests.patient_site.conftest import BIRTH_DATE, Phone
from tests.patient_site.test_link import everything_stored

pytestmark = NEEDS_CHROMIUM

CLINICAL = re.compile(r"PHQ|GAD|Little interest|depress|anxi|Robin|1980", re.IGNORECASE)
TOKEN = re.compile(r"[\w-]{30,}")


@pytest.fixture(autouse=True)
def clock() -> Iterator[time_machine.Traveller]:
    """Start the clock at NOW and let it run: the browser's own does."""
    with time_machine.travel(NOW, tick=True) as traveller:
        yield traveller


@pytest.fixture
def page(chromium: Browser, live_server) -> Iterator[Page]:
    """A browser on a small screen, before the link."""
    context = chromium.new_context(viewport={"width": 375, "height": 720}, base_url=live_server.url)
    page = context.new_page()
    page.set_default_timeout(30_000)
    yield page
    context.close()


def let_in(page: Page, phone: Phone) -> None:
    page.goto(phone.path)
    for name, value in BIRTH_DATE.items():
        page.locator(f"#{name}").fill(value)
    page.keyboard.press("Enter")
    page.wait_for_url("**/answer/1/")


# -- A keyboard ----------------------------------------------------------------------------------


def tab_to(page: Page, wanted: str) -> None:
    """Press Tab until the focus is where it is wanted, and make sure that it can be seen there."""
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("wanted => document.activeElement.matches(wanted)", wanted):
            # A card shows the focus of the radio button in it.
            outlined = page.evaluate(
                "[document.activeElement, document.activeElement.closest('label')].some(it =>"
                " it && getComputedStyle(it).outlineStyle !== 'none')"
            )
            assert outlined, wanted
            return
    pytest.fail(f"Tab never came to {wanted}")


@pytest.mark.thorough
def test_everything_is_answered_and_sent_by_keyboard_alone(page: Page, phone: Phone):
    page.goto(phone.path)
    for name, value in BIRTH_DATE.items():
        tab_to(page, f"#{name}")
        page.keyboard.type(value)
    tab_to(page, "button.button")
    page.keyboard.press("Enter")
    for number in range(1, 19):
        page.wait_for_url(f"**/answer/{number}/")
        page.wait_for_load_state()
        tab_to(page, "input[type=radio]")
        page.keyboard.press("Space")
        page.keyboard.press("ArrowDown")
        expect(page.locator("#saved")).to_have_attribute("data-state", "saved")
        if number == 9:
            expect(page.locator("#help")).to_be_visible()
        tab_to(page, "#next")
        page.keyboard.press("Enter")
        if number == 9:
            page.wait_for_url("**/answer/9/after/")
            page.wait_for_load_state()
            tab_to(page, "a.button")
            page.keyboard.press("Enter")
    page.wait_for_url("**/answer/review/")
    tab_to(page, "#send button")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Thank you")
    stored = QuestionnaireResponse.objects.values_list("answers", flat=True)
    assert [set(answers.values()) for answers in stored] == [{1}, {1}]


# -- A screen reader -----------------------------------------------------------------------------


def test_a_screen_reader_meets_a_question_in_its_order(page: Page, phone: Phone):
    let_in(page, phone)
    heard = page.locator("body").aria_snapshot()
    order = [
        'link "Skip to main content"',
        "- banner",
        "- main",
        "Question 1 of 18",
        'progressbar "Question 1 of 18"',
        "Over the last 2 weeks",
        'group "Little interest',
        'heading "Little interest',
        'radio "Not at all"',
        'radio "Several days"',
        'radio "More than half the days"',
        'radio "Nearly every day"',
        "status",
        'button "Next"',
        'button "Skip this question"',
        "Do you need help now?",
    ]
    places = [heard.find(line) for line in order]
    assert -1 not in places, (order[places.index(-1)], heard)
    assert places == sorted(places), heard
    assert heard.count("- heading") == 1, heard
    assert len(re.findall("- radio", heard)) == 4, heard


def test_the_crisis_text_is_heard_right_after_the_answers(page: Page, phone: Phone):
    let_in(page, phone)
    page.goto("/answer/9/")
    assert "please get help now" not in page.locator("main").aria_snapshot()
    page.get_by_label("Several days").focus()
    page.keyboard.press("Space")
    expect(page.locator("#help")).to_be_visible()
    # What is still being saved would meet the emptying of the tables after the test.
    expect(page.locator("#saved")).to_have_text("Saved")
    heard = page.locator("main").aria_snapshot()
    order = ['radio "Nearly every day"', 'region "If you do not feel safe', "999", 'button "Next"']
    places = [heard.find(line) for line in order]
    assert -1 not in places, heard
    assert places == sorted(places), heard


# -- A robot -------------------------------------------------------------------------------------

DEPTH = 3
# It cannot know a birth date, and ticks nothing.
PRESSABLE = "button, input[type=submit], a[href^='/'], a[href^='http']"


def press_everything(page: Page, address: str, trail: tuple[int, ...], seen: dict[str, str]):
    """Open the address, repeat a trail of presses, note what is shown, and press what is there."""
    page.goto(address)
    things = page.locator(PRESSABLE)
    for number in trail:
        with page.expect_navigation():
            things.nth(number).evaluate("it => it.click()")
    page.evaluate("document.querySelectorAll('details').forEach(it => { it.open = true })")
    text = page.locator("body").inner_text()
    if text in seen:
        return
    seen[text] = page.url + page.content()
    if len(trail) < DEPTH:
        for number in range(things.count()):
            press_everything(page, address, (*trail, number), seen)


@pytest.mark.thorough
@pytest.mark.parametrize("checks_birth_date", [True, False])
def test_a_robot_that_runs_scripts_and_presses_everything_sees_and_changes_nothing(
    page: Page, phone: Phone, clinic: Clinic, checks_birth_date: bool
):
    Clinic.objects.filter(pk=clinic.pk).update(checks_birth_date=checks_birth_date)
    before, seen = everything_stored(), dict[str, str]()

    press_everything(page, phone.path, (), seen)

    assert everything_stored() == before
    assert not QuestionnaireResponse.objects.exists()
    assert mail.outbox == []
    assert len(seen) >= 4  # the link, what is missing, whether it went astray, that it is unticked
    for text, source in seen.items():
        assert not CLINICAL.search(text + TOKEN.sub("", source)), text
    reply = phone.client.post(phone.path, {**BIRTH_DATE, "is_mine": "on"})
    assert reply.headers["Location"] == "/answer/"
