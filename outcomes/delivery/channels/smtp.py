"""One connection to a mail server, kept open from one mail to the next, with exact errors."""

from __future__ import annotations

import re
import smtplib
import time
from collections.abc import Callable
from typing import TypeVar

from django.core.mail.backends.smtp import EmailBackend

from outcomes.delivery.channels.base import SendError

STEP_SECONDS = 10.0  # the longest wait for one reply
CALL_SECONDS = 20.0  # after this long nothing more is sent, well within a message's lease
IDLE_SECONDS = 5.0  # after a rest this long, the server is asked whether it is still there

# Enhanced status codes (RFC 3463) of a mailbox or domain that is not there.
GONE = re.compile(rb"\b5\.(1\.(1|2|3|6|10)|2\.1)\b")
STATUS = re.compile(rb"\b[245]\.\d{1,3}\.\d{1,3}\b")
# Replies that say the same without one.
NEEDS_LOG_IN = 530
NO_MAILBOX = (550, 551, 553)
CLOSING = 421

Reply = tuple[int, bytes]
Found = TypeVar("Found")


class Session:
    """What one thread keeps of one mail server. Not to be shared between threads."""

    def __init__(self, backend: EmailBackend) -> None:
        self.backend = backend
        self.backend.timeout = min(self.backend.timeout or STEP_SECONDS, STEP_SECONDS)
        self._used_at = 0.0
        self._deadline = 0.0

    @property
    def settings(self) -> tuple[object, ...]:
        """Return what makes this server this server."""
        return settings_of(self.backend)

    def deliver(self, sender: str, to: str, content: bytes) -> None:
        """Hand one mail over; raises SendError."""
        self._deadline = time.monotonic() + CALL_SECONDS
        was_open = self._is_alive()
        try:
            if not was_open:
                self._open()
            try:
                self._envelope(sender, to)
            except (smtplib.SMTPServerDisconnected, ConnectionError):
                if not was_open:
                    raise
                # A server may end a connection between mails. Nothing was begun: once more.
                self.close()
                self._open()
                self._envelope(sender, to)
        except (smtplib.SMTPException, OSError) as error:
            self.close()
            raise _outage(error) from None
        self._content(content)
        self._used_at = time.monotonic()

    def close(self) -> None:
        """Close the connection without a word: after an error there is nobody to talk to."""
        connection, self.backend.connection = self.backend.connection, None
        if connection is not None:
            connection.close()

    def _is_alive(self) -> bool:
        if self.backend.connection is None:
            return False
        if time.monotonic() - self._used_at < IDLE_SECONDS:
            return True
        try:
            code, _text = self._within(self.backend.connection.noop)
        except (smtplib.SMTPException, OSError):
            code = 0
        if code != 250:
            self.close()
        return code == 250

    def _open(self) -> None:
        self.backend.open()
        self._within(self._connection.ehlo_or_helo_if_needed)

    @property
    def _connection(self) -> smtplib.SMTP:
        if self.backend.connection is None:
            raise smtplib.SMTPServerDisconnected("not connected")
        return self.backend.connection

    def _within(self, step: Callable[[], Found]) -> Found:
        """Take one step, waiting no longer than what is left for this mail."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        if self._connection.sock is not None:
            self._connection.sock.settimeout(min(left, self.backend.timeout or STEP_SECONDS))
        return step()

    def _envelope(self, sender: str, to: str) -> None:
        code, _text = self._within(lambda: self._connection.docmd("mail", f"FROM:<{sender}>"))
        if code == CLOSING:
            raise smtplib.SMTPServerDisconnected("closing")
        if code != 250:
            # It is about us, not about the recipient.
            self._reset()
            raise _said(code, is_provider_fault=True)
        code, text = self._within(lambda: self._connection.docmd("rcpt", f"TO:<{to}>"))
        if code == CLOSING:
            raise smtplib.SMTPServerDisconnected("closing")
        if code not in (250, 251):
            self._reset()
            raise _refusal(code, text)

    def _content(self, content: bytes) -> None:
        """Send the mail itself. From the first byte of it on, silence means: nobody knows."""
        is_begun = False
        try:
            code, _text = self._within(lambda: self._connection.docmd("data"))
            if code == 354:
                is_begun = True
                self._within(lambda: self._connection.send(_quoted(content)))
                code, _text = self._within(self._connection.getreply)
        except (smtplib.SMTPException, OSError) as error:
            self.close()
            raise _outage(error, is_ambiguous=is_begun) from None
        if code != 250:
            self._reset()
            raise _said(code, is_provider_fault=code < 500)

    def _reset(self) -> None:
        try:
            code, _text = self._within(self._connection.rset)
        except (smtplib.SMTPException, OSError):
            code = 0
        if code != 250:
            self.close()
        self._used_at = time.monotonic()


def settings_of(backend: EmailBackend) -> tuple[object, ...]:
    """Return what makes a mail server this one."""
    names = ("host", "port", "username", "password", "use_tls", "use_ssl")
    return tuple(getattr(backend, name) for name in names)


def _quoted(content: bytes) -> bytes:
    """Return the mail as it goes over the wire: leading dots doubled, and its end."""
    return re.sub(rb"(?m)^\.", b"..", content) + b".\r\n"


def _said(code: int, *, is_provider_fault: bool) -> SendError:
    # A 5xx about the session, the sender or the text is ours to mend, so it is tried again.
    return SendError(
        f"mail server said {code}", is_retryable=True, is_provider_fault=is_provider_fault
    )


def _refusal(code: int, text: bytes) -> SendError:
    """Return what a reply to the recipient's address means."""
    if code < 500:
        return SendError("address refused, try later", is_retryable=True)
    if GONE.search(text) or (code in NO_MAILBOX and not STATUS.search(text)):
        return SendError("address refused", is_retryable=False, is_recipient_gone=True)
    if b"5.2.2" in text or code == 552:
        return SendError("mailbox full", is_retryable=True)
    # A policy, or relaying denied: ours to mend, and no reason to hold up everybody else's mail.
    return _said(code, is_provider_fault=code == NEEDS_LOG_IN)


def _outage(error: Exception, *, is_ambiguous: bool = False) -> SendError:
    if isinstance(error, smtplib.SMTPResponseException):
        reason = f"mail server said {error.smtp_code}"
    elif isinstance(error, TimeoutError) or isinstance(error.__context__, TimeoutError):
        reason = "mail server timed out"
    elif isinstance(error, smtplib.SMTPServerDisconnected):
        reason = "mail server hung up"
    else:
        reason = type(error).__name__
    return SendError(reason, is_retryable=True, is_ambiguous=is_ambiguous, is_provider_fault=True)
