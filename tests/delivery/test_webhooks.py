"""What providers and phones report: signed, counted once, harmless in any order, at once."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID, uuid4

import pytest
import time_machine
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.core import mail
from django.http.multipartparser import MultiPartParser
from django.test import Client
from pytest_django import Settings

from outcomes import workflows
from outcomes.audit.models import SYSTEM, AuditEvent
from outcomes.care import services as care
from outcomes.care.models import Channel, Contact, Patient
from outcomes.clinics.models import User
from outcomes.delivery import channels
from outcomes.delivery import services as delivery
from outcomes.delivery.channels.telnyx import is_signed
from outcomes.delivery.models import Message, ProviderEvent, Unreached
from outcomes.delivery.services import outbox
from outcomes.workflows import Enrolment

NUMBER = "+12025550123"
TOKEN = "auth token of tests"
SECRET = "outcomes:a-long-random-password-of-tests"
BASE = "https://outcomes.example"
MINUTE = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def _providers(settings: Settings) -> Iterator[None]:
    settings.BASE_URL = BASE
    settings.SMS_PROVIDER, settings.SMS_ACCOUNT, settings.SMS_KEY = "twilio", "AC1", TOKEN
    settings.SMS_FROM = "+12025550100"
    settings.EMAIL_PROVIDER = "postmark"
    settings.ANYMAIL = {"WEBHOOK_SECRET": SECRET, "POSTMARK_SERVER_TOKEN": "x"}
    channels.providers.cache_clear()
    yield
    channels.providers.cache_clear()


@pytest.fixture(autouse=True)
def clock(now: datetime) -> Iterator[Any]:
    with time_machine.travel(now, tick=False) as clock:
        yield clock


def add_number(patient: Patient, now: datetime) -> None:
    care.set_contact(patient=patient, channel=Channel.SMS, value=NUMBER, by=SYSTEM, now=now)
    care.record_consent(patient=patient, channel=Channel.SMS, is_given=True, by=SYSTEM, now=now)


@pytest.fixture
def texted(patient: Patient, now: datetime) -> Message:
    """An invitation that went out as a text message; the patient may be mailed too."""
    add_number(patient, now)
    Patient.objects.update(preferred_channel="sms")
    assert workflows.invite_due(now=now)
    return sent(Message.objects.get(kind="invitation"), now, "twilio", "SM1")


@pytest.fixture
def mailed(patient: Patient, now: datetime) -> Message:
    """An invitation that went out as a mail."""
    assert workflows.invite_due(now=now)
    return sent(Message.objects.get(kind="invitation"), now, "postmark", "pm-1")


def sent(message: Message, now: datetime, provider: str, reference: str) -> Message:
    Message.objects.filter(pk=message.pk).update(
        state="sent", sent_at=now, provider=provider, provider_ref=reference
    )
    message.refresh_from_db()
    return message


FORM = "application/x-www-form-urlencoded"


def post_form(path: str, form: dict[str, str], signature: str) -> Any:
    client = Client(enforce_csrf_checks=True)
    headers = {"X-Twilio-Signature": signature}
    return client.post(path, urlencode(form), content_type=FORM, headers=headers)


def sign(path: str, form: dict[str, str], key: str = TOKEN) -> str:
    fields = "".join(name + form[name] for name in sorted(form))
    digest = hmac.new(key.encode(), (BASE + path + fields).encode(), hashlib.sha1).digest()
    return base64.b64encode(digest).decode()


def twilio(path: str, form: dict[str, str], signature: str | None = None) -> Any:
    path = f"/api/hooks/twilio/{path}"
    return post_form(path, form, sign(path, form) if signature is None else signature)


def status(message: Message, what: str, **more: str) -> Any:
    form = {"MessageSid": "SM1", "MessageStatus": what, "To": NUMBER, **more}
    return twilio(f"status/{message.pk}/", form)


def reply(text: str, sid: str = "SM9", **more: str) -> Any:
    return twilio("incoming/", {"MessageSid": sid, "From": NUMBER, "Body": text, **more})


def postmark(said: dict[str, Any], secret: str = SECRET) -> Any:
    token = base64.b64encode(secret.encode()).decode()
    return Client(enforce_csrf_checks=True).post(
        "/api/hooks/mail/postmark/",
        json.dumps(said),
        content_type="application/json",
        headers={"Authorization": f"Basic {token}"},
    )


def bounce(kind: str = "HardBounce", **more: Any) -> dict[str, Any]:
    return {
        "RecordType": "Bounce",
        "ID": 7,
        "Type": kind,
        "MessageID": "pm-1",
        "Email": "robin@patient.example",
        "BouncedAt": "2026-02-02T09:00:00Z",
        **more,
    }


def dispatch(now: datetime) -> None:
    for channel in ("email", "sms"):
        delivery.send_batch(lane="bulk", channel=channel, clock=lambda: now)


def waiting(channel: str) -> int:
    return Message.objects.filter(channel=channel, state="pending").count()


# -- Signatures ----------------------------------------------------------------------------------


def test_a_forged_report_is_refused_and_leaves_no_trace(texted: Message) -> None:
    for signature in ("", "AAAA", "ä"):
        path = f"/api/hooks/twilio/status/{texted.pk}/"
        form = {"MessageSid": "SM1", "MessageStatus": "failed", "ErrorCode": "30005", "To": NUMBER}
        header = signature.encode("utf-8").decode("latin-1")
        assert post_form(path, form, header).status_code == 403

    assert not ProviderEvent.objects.exists()
    texted.refresh_from_db()
    assert texted.bounced_at is None


def test_a_signature_of_another_report_is_refused(texted: Message) -> None:
    path = "/api/hooks/twilio/incoming/"
    form = {"MessageSid": "SM9", "From": NUMBER, "Body": "START"}
    good = sign(path, form)
    assert twilio("incoming/", {**form, "Body": "STOP"}, good).status_code == 403
    assert twilio("incoming/", form).status_code == 200


def test_a_report_signed_with_another_key_is_refused(texted: Message) -> None:
    path, form = (
        "/api/hooks/twilio/incoming/",
        {"MessageSid": "SM9", "From": NUMBER, "Body": "STOP"},
    )
    signature = sign(path, form, "another key")
    assert twilio("incoming/", form, signature).status_code == 403
    assert not ProviderEvent.objects.exists()


def test_a_report_without_the_secret_is_refused(mailed: Message) -> None:
    assert postmark(bounce(), "outcomes:guess").status_code == 403
    assert (
        Client()
        .post("/api/hooks/mail/postmark/", "{}", content_type="application/json")
        .status_code
        == 403
    )
    assert not ProviderEvent.objects.exists()


def test_hooks_of_providers_not_in_use_are_not_there(settings: Settings, texted: Message) -> None:
    for path, code in (("mail/resend/", 404), ("telnyx/incoming/", 403)):
        answer = Client().post(f"/api/hooks/{path}", {}, content_type="application/json")
        assert answer.status_code == code
    settings.SMS_PROVIDER = ""
    assert reply("STOP").status_code == 403


def test_opening_a_hook_does_nothing(texted: Message) -> None:
    for path in ("twilio/incoming/", f"twilio/status/{texted.pk}/", "mail/postmark/"):
        assert Client().get(f"/api/hooks/{path}").status_code == 405


@pytest.mark.parametrize("body", [" ", "[]", "{", '"x"'])
@pytest.mark.django_db
def test_what_cannot_be_read_is_refused(body: str) -> None:
    token = base64.b64encode(SECRET.encode()).decode()
    response = Client().post(
        "/api/hooks/mail/postmark/",
        body,
        content_type="application/json",
        headers={"Authorization": f"Basic {token}"},
    )
    assert response.status_code == 400


HOOKS = (
    "mail/postmark/",
    "mail/mailgun/",
    f"twilio/status/{UUID(int=1)}/",
    "twilio/incoming/",
    f"telnyx/status/{UUID(int=1)}/",
    "telnyx/incoming/",
)
PARTS = "multipart/form-data; boundary=x"


@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (PARTS, b"--x\r\nContent-Disposition: form-data; name=From\r\n\r\n1\r\n--x--\r\n"),
        (PARTS, b"--x\r\nContent-Disposition: form-data; name="),
        ("multipart/form-data", b"no boundary"),
        ("text/plain", b"{}"),
        ("", b"{}"),
    ],
)
@pytest.mark.django_db
def test_a_body_of_another_kind_is_refused_unread(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, hook: str, kind: str, body: bytes
) -> None:
    # Parts may be files, and a file goes to the disk whatever its size.
    monkeypatch.setattr(MultiPartParser, "parse", lambda self: pytest.fail("It was read."))
    settings.EMAIL_PROVIDER = "mailgun" if "mailgun" in hook else "postmark"
    settings.SMS_PROVIDER = hook.split("/")[0]
    client = Client(raise_request_exception=False)
    answer = client.generic("POST", f"/api/hooks/{hook}", body, content_type=kind)
    assert answer.status_code == 415


@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize("kind", ["huge", "deep", "of another charset", "of too many fields"])
@pytest.mark.django_db
def test_a_body_beyond_reason_is_refused(
    settings: Settings, hook: str, kind: str, telnyx_key: Ed25519PrivateKey, now: datetime
) -> None:
    settings.EMAIL_PROVIDER = "mailgun" if "mailgun" in hook else "postmark"
    settings.ANYMAIL = {**settings.ANYMAIL, "MAILGUN_WEBHOOK_SIGNING_KEY": "k"}
    settings.SMS_PROVIDER = hook.split("/")[0]
    body = {"huge": b" " * 3_000_000, "deep": b"[" * 100_000}.get(kind, b"a=1&" * 2000)
    timestamp = str(int(now.timestamp()))
    signature = base64.b64encode(telnyx_key.sign(timestamp.encode() + b"|" + body)).decode()
    answer = Client(raise_request_exception=False).generic(
        "POST",
        f"/api/hooks/{hook}",
        body,
        content_type=(FORM if "twilio" in hook else "application/json")
        + ("; charset=no-such" if kind == "of another charset" else ""),
        headers={
            "Authorization": f"Basic {base64.b64encode(SECRET.encode()).decode()}",
            "Telnyx-Signature-Ed25519": signature,
            "Telnyx-Timestamp": timestamp,
        },
    )
    assert answer.status_code in (400, 403)
    assert not ProviderEvent.objects.exists()


# -- What became of a message --------------------------------------------------------------------


def test_a_delivery_is_noted_once(texted: Message, now: datetime) -> None:
    assert status(texted, "delivered").status_code == 200
    audited = AuditEvent.objects.count()
    assert status(texted, "delivered").status_code == 200

    texted.refresh_from_db()
    assert texted.delivered_at == now
    assert (ProviderEvent.objects.count(), AuditEvent.objects.count()) == (1, audited)
    assert AuditEvent.objects.filter(action="message.delivered").count() == 1


def test_stages_on_the_way_and_late_ones_change_nothing(texted: Message, now: datetime) -> None:
    status(texted, "delivered")
    for late in ("queued", "sent", "failed"):
        status(texted, late)

    texted.refresh_from_db()
    assert (texted.state, texted.delivered_at, texted.bounced_at) == ("sent", now, None)
    assert not Unreached.objects.exists()


def test_the_earliest_delivery_is_kept(mailed: Message, now: datetime) -> None:
    for minute in (5, 3, 4):
        postmark(
            {
                "RecordType": "Delivery",
                "MessageID": "pm-1",
                "Recipient": "robin@patient.example",
                "DeliveredAt": f"2026-02-02T08:0{minute}:00Z",
            }
        )
    mailed.refresh_from_db()
    assert mailed.delivered_at == now.replace(hour=8, minute=3)
    assert ProviderEvent.objects.count() == 3


def test_a_report_from_the_future_happened_now(mailed: Message, now: datetime) -> None:
    said = {"RecordType": "Delivery", "MessageID": "pm-1", "DeliveredAt": "2036-02-02T08:00:00Z"}
    postmark(said)
    mailed.refresh_from_db()
    assert mailed.delivered_at == now


def test_a_delivery_ends_the_doubt_whether_to_send_again(texted: Message, now: datetime) -> None:
    Message.objects.filter(pk=texted.pk).update(
        state="pending", is_ambiguous=True, sent_at=None, provider_ref=""
    )
    status(texted, "delivered")
    texted.refresh_from_db()
    assert (texted.state, texted.sent_at) == ("sent", now)


def test_a_report_about_an_unknown_message_is_kept_and_harmless(patient: Patient) -> None:
    form = {"MessageSid": "SM7", "MessageStatus": "delivered", "To": "+12025550199"}
    assert twilio(f"status/{uuid4()}/", form).status_code == 200
    assert postmark(bounce(MessageID="x", Email="nobody@patient.example")).status_code == 200
    assert ProviderEvent.objects.filter(message=None).count() == 2
    assert not Unreached.objects.exists()


def test_a_report_with_a_reference_that_is_not_the_messages_changes_nothing(
    texted: Message,
) -> None:
    for code in ("30005", "30007"):
        status(texted, "undelivered", MessageSid="SM2", ErrorCode=code)
    texted.refresh_from_db()
    assert texted.bounced_at is None
    assert not Contact.objects.exclude(suppressed_at=None).exists()
    assert not ProviderEvent.objects.exists()


def test_nothing_of_the_contact_is_stored(texted: Message) -> None:
    status(texted, "undelivered", ErrorCode="30005")
    reply("STOP it, Robin")
    rows = str([*ProviderEvent.objects.values(), *AuditEvent.objects.values("data", "reason")])
    for secret in (NUMBER, NUMBER[1:], "Robin", "robin@"):
        assert secret not in rows


# -- A channel that does not reach ---------------------------------------------------------------


@pytest.mark.parametrize("code", ["30005", "30006", "21614"])
def test_a_number_that_does_not_exist_is_stopped_and_the_mail_takes_over(
    texted: Message, now: datetime, code: str
) -> None:
    status(texted, "undelivered", ErrorCode=code)

    texted.refresh_from_db()
    assert texted.bounced_at == now
    assert Contact.objects.get(channel="sms").suppressed_reason == "hard_bounce"
    assert Unreached.objects.open().get().reason == "hard_bounce"
    assert (waiting("sms"), waiting("email")) == (0, 3)


def test_a_message_the_carrier_filtered_goes_by_mail_and_the_number_stays(
    texted: Message, now: datetime
) -> None:
    status(texted, "undelivered", ErrorCode="30007")

    assert Contact.objects.get(channel="sms").suppressed_at is None
    assert Unreached.objects.open().get().reason == "refused"
    assert Message.objects.filter(kind="invitation", channel="email", state="pending").count() == 1


def test_a_hard_bounce_stops_the_address_in_every_clinic(
    mailed: Message, other_enrolment: Enrolment, now: datetime
) -> None:
    care.set_contact(
        patient=other_enrolment.patient,
        channel=Channel.EMAIL,
        value="Robin@patient.example",
        by=SYSTEM,
        now=now,
    )
    postmark(bounce())

    assert Contact.objects.filter(suppressed_reason="hard_bounce").count() == 2
    assert Unreached.objects.open().count() == 2


def test_a_full_mailbox_stops_nothing(mailed: Message) -> None:
    postmark(bounce("SoftBounce"))
    assert not Contact.objects.exclude(suppressed_at=None).exists()
    assert Unreached.objects.open().get().reason == "refused"


def test_spam_stops_the_address(mailed: Message) -> None:
    postmark(
        {
            "RecordType": "SpamComplaint",
            "Type": "SpamComplaint",
            "ID": 8,
            "MessageID": "pm-1",
            "Email": "robin@patient.example",
            "BouncedAt": "2026-02-02T09:00:00Z",
        }
    )
    assert Contact.objects.get(channel="email").suppressed_reason == "complaint"


def test_a_bounce_of_an_old_address_does_not_stop_the_new_one(
    mailed: Message, clinician: User, now: datetime
) -> None:
    workflows.change_contact(
        patient=mailed.patient,
        channel=Channel.EMAIL,
        value="new@patient.example",
        by=clinician.actor,
        now=now,
    )
    postmark(bounce())
    mailed.refresh_from_db()
    assert mailed.bounced_at == now
    assert not Contact.objects.exclude(suppressed_at=None).exists()


def test_a_bounced_page_to_staff_is_marked(
    clinician: User, patient: Patient, now: datetime
) -> None:
    page = Message.objects.create(
        clinic=patient.clinic,
        kind="test",
        lane="alert",
        channel="email",
        dedupe="page",
        user=clinician,
        state="sent",
        sent_at=now,
        not_before=now,
        created_at=now,
        provider="postmark",
        provider_ref="pm-1",
    )
    postmark(bounce(Email=clinician.email))
    page.refresh_from_db()
    assert page.bounced_at == now
    assert not Unreached.objects.exists()


# -- What a phone says ---------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["STOP", " stop. ", "Unsubscribe", "STOPALL", "Arrêt", "opt-out"])
def test_stop_is_effective_in_the_very_next_dispatch(
    texted: Message, now: datetime, clock: Any, text: str
) -> None:
    Message.objects.filter(kind="reminder").update(not_before=now)
    assert waiting("sms") == 2
    assert b"<Message>" not in reply(text).content

    assert Unreached.objects.open().get().raised_at == now
    dispatch(now + MINUTE)
    assert Message.objects.filter(channel="sms", sent_at__isnull=False).count() == 1
    assert waiting("sms") == 0
    assert not workflows.invite_due(now=now + MINUTE)


def test_a_message_claimed_before_the_stop_is_not_sent_after_it(
    texted: Message, now: datetime
) -> None:
    Message.objects.filter(kind="reminder").update(not_before=now)
    delivery.claim(lane="bulk", channel="sms", size=1, now=now)
    reply("STOP")
    dispatch(now + MINUTE)

    assert Message.objects.filter(channel="sms", sent_at__isnull=False).count() == 1


def test_a_message_whose_turn_comes_just_after_the_stop_is_not_begun(
    texted: Message, now: datetime
) -> None:
    Message.objects.filter(kind="reminder").update(not_before=now)
    begun, next_one = delivery.claim(lane="bulk", channel="sms", size=2, now=now)
    batch = outbox.Batch(channels.providers()["sms"], lambda: now)
    assert batch.write(begin=begun)
    reply("STOP")

    assert not batch.write(begin=next_one)
    # What had begun is told as it ends, not as it should have.
    batch.settle(begun, state="sent", sent_at=now)
    batch.write()
    begun.refresh_from_db()
    next_one.refresh_from_db()
    assert (begun.state, next_one.state) == ("sent", "cancelled")


def test_start_opens_the_number_again(texted: Message, now: datetime, clock: Any) -> None:
    reply("STOP")
    clock.move_to(now + MINUTE)
    reply("START", "SM10")

    assert Contact.objects.get(channel="sms").suppressed_at is None
    row = Unreached.objects.get()
    assert (row.settled_by, row.note) == (None, "opted in again")


def test_start_does_not_bring_back_a_number_that_does_not_exist(texted: Message) -> None:
    status(texted, "undelivered", ErrorCode="30005")
    reply("START")
    assert Contact.objects.get(channel="sms").suppressed_reason == "hard_bounce"


def test_a_repeated_stop_does_not_undo_a_later_start(
    texted: Message, now: datetime, clock: Any
) -> None:
    reply("STOP")
    clock.move_to(now + MINUTE)
    reply("START", "SM10")
    clock.move_to(now + 2 * MINUTE)
    reply("STOP")
    assert Contact.objects.get(channel="sms").suppressed_at is None


def test_help_is_answered_with_the_clinics_name_and_telephone(texted: Message) -> None:
    answer = reply("help").content.decode()
    assert answer.startswith("<Response><Message>North +12025550123: Nobody reads")
    assert b"<Message>" not in reply("help", "SM11", OptOutType="HELP").content


def test_any_other_reply_is_answered_once_a_day(texted: Message, now: datetime, clock: Any) -> None:
    assert b"Nobody reads replies" in reply("I feel worse").content
    assert b"<Message>" not in reply("Hello?", "SM10").content
    clock.move_to(now + timedelta(hours=25))
    assert b"Nobody reads replies" in reply("Hello?", "SM11").content
    assert not Contact.objects.exclude(suppressed_at=None).exists()


def test_a_stranger_is_not_answered(patient: Patient) -> None:
    assert reply("HELP").content == b"<Response/>"


def test_the_providers_own_reading_of_a_reply_goes_first(texted: Message) -> None:
    reply("Genug", OptOutType="STOP")
    assert Contact.objects.get(channel="sms").suppressed_reason == "opted_out"


# -- Telnyx --------------------------------------------------------------------------------------


@pytest.fixture
def telnyx_key(settings: Settings) -> Ed25519PrivateKey:
    key = Ed25519PrivateKey.generate()
    raw = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    settings.SMS_PROVIDER, settings.SMS_WEBHOOK_KEY = "telnyx", base64.b64encode(raw).decode()
    channels.providers.cache_clear()
    return key


def telnyx(key: Ed25519PrivateKey, path: str, event: Any, at: datetime, alter: bytes = b"") -> Any:
    body, timestamp = json.dumps({"data": event}).encode(), str(int(at.timestamp()))
    signature = base64.b64encode(key.sign(timestamp.encode() + b"|" + body)).decode()
    return Client(enforce_csrf_checks=True).post(
        f"/api/hooks/telnyx/{path}",
        body + alter,
        content_type="application/json",
        headers={"Telnyx-Signature-Ed25519": signature, "Telnyx-Timestamp": timestamp},
    )


def said(text: str, at: datetime, key: str = "t1") -> dict[str, Any]:
    return {
        "event_type": "message.received",
        "occurred_at": at.isoformat(),
        "payload": {"id": key, "from": {"phone_number": NUMBER}, "text": text},
    }


def test_telnyx_signs_with_a_key_and_a_time(
    texted: Message, telnyx_key: Ed25519PrivateKey, now: datetime
) -> None:
    stop = said("STOP", now)
    other = Ed25519PrivateKey.generate()
    assert telnyx(other, "incoming/", stop, now).status_code == 403
    assert telnyx(telnyx_key, "incoming/", stop, now, alter=b" ").status_code == 403
    assert telnyx(telnyx_key, "incoming/", stop, now - 6 * MINUTE).status_code == 403
    assert not ProviderEvent.objects.exists()

    assert telnyx(telnyx_key, "incoming/", stop, now - 4 * MINUTE).status_code == 200
    assert Contact.objects.get(channel="sms").suppressed_reason == "opted_out"
    assert telnyx(telnyx_key, "incoming/", "no event", now).status_code == 400


@pytest.mark.parametrize("timestamp", ["", "now", "9" * 400, "-" + "9" * 400, "1e9", "٣"])
def test_a_time_that_is_none_is_refused(
    telnyx_key: Ed25519PrivateKey, settings: Settings, timestamp: str
) -> None:
    is_good = is_signed(
        key=settings.SMS_WEBHOOK_KEY,
        signature="",
        timestamp=timestamp,
        body=b"{}",
        now=1_770_000_000.5,
    )
    assert not is_good


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_stop_and_start_in_any_order_come_to_the_last_said(
    texted: Message, telnyx_key: Ed25519PrivateKey, now: datetime, order: tuple[int, int]
) -> None:
    events = [said("STOP", now - 2 * MINUTE, "a"), said("START", now - MINUTE, "b")]
    for position in order:
        telnyx(telnyx_key, "incoming/", events[position], now)
    assert Contact.objects.get(channel="sms").suppressed_at is None


def finalized(state: str, *codes: str, now: datetime, key: str = "t7") -> dict[str, Any]:
    return {
        "event_type": "message.finalized",
        "occurred_at": now.isoformat(),
        "payload": {
            "id": key,
            "to": [{"phone_number": NUMBER, "status": state}],
            "errors": [{"code": code} for code in codes],
        },
    }


def test_telnyx_tells_what_became_of_a_message(
    texted: Message, telnyx_key: Ed25519PrivateKey, now: datetime
) -> None:
    path = f"status/{texted.pk}/"
    unknown = finalized("delivery_unconfirmed", now=now)
    assert telnyx(telnyx_key, path, unknown, now).status_code == 200
    assert not ProviderEvent.objects.exists()
    telnyx(telnyx_key, path, finalized("delivered", now=now), now)
    texted.refresh_from_db()
    assert texted.delivered_at == now
    telnyx(telnyx_key, path, finalized("delivery_failed", "40300", now=now), now)
    assert Contact.objects.get(channel="sms").suppressed_reason == "opted_out"


@pytest.mark.parametrize("stored", ["t1", ""])
def test_a_report_of_one_message_at_the_address_of_another_changes_neither(
    texted: Message, telnyx_key: Ed25519PrivateKey, now: datetime, stored: str
) -> None:
    sent(texted, now, "telnyx", stored)
    other = Message.objects.filter(kind="reminder").first()
    assert other is not None
    sent(other, now, "telnyx", "t2")
    event = finalized("delivery_failed", "40300", now=now, key="t2")
    assert telnyx(telnyx_key, f"status/{texted.pk}/", event, now).status_code == 200
    assert telnyx(telnyx_key, f"status/{uuid4()}/", event, now).status_code == 200
    assert not Message.objects.exclude(bounced_at=None).exists()
    assert not Contact.objects.exclude(suppressed_at=None).exists()

    # It has not used the true report up.
    telnyx(telnyx_key, f"status/{other.pk}/", event, now)
    assert ProviderEvent.objects.get().message == other


# -- Unsubscribing -------------------------------------------------------------------------------


def stop_path(message: Message) -> str:
    address = delivery.unsubscribe_address(message, "robin@patient.example")
    assert address.startswith(BASE + "/stop/")
    return address.removeprefix(BASE)


def test_one_click_stops_the_mail(mailed: Message, now: datetime) -> None:
    client = Client(enforce_csrf_checks=True)
    answer = client.post(stop_path(mailed), {"List-Unsubscribe": "One-Click"})

    assert answer.status_code == 200
    assert Contact.objects.get(channel="email").suppressed_reason == "opted_out"
    assert Unreached.objects.open().get().raised_at == now
    dispatch(now + MINUTE)
    assert mail.outbox == []
    assert waiting("email") == 0


def test_opening_the_address_asks_and_changes_nothing(mailed: Message) -> None:
    for method in ("get", "head", "post"):
        answer = getattr(Client(), method)(stop_path(mailed))
        assert answer.status_code == 200
    assert b"Stop these mails" in answer.content
    assert not Contact.objects.exclude(suppressed_at=None).exists()


def test_the_address_stops_only_where_the_mail_went(
    mailed: Message, clinician: User, now: datetime
) -> None:
    path = stop_path(mailed)
    workflows.change_contact(
        patient=mailed.patient,
        channel=Channel.EMAIL,
        value="new@patient.example",
        by=clinician.actor,
        now=now,
    )
    assert Client().post(path, {"List-Unsubscribe": "One-Click"}).status_code == 404
    assert not Contact.objects.exclude(suppressed_at=None).exists()


def test_a_guessed_address_looks_like_any_dead_link(mailed: Message) -> None:
    token = stop_path(mailed).split("/")[3]
    guessed = ("B" if token[0] == "A" else "A") + token[1:]
    for path in (f"/stop/{mailed.pk}/{guessed}/", f"/stop/{uuid4()}/{token}/"):
        assert Client().post(path, {"List-Unsubscribe": "One-Click"}).status_code == 404


def test_the_address_that_stops_opens_no_form_and_leaves_no_token_in_the_log(
    mailed: Message,
) -> None:
    import logging

    from config.logs import RedactLinks

    path = stop_path(mailed)
    token = path.split("/")[3]
    assert delivery.find_link(token) is None
    record = logging.LogRecord("x", logging.WARNING, "", 1, "Not Found: %s", (path,), None)
    RedactLinks().filter(record)
    assert token not in record.getMessage()


def test_mail_to_staff_and_text_messages_carry_no_such_address(texted: Message) -> None:
    assert delivery.unsubscribe_address(texted, NUMBER) == ""
