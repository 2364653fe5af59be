"""What every channel takes, gives back and promises, and how it fails."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Protocol


class Guarantee(Enum):
    """What a provider offers when a send may or may not have happened."""

    KEYED = "keyed"  # the same key twice has one effect: send again
    SEARCHABLE = "searchable"  # what was accepted can be looked up: look first
    PLAIN = "plain"  # neither: nobody can tell


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One rendered message. `key` is the same for every attempt, so that a provider can dedupe.

    A channel of plain text (SMS) uses `text` alone. `unsubscribe` is the address by which the
    recipient's mail program can stop further mail; empty where there is nothing to stop.
    """

    to: str
    subject: str
    text: str
    html: str
    key: str
    unsubscribe: str = ""


# Why a message was refused whose recipient has told the provider to send nothing more.
OPTED_OUT = "opted out"


class SendError(Exception):
    """A message was not sent, or nobody knows.

    `reason` is a short code without the address or the text. `is_retryable`: trying again can help.
    `is_ambiguous`: the provider may have accepted it. `is_recipient_gone`: the address or number
    will never work, or its owner has opted out. `is_provider_fault`: counts against the provider's
    breaker (an outage, a limit), not against the message.
    """

    def __init__(
        self,
        reason: str,
        *,
        is_retryable: bool,
        is_ambiguous: bool = False,
        is_recipient_gone: bool = False,
        is_provider_fault: bool = False,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.is_retryable = is_retryable
        self.is_ambiguous = is_ambiguous
        self.is_recipient_gone = is_recipient_gone
        self.is_provider_fault = is_provider_fault


class Provider(Protocol):
    """One way out. Every call ends well within a message's lease."""

    name: str
    guarantee: Guarantee
    per_second: float  #: the most bulk messages a second, all dispatchers together; 0 is no limit

    def send(self, outgoing: Outgoing) -> str:
        """Hand the message over and return the provider's reference; raises SendError."""

    def find(self, outgoing: Outgoing) -> str | None:
        """Return the reference of an earlier attempt that was accepted, or None.

        Asked only of a searchable provider; raises SendError when it cannot be asked.
        """

    def close(self) -> None:
        """Let go of the connections that this thread keeps open."""
