"""All that runs with nobody watching. Each takes the time, makes one call, and holds no logic.

The database decides what must happen; a task only says "look now". Losing, repeating or reordering
every task changes nothing but latency. A sweep is the dispatcher's loop and beat's task alike, so
that neither can be forgotten; sending is a loop for each channel there (`management.dispatching`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from celery import shared_task
from django.conf import settings
from django.utils import timezone

from config import broker
from outcomes import workflows
from outcomes.delivery.models import Lane

Look = Callable[[], int]


@dataclass(frozen=True, slots=True)
class Sweep:
    """One look at what is due, and the seconds a dispatcher waits where nothing was."""

    lane: Lane
    pause: float
    look: Look

    @property
    def name(self) -> str:
        """Return what a log calls it."""
        return self.look.__name__.replace("_", " ")


SWEEPS: list[Sweep] = []


def sweep(lane: Lane, *, pause: float) -> Callable[[Look], Look]:
    """Make a function a loop of this lane's dispatcher and a task; it returns how much was due."""

    def add(look: Look) -> Look:
        SWEEPS.append(Sweep(lane, pause, look))
        task: Look = shared_task(look)
        return task

    return add


@sweep(Lane.ALERT, pause=5.0)
def escalate_alerts() -> int:
    """Open and escalate alerts whose time has come."""
    return workflows.escalate_due(now=timezone.now())


@sweep(Lane.ALERT, pause=60.0)
def test_recipients() -> int:
    """Test whether alerts reach those who are to answer them."""
    return workflows.test_recipients(now=timezone.now())


@sweep(Lane.ALERT, pause=15.0)
def report_alive() -> int:
    """Tell the outside monitor that alerts go out in time."""
    return int(workflows.report_alive(now=timezone.now()))


@sweep(Lane.BULK, pause=5.0)
def plan_due() -> int:
    """Bring the plans of changed courses up to date."""
    return workflows.replan_due(now=timezone.now())


@sweep(Lane.BULK, pause=5.0)
def invite_due() -> int:
    """Ask every patient what is open to them now."""
    return workflows.invite_due(now=timezone.now())


@sweep(Lane.BULK, pause=5.0)
def keep_up_caseloads() -> int:
    """Bring every clinic's caseload up to date with what has happened."""
    return workflows.keep_up_caseloads(now=timezone.now())


@sweep(Lane.BULK, pause=60.0)
def expire_assignments() -> int:
    """Close what nobody answered in time."""
    return workflows.expire_assignments(now=timezone.now())


@shared_task
def send_alerts() -> None:
    """Send every message that pages staff."""
    workflows.send_due(lane=Lane.ALERT, clock=timezone.now)


@shared_task
def send_bulk() -> None:
    """Send invitations and reminders."""
    workflows.send_due(lane=Lane.BULK, clock=timezone.now)


@shared_task
def prune_broker_folder() -> None:
    """Delete old messages of a broker that is a folder."""
    an_hour_ago = timezone.now() - timedelta(hours=1)
    broker.prune_folder(settings.BROKER_FOLDER, before=an_hour_ago.timestamp())
