"""All that runs with nobody watching. Each takes the time, makes one call, and holds no logic.

The database decides what must happen; a task only says "look now". Losing, repeating or reordering
every task changes nothing but latency.
"""

from __future__ import annotations

from datetime import timedelta

from celery import shared_task
from django.conf import settings
from django.utils import timezone

from config import broker
from outcomes import workflows
from outcomes.delivery.models import Lane


@shared_task
def plan_due() -> None:
    """Bring the plans of changed courses up to date."""
    workflows.replan_due(now=timezone.now())


@shared_task
def invite_due() -> None:
    """Ask every patient what is open to them now."""
    workflows.invite_due(now=timezone.now())


@shared_task
def send_alerts() -> None:
    """Send every message that pages staff."""
    workflows.send_due(lane=Lane.ALERT, clock=timezone.now)


@shared_task
def send_bulk() -> None:
    """Send invitations and reminders."""
    workflows.send_due(lane=Lane.BULK, clock=timezone.now)


@shared_task
def escalate_alerts() -> None:
    """Open and escalate alerts whose time has come, and send their messages at once."""
    workflows.escalate_due(now=timezone.now())
    workflows.send_due(lane=Lane.ALERT, clock=timezone.now)


@shared_task
def expire_assignments() -> None:
    """Close what nobody answered in time."""
    workflows.expire_assignments(now=timezone.now())


@shared_task
def prune_broker_folder() -> None:
    """Delete old messages of a broker that is a folder."""
    an_hour_ago = timezone.now() - timedelta(hours=1)
    broker.prune_folder(settings.BROKER_FOLDER, before=an_hour_ago.timestamp())
