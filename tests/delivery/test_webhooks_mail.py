"""Reports of each hosted provider of e-mail, in its own words."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from outcomes import workflows
from outcomes.care.models import Contact, Patient
from outcomes.delivery.models import Message, ProviderEvent, Unreached

TO = "robin@patient.example"
SECRET = "outcomes:a-long-random-password-of-tests"
SIGNING_KEY = "signing key of tests"
ANYMAIL = {
    "WEBHOOK_SECRET": SECRET,
    "MAILGUN_API_KEY": "k",
    "MAILGUN_WEBHOOK_SIGNING_KEY": SIGNING_KEY,
}


@pytest.fixture
def mailed(patient: Patient, now: datetime, settings: Settings) -> Message:
    """An invitation that went out as a mail."""
    settings.ANYMAIL = ANYMAIL
    assert workflows.invite_due(now=now)
    Message.objects.filter(kind="invitation").update(state="sent", sent_at=now)
    return Message.objects.get(kind="invitation")


def report(settings: Settings, provider: str, said: Any, **headers: str) -> int:
    settings.EMAIL_PROVIDER = provider
    token = base64.b64encode(SECRET.encode()).decode()
    return (
        Client()
        .post(
            f"/api/hooks/mail/{provider}/",
            json.dumps(said),
            content_type="application/json",
            headers={"Authorization": f"Basic {token}", **headers},
        )
        .status_code
    )


def suppressed() -> str:
    return Contact.objects.get(channel="email").suppressed_reason


# -- Mailgun -------------------------------------------------------------------------------------


def mailgun(message: Message, event: str, key: str = SIGNING_KEY, **more: Any) -> dict[str, Any]:
    timestamp, token = "1770022800", "t" * 50
    signed = hmac.new(key.encode(), (timestamp + token).encode(), hashlib.sha256).hexdigest()
    return {
        "signature": {"timestamp": timestamp, "token": token, "signature": signed},
        "event-data": {
            "event": event,
            "timestamp": datetime(2026, 2, 2, 8, 30, tzinfo=UTC).timestamp(),
            "recipient": TO,
            "user-variables": {"message": str(message.pk)},
            "message": {"headers": {"message-id": "mg-1"}},
            **more,
        },
    }


def test_mailgun_signs_besides(mailed: Message, settings: Settings) -> None:
    forged = mailgun(mailed, "delivered", key="another key")
    assert report(settings, "mailgun", forged) == 403
    assert report(settings, "mailgun", []) == 403
    assert not ProviderEvent.objects.exists()

    assert report(settings, "mailgun", mailgun(mailed, "delivered")) == 200
    mailed.refresh_from_db()
    assert mailed.delivered_at == datetime(2026, 2, 2, 8, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("event", "more", "reason"),
    [
        ("failed", {"severity": "permanent", "reason": "bounce"}, "hard_bounce"),
        ("failed", {"severity": "permanent", "reason": "suppress-bounce"}, "hard_bounce"),
        ("failed", {"severity": "permanent", "reason": "generic"}, ""),
        ("failed", {"severity": "temporary", "reason": "generic"}, ""),
        ("complained", {}, "complaint"),
        ("unsubscribed", {}, "opted_out"),
        ("opened", {}, ""),
    ],
)
def test_what_mailgun_reports(
    mailed: Message, settings: Settings, event: str, more: dict[str, Any], reason: str
) -> None:
    assert report(settings, "mailgun", mailgun(mailed, event, **more)) == 200
    assert suppressed() == reason
    is_refused = more == {"severity": "permanent", "reason": "generic"}
    expected = reason or ("refused" if is_refused else None)
    found = Unreached.objects.values_list("reason", flat=True).first()
    assert found == expected


# -- Resend --------------------------------------------------------------------------------------


def resend(message: Message, event: str, **data: Any) -> dict[str, Any]:
    headers = [{"name": "X-Metadata", "value": json.dumps({"message": str(message.pk)})}]
    return {
        "type": event,
        "created_at": "2026-02-02T08:45:00.000Z",
        "data": {"email_id": "re-1", "to": [TO], "headers": headers, **data},
    }


@pytest.mark.parametrize(
    ("bounce", "reason"),
    [
        ({"message": "The recipient's email provider sent a hard bounce message."}, "hard_bounce"),
        (
            {"message": "sent a hard bounce message", "type": "Permanent", "subType": "General"},
            "hard_bounce",
        ),
        (
            {"message": "sent a bounce message: the inbox was full", "type": "Transient"},
            "",
        ),
    ],
)
def test_what_resend_reports(
    mailed: Message, settings: Settings, bounce: dict[str, str], reason: str
) -> None:
    said = resend(mailed, "email.bounced", bounce=bounce)
    assert report(settings, "resend", said, **{"svix-id": "e1"}) == 200
    assert report(settings, "resend", said, **{"svix-id": "e1"}) == 200

    assert suppressed() == reason
    assert ProviderEvent.objects.get().message == mailed
    mailed.refresh_from_db()
    assert mailed.bounced_at == datetime(2026, 2, 2, 8, 45, tzinfo=UTC)


# -- Brevo ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        ("hard_bounce", "hard_bounce"),
        ("invalid_email", "hard_bounce"),
        ("soft_bounce", ""),
        ("blocked", ""),
        ("spam", "complaint"),
        ("unsubscribe", "opted_out"),
        ("request", ""),
    ],
)
def test_what_brevo_reports(mailed: Message, settings: Settings, event: str, reason: str) -> None:
    said = {
        "event": event,
        "email": TO,
        "message-id": "<b-1>",
        "ts_epoch": 1770022800000,
        "X-Mailin-custom": json.dumps({"message": str(mailed.pk)}),
    }
    assert report(settings, "brevo", said) == 200
    assert report(settings, "brevo", said) == 200
    assert suppressed() == reason
    assert ProviderEvent.objects.count() == (0 if event == "request" else 1)
