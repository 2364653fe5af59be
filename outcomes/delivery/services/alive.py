"""Report to an outside monitor, one dispatcher for all."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import Q

from outcomes.delivery.channels import dead_man
from outcomes.delivery.models import ProviderGate

REPORT_EVERY = timedelta(minutes=1)


def report_alive(*, now: datetime) -> bool:
    """Report, unless that was tried within the last minute; say whether the monitor took it."""
    ProviderGate.objects.get_or_create(name=dead_man.NAME)
    due = Q(counted_at=None) | Q(counted_at__lte=now - REPORT_EVERY)
    if ProviderGate.objects.filter(due, name=dead_man.NAME).update(counted_at=now) == 0:
        return False
    return dead_man.report()
