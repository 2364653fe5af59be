"""Text messages through Twilio: it can be asked what it has accepted."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable, Mapping
from typing import Any, TypeGuard

from outcomes.delivery.channels.base import OPTED_OUT, Guarantee, Outgoing, SendError
from outcomes.delivery.channels.gsm import to_gsm
from outcomes.delivery.channels.sms import Gateway, callback_url, json_of, unclear

URL = "https://api.twilio.com"
# Codes of its error pages. The recipient replied STOP; is no number, no mobile, not in service.
STOPPED = 21610
NO_SUCH_NUMBER = (21211, 21214, 21217, 21614, 30005, 30006)
# Our sender, account or key: it concerns every message, and is ours to mend.
OURS = (20003, 20404, 21212, 21603, 21606, 21608, 21659, 21660, 21703, 63038)
# How many of the newest messages to one number are looked through.
LOOKED_THROUGH = 50


class Twilio(Gateway):
    """One account. A message that may have been accepted is looked up before it is repeated."""

    name = "twilio"
    guarantee = Guarantee.SEARCHABLE

    def __init__(
        self, *, account: str, key: str, sender: str, url: str = "", per_second: float = 0.0
    ) -> None:
        super().__init__(url or URL, auth=(account, key))
        self.per_second = per_second
        self._path = f"/2010-04-01/Accounts/{account}/Messages.json"
        # A messaging service chooses among its numbers.
        self._is_service = sender.startswith("MG")
        self._sender = sender

    def send(self, outgoing: Outgoing) -> str:
        """Hand one text message over and return its SID; raises SendError."""
        form = {
            "To": outgoing.to,
            "MessagingServiceSid" if self._is_service else "From": self._sender,
            "Body": to_gsm(outgoing.text),
        }
        if report_to := callback_url(f"/api/hooks/twilio/status/{outgoing.key}/"):
            form["StatusCallback"] = report_to
        reply = self._ask("POST", self._path, data=form)
        said = json_of(reply)
        if reply.is_success and said.get("sid"):
            return str(said["sid"])
        if 400 <= reply.status_code < 500 and reply.status_code not in (401, 403, 404, 408, 429):
            raise _refusal(said.get("code"))
        raise unclear(reply)

    def find(self, outgoing: Outgoing) -> str | None:
        """Return the SID of a message to this number with this very text, if it was accepted.

        The link in the text is the message's own, so that no other message is taken for it.
        """
        params: dict[str, str | int] = {"To": outgoing.to, "PageSize": LOOKED_THROUGH}
        if not self._is_service:
            params["From"] = self._sender
        reply = self._ask("GET", self._path, params=params)
        messages = json_of(reply).get("messages")
        if not reply.is_success or not _is_listing(messages):
            raise SendError(
                "accepted messages cannot be looked up",
                is_retryable=True,
                is_ambiguous=True,
                is_provider_fault=True,
            )
        text = to_gsm(outgoing.text)
        for message in messages:
            # A trial account writes a sentence of its own before the text.
            if str(message.get("body", "")).endswith(text):
                return str(message["sid"])
        return None


def _is_listing(messages: object) -> TypeGuard[list[dict[str, Any]]]:
    return isinstance(messages, list) and all(
        isinstance(message, dict) and message.get("sid") for message in messages
    )


def _refusal(code: object) -> SendError:
    if code == STOPPED:
        return SendError(OPTED_OUT, is_retryable=False, is_recipient_gone=True)
    if code in NO_SUCH_NUMBER:
        return SendError("number refused", is_retryable=False, is_recipient_gone=True)
    is_ours = code in OURS
    return SendError(
        f"provider refused: {code}" if isinstance(code, int) else "provider refused",
        is_retryable=is_ours,
        is_provider_fault=is_ours,
    )


def is_signed(
    *, key: str, signature: str, url: str, form: Iterable[tuple[str, Iterable[str]]]
) -> bool:
    """Say whether Twilio signed this request: its public address and every field, by our key."""
    fields = "".join(name + value for name, values in sorted(form) for value in sorted(set(values)))
    digest = hmac.new(key.encode(), (url + fields).encode(), hashlib.sha1).digest()
    return hmac.compare_digest(base64.b64encode(digest), signature.encode())


def is_no_such_number(form: Mapping[str, str]) -> bool:
    """Say whether a report of failure means that the number will never work."""
    return form.get("ErrorCode", "") in map(str, NO_SUCH_NUMBER)
