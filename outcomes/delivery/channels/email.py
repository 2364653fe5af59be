"""E-mail through Django's configured backend: a mail server, or a folder."""

from __future__ import annotations

import smtplib
import threading
from email.utils import parseaddr
from functools import lru_cache

from django.conf import settings
from django.core.mail import EmailMultiAlternatives, get_connection
from django.core.mail.backends.base import BaseEmailBackend
from django.core.mail.backends.smtp import EmailBackend as SmtpBackend

from outcomes.delivery.channels.base import Guarantee, Outgoing, SendError
from outcomes.delivery.channels.mime import ascii_address, compose
from outcomes.delivery.channels.smtp import Session, settings_of


class MailServer:
    """A mail server spoken to by SMTP: it keeps no key, so a repeat may be a second mail.

    Each thread keeps its own connection open. It never hears of a bounce: that comes as a mail.
    """

    name = "smtp"
    guarantee = Guarantee.PLAIN

    def __init__(self, per_second: float = 0.0) -> None:
        self.per_second = per_second
        self._kept = threading.local()

    def send(self, outgoing: Outgoing) -> str:
        """Hand one e-mail to the mail server and return its Message-ID; raises SendError."""
        message_id = f"<{outgoing.key}@{_domain(settings.DEFAULT_FROM_EMAIL)}>"
        headers = {"Message-ID": message_id, **headers_of(outgoing)}
        backend = get_connection()
        if isinstance(backend, SmtpBackend):
            self._deliver(backend, outgoing, headers)
        else:
            _hand_over(backend, outgoing, headers)
        return message_id

    def find(self, outgoing: Outgoing) -> str | None:
        """Return None: a mail server cannot be asked what it accepted."""
        return None

    def close(self) -> None:
        """Close this thread's connection."""
        if session := self._session():
            session.close()
            self._kept.session = None

    def _session(self) -> Session | None:
        session: Session | None = getattr(self._kept, "session", None)
        return session

    def _deliver(self, backend: SmtpBackend, outgoing: Outgoing, headers: dict[str, str]) -> None:
        session = self._session()
        if session is None or session.settings != settings_of(backend):
            self.close()
            session = self._kept.session = Session(backend)
        try:
            to = ascii_address(outgoing.to)
        except UnicodeError:
            raise SendError("address refused", is_retryable=False, is_recipient_gone=True) from None
        content = compose(
            sender=settings.DEFAULT_FROM_EMAIL,
            to=to,
            subject=outgoing.subject,
            text=outgoing.text,
            html=outgoing.html,
            key=outgoing.key,
            headers=headers,
        )
        session.deliver(parseaddr(settings.DEFAULT_FROM_EMAIL)[1], to, content)


@lru_cache(maxsize=8)
def _domain(sender: str) -> str:
    return parseaddr(sender)[1].rpartition("@")[2] or "localhost"


def headers_of(outgoing: Outgoing) -> dict[str, str]:
    """Return the headers that say: a machine wrote this, and this stops it."""
    headers = {"Auto-Submitted": "auto-generated", "X-Auto-Response-Suppress": "All"}
    if outgoing.unsubscribe:
        headers["List-Unsubscribe"] = f"<{outgoing.unsubscribe}>"
    if outgoing.unsubscribe.startswith("https://"):  # RFC 8058 allows no other
        headers["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    return headers


def _hand_over(backend: BaseEmailBackend, outgoing: Outgoing, headers: dict[str, str]) -> None:
    """Send through a backend of which only Django's interface is known."""
    mail = EmailMultiAlternatives(
        subject=outgoing.subject,
        body=outgoing.text,
        to=[outgoing.to],
        headers=headers,
        connection=backend,
    )
    mail.attach_alternative(outgoing.html, "text/html")
    try:
        mail.send()
    except smtplib.SMTPRecipientsRefused as error:
        codes = [code for code, _text in error.recipients.values()]
        gone = bool(codes) and all(code >= 500 for code in codes)
        raise SendError("address refused", is_retryable=not gone, is_recipient_gone=gone) from None
    except smtplib.SMTPResponseException as error:
        raise SendError(f"mail server said {error.smtp_code}", is_retryable=True) from None
    except (smtplib.SMTPException, OSError) as error:
        # How far it came is not known.
        raise SendError(
            type(error).__name__, is_retryable=True, is_ambiguous=True, is_provider_fault=True
        ) from None
