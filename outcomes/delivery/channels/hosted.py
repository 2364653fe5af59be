"""E-mail through a hosted provider's own interface, by way of django-anymail."""

from __future__ import annotations

import threading
import time

import requests
from anymail.backends.base_requests import AnymailRequestsBackend
from anymail.exceptions import (
    AnymailInvalidAddress,
    AnymailRecipientsRefused,
    AnymailRequestsAPIError,
)
from anymail.message import AnymailMessage
from django.core.mail import get_connection
from urllib3.exceptions import HTTPError, MaxRetryError, NewConnectionError

from outcomes.delivery.channels.base import Guarantee, Outgoing, SendError
from outcomes.delivery.channels.email import headers_of

# To connect, and to answer: together well within a message's lease.
TIMEOUT_SECONDS = (5.0, 15.0)
# A connection unused for longer is not trusted to be there still.
IDLE_SECONDS = 20.0
# Where to send event reports, and what they are to say: the key of a message alone.
MESSAGE = "message"


# What each does with a message sent twice, as it documents it.
HOSTS = {
    "brevo": Guarantee.PLAIN,
    "mailgun": Guarantee.PLAIN,
    "postmark": Guarantee.PLAIN,
    "resend": Guarantee.KEYED,  # keeps an Idempotency-Key for 24 hours
}


class HostedMail:
    """A hosted provider of e-mail. Each thread keeps its own connection open."""

    def __init__(self, name: str, per_second: float = 0.0) -> None:
        self.name = name
        self.guarantee = HOSTS[name]
        self.per_second = per_second
        self._kept = threading.local()

    def send(self, outgoing: Outgoing) -> str:
        """Hand one e-mail over and return the provider's reference; raises SendError."""
        mail = self._mail(outgoing)
        try:
            mail.connection = self._backend(outgoing)
            mail.send()
        except (AnymailRecipientsRefused, AnymailInvalidAddress):
            # An address it cannot parse, or one that it has on its list of bounces and complaints.
            raise SendError("address refused", is_retryable=False, is_recipient_gone=True) from None
        except AnymailRequestsAPIError as error:
            if _is_accepted_before(error):
                return ""
            self.close()
            raise _failure(error) from None
        return str(mail.anymail_status.message_id or "")[:200]

    def find(self, outgoing: Outgoing) -> str | None:
        """Return None: none of these can be asked for what it has just accepted."""
        return None

    def close(self) -> None:
        """Close this thread's connection."""
        backend: AnymailRequestsBackend | None = getattr(self._kept, "backend", None)
        self._kept.backend = None
        if backend is not None:
            backend.close()

    def _mail(self, outgoing: Outgoing) -> AnymailMessage:
        mail = AnymailMessage(
            subject=outgoing.subject,
            body=outgoing.text,
            to=[outgoing.to],
            headers=headers_of(outgoing),
        )
        mail.attach_alternative(outgoing.html, "text/html")
        mail.metadata = {MESSAGE: outgoing.key}
        return mail

    def _backend(self, outgoing: Outgoing) -> AnymailRequestsBackend:
        now = time.monotonic()
        if now - getattr(self._kept, "used_at", 0.0) > IDLE_SECONDS:
            self.close()
        backend = getattr(self._kept, "backend", None)
        if backend is None:
            backend = self._kept.backend = _connect()
        if self.guarantee is Guarantee.KEYED:
            backend.session.headers["Idempotency-Key"] = outgoing.key
        self._kept.used_at = now
        return backend


def _connect() -> AnymailRequestsBackend:
    backend: AnymailRequestsBackend = get_connection(timeout=TIMEOUT_SECONDS)
    backend.open()
    return backend


def _is_accepted_before(error: AnymailRequestsAPIError) -> bool:
    """Say whether the key was used already: for this very message, with another minute in it."""
    return error.status_code == 409 and _name_of(error) == "invalid_idempotent_request"


def _name_of(error: AnymailRequestsAPIError) -> str:
    try:
        return str(error.response.json().get("name", ""))
    except (ValueError, AttributeError):
        return ""


def _failure(error: AnymailRequestsAPIError) -> SendError:
    """Return what an error of the interface means; never its text, which holds the mail."""
    code = error.status_code
    if code is None:
        is_sure = _never_left(error)
        reason = "provider not reached" if is_sure else "provider did not answer"
        return SendError(
            reason, is_retryable=True, is_ambiguous=not is_sure, is_provider_fault=True
        )
    return SendError(
        f"provider said {code}",
        is_retryable=True,
        # Accepted and not understood, or lost on the way back.
        is_ambiguous=code < 300 or code in (500, 502, 504),
        # The key, the plan or the provider; else it is this one mail.
        is_provider_fault=code >= 500 or code in (401, 402, 403, 429),
    )


def _never_left(error: Exception) -> bool:
    """Say whether the request was certainly not sent."""
    if isinstance(error, requests.ConnectTimeout | requests.exceptions.SSLError):
        return True
    cause: object = error.__cause__
    reason = cause.args[0] if isinstance(cause, Exception) and cause.args else None
    if isinstance(reason, MaxRetryError):
        reason = reason.reason
    return isinstance(reason, HTTPError) and isinstance(reason, NewConnectionError)
