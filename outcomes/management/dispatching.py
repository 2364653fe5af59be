"""Go round the lanes until told to stop: each loop asks the database what is due, and does it.

No broker is needed: a Celery task or beat only makes the next look come sooner.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from django.db import close_old_connections, connections
from django.utils import timezone

from outcomes import workflows
from outcomes.care.models import Channel
from outcomes.delivery import channels
from outcomes.delivery.models import Lane
from outcomes.tasks import SWEEPS

log = logging.getLogger(__name__)

SENDING_PAUSE = {Lane.ALERT: 1.0, Lane.BULK: 2.0}
# Where a channel is switched off.
IDLE_PAUSE = 60.0
SENDERS = 2
# Waits after an error, in seconds: the database may be away for a moment.
FIRST_REST, LONGEST_REST = 1.0, 10.0
# Longer than any call of a provider, so that the message in hand is finished.
GRACE_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Loop:
    """One thing to do again and again, and the seconds to wait when nothing was due."""

    name: str
    step: Callable[[], int]
    pause: float

    def run(self, stop: threading.Event) -> None:
        """Do it until told to stop; an error is logged, by its kind alone, and tried again."""
        rest = FIRST_REST
        while not stop.is_set():
            close_old_connections()
            try:
                done = self.step()
            except Exception as error:
                log.error("%s: %s", self.name, type(error).__name__)
                connections.close_all()
                stop.wait(rest)
                rest = min(2 * rest, LONGEST_REST)
                continue
            rest = FIRST_REST
            if not done:
                stop.wait(self.pause)
        connections.close_all()


def loops_of(lanes: Sequence[str], senders: int = SENDERS) -> Iterator[Loop]:
    """Describe the loops of these lanes: the senders, and the sweeps that fill the lane.

    Each channel has `senders` of its own: none waits for a channel whose provider hangs, and one
    call that is slow holds up nobody.
    """
    for lane in Lane:
        if lane in lanes:
            yield from _senders(lane, senders)
            for sweep in SWEEPS:
                if sweep.lane == lane:
                    yield Loop(sweep.name, sweep.look, sweep.pause)


def _senders(lane: Lane, senders: int) -> Iterator[Loop]:
    for channel in Channel.values:
        step = _sender(lane, channel)
        if channel not in channels.in_use():
            # Only to say of what waits there that the channel is switched off.
            yield Loop(f"send {lane} by {channel}", step, IDLE_PAUSE)
            continue
        for number in range(senders):
            yield Loop(f"send {lane} by {channel} {number}", step, SENDING_PAUSE[lane])


def _sender(lane: Lane, channel: str) -> Callable[[], int]:
    return lambda: workflows.send_due(lane=lane, clock=timezone.now, through=[channel])


def run(loops: Sequence[Loop], stop: threading.Event) -> bool:
    """Run the loops, each in its thread, until `stop` is set; False if one of them broke down."""
    threads = [
        threading.Thread(target=loop.run, args=(stop,), name=loop.name, daemon=True)
        for loop in loops
    ]
    for thread in threads:
        thread.start()
    while not stop.wait(1.0):
        if not all(thread.is_alive() for thread in threads):
            stop.set()
            return False
    for thread in threads:
        thread.join(GRACE_SECONDS)
    return True
