"""E-mail by SMTP: one connection kept open, exact errors, and mail that others can read."""

from __future__ import annotations

import email
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from email import policy
from email.message import EmailMessage

import pytest
from pytest_django import Settings

from outcomes.delivery.channels import mime, smtp
from outcomes.delivery.channels.base import Guarantee, Outgoing, SendError
from outcomes.delivery.channels.email import MailServer as Provider
from tests.delivery.mail_server import Answers, MailServer

KEY = "0198f6a2-7a00-7000-8000-000000000001"
OUTGOING = Outgoing(
    to="robin@patient.example",
    subject="North: how are you?",
    text="Hello,\n\nhttps://outcomes.example/a/token/\n",
    html="<p>Hello,</p>\n",
    key=KEY,
)


@pytest.fixture
def server(settings: Settings) -> Iterator[MailServer]:
    """A mail server, and the settings that lead to it."""
    server = MailServer()
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", server.start()
    settings.EMAIL_TIMEOUT = 1
    settings.DEFAULT_FROM_EMAIL = "Outcomes <no-reply@outcomes.example>"
    yield server
    server.stop()


@pytest.fixture
def answers(server: MailServer) -> Answers:
    return server.answers


@pytest.fixture
def provider() -> Iterator[Provider]:
    provider = Provider()
    yield provider
    provider.close()


def read(content: bytes) -> EmailMessage:
    return email.message_from_bytes(content, policy=policy.default)


def failure(provider: Provider, outgoing: Outgoing = OUTGOING) -> SendError:
    with pytest.raises(SendError) as caught:
        provider.send(outgoing)
    assert "patient.example" not in str(caught.value)
    return caught.value


def flags(error: SendError) -> set[str]:
    names = ("is_retryable", "is_ambiguous", "is_recipient_gone", "is_provider_fault")
    return {name.removeprefix("is_") for name in names if getattr(error, name)}


def test_a_mail_arrives_whole(provider: Provider, answers: Answers) -> None:
    reference = provider.send(replace(OUTGOING, text=".\n..two dots\nGrüße –\n", subject="Grüße"))

    mail = read(answers.taken[0])
    assert reference == mail["Message-ID"] == f"<{KEY}@outcomes.example>"
    assert (mail["Subject"], mail["To"]) == ("Grüße", "robin@patient.example")
    assert mail["From"] == "Outcomes <no-reply@outcomes.example>"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert "List-Unsubscribe" not in mail
    plain, html = mail.iter_parts()
    assert plain.get_content().splitlines() == [".", "..two dots", "Grüße –"]
    assert html.get_content_type() == "text/html"
    assert html.get_content().strip() == "<p>Hello,</p>"
    assert not mail.defects


def test_a_mail_tells_how_to_stop_more_of_it(provider: Provider, answers: Answers) -> None:
    provider.send(replace(OUTGOING, unsubscribe="https://outcomes.example/stop/1/2/"))

    mail = read(answers.taken[0])
    assert mail["List-Unsubscribe"] == "<https://outcomes.example/stop/1/2/>"
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    provider.send(replace(OUTGOING, unsubscribe="http://outcomes.example/stop/1/2/"))
    assert "List-Unsubscribe-Post" not in read(answers.taken[1])


def test_the_connection_is_kept_from_mail_to_mail(provider: Provider, answers: Answers) -> None:
    for _ in range(5):
        provider.send(OUTGOING)

    assert (answers.connections, len(answers.taken)) == (1, 5)


def test_each_thread_has_a_connection_of_its_own(provider: Provider, answers: Answers) -> None:
    def send_two() -> None:
        provider.send(OUTGOING)
        provider.send(OUTGOING)
        provider.close()

    threads = [threading.Thread(target=send_two) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (answers.connections, len(answers.taken)) == (3, 6)


def test_a_connection_that_the_server_ended_is_opened_again(
    provider: Provider, server: MailServer, answers: Answers
) -> None:
    provider.send(OUTGOING)
    server.hang_up()
    provider.send(OUTGOING)
    answers.drops_at = "MAIL"
    provider.send(OUTGOING)

    assert (answers.connections, len(answers.taken)) == (3, 3)


def test_after_a_rest_the_connection_is_tried_first(
    provider: Provider,
    server: MailServer,
    answers: Answers,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(smtp, "IDLE_SECONDS", 0.0)
    provider.send(OUTGOING)
    provider.send(OUTGOING)
    assert answers.connections == 1
    server.hang_up()
    provider.send(OUTGOING)
    assert (answers.connections, len(answers.taken)) == (2, 3)


def test_another_server_in_the_settings_is_used_at_once(
    provider: Provider, answers: Answers, settings: Settings
) -> None:
    provider.send(OUTGOING)
    other = MailServer()
    settings.EMAIL_PORT = other.start()
    provider.send(OUTGOING)
    provider.close()
    other.stop()

    assert (len(answers.taken), len(other.answers.taken)) == (1, 1)


def test_a_server_that_is_not_there_is_its_fault_and_nothing_is_in_doubt(
    provider: Provider, settings: Settings
) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = unused.getsockname()

        assert flags(failure(provider)) == {"retryable", "provider_fault"}


def test_a_server_that_says_nothing_is_given_up(provider: Provider, settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = silent.getsockname()
        settings.EMAIL_TIMEOUT = 0.2
        error = failure(provider)

    assert flags(error) == {"retryable", "provider_fault"}
    assert error.reason == "mail server timed out"


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ("550 5.1.1 No such user", {"recipient_gone"}),
        ("550 No such user here", {"recipient_gone"}),
        ("553 5.1.3 Bad address syntax", {"recipient_gone"}),
        ("556 5.1.10 Domain takes no mail", {"recipient_gone"}),
        ("550 5.2.1 Mailbox disabled", {"recipient_gone"}),
        ("552 5.2.2 Mailbox full", {"retryable"}),
        ("450 4.2.0 Greylisted", {"retryable"}),
        ("550 5.7.1 Relaying denied", {"retryable"}),
        ("530 Authentication needed", {"retryable", "provider_fault"}),
    ],
)
def test_what_is_said_of_the_address(
    provider: Provider, answers: Answers, reply: str, expected: set[str]
) -> None:
    answers.rcpt = reply
    assert flags(failure(provider)) == expected

    answers.rcpt = "250 OK"
    provider.send(OUTGOING)
    assert (answers.connections, len(answers.taken)) == (1, 1)


@pytest.mark.parametrize("reply", ["451 4.3.0 Later", "550 5.7.1 Sender not allowed"])
def test_what_is_said_of_the_sender_is_not_the_recipients_fault(
    provider: Provider, answers: Answers, reply: str
) -> None:
    answers.mail = reply
    assert flags(failure(provider)) == {"retryable", "provider_fault"}


def test_a_server_that_closes_down_is_asked_once_more_and_then_left(
    provider: Provider, answers: Answers
) -> None:
    provider.send(OUTGOING)
    answers.mail = "421 Too many messages in this session"
    error = failure(provider)

    assert flags(error) == {"retryable", "provider_fault"}
    assert answers.connections == 2


@pytest.mark.parametrize(
    ("reply", "expected"),
    [("554 5.7.1 Spam", {"retryable"}), ("452 4.3.1 Disk full", {"retryable", "provider_fault"})],
)
def test_a_text_that_is_refused_was_not_sent(
    provider: Provider, answers: Answers, reply: str, expected: set[str]
) -> None:
    answers.data = reply
    assert flags(failure(provider)) == expected


def test_a_connection_lost_after_the_text_leaves_doubt(
    provider: Provider, answers: Answers
) -> None:
    answers.drops_at = "."
    error = failure(provider)

    assert flags(error) == {"retryable", "ambiguous", "provider_fault"}
    assert error.reason == "mail server hung up"
    assert len(answers.taken) == 1


def test_silence_after_the_text_leaves_doubt(
    provider: Provider, answers: Answers, settings: Settings
) -> None:
    settings.EMAIL_TIMEOUT = 0.2
    answers.wait = 0.6
    error = failure(provider)

    assert flags(error) == {"retryable", "ambiguous", "provider_fault"}
    assert error.reason == "mail server timed out"


def test_a_slow_server_is_left_before_the_lease_ends(
    provider: Provider, answers: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smtp, "CALL_SECONDS", 0.0)

    assert "ambiguous" not in flags(failure(provider))
    assert answers.taken == []


def test_a_mail_server_promises_nothing(provider: Provider) -> None:
    assert provider.guarantee is Guarantee.PLAIN
    assert provider.find(OUTGOING) is None


def test_an_international_domain_is_written_as_servers_want_it() -> None:
    assert mime.ascii_address("robin@bücher.example") == "robin@xn--bcher-kva.example"
    with pytest.raises(UnicodeError):
        mime.ascii_address("röbin@patient.example")


@pytest.mark.parametrize("field", ["subject", "to", "sender"])
def test_a_line_break_never_becomes_a_header(field: str) -> None:
    words = {"subject": "a", "to": "a@b.example", "sender": "a@b.example"}
    words[field] += "\r\nBcc: c@d.example"
    with pytest.raises(ValueError, match="one line"):
        mime.compose(**words, text="", html="", key="k", headers={})


def test_very_long_lines_are_broken_and_joined_again() -> None:
    text = "x" * 5000 + "\n"
    content = mime.compose(
        sender="a@b.example", to="c@d.example", subject="s", text=text, html="", key="k", headers={}
    )
    assert max(map(len, content.split(b"\r\n"))) <= 998
    plain, _html = read(content).iter_parts()
    assert plain.get_content().splitlines() == [text.strip()]
