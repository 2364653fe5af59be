"""E-mail through hosted providers: one effect for one key, exact errors, nothing tracked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.mail import send_mail
from pytest_django import Settings

from config import providers
from outcomes.delivery.channels import hosted
from outcomes.delivery.channels.base import Guarantee, Outgoing, SendError
from outcomes.delivery.channels.hosted import HostedMail
from tests.delivery.provider_api import Api, PostmarkApi, ResendApi

SECRET = "outcomes:a-long-random-password-of-tests"
OUTGOING = Outgoing(
    to="robin@patient.example",
    subject="North: how are you?",
    text="Hello",
    html="<p>Hello</p>",
    key="0198f6a2-7a00-7000-8000-000000000001",
    unsubscribe="https://outcomes.example/stop/1/2/",
)
KEYS = {"resend": "re_tests", "postmark": "pm tests"}


def use(settings: Settings, name: str, api: Api) -> HostedMail:
    settings.EMAIL_BACKEND = f"anymail.backends.{name}.EmailBackend"
    settings.DEFAULT_FROM_EMAIL = "North <no-reply@outcomes.example>"
    settings.ANYMAIL = providers.hosted_mail(
        name, key=KEYS[name], domain="", url=api.url, webhook_secret=SECRET, signing_key=""
    )
    return HostedMail(name)


@pytest.fixture
def resend_api() -> Iterator[ResendApi]:
    api = ResendApi()
    yield api
    api.stop()


@pytest.fixture
def postmark_api() -> Iterator[PostmarkApi]:
    api = PostmarkApi()
    yield api
    api.stop()


@pytest.fixture
def resend(settings: Settings, resend_api: ResendApi) -> Iterator[HostedMail]:
    provider = use(settings, "resend", resend_api)
    yield provider
    provider.close()


@pytest.fixture
def postmark(settings: Settings, postmark_api: PostmarkApi) -> Iterator[HostedMail]:
    provider = use(settings, "postmark", postmark_api)
    yield provider
    provider.close()


def failure(provider: HostedMail, outgoing: Outgoing = OUTGOING) -> SendError:
    with pytest.raises(SendError) as caught:
        provider.send(outgoing)
    assert "patient.example" not in str(caught.value)
    return caught.value


def flags(error: SendError) -> set[str]:
    names = ("is_retryable", "is_ambiguous", "is_recipient_gone", "is_provider_fault")
    return {name.removeprefix("is_") for name in names if getattr(error, name)}


def test_the_same_key_has_one_effect(resend: HostedMail, resend_api: ResendApi) -> None:
    assert resend.guarantee is Guarantee.KEYED
    resend_api.drops = True
    assert "ambiguous" in flags(failure(resend))
    resend_api.drops = False

    assert resend.send(OUTGOING) == "re-1"
    assert resend.send(replace(OUTGOING, key="another")) == "re-2"
    assert len(resend_api.accepted) == 2
    assert [headers["idempotency-key"] for _m, _p, headers, _b in resend_api.requests] == [
        OUTGOING.key,
        OUTGOING.key,
        "another",
    ]


def test_a_key_that_was_used_means_that_it_was_sent(
    resend: HostedMail, resend_api: ResendApi
) -> None:
    resend.send(OUTGOING)
    assert resend.send(replace(OUTGOING, text="Hello again")) == ""
    assert len(resend_api.accepted) == 1


def test_the_provider_is_told_the_messages_key_and_no_more(
    resend: HostedMail, resend_api: ResendApi
) -> None:
    resend.send(OUTGOING)
    said = resend_api.accepted[0]
    assert said["headers"]["X-Metadata"] == f'{{"message": "{OUTGOING.key}"}}'
    assert said["headers"]["List-Unsubscribe"] == f"<{OUTGOING.unsubscribe}>"
    assert said["headers"]["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert set(said) == {"from", "to", "subject", "text", "html", "headers"}


def test_nothing_is_tracked(postmark: HostedMail, postmark_api: PostmarkApi) -> None:
    assert postmark.send(OUTGOING) == "pm-1"
    send_mail("Password reset", "A link", None, ["ada@clinic.example"])
    for said in postmark_api.accepted:
        assert (said["TrackOpens"], said["TrackLinks"]) == (False, "None")
    assert postmark_api.accepted[0]["Metadata"] == {"message": OUTGOING.key}


def test_the_connection_is_kept_and_given_up_after_a_rest(
    postmark: HostedMail, postmark_api: PostmarkApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    postmark.send(OUTGOING)
    postmark.send(OUTGOING)
    assert postmark_api.connections == 1
    monkeypatch.setattr(hosted, "IDLE_SECONDS", 0.0)
    postmark.send(OUTGOING)
    assert postmark_api.connections == 2


def test_an_address_on_the_providers_list_is_gone(postmark: HostedMail) -> None:
    error = failure(postmark, replace(OUTGOING, to="inactive@patient.example"))
    assert flags(error) == {"recipient_gone"}


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (401, {"retryable", "provider_fault"}),
        (429, {"retryable", "provider_fault"}),
        (503, {"retryable", "provider_fault"}),
        (500, {"retryable", "provider_fault", "ambiguous"}),
        (400, {"retryable"}),
    ],
)
def test_what_a_provider_answers_otherwise(
    postmark: HostedMail, postmark_api: PostmarkApi, status: int, expected: set[str]
) -> None:
    postmark_api.fails = (status, {"ErrorCode": 1, "Message": OUTGOING.to})
    assert flags(failure(postmark)) == expected


def test_an_answer_that_makes_no_sense_leaves_doubt(
    postmark: HostedMail, postmark_api: PostmarkApi
) -> None:
    postmark_api.fails = (200, b"<html>")
    assert "ambiguous" in flags(failure(postmark))


def test_what_is_not_reached_was_not_sent(settings: Settings) -> None:
    api = PostmarkApi()
    provider = use(settings, "postmark", api)
    api.stop()
    assert flags(failure(provider)) == {"retryable", "provider_fault"}


def test_an_answer_that_does_not_come_leaves_doubt(
    postmark: HostedMail, postmark_api: PostmarkApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hosted, "TIMEOUT_SECONDS", (0.5, 0.2))
    postmark_api.waits = 0.6
    assert flags(failure(postmark)) == {"retryable", "ambiguous", "provider_fault"}


def test_every_provider_of_the_settings_can_be_used() -> None:
    assert set(providers.MAIL_KEYS) == set(hosted.HOSTS)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"provider": "pigeon"}, "EMAIL_PROVIDER is pigeon"),
        ({"key": ""}, "EMAIL_KEY must be set"),
        ({"webhook_secret": ""}, "EMAIL_WEBHOOK_SECRET must be set"),
        ({"webhook_secret": "short:secret"}, "32 characters"),
        ({"provider": "mailgun", "domain": ""}, "EMAIL_DOMAIN must be set"),
        ({"provider": "mailgun", "signing_key": ""}, "EMAIL_SIGNING_KEY must be set"),
    ],
)
def test_a_setting_that_is_missing_is_named(changes: dict[str, str], named: str) -> None:
    given = {
        "provider": "postmark",
        "key": "k",
        "domain": "d",
        "url": "",
        "webhook_secret": SECRET,
        "signing_key": "s",
    } | changes
    provider = given.pop("provider")
    with pytest.raises(ImproperlyConfigured, match=named):
        providers.hosted_mail(provider, **given)


def test_a_provider_of_text_messages_must_be_known() -> None:
    assert "SMS_KEY" in providers.needed("telnyx")
    with pytest.raises(ImproperlyConfigured, match="SMS_PROVIDER is pigeon"):
        providers.needed("pigeon")
