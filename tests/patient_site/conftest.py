"""A patient who has been asked PHQ-9 and GAD-7, with the link from the message."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import time_machine
from django.test import Client
from playwright.sync_api import Browser

from outcomes import workflows
from outcomes.delivery import services as delivery
from outcomes.delivery import sitting as tickets
from outcomes.delivery.models import Invitation, Link
from outcomes.instruments.models import InstrumentVersion
from outcomes.patient_site.sitting import Sitting, build
from outcomes.responses.models import Mode
from outcomes.workflows import Enrolment
from tests.browser import launched
from tests.conftest import NOW

BIRTH_DATE = {"day": "17", "month": "5", "year": "1980"}
WRONG_DATE = {"day": "18", "month": "5", "year": "1980"}


@dataclass
class Phone:
    """A browser without JavaScript in the hand of whoever holds the link."""

    client: Client
    link: Link

    @property
    def path(self) -> str:
        """Return the link's own path."""
        address = delivery.address_of(self.link)
        return "/" + address.split("/", 3)[3]

    def let_in(self):
        """Open the link and give the right birth date."""
        return self.client.post(self.path, BIRTH_DATE)

    @property
    def sitting(self) -> Sitting:
        """Read what stands in the database now."""
        return build(Link.objects.select_related("invitation").get(pk=self.link.pk), NOW)

    def send(self, number: int, value: int | None = None, action: str = "next", **more):
        """Send one question's page as the form on it does."""
        step = self.sitting.step(number)
        data = {
            "assignment": step.assignment.pk,
            "item": step.item.link_id,
            "revision": step.revision,
            "action": action,
            **more,
        }
        if value is not None:
            data["value"] = value
        return self.client.post(f"/answer/{number}/", data)

    def follow(self, reply):
        """Go where a form's answer leads, as a browser does."""
        assert reply.status_code == 302
        return self.client.get(reply.headers["Location"])

    def answer_all(self, value: int = 0) -> None:
        """Have every question answered alike, as if by tapping."""
        for assignment_id, answers in self.sitting.answers().items():
            workflows.save_answers(
                assignment_id=assignment_id,
                answers=dict.fromkeys(answers, value),
                language="en",
                mode=Mode.LINK,
                by=tickets.actor_of(self.link.invitation),
                now=NOW,
            )

    def submit(self, sitting_id: str = "4f3c9ad2-59c3-4f8e-9a80-2d8f8ba4a2b1"):
        """Press the button of the review page."""
        return self.client.post(
            "/answer/review/", {"sitting_id": sitting_id, "seen": self.sitting.seen}
        )


@pytest.fixture(autouse=True)
def clock() -> Iterator[time_machine.Traveller]:
    """Hold the clock at NOW; a test may move it."""
    with time_machine.travel(NOW, tick=False) as traveller:
        yield traveller


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """The machine's own Chromium, for one file only: other tests must not meet its event loop."""
    with launched() as browser:
        yield browser


@pytest.fixture
def invitation(enrolment: Enrolment) -> Invitation:
    """The patient's invitation to PHQ-9 and GAD-7."""
    assert workflows.invite_due(now=NOW) == 1
    return Invitation.objects.get()


@pytest.fixture
def link(invitation: Invitation) -> Link:
    """The link in the invitation's first message."""
    return Link.objects.filter(invitation=invitation).order_by("pk")[0]


@pytest.fixture
def phone(link: Link) -> Phone:
    """The patient's phone, before the link is opened."""
    return Phone(Client(), link)


@pytest.fixture
def inside(phone: Phone) -> Phone:
    """The patient's phone, after the birth date."""
    assert phone.let_in().status_code == 302
    assert tickets.COOKIE in phone.client.cookies
    return phone


@pytest.fixture
def phq9() -> InstrumentVersion:
    """The questionnaire asked first."""
    return InstrumentVersion.objects.shipped().of_code("PHQ-9").get()
