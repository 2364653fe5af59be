"""What the providers of text messages have in common: one HTTP client, and how it fails."""

from __future__ import annotations

import threading
from typing import Any

import httpx
from django.conf import settings

from outcomes.delivery.channels.base import SendError

# Together well within a message's lease.
TIMEOUT = httpx.Timeout(connect=5.0, read=12.0, write=5.0, pool=2.0)
LIMITS = httpx.Limits(keepalive_expiry=15.0)
# The request did not leave.
NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)


class Gateway:
    """An HTTP interface. Each thread keeps its own connection open."""

    def __init__(self, base_url: str, **client: Any) -> None:
        self._base_url = base_url.rstrip("/")
        self._options = client
        self._kept = threading.local()

    def close(self) -> None:
        """Close this thread's connection."""
        client: httpx.Client | None = getattr(self._kept, "client", None)
        self._kept.client = None
        if client is not None:
            client.close()

    def _ask(self, method: str, path: str, **request: Any) -> httpx.Response:
        """Return the reply, whatever it says; raises SendError where there is none."""
        client: httpx.Client | None = getattr(self._kept, "client", None)
        if client is None:
            client = self._kept.client = httpx.Client(
                base_url=self._base_url, timeout=TIMEOUT, limits=LIMITS, **self._options
            )
        try:
            return client.request(method, path, **request)
        except NOT_SENT:
            raise SendError(
                "provider not reached", is_retryable=True, is_provider_fault=True
            ) from None
        except httpx.HTTPError:
            raise SendError(
                "provider did not answer",
                is_retryable=True,
                is_ambiguous=True,
                is_provider_fault=True,
            ) from None


def callback_url(path: str) -> str:
    """Return where a provider is to report to; empty where it could not reach this installation."""
    is_public = settings.BASE_URL.startswith("https://")
    return f"{settings.BASE_URL}{path}" if is_public else ""


def json_of(reply: httpx.Response) -> dict[str, Any]:
    """Return the reply's object; empty where it is none."""
    try:
        found = reply.json()
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def unclear(reply: httpx.Response) -> SendError:
    """Return what a reply means that is neither an acceptance nor about this message."""
    code = reply.status_code
    return SendError(
        f"provider said {code}",
        is_retryable=True,
        is_ambiguous=reply.is_success or code in (500, 502, 504),
        is_provider_fault=True,
    )
