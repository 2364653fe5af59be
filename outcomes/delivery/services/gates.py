"""A provider's breaker and its allowance per second, shared by all dispatchers through the rows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F

from outcomes.delivery.channels.base import Provider
from outcomes.delivery.models import Lane, ProviderGate

#: Faults of a provider in a row after which nobody but a single probe calls it.
FAULTS_TO_CLOSE = 3
#: The wait before each probe doubles from the first to the second of these.
FIRST_PAUSE_SECONDS = 5
LONGEST_PAUSE_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Admission:
    """How many messages may be handed to a provider, and whether it failed of late."""

    size: int
    is_troubled: bool


def admit(provider: Provider, *, lane: str, size: int, now: datetime) -> Admission:
    """Say how many messages, at most `size`, may be handed to the provider now.

    Alerts count against the allowance and never wait for it; the breaker holds for both lanes, so
    that alerts by another channel do not wait behind calls that hang.
    """
    gate = ProviderGate.objects.filter(name=provider.name).first()
    if gate is not None and gate.failures >= FAULTS_TO_CLOSE:
        return Admission(int(_takes_probe(gate, now)), is_troubled=True)
    if provider.per_second:
        size = _take_allowance(provider, lane, size, now)
    return Admission(size, is_troubled=gate is not None and gate.failures > 0)


def _takes_probe(gate: ProviderGate, now: datetime) -> bool:
    """Say whether this dispatcher is the one that tries the provider again."""
    if gate.closed_until is not None and gate.closed_until > now:
        return False
    ours = ProviderGate.objects.filter(name=gate.name, closed_until=gate.closed_until)
    return ours.update(closed_until=now + _pause(gate.failures)) == 1


def _pause(failures: int) -> timedelta:
    doubled = FIRST_PAUSE_SECONDS * 2 ** min(max(failures - FAULTS_TO_CLOSE, 0), 10)
    return timedelta(seconds=min(doubled, LONGEST_PAUSE_SECONDS))


@transaction.atomic
def _take_allowance(provider: Provider, lane: str, size: int, now: datetime) -> int:
    ProviderGate.objects.get_or_create(name=provider.name)
    gate = ProviderGate.objects.select_for_update().get(name=provider.name)
    most = max(provider.per_second, 1.0)
    elapsed = (now - gate.counted_at).total_seconds() if gate.counted_at else math.inf
    allowance = min(most, gate.allowance + max(elapsed, 0) * provider.per_second)
    taken = size if lane == Lane.ALERT else max(min(size, int(allowance)), 0)
    gate.allowance, gate.counted_at = max(allowance - taken, -most), now
    gate.save(update_fields=["allowance", "counted_at"])
    return taken


def note_fault(provider: Provider, *, now: datetime) -> bool:
    """Count a fault of the provider; say whether it is to be left alone now."""
    ProviderGate.objects.get_or_create(name=provider.name)
    mine = ProviderGate.objects.filter(name=provider.name)
    mine.update(failures=F("failures") + 1)
    gate = mine.get()
    if gate.failures < FAULTS_TO_CLOSE:
        return False
    mine.update(closed_until=now + _pause(gate.failures))
    return True


def note_success(provider: Provider) -> None:
    """Open the gate: the provider works."""
    ProviderGate.objects.filter(name=provider.name, failures__gt=0).update(
        failures=0, closed_until=None
    )
