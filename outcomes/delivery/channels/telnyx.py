"""Text messages through Telnyx: it keeps no key, and cannot be searched at once."""

from __future__ import annotations

import base64
import binascii

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from outcomes.delivery.channels.base import OPTED_OUT, Guarantee, Outgoing, SendError
from outcomes.delivery.channels.gsm import to_gsm
from outcomes.delivery.channels.sms import Gateway, callback_url, json_of, unclear

URL = "https://api.telnyx.com"
STOPPED = "40300"
NO_SUCH_NUMBER = ("10001", "10002", "10016", "40001", "40012", "40310")
# This one message, or its recipient's country: no fault of the way that all others take.
THIS_MESSAGE = ("40301", "40302", "40304", "40309", "40319")
# A report signed longer ago than this is not believed.
TOLERANCE_SECONDS = 300


class Telnyx(Gateway):
    """One number of one account."""

    name = "telnyx"
    guarantee = Guarantee.PLAIN

    def __init__(self, *, key: str, sender: str, url: str = "", per_second: float = 0.0) -> None:
        super().__init__(url or URL, headers={"Authorization": f"Bearer {key}"})
        self.per_second = per_second
        self._sender = sender

    def send(self, outgoing: Outgoing) -> str:
        """Hand one text message over and return its id; raises SendError."""
        order = {"from": self._sender, "to": outgoing.to, "text": to_gsm(outgoing.text)}
        if report_to := callback_url(f"/api/hooks/telnyx/status/{outgoing.key}/"):
            order["webhook_url"] = report_to
        reply = self._ask("POST", "/v2/messages", json=order)
        said = json_of(reply)
        data = said.get("data")
        if reply.is_success and isinstance(data, dict) and data.get("id"):
            return str(data["id"])
        if reply.status_code in (400, 403, 409, 422) and (codes := codes_of(said)):
            raise _refusal(codes)
        raise unclear(reply)

    def find(self, outgoing: Outgoing) -> str | None:
        """Return None: its list of messages is a report, hours late."""
        return None


def codes_of(said: dict[str, object]) -> list[str]:
    """Return the codes of its errors."""
    errors = said.get("errors")
    if not isinstance(errors, list):
        return []
    return [str(error["code"]) for error in errors if isinstance(error, dict) and "code" in error]


def _refusal(codes: list[str]) -> SendError:
    if STOPPED in codes:
        return SendError(OPTED_OUT, is_retryable=False, is_recipient_gone=True)
    if any(code in NO_SUCH_NUMBER for code in codes):
        return SendError("number refused", is_retryable=False, is_recipient_gone=True)
    if any(code in THIS_MESSAGE for code in codes):
        return SendError(f"provider refused: {codes[0]}", is_retryable=False)
    # The number, the profile or the plan: it concerns every message, and is ours to mend.
    return SendError(f"provider refused: {codes[0]}", is_retryable=True, is_provider_fault=True)


def is_signed(*, key: str, signature: str, timestamp: str, body: bytes, now: float) -> bool:
    """Say whether Telnyx signed this request, lately."""
    try:
        if abs(int(now) - int(timestamp)) > TOLERANCE_SECONDS:
            return False
        public = Ed25519PublicKey.from_public_bytes(base64.b64decode(key))
        public.verify(base64.b64decode(signature), timestamp.encode() + b"|" + body)
    except (InvalidSignature, ValueError, binascii.Error):
        return False
    return True
