"""Whether the way of an alert to a person works, as far as this installation can see."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import Exists, OuterRef, Q, QuerySet

from outcomes.alerts.models import Alert
from outcomes.delivery.models import DispatcherLoop, Lane, Message

# After this long a step that is due, or a dispatcher's round, is late.
LATE_AFTER = timedelta(seconds=60)
# A page that was tried before and has not left after this long: retries wait in between.
STUCK_AFTER = timedelta(minutes=15)


def is_sending(now: datetime) -> bool:
    """Say whether a dispatcher went through the alert lane within the last minute."""
    return sending_loops(now).exists()


def sending_loops(now: datetime) -> QuerySet[DispatcherLoop]:
    """Return the loop of the alert lane if it ended within the last minute."""
    return DispatcherLoop.objects.filter(pk=Lane.ALERT, finished_at__gte=now - LATE_AFTER)


def is_healthy(now: datetime) -> bool:
    """Say whether pages leave in time and no alert waits for its next step.

    A page that does not leave while later ones by its channel do, or whose address is gone, is its
    recipient's failure, told elsewhere.
    """
    overtaken = Message.objects.filter(
        lane=Lane.ALERT, channel=OuterRef("channel"), sent_at__gt=OuterRef("created_at")
    )
    unsent = Message.objects.filter(lane=Lane.ALERT, bounced_at=None).unsent()
    stuck = Q(created_at__lt=now - STUCK_AFTER, attempts__gt=0) & ~Exists(overtaken)
    late = unsent.filter(Q(not_before__lt=now - LATE_AFTER) | stuck)
    overdue = Alert.objects.due_at(now - LATE_AFTER)
    return is_sending(now) and not late.exists() and not overdue.exists()
