"""The answering page in a real browser: what the script adds, and what it must never take."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest
import time_machine
from playwright.sync_api import Browser, Page, Route, expect

from outcomes import workflows
from outcomes.alerts.models import Alert, AlertState, CallRequest
from outcomes.delivery import sitting as tickets
from outcomes.delivery.models import Link
from outcomes.patient_site import guards
from outcomes.responses.models import QuestionnaireResponse, Score
from tests.browser import NEEDS_CHROMIUM
from tests.conftest import NOW
from tests.patient_site.conftest import Phone
from tests.patient_site.test_every_instrument import ask

SAVE = "**/api/v1/answering/**"

pytestmark = NEEDS_CHROMIUM


@pytest.fixture(autouse=True)
def clock() -> Iterator[time_machine.Traveller]:
    """Start the clock at NOW and let it run: the browser's own does."""
    with time_machine.travel(NOW, tick=True) as traveller:
        yield traveller


@pytest.fixture
def page(chromium: Browser, live_server, phone: Phone) -> Iterator[Page]:
    """A phone's browser at the first question."""
    context = chromium.new_context(
        viewport={"width": 375, "height": 720}, has_touch=True, base_url=live_server.url
    )
    page = context.new_page()
    page.set_default_timeout(30_000)
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.add_init_script(
        "addEventListener('securitypolicyviolation', event => {"
        " throw new Error('policy: ' + event.violatedDirective) })"
    )
    ticket = tickets.make_ticket(phone.link, NOW)
    context.add_cookies([{"name": tickets.COOKIE, "value": ticket, "url": live_server.url}])
    page.goto("/answer/")
    at(page, 1)
    yield page
    context.close()
    assert problems == []


def tap(page: Page, value: int) -> None:
    page.locator(".option-card").nth(value).tap()


def at(page: Page, number: int) -> None:
    page.wait_for_url(f"**/answer/{number}/")
    page.wait_for_load_state()


def stored() -> dict[str, int | None]:
    response = QuestionnaireResponse.objects.filter(assignment__instrument__code="PHQ-9").first()
    return response.answers if response else {}


def refuse(route: Route) -> None:
    route.abort("connectionfailed")


def test_a_tap_saves_and_moves_on(page):
    tap(page, 2)
    at(page, 2)
    assert stored() == {"1": 2}
    expect(page.get_by_role("status")).to_have_text("Your answers so far are saved.")


def test_it_says_that_it_saved(page):
    page.get_by_label("Several days").focus()
    page.keyboard.press("Space")
    expect(page.get_by_role("status")).to_have_text("Saved")
    assert stored() == {"1": 1}


def test_arrow_keys_choose_and_save_but_never_move_on(page):
    page.get_by_label("Not at all").focus()
    page.keyboard.press("Space")
    for _ in range(2):
        page.keyboard.press("ArrowDown")
    expect(page.get_by_role("status")).to_have_text("Saved")
    page.wait_for_timeout(700)
    at(page, 1)
    page.keyboard.press("Enter")
    at(page, 2)
    assert stored() == {"1": 2}


def test_a_tap_before_the_script_has_come_is_saved_too(page):
    held: list[Route] = []
    page.route("**/answering.js", lambda route: held.append(route))
    page.goto("/answer/9/", wait_until="commit")
    expect(page.locator("#help")).to_be_hidden()
    tap(page, 2)
    expect(page.locator("#help")).to_be_visible()
    assert stored() == {}
    held[0].continue_()
    expect(page.get_by_role("status")).to_have_text("Saved")
    assert stored() == {"9": 2}
    at(page, 9)


def test_tapping_the_answer_given_before_moves_on_too(page):
    tap(page, 1)
    at(page, 2)
    page.get_by_role("button", name="Back").tap()
    at(page, 1)
    tap(page, 1)
    at(page, 2)


def test_the_last_tap_counts(page):
    def slowly(route: Route) -> None:
        page.wait_for_timeout(300)
        route.continue_()

    page.route(SAVE, slowly)
    tap(page, 1)
    tap(page, 3)
    at(page, 2)
    assert stored() == {"1": 3}


def test_the_crisis_text_needs_no_network(page):
    page.goto("/answer/9/")
    expect(page.get_by_text("please get help now")).to_be_hidden()
    page.context.set_offline(True)
    tap(page, 1)
    panel = page.locator("#help")
    expect(panel).to_be_visible()
    expect(panel).to_be_focused()
    expect(panel).to_contain_text("If you are in danger, call 999 now.")
    expect(page.get_by_role("status")).to_contain_text("Not saved yet")
    page.context.set_offline(False)
    expect(page.get_by_role("status")).to_have_text("Saved")
    at(page, 9)
    assert stored() == {"9": 1}
    assert Alert.objects.get().state == AlertState.PROVISIONAL
    page.get_by_role("button", name="Next").tap()
    at(page, 10)


@pytest.mark.parametrize("key", ["Enter", "Back"])
def test_after_a_positive_answer_by_keyboard_the_next_page_is_the_crisis_text(page, key):
    page.goto("/answer/9/")
    page.get_by_label("Not at all").focus()
    page.keyboard.press("Space")
    page.keyboard.press("ArrowDown")
    expect(page.locator("#help")).to_be_visible()
    expect(page.get_by_label("Several days")).to_be_focused()
    if key == "Enter":
        page.keyboard.press("Enter")
    else:
        page.get_by_role("button", name="Back").focus()
        page.keyboard.press("Enter")
    page.wait_for_url("**/answer/9/after/*")
    expect(page.get_by_role("heading", level=1)).to_contain_text("please get help now")
    page.get_by_role("link", name="Continue").click()
    at(page, 10 if key == "Enter" else 8)
    assert stored() == {"9": 1}


def test_a_positive_answer_given_before_leads_through_the_crisis_text_too(page):
    page.goto("/answer/9/")
    tap(page, 1)
    expect(page.get_by_role("status")).to_have_text("Saved")
    page.goto("/answer/9/")
    page.get_by_role("button", name="Next").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/answer/9/after/")


def test_asking_for_a_call_stays_on_the_page_and_says_when_it_did_not_arrive(page):
    page.goto("/answer/9/")
    tap(page, 1)
    said = page.locator("[data-call-me] [aria-live]")
    page.route("**/answer/call/", refuse)
    page.get_by_role("button", name="Please call me").tap()
    expect(said).to_contain_text("Not sent")
    expect(page.locator("#help")).to_contain_text("If you are in danger, call 999 now.")
    assert not CallRequest.objects.exists()
    page.unroute("**/answer/call/")
    page.get_by_role("button", name="Please call me").tap()
    expect(said).to_have_text("Your clinic can see that you would like a call")
    at(page, 9)
    assert CallRequest.objects.count() == 1


def test_the_crisis_text_goes_when_the_answer_is_taken_back(page):
    page.goto("/answer/9/")
    tap(page, 2)
    expect(page.locator("#help")).to_be_visible()
    tap(page, 0)
    at(page, 10)
    assert stored() == {"9": 0}


def test_without_a_connection_nothing_is_lost_and_nothing_moves_on(page):
    page.route(SAVE, refuse)
    tap(page, 3)
    expect(page.get_by_role("status")).to_contain_text("Not saved yet")
    at(page, 1)
    page.unroute(SAVE)
    expect(page.get_by_role("status")).to_have_text("Saved", timeout=15_000)
    at(page, 1)
    assert stored() == {"1": 3}


def lose_reply(page: Page) -> None:
    """Have the next answer stored, and its reply lost."""

    def lose(route: Route) -> None:
        route.fetch()
        route.abort("connectionreset")

    page.route(SAVE, lose, times=1)


def test_an_answer_changed_after_a_lost_reply_is_stored(page):
    page.goto("/answer/9/")
    lose_reply(page)
    tap(page, 0)
    expect(page.get_by_role("status")).to_contain_text("Not saved yet")
    assert stored() == {"9": 0}
    tap(page, 3)
    expect(page.get_by_role("status")).to_have_text("Saved")
    expect(page.get_by_label("Nearly every day")).to_be_checked()
    expect(page.locator("#help")).to_be_visible()
    assert stored() == {"9": 3}
    assert Alert.objects.get().value == 3


def test_an_answer_changed_back_after_a_lost_reply_is_stored(page):
    page.goto("/answer/9/")
    tap(page, 3)
    expect(page.get_by_role("status")).to_have_text("Saved")
    lose_reply(page)
    tap(page, 0)
    expect(page.get_by_role("status")).to_contain_text("Not saved yet")
    assert stored() == {"9": 0}
    tap(page, 3)
    expect(page.get_by_role("status")).to_have_text("Saved")
    assert stored() == {"9": 3}


def test_a_request_that_arrives_late_overwrites_nothing(page):
    page.goto("/answer/9/")
    tap(page, 3)
    expect(page.get_by_role("status")).to_have_text("Saved")
    late: list[Route] = []
    page.route(SAVE, lambda route: (late.append(route), refuse(route)), times=1)
    tap(page, 0)
    expect(page.get_by_role("status")).to_contain_text("Not saved yet")
    tap(page, 3)
    expect(page.get_by_role("status")).to_have_text("Saved")
    request = late[0].request
    headers = {**request.all_headers(), "referer": page.url}
    reply = page.request.put(request.url, data=request.post_data_buffer, headers=headers)
    assert reply.status == 409
    assert stored() == {"9": 3}


@pytest.mark.parametrize(
    "button",
    [
        "Next",
        pytest.param("Back", marks=pytest.mark.thorough),
        pytest.param("Skip this question", marks=pytest.mark.thorough),
    ],
)
def test_a_button_pressed_without_a_connection_is_followed_once_it_is_back(page, button):
    tap(page, 1)
    at(page, 2)
    page.route("**/*", refuse)
    tap(page, 2)
    expect(page.get_by_role("status")).to_contain_text("Not saved yet")
    page.get_by_role("button", name=button).click()
    page.wait_for_timeout(700)
    at(page, 2)
    page.unroute("**/*")
    page.evaluate("dispatchEvent(new Event('online'))")
    at(page, 1 if button == "Back" else 3)
    assert stored()["2"] == (None if button.startswith("Skip") else 2)


@pytest.fixture
def old(page: Page) -> Page:
    """A browser that does not say which button sent a form: iOS up to 15.3, Chrome up to 80."""
    page.add_init_script("Object.defineProperty(SubmitEvent.prototype, 'submitter', {value: null})")
    return page


def test_a_browser_that_does_not_say_which_button_was_pressed_is_understood(old):
    old.goto("/answer/2/")
    old.get_by_role("button", name="Back").tap()
    at(old, 1)
    tap(old, 1)
    at(old, 2)
    old.get_by_role("button", name="Skip this question").tap()
    at(old, 3)
    assert stored() == {"1": 1, "2": None}
    old.get_by_label("Several days").focus()
    old.keyboard.press("Space")
    old.keyboard.press("Enter")
    at(old, 4)
    old.get_by_role("button", name="Show all on one page").tap()
    old.wait_for_url(re.compile("/answer/all/"))
    old.get_by_role("button", name="Look over my answers").tap()
    old.wait_for_url("**/answer/all/?missing=1")
    old.get_by_role("button", name="Leave them open and go on").tap()
    expect(old.get_by_role("heading", level=1)).to_have_text("Look over your answers")
    old.get_by_role("link", name="Back to all questions").tap()
    old.get_by_role("button", name="Show one question at a time").tap()
    old.wait_for_url("**/answer/review/")


def test_where_only_saving_fails_the_form_still_gets_through(page):
    page.route(SAVE, refuse)
    tap(page, 3)
    expect(page.get_by_role("status")).to_contain_text("Not saved yet")
    page.get_by_role("button", name="Next").tap()
    at(page, 2)
    assert stored() == {"1": 3}


def test_a_ticket_that_has_ended_leads_to_a_kind_page(page, invitation):
    page.context.clear_cookies(name="sitting")
    tap(page, 1)
    expect(page.get_by_role("heading", level=1)).to_have_text(
        "This page had closed: what you just sent was not kept"
    )
    assert stored() == {}


def test_a_tap_after_another_patients_link_was_opened_leads_to_a_kind_page(page, other_enrolment):
    workflows.invite_due(now=NOW)
    theirs = Link.objects.filter(invitation__patient=other_enrolment.patient)[0]
    origin = page.url.split("/answer")[0]
    ticket = tickets.make_ticket(theirs, NOW)
    page.context.add_cookies([{"name": tickets.COOKIE, "value": ticket, "url": origin}])
    tap(page, 1)
    expect(page.get_by_role("heading", level=1)).to_have_text(
        "Another link was opened on this phone"
    )
    expect(page.get_by_role("link", name="Continue")).to_have_count(0)
    assert not QuestionnaireResponse.objects.exists()


def test_an_answer_changed_elsewhere_is_shown_and_not_overwritten(page, phone):
    phone.let_in()
    phone.send(1, 3)
    tap(page, 0)
    expect(page.get_by_label("Nearly every day")).to_be_checked()
    expect(page.get_by_role("status")).to_have_text(
        "This was answered differently in another window meanwhile: “Nearly every day” is kept. "
        "If “Not at all” is right, please choose it once more."
    )
    page.wait_for_timeout(700)
    at(page, 1)
    assert stored() == {"1": 3}
    tap(page, 0)
    at(page, 2)
    assert stored() == {"1": 0}


def test_a_question_skipped_elsewhere_is_shown_open(page, phone):
    page.goto("/answer/9/")
    phone.let_in()
    phone.send(9, action="skip")
    tap(page, 2)
    expect(page.get_by_role("status")).to_contain_text("“Not answered” is kept.")
    expect(page.get_by_role("status")).to_be_in_viewport()
    expect(page.get_by_label("More than half the days")).not_to_be_checked()
    expect(page.locator("#help")).to_be_visible()
    tap(page, 2)
    expect(page.get_by_role("status")).to_have_text("Saved")
    assert stored() == {"9": 2}


def test_next_pressed_before_a_conflict_was_shown_stays(page, phone):
    page.get_by_label("Several days").focus()
    held: list[Route] = []
    page.route(SAVE, lambda route: held.append(route), times=1)
    page.keyboard.press("Space")
    page.keyboard.press("Enter")
    phone.let_in()
    phone.send(1, 3)
    held[0].continue_()
    expect(page.get_by_role("status")).to_contain_text("“Nearly every day” is kept.")
    page.wait_for_timeout(700)
    at(page, 1)
    page.keyboard.press("Enter")
    at(page, 2)
    assert stored() == {"1": 3}


def test_the_browser_keeps_no_answer(page):
    for number in range(1, 4):
        at(page, number)
        tap(page, 3)
    at(page, 4)
    kept = page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}])")
    assert kept == "[{},{}]"
    assert page.evaluate("indexedDB.databases().then(found => found.length)") == 0


@pytest.mark.thorough
def test_one_tap_for_each_question_and_one_button_send_everything(page):
    for number in range(1, 19):
        at(page, number)
        tap(page, 0)
    page.get_by_role("button", name="Send my answers").first.tap()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Thank you")
    assert set(Score.objects.filter(scale="total").values_list("value", flat=True)) == {0.0}
    page.go_back()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Thank you")


@pytest.mark.parametrize("width", [320, 375, 1280])
def test_no_page_is_wider_than_the_screen_and_every_target_is_large(page, width):
    page.set_viewport_size({"width": width, "height": 720})
    for path in ("/answer/1/", "/answer/9/", "/answer/all/?missing=1", "/answer/review/"):
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
        small = page.evaluate(
            "[...document.querySelectorAll('button, .option-card, summary, a:not(p a)')]"
            ".filter(it => !it.ariaHidden)"  # nothing to aim at
            ".map(it => it.getBoundingClientRect()).filter(box => box.height && box.top > 0)"
            ".filter(box => box.height < 44).length"
        )
        assert small == 0, path


# -- All on one page -------------------------------------------------------------------------------


def question(page: Page, number: int):
    return page.locator(".asked").nth(number - 1)


def test_on_one_page_each_tap_is_saved_and_nothing_moves(page, phone):
    page.get_by_role("button", name="Show all on one page").tap()
    page.wait_for_url(re.compile("/answer/all/"))
    question(page, 2).locator(".option-card").nth(3).tap()
    question(page, 1).locator(".option-card").nth(1).tap()
    for number in (1, 2):
        expect(question(page, number).get_by_role("status")).to_have_text("Saved")
    assert stored() == {"1": 1, "2": 3}
    # Another window answers: other questions do not meet, the same one shows what is stored.
    phone.let_in()
    phone.send(3, 2)
    phone.send(4, 2)
    question(page, 4).locator(".option-card").nth(0).tap()
    expect(question(page, 4).get_by_label("More than half the days")).to_be_checked()
    expect(question(page, 4).locator(".saved")).to_contain_text("If “Not at all” is right")
    question(page, 9).locator(".option-card").nth(1).tap()
    panel = question(page, 9).locator(".crisis")
    expect(panel).to_be_visible()
    expect(panel).to_be_focused()
    expect(question(page, 9).get_by_role("status")).to_have_text("Saved")
    page.get_by_role("button", name="Look over my answers").tap()
    page.get_by_role("link", name="Continue").tap()
    expect(page.get_by_role("heading", name="11 questions have no answer yet")).to_be_visible()
    page.get_by_role("button", name="Leave them open and go on").tap()
    page.get_by_role("link", name="Continue").tap()
    expect(page.get_by_role("heading", level=1)).to_have_text("Look over your answers")
    assert stored()["9"] == 1
    page.go_back()
    expect(page.get_by_text("please get help now")).to_be_visible()


def test_on_one_page_the_enter_key_leaves_nothing_open(page):
    page.goto("/answer/all/?missing=1")
    question(page, 1).get_by_label("Several days").focus()
    page.keyboard.press("Space")
    expect(question(page, 1).locator(".saved")).to_have_text("Saved")
    page.keyboard.press("Enter")
    page.wait_for_url("**/answer/all/?missing=1")
    expect(page.get_by_role("heading", name="15 questions have no answer yet")).to_be_visible()
    assert stored() == {"1": 1, "10": None}


def test_without_script_the_enter_key_leaves_nothing_open_either(
    chromium: Browser, live_server, phone: Phone
) -> None:
    context = chromium.new_context(java_script_enabled=False, base_url=live_server.url)
    ticket = tickets.make_ticket(phone.link, NOW)
    context.add_cookies([{"name": tickets.COOKIE, "value": ticket, "url": live_server.url}])
    page = context.new_page()
    page.goto("/answer/all/?missing=1")
    question(page, 1).get_by_label("Several days").focus()
    page.keyboard.press("Space")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="15 questions have no answer yet")).to_be_visible()
    assert stored() == {"1": 1, "10": None}
    context.close()


def test_on_one_page_nothing_is_lost_without_a_connection(page):
    page.goto("/answer/all/")
    page.route(SAVE, refuse)
    question(page, 1).locator(".option-card").nth(2).tap()
    question(page, 3).locator(".option-card").nth(2).tap()
    for number in (1, 3):
        expect(question(page, number).get_by_role("status")).to_contain_text("Not saved yet")
    page.unroute(SAVE)
    page.evaluate("dispatchEvent(new Event('online'))")
    for number in (1, 3):
        expect(question(page, number).get_by_role("status")).to_have_text("Saved")
    assert stored() == {"1": 2, "3": 2}


def test_on_one_page_an_answer_changed_after_a_lost_reply_is_stored(page):
    page.goto("/answer/all/")
    lose_reply(page)
    question(page, 9).locator(".option-card").nth(0).tap()
    expect(question(page, 9).locator(".saved")).to_contain_text("Not saved yet")
    assert stored() == {"9": 0}
    question(page, 9).locator(".option-card").nth(3).tap()
    expect(question(page, 9).locator(".saved")).to_have_text("Saved")
    expect(question(page, 9).locator(".crisis")).to_be_visible()
    assert stored() == {"9": 3}


@pytest.mark.thorough
def test_what_changed_elsewhere_is_shown_though_the_line_fails_right_after(page, phone):
    page.goto("/answer/all/")
    phone.let_in()
    phone.send(4, 2)
    calls: list[Route] = []

    def fail_second(route: Route) -> None:
        calls.append(route)
        if len(calls) == 1:
            page.wait_for_timeout(300)
        route.abort("connectionfailed") if len(calls) == 2 else route.continue_()

    page.route(SAVE, fail_second)
    question(page, 4).locator(".option-card").nth(0).tap()
    question(page, 5).locator(".option-card").nth(1).tap()
    expect(question(page, 4).get_by_label("More than half the days")).to_be_checked()
    expect(question(page, 5).locator(".saved")).to_have_text("Saved")
    assert stored() == {"4": 2, "5": 1}


# -- The clinic's tablet ---------------------------------------------------------------------------


def test_a_tablet_left_before_the_birth_date_asks_whether_somebody_is_there(
    page, patient, clinician, monkeypatch
):
    monkeypatch.setattr(guards, "ASKS_AFTER", timedelta(seconds=1))
    made = workflows.hand_over_tablet(patient=patient, by=clinician.actor, now=NOW)
    page.goto("/tablet/")
    page.get_by_label("Code").fill(made.code)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Are you still there?")
    monkeypatch.undo()
    page.get_by_role("link", name="Go on").click()
    expect(page.get_by_label("Year")).to_be_visible()


# -- The daily mood check --------------------------------------------------------------------------


@pytest.mark.parametrize(("width", "height"), [(375, 720), (320, 568)])
def test_what_sends_the_mood_check_is_in_sight_and_two_taps_do_it(page, enrolment, width, height):
    ticket = ask(enrolment, "MOOD-1")
    page.context.add_cookies(
        [{"name": tickets.COOKIE, "value": ticket, "url": page.url.split("/answer")[0]}]
    )
    page.set_viewport_size({"width": width, "height": height})
    page.goto("/answer/?arrived=1")
    page.wait_for_url("**/answer/1/?arrived=1")
    box = page.get_by_role("button", name="Send").bounding_box()
    assert box is not None
    assert box["y"] + box["height"] <= height
    tap(page, 6)
    page.get_by_role("button", name="Send").tap()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Thank you")
    assert Score.objects.get().value == 6
