"""What messages say, and above all what they do not."""

from __future__ import annotations

import re

import pytest
from django.core import mail
from django.template.loader import render_to_string

from outcomes import workflows
from outcomes.clinics.models import Clinic
from outcomes.delivery.models import Lane, Message
from outcomes.delivery.sitting import actor_of
from outcomes.responses.models import Mode
from tests.conftest import NOW

CLINICAL = re.compile(
    r"PHQ|GAD|questionnaire|depress|anxi|mood|ketamine|treatment|therapy|suicid|harm|score|Robin",
    re.IGNORECASE,
)


def sent(lane: Lane) -> mail.EmailMultiAlternatives:
    workflows.send_due(lane=lane, clock=lambda: NOW)
    return mail.outbox[-1]


def parts_of(message: mail.EmailMultiAlternatives) -> list[str]:
    return [message.subject, message.body, message.alternatives[0][0]]


@pytest.fixture
def invitation_mail(invitation) -> mail.EmailMultiAlternatives:
    return sent(Lane.BULK)


def test_an_invitation_says_how_long_until_when_and_how_to_stop(invitation_mail, phone):
    for part in parts_of(invitation_mail)[1:]:
        assert phone.path in part
        assert "about 4 minutes" in part
        assert "until Thursday 5 February, 09:00" in part
        assert "nobody watches them around the clock" in part
        assert "To stop these messages, tell the clinic: +12025550123." in part
        assert "This is not for me" in part


def test_an_invitation_holds_nothing_clinical(invitation_mail):
    assert invitation_mail.subject == "North: how are you?"
    for part in parts_of(invitation_mail):
        assert not CLINICAL.search(part)


def test_an_invitation_goes_to_the_patient_alone(invitation_mail):
    assert invitation_mail.to == ["robin@patient.example"]
    assert invitation_mail.cc == invitation_mail.bcc == []


def test_a_reminder_says_that_it_is_one_and_no_more(invitation, phone):
    message = Message.objects.filter(kind="reminder")[0]
    context = {"clinic": message.clinic, "address": "http://x.example/a/t/", "message": message}
    for part in ("subject", "body-text", "body-html"):
        text = render_to_string(f"emails/reminder-{part}.html", context)
        assert not CLINICAL.search(text)
        assert ("reminder" in text) == (part == "subject")
        assert ("http://x.example/a/t/" in text) == (part != "subject")


def test_an_alert_names_nobody_and_leads_to_signing_in(invitation, inside):
    first = inside.sitting.steps[0].assignment
    workflows.submit_response(
        assignment_id=first.pk,
        answers={"9": 3},
        submission_id="a",
        language="en",
        mode=Mode.LINK,
        by=actor_of(invitation),
        now=NOW,
    )
    alert = sent(Lane.ALERT)
    assert alert.subject == "North: an answer needs you"
    for part in parts_of(alert):
        assert not CLINICAL.search(part)
        assert "Example" not in part
    assert "/c/north/alerts/" in alert.body
    assert "Sign in to see it" in alert.body


def test_a_clinics_name_is_written_as_it_is_in_text_and_safely_in_html(invitation, clinic):
    Clinic.objects.filter(pk=clinic.pk).update(display_name="O'Neil & <Co>", phone="")
    message = sent(Lane.BULK)
    subject, text, html = parts_of(message)
    assert subject == "O'Neil & <Co>: how are you?"
    assert "O'Neil & <Co> would like" in text
    assert "O&#x27;Neil &amp; &lt;Co&gt; would like" in html
    assert "To stop these messages, tell the clinic." in text


def test_a_subject_is_one_line(invitation_mail):
    assert "\n" not in invitation_mail.subject
