"""Every screen of the patient's side, in every size, colour scheme and direction, for barriers.

One walk reads each screen in each language; Chromium then shows what was read, as wide and as dark
as it comes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client
from playwright.sync_api import Browser, Page

from outcomes import workflows
from outcomes.care.models import Patient
from outcomes.clinics.models import Clinic
from outcomes.delivery import services as delivery
from outcomes.delivery.models import Invitation, Link, Message, OwnPage
from outcomes.patient_site import language, throttle
from tests.browser import CHROMIUM
from tests.conftest import NOW, make_enrolment
from tests.patient_site.conftest import BIRTH_DATE, WRONG_DATE, Phone
from tests.screens import RIGHT_TO_LEFT, SCHEMES, SHOW, looked_at, speak_right_to_left, stage

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM, reason="no Chromium on this machine"),
]

TEMPLATES = Path(settings.BASE_DIR) / "templates/patient_site"
LANGUAGES = ("en", "es", RIGHT_TO_LEFT)
WIDTHS = (320, 375, 768)
TARGETS = (
    "button, .button, .option-card, .choice, summary, input:not([type=radio], [type=checkbox], "
    "[type=hidden])"
)

TWICE_AS_LARGE = """() => {
  const root = document.documentElement;
  root.style.fontSize = "200%";
  const told = root.scrollWidth > root.clientWidth ? [`${root.scrollWidth} px wide`] : [];
  for (const it of document.querySelectorAll("button, .button, .option-card, h1, h2, p, label"))
    if (it.checkVisibility() && (it.scrollWidth > it.clientWidth + 1 && it.clientWidth))
      told.push(`cut: ${it.outerHTML.slice(0, 60)}`);
  root.style.fontSize = "";
  return told;
}"""


@pytest.fixture
def right_to_left(settings, tmp_path: Path, monkeypatch):
    language.interface_language.cache_clear()
    speak_right_to_left(settings, tmp_path, monkeypatch)
    yield
    language.interface_language.cache_clear()


@dataclass
class Walk:
    """What was read on the way: pages by name and language, and the templates they came from."""

    languages: tuple[str, ...]
    pages: dict[tuple[str, str], str] = field(default_factory=dict)
    templates: set[str] = field(default_factory=set)

    def see(self, name: str, read: Callable[..., object]) -> None:
        """Read one screen in every language."""
        for spoken in self.languages:
            Patient.objects.update(language=spoken)
            reply = read(headers={"Accept-Language": spoken}, follow=True)
            assert reply.status_code != 302, name
            html = reply.content.decode()
            shown = language.interface_language(spoken)
            direction = "rtl" if shown == RIGHT_TO_LEFT else "ltr"
            assert f'<html lang="{shown}" dir="{direction}">' in html, (name, spoken)
            self.pages[name, spoken] = html
            self.templates |= {template.name for template in reply.templates if template.name}

    def get(self, name: str, client: Client, path: str) -> None:
        """Open one address in every language."""
        self.see(name, lambda **options: client.get(path, **options))

    def post(self, name: str, client: Client, path: str, data: dict[str, object]) -> None:
        """Send one form in every language; it must be one that changes nothing."""
        self.see(name, lambda **options: client.post(path, data, **options))


def before_the_questions(walk: Walk, phone: Phone, clinic: Clinic) -> None:
    client = phone.client
    walk.get("link", client, phone.path)
    walk.post("no date", client, phone.path, {})
    walk.post("wrong date", client, phone.path, WRONG_DATE)
    walk.get("not for me", client, f"{phone.path}not-for-me/")
    walk.post("not for me, unticked", client, f"{phone.path}not-for-me/", {"confirms": "1"})
    walk.get("no such link", Client(), "/a/x/")
    walk.get("closed", Client(), "/answer/")
    walk.post("closed, with words", Client(), "/answer/review/", {"remark": "W" * 200})
    Clinic.objects.filter(pk=clinic.pk).update(checks_birth_date=False)
    walk.get("link with a tick", client, phone.path)
    walk.post("no tick", client, phone.path, {})
    Clinic.objects.filter(pk=clinic.pk).update(checks_birth_date=True)


def older_answer(phone: Phone, number: int, value: int) -> dict[str, object]:
    """Return what a window sends that has not seen the answer given meanwhile."""
    step = phone.sitting.step(number)
    assert step is not None
    asked = {"assignment": step.assignment.pk, "item": step.item.link_id}
    return {**asked, "revision": 0, "value": value}


def the_questions(walk: Walk, phone: Phone) -> None:
    client = phone.client
    assert client.post(phone.path, {**BIRTH_DATE, "remembers": "on"}).status_code == 302
    walk.get("nothing answered", client, "/answer/review/")
    words: dict[str, object] = {"remark": "one\ntwo"}
    walk.post("nothing answered, with words", client, "/answer/review/", words)
    walk.get("first question", client, "/answer/1/")
    walk.get("first question, remembered", client, "/answer/1/?arrived=1")
    walk.get("no answer", client, "/answer/1/?missing=1")
    walk.get("safety question", client, "/answer/9/")
    walk.get("question without a stem", client, "/answer/10/")
    walk.get("all on one page", client, "/answer/all/")
    walk.get("all on one page, some open", client, "/answer/all/?missing=1")
    walk.get("not for me, remembered", client, "/answer/not-for-me/")
    phone.send(1, 2)
    phone.send(2, action="skip")
    phone.send(9, 1)
    walk.post("changed elsewhere", client, "/answer/9/", older_answer(phone, 9, 2))
    walk.get("answered question", client, "/answer/1/")
    walk.get("help", client, "/answer/9/after/")
    walk.get("positive answer", client, "/answer/9/")
    walk.get("all on one page, positive answer", client, "/answer/all/")
    client.post("/answer/call/")
    walk.get("a call is asked for", client, "/answer/call/")
    walk.get("review, some open", client, "/answer/review/")
    walk.get("review, changed", client, "/answer/review/?changed=1")
    phone.answer_all(1)
    walk.get("review", client, "/answer/review/")
    words = {"sitting_id": "x", "seen": "x", "remark": "W" * 1001}
    walk.post("review, too many words", client, "/answer/review/", words)


def the_end(walk: Walk, phone: Phone, link: Link) -> None:
    phone.submit()
    walk.get("thanks, help, remembered", phone.client, "/answer/thanks/")
    phone.client.post("/answer/thanks/forget/")
    walk.get("thanks, forgotten", phone.client, "/answer/thanks/?forgotten=1")
    walk.get("answered before", Client(), phone.path)
    Invitation.objects.update(completed_at=None, locked_at=NOW)
    walk.get("locked", Client(), phone.path)
    message = Message.objects.filter(link=link)[0]
    stop = delivery.unsubscribe_address(message, "robin@patient.example")
    walk.get("stop", Client(), "/" + stop.split("/", 3)[3])
    for _ in range(throttle.MISSES):
        Client().get("/a/x/")
    walk.get("too many", Client(), "/a/x/")


def their_own_page(walk: Walk, patient: Patient) -> None:
    Clinic.objects.update(shows_answers=True, shows_trend=True, shows_visits=True)
    client = Client()
    door = delivery.own_path_of(OwnPage.objects.get(patient=patient))
    walk.get("own page, door", client, door)
    walk.post("own page, no date", client, door, {})
    assert client.post(door, BIRTH_DATE).headers["Location"] == "/own/"
    walk.get("own page", client, "/own/?saved=1")
    walk.get("own page, past", client, "/own/past/")
    for name in ("wishes", "pause", "stop"):
        walk.get(f"own page, {name}", client, f"/own/{name}/")
        walk.post(f"own page, {name}, wrong", client, f"/own/{name}/", {})
    walk.post("own page, closed", client, "/own/close/", {})


def the_tablet(walk: Walk, patient: Patient, clinician) -> None:
    client = Client()
    walk.get("tablet", client, "/tablet/")
    walk.post("no code", client, "/tablet/", {"code": "000000"})
    made = workflows.hand_over_tablet(patient=patient, by=clinician.actor, now=NOW)
    walk.get("tablet by QR", Client(), "/" + made.address.split("/", 3)[3])
    client.post("/tablet/", {"code": made.code})
    walk.get("tablet, whose", client, "/tablet/start/")
    walk.get("tablet, still there?", client, "/tablet/pause/")
    client.post("/tablet/start/", BIRTH_DATE)
    walk.get("tablet, question", client, "/answer/1/")
    tablet = Phone(client, Link.objects.get(hand_over__isnull=False))
    tablet.answer_all(0)
    walk.get("tablet, review", client, "/answer/review/")
    tablet.submit()
    walk.get("tablet, thanks", client, "/answer/thanks/")


def enlarged(page: Page) -> list[str]:
    """Return what does not fit a phone whose letters are set to twice their size."""
    page.set_viewport_size({"width": 375, "height": 720})
    found: list[str] = page.evaluate(TWICE_AS_LARGE)
    return found


def shown(
    chromium: Browser, walk: Walk, widths: Sequence[int], schemes: Sequence[str]
) -> list[str]:
    """Show each page in each size and scheme; return what is wrong with it."""
    page = stage(chromium, walk.pages["link", "en"])
    told: list[str] = []
    for (name, spoken), html in walk.pages.items():
        page.evaluate(SHOW, html)
        told += [
            f"{name}, {spoken}, {it}" for it in looked_at(page, widths, schemes, targets=TARGETS)
        ]
        told += [f"{name}, {spoken}, letters at 200 %: {it}" for it in enlarged(page)]
    page.close()
    return told


@pytest.mark.usefixtures("right_to_left")
@pytest.mark.parametrize(
    ("languages", "widths", "schemes"),
    [
        pytest.param(("en",), (375,), ("light",), id="phone"),
        pytest.param(LANGUAGES, WIDTHS, SCHEMES, id="all", marks=pytest.mark.thorough),
    ],
)
def test_no_screen_has_a_barrier(
    languages, widths, schemes, chromium, phone, link, clinic, patient, clinician
):
    walk = Walk(languages)
    before_the_questions(walk, phone, clinic)
    the_questions(walk, phone)
    their_own_page(walk, patient)
    the_end(walk, phone, link)
    the_tablet(walk, make_enrolment(clinic, clinician, "Tess").patient, clinician)

    names = {f"patient_site/{path.name}" for path in TEMPLATES.glob("[!_]*.html")}
    assert names <= walk.templates
    assert "\n".join(shown(chromium, walk, widths, schemes)) == ""
