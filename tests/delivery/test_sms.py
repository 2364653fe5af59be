"""Text messages through two providers, and what each answer of theirs means."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
from pytest_django import Settings

from outcomes import workflows
from outcomes.audit.models import SYSTEM
from outcomes.care import services as care
from outcomes.care.models import Channel, Contact, Patient
from outcomes.clinics.models import Clinic, User
from outcomes.delivery import channels
from outcomes.delivery import services as delivery
from outcomes.delivery.channels import gsm, sms
from outcomes.delivery.channels.base import Guarantee, Outgoing, SendError
from outcomes.delivery.channels.telnyx import Telnyx
from outcomes.delivery.channels.twilio import Twilio
from outcomes.delivery.models import Message, Unreached
from outcomes.delivery.rendering import render
from outcomes.responses.models import Mode
from tests.chance import without_chance
from tests.delivery.provider_api import Api, TelnyxApi, TwilioApi

NUMBER, OURS = "+12025550123", "+12025550100"
OUTGOING = Outgoing(
    to=NUMBER, subject="", text="North: how are you? https://o.example/a/1/", html="", key="k1"
)


@pytest.fixture
def twilio_api() -> Iterator[TwilioApi]:
    api = TwilioApi()
    yield api
    api.stop()


@pytest.fixture
def telnyx_api() -> Iterator[TelnyxApi]:
    api = TelnyxApi()
    yield api
    api.stop()


@pytest.fixture
def twilio(twilio_api: TwilioApi) -> Iterator[Twilio]:
    provider = Twilio(
        account=twilio_api.account, key=twilio_api.token, sender=OURS, url=twilio_api.url
    )
    yield provider
    provider.close()


@pytest.fixture
def telnyx(telnyx_api: TelnyxApi) -> Iterator[Telnyx]:
    provider = Telnyx(key=telnyx_api.key, sender=OURS, url=telnyx_api.url)
    yield provider
    provider.close()


def failure(provider: Twilio | Telnyx, outgoing: Outgoing = OUTGOING) -> SendError:
    with pytest.raises(SendError) as caught:
        provider.send(outgoing)
    assert outgoing.to not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return caught.value


def flags(error: SendError) -> set[str]:
    names = ("is_retryable", "is_ambiguous", "is_recipient_gone", "is_provider_fault")
    return {name.removeprefix("is_") for name in names if getattr(error, name)}


# -- Twilio --------------------------------------------------------------------------------------


def test_twilio_takes_a_message(twilio: Twilio, twilio_api: TwilioApi, settings: Settings) -> None:
    settings.BASE_URL = "https://outcomes.example"
    assert twilio.send(OUTGOING).startswith("SM")

    _method, _path, _headers, form = twilio_api.requests[0]
    assert form == {
        "To": NUMBER,
        "From": OURS,
        "Body": OUTGOING.text,
        "StatusCallback": "https://outcomes.example/api/hooks/twilio/status/k1/",
    }


def test_no_report_is_asked_for_where_none_could_come(
    twilio: Twilio, twilio_api: TwilioApi
) -> None:
    twilio.send(OUTGOING)
    assert "StatusCallback" not in twilio_api.requests[0][3]


def test_a_messaging_service_chooses_the_number(twilio_api: TwilioApi) -> None:
    provider = Twilio(
        account=twilio_api.account, key=twilio_api.token, sender="MG1", url=twilio_api.url
    )
    reference = provider.send(OUTGOING)
    assert twilio_api.requests[0][3]["MessagingServiceSid"] == "MG1"
    assert provider.find(OUTGOING) == reference
    provider.close()


def test_the_connection_is_kept(twilio: Twilio, twilio_api: TwilioApi) -> None:
    for _ in range(3):
        twilio.send(OUTGOING)
    assert twilio_api.connections == 1


@pytest.mark.parametrize("to", ["+15005550001", "+15005550009"])
def test_a_number_that_is_none_is_gone(twilio: Twilio, to: str) -> None:
    assert flags(failure(twilio, replace(OUTGOING, to=to))) == {"recipient_gone"}


def test_a_number_that_opted_out_is_gone_and_says_so(twilio: Twilio) -> None:
    error = failure(twilio, replace(OUTGOING, to="+15005550004"))
    assert (error.reason, flags(error)) == ("opted out", {"recipient_gone"})


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (429, 20429, {"retryable", "provider_fault"}),
        (503, 20503, {"retryable", "provider_fault"}),
        (500, 20500, {"retryable", "provider_fault", "ambiguous"}),
        (401, 20003, {"retryable", "provider_fault"}),
        (400, 21606, {"retryable", "provider_fault"}),
        (400, 21617, set()),
        (201, None, {"retryable", "provider_fault", "ambiguous"}),
    ],
)
def test_what_twilio_answers_otherwise(
    twilio: Twilio, twilio_api: TwilioApi, status: int, code: int | None, expected: set[str]
) -> None:
    twilio_api.fails = (status, {"code": code, "message": "no", "status": status})
    assert flags(failure(twilio)) == expected


def test_a_wrong_key_is_ours_to_mend(twilio_api: TwilioApi) -> None:
    provider = Twilio(account=twilio_api.account, key="x", sender=OURS, url=twilio_api.url)
    assert flags(failure(provider)) == {"retryable", "provider_fault"}
    provider.close()


def test_what_is_not_reached_was_not_sent() -> None:
    api = TwilioApi()
    api.stop()
    provider = Twilio(account=api.account, key=api.token, sender=OURS, url=api.url)
    error = failure(provider)
    provider.close()
    assert (error.reason, flags(error)) == (
        "provider not reached",
        {"retryable", "provider_fault"},
    )


def in_doubt(api: Api, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    if how == "drops":
        api.drops = True
    else:
        api.waits = 1.0
        monkeypatch.setattr(sms, "TIMEOUT", httpx.Timeout(0.2))


@pytest.mark.parametrize("how", ["drops", "hangs"])
def test_an_answer_that_is_lost_leaves_doubt_and_the_message_is_found_again(
    twilio: Twilio, twilio_api: TwilioApi, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    in_doubt(twilio_api, monkeypatch, how)
    assert twilio.guarantee is Guarantee.SEARCHABLE
    assert flags(failure(twilio)) == {"retryable", "ambiguous", "provider_fault"}

    twilio_api.drops, twilio_api.waits = False, 0.0
    assert twilio.find(OUTGOING) == twilio_api.accepted[0]["sid"]


def test_another_message_to_the_same_number_is_not_taken_for_it(
    twilio: Twilio, twilio_api: TwilioApi
) -> None:
    twilio.send(replace(OUTGOING, text="North: how are you? https://o.example/a/2/"))
    twilio.send(replace(OUTGOING, to="+12025550199"))
    assert twilio.find(OUTGOING) is None


def test_a_trial_account_writes_before_the_text(twilio: Twilio, twilio_api: TwilioApi) -> None:
    twilio.send(OUTGOING)
    twilio_api.accepted[0]["body"] = "Sent from a trial account - " + OUTGOING.text
    assert twilio.find(OUTGOING) == twilio_api.accepted[0]["sid"]


@pytest.mark.parametrize(
    "answer",
    [
        (503, {}),
        (200, []),
        (200, {"messages": {}}),
        (200, {"messages": [None]}),
        (200, {"messages": ["x"]}),
        (200, {"messages": [{"body": OUTGOING.text}]}),
        (200, {"messages": [{"body": OUTGOING.text, "sid": None}]}),
        (200, b"[" * 100_000),
    ],
)
def test_where_nothing_can_be_looked_up_the_doubt_stays(
    twilio: Twilio, twilio_api: TwilioApi, answer: tuple[int, Any]
) -> None:
    twilio_api.fails = answer
    with pytest.raises(SendError) as caught:
        twilio.find(OUTGOING)
    assert flags(caught.value) == {"retryable", "ambiguous", "provider_fault"}


def test_a_number_never_reaches_the_log(twilio: Twilio, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    twilio.send(OUTGOING)
    twilio.find(OUTGOING)
    assert NUMBER[1:] not in caplog.text


# -- Telnyx --------------------------------------------------------------------------------------


def test_telnyx_takes_a_message(telnyx: Telnyx, telnyx_api: TelnyxApi, settings: Settings) -> None:
    settings.BASE_URL = "https://outcomes.example"
    assert telnyx.send(OUTGOING) == "t-1"
    assert telnyx_api.accepted == [
        {
            "from": OURS,
            "to": NUMBER,
            "text": OUTGOING.text,
            "webhook_url": "https://outcomes.example/api/hooks/telnyx/status/k1/",
        }
    ]
    assert (telnyx.guarantee, telnyx.find(OUTGOING)) == (Guarantee.PLAIN, None)


@pytest.mark.parametrize(
    ("to", "expected"),
    [
        ("+15005550001", {"recipient_gone"}),
        ("+15005550004", {"recipient_gone"}),
        ("+15005550006", {"retryable", "provider_fault"}),
    ],
)
def test_what_telnyx_refuses(telnyx: Telnyx, to: str, expected: set[str]) -> None:
    assert flags(failure(telnyx, replace(OUTGOING, to=to))) == expected


@pytest.mark.parametrize("status", [400, 409, 422])
def test_a_country_not_served_is_no_fault_of_the_way_that_all_others_take(
    telnyx: Telnyx, telnyx_api: TelnyxApi, status: int
) -> None:
    # Three such in a row would else hold up every clinic's text messages, alerts too.
    telnyx_api.fails = (status, {"errors": [{"code": "40309", "title": "Invalid region"}]})
    assert flags(failure(telnyx)) == set()


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (429, {"retryable", "provider_fault"}),
        (401, {"retryable", "provider_fault"}),
        (504, {"retryable", "provider_fault", "ambiguous"}),
    ],
)
def test_what_telnyx_answers_otherwise(
    telnyx: Telnyx, telnyx_api: TelnyxApi, status: int, expected: set[str]
) -> None:
    telnyx_api.fails = (status, b"<html>no object</html>")
    assert flags(failure(telnyx)) == expected


@pytest.mark.parametrize(
    "said",
    [
        [],
        {"data": []},
        {"data": [None]},
        {"data": {"id": None}},
        {"errors": [None, "x"]},
        b"[" * 100_000,
        b"\xff",
    ],
)
def test_an_answer_of_another_shape_leaves_doubt(
    twilio: Twilio, twilio_api: TwilioApi, telnyx: Telnyx, telnyx_api: TelnyxApi, said: Any
) -> None:
    twilio_api.fails = telnyx_api.fails = (200, said)
    for provider in (twilio, telnyx):
        assert flags(failure(provider)) == {"retryable", "provider_fault", "ambiguous"}


# -- The text ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "count"),
    [("a" * 160, 1), ("a" * 161, 2), ("é" * 160, 1), ("€" * 81, 2), ("í" * 71, 2), ("😀" * 36, 2)],
)
def test_segments_are_counted(text: str, count: int) -> None:
    assert gsm.segments(text) == count


def test_letters_outside_the_alphabet_are_put_plainly_but_names_are_never_cut() -> None:
    assert gsm.to_gsm("Clínica “São João” – é") == 'Clinica "Sao Joao" - é'
    assert gsm.to_gsm("Клиника") == "Клиника"


@pytest.fixture
def invited(patient: Patient, clinic: Clinic, now: datetime, settings: Settings) -> Message:
    """An invitation that waits to go out as a text message."""
    care.set_contact(patient=patient, channel=Channel.SMS, value=NUMBER, by=SYSTEM, now=now)
    care.record_consent(patient=patient, channel=Channel.SMS, is_given=True, by=SYSTEM, now=now)
    Patient.objects.update(preferred_channel="sms")
    settings.SMS_PROVIDER, settings.SMS_FROM = "twilio", OURS
    channels.providers.cache_clear()
    assert workflows.invite_due(now=now)
    return Message.objects.select_related("clinic", "patient", "link__invitation").get(
        kind="invitation"
    )


@pytest.fixture(autouse=True)
def _fresh_providers() -> Iterator[None]:
    yield
    channels.providers.cache_clear()


def test_the_text_is_one_segment_with_nothing_clinical(
    invited: Message, settings: Settings
) -> None:
    settings.BASE_URL = "https://outcomes.northclinic.example"
    invited.clinic.display_name = "Clínica São João Norte"
    text = render(invited, NUMBER).text

    assert gsm.segments(gsm.to_gsm(text)) == 1
    assert text.startswith("Clínica São João Norte: how are you? https://outcomes.northclinic.")
    assert text.endswith("Reply STOP to opt out")
    for word in ("phq", "gad", "depress", "anxi", "robin", "ketamine", "suicid"):
        assert word not in without_chance(text).lower()


def test_a_reminder_is_one_segment_too(invited: Message) -> None:
    invited.kind = "reminder"
    assert gsm.segments(render(invited, NUMBER).text) == 1


# -- Through the outbox --------------------------------------------------------------------------


@pytest.fixture
def dispatched(
    invited: Message, twilio_api: TwilioApi, settings: Settings
) -> Iterator[tuple[Message, TwilioApi]]:
    settings.SMS_ACCOUNT, settings.SMS_KEY = twilio_api.account, twilio_api.token
    settings.SMS_API_URL, settings.SMS_PER_SECOND = twilio_api.url, 0.0
    channels.providers.cache_clear()
    yield invited, twilio_api
    channels.providers()["sms"].close()


def dispatch(now: datetime) -> None:
    delivery.send_batch(lane="bulk", channel="sms", clock=lambda: now)


def test_an_invitation_in_doubt_is_found_and_not_sent_again(
    dispatched: tuple[Message, TwilioApi], now: datetime
) -> None:
    message, api = dispatched
    api.drops = True
    dispatch(now)
    message.refresh_from_db()
    assert (message.state, message.is_ambiguous) == ("pending", True)

    api.drops = False
    dispatch(message.not_before)
    message.refresh_from_db()
    assert (message.state, message.provider_ref) == ("sent", api.accepted[0]["sid"])
    assert len(api.accepted) == 1


def test_a_number_that_opted_out_is_stopped_by_the_first_refusal(
    dispatched: tuple[Message, TwilioApi], now: datetime
) -> None:
    _message, api = dispatched
    api.refusals = {NUMBER: 21610}
    dispatch(now)

    assert Contact.objects.get(channel="sms").suppressed_reason == "opted_out"
    assert Unreached.objects.open().get().reason == "opted_out"
    assert Message.objects.filter(channel="email", state="pending").count() == 3
    assert not Message.objects.filter(channel="sms", state="pending").exists()


def test_a_page_in_doubt_is_not_taken_for_an_earlier_one_about_the_same_alert(
    dispatched: tuple[Message, TwilioApi], clinician: User, now: datetime
) -> None:
    invited, api = dispatched
    User.objects.filter(pk=clinician.pk).update(phone="+12025550188")
    assert invited.link
    asked = invited.link.invitation.assignments.get(instrument__code="PHQ-9")
    workflows.submit_response(
        assignment_id=asked.pk,
        answers={str(number): 1 for number in range(1, 11)},
        submission_id="a",
        language="en",
        mode=Mode.LINK,
        by=SYSTEM,
        now=now,
    )
    delivery.send_batch(lane="alert", channel="sms", clock=lambda: now)
    later = now + timedelta(minutes=15)
    workflows.escalate_due(now=later)
    api.fails = (500, {})
    delivery.send_batch(lane="alert", channel="sms", clock=lambda: later)
    page = Message.objects.get(kind="alert", channel="sms", state="pending")
    assert page.is_ambiguous

    # Twilio is searched for the text: that of the first page must not be found.
    api.fails = None
    delivery.send_batch(lane="alert", channel="sms", clock=lambda: page.not_before)
    page.refresh_from_db()
    assert page.state == "sent"
    assert len({message["body"] for message in api.accepted}) == 2
    assert {gsm.segments(message["body"]) for message in api.accepted} == {1}
