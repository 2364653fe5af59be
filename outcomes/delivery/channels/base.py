"""What every channel takes and how it fails."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One rendered message. `key` is the same for every attempt, so that a provider can dedupe."""

    to: str
    subject: str
    text: str
    html: str
    key: str


class SendError(Exception):
    """A message was not sent; `is_retryable` says whether trying again can help.

    `reason` is a short code without the address or the text.
    """

    def __init__(self, reason: str, *, is_retryable: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.is_retryable = is_retryable
