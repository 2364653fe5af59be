"""Tell an outside monitor that this installation is alive; its silence is the alarm."""

from __future__ import annotations

import logging

import httpx
from django.conf import settings

log = logging.getLogger(__name__)

NAME = "dead_man"
TIMEOUT_SECONDS = 5.0


def is_in_use() -> bool:
    """Say whether this installation has a monitor to report to."""
    return bool(settings.DEAD_MAN_URL)


def report() -> bool:
    """Ask for the monitor's address once; False when it did not answer with a 2xx."""
    try:
        reply = httpx.get(settings.DEAD_MAN_URL, timeout=TIMEOUT_SECONDS)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        # Never the address: it is the key to the monitor.
        log.warning("The monitor was not reached: %s", type(error).__name__)
        return False
    if not reply.is_success:
        log.warning("The monitor answered %d.", reply.status_code)
    return reply.is_success
