"""Slow down whoever tries links that do not exist."""

from __future__ import annotations

import hashlib
import ipaddress
import logging
from datetime import datetime

from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest

logger = logging.getLogger(__name__)

MISSES = 30
WINDOW_SECONDS = 600


def too_many_misses(request: HttpRequest, now: datetime) -> bool:
    """Count one miss of this address, and say whether it has used up those of ten minutes.

    Only misses count and only misses are refused: phones share addresses, and a live link must
    open however often a neighbour guesses. A cache that is down refuses nobody.
    """
    window = int(now.timestamp()) // WINDOW_SECONDS
    address = hashlib.sha256(client_network(request).encode()).hexdigest()[:32]
    key = f"link-misses:{window}:{address}"
    try:
        misses = cache.get(key, 0) + 1
        cache.set(key, misses, WINDOW_SECONDS)
    except Exception:  # whatever the cache is, the page must not need it
        logger.exception("The cache did not answer; link misses are not counted.")
        return False
    return bool(misses > MISSES)


def client_address(request: HttpRequest) -> str:
    """Return the address the request came from, as the outermost trusted proxy saw it."""
    direct: str = request.META.get("REMOTE_ADDR", "")
    hops = [hop.strip() for hop in request.headers.get("X-Forwarded-For", "").split(",")]
    trusted: int = settings.TRUSTED_PROXIES
    return hops[-trusted] if 0 < trusted <= len(hops) and hops[-trusted] else direct


def client_network(request: HttpRequest) -> str:
    """Return what tries are counted by: the address or, where one caller has 2**64, its network."""
    address = client_address(request)
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if parsed.version == 4:
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed.packed[:8] + bytes(8), 64)))
