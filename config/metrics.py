"""What an operator's monitoring reads: numbers, computed from the database when they are asked for.

They count things of the whole installation. None names a clinic, a patient or an address.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import datetime

from django.db.models import Count, Min, Q
from django.utils import timezone
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from outcomes.alerts.models import Alert
from outcomes.care.models import Course, Patient
from outcomes.delivery.models import (
    DispatcherLoop,
    Lane,
    Message,
    MessageState,
    Unreached,
)
from outcomes.delivery.services import is_held
from outcomes.scheduling.models import Assignment

LANES = ["lane"]


def render(now: datetime | None = None) -> bytes:
    """Return every figure in the text format of Prometheus."""
    registry = CollectorRegistry()
    registry.register(Figures(now or timezone.now()))
    return generate_latest(registry)


class Figures(Collector):
    """The installation's figures at one moment."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def describe(self) -> list[GaugeMetricFamily]:
        """Ask nothing of the database when the collector is registered."""
        return []

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Read the figures, each group with one query."""
        yield from self._messages()
        yield from self._dispatchers()
        yield from self._alerts()
        yield self._gauge(
            "outcomes_messages_set_aside",
            "Messages set aside after repeated crashes.",
            Message.objects.filter(state=MessageState.QUARANTINED).count(),
        )
        yield self._gauge(
            "outcomes_patients_unreached",
            "Channels that do not reach a patient, for staff to settle.",
            Unreached.objects.open().count(),
        )
        yield self._gauge(
            "outcomes_courses_to_plan",
            "Courses whose plan is to be brought up to date.",
            Course.objects.filter(needs_plan=True).count(),
        )
        yield from self._to_ask()
        yield self._gauge(
            "outcomes_bulk_held",
            "1 while bulk messages are held because the database was restored.",
            int(is_held()),
        )

    def _gauge(self, name: str, text: str, value: float) -> GaugeMetricFamily:
        return GaugeMetricFamily(name, text, value=value)

    def _age(self, since: datetime | None) -> float:
        return max(0.0, (self.now - since).total_seconds()) if since else 0.0

    def _messages(self) -> Iterator[GaugeMetricFamily]:
        due = Q(not_before__lte=self.now)
        found = {
            lane: (waiting, oldest)
            for lane, waiting, oldest in Message.objects.unsent()
            .order_by()
            .values_list("lane")
            .annotate(waiting=Count("pk", filter=due), oldest=Min("not_before", filter=due))
        }
        waiting = GaugeMetricFamily(
            "outcomes_messages_waiting", "Messages that are due and not sent.", labels=LANES
        )
        age = GaugeMetricFamily(
            "outcomes_queue_age_seconds", "How long the oldest due message waits.", labels=LANES
        )
        for lane in Lane.values:
            count, oldest = found.get(lane, (0, None))
            waiting.add_metric([lane], count)
            age.add_metric([lane], self._age(oldest))
        yield waiting
        yield age

    def _dispatchers(self) -> Iterator[GaugeMetricFamily]:
        finished = dict(DispatcherLoop.objects.values_list("lane", "finished_at"))
        age = GaugeMetricFamily(
            "outcomes_dispatcher_age_seconds",
            "Since a dispatcher last went through the lane; infinite before the first time.",
            labels=LANES,
        )
        for lane in Lane.values:
            known = lane in finished
            age.add_metric([lane], self._age(finished[lane]) if known else math.inf)
        yield age

    def _alerts(self) -> Iterator[GaugeMetricFamily]:
        unanswered = Alert.objects.open().aggregate(n=Count("pk"), oldest=Min("opened_at"))
        yield self._gauge(
            "outcomes_alerts_open", "Alerts that no named person acknowledged.", unanswered["n"]
        )
        yield self._gauge(
            "outcomes_alert_oldest_open_seconds",
            "How long the oldest of them has been open.",
            self._age(unanswered["oldest"]),
        )

    def _to_ask(self) -> Iterator[GaugeMetricFamily]:
        open_now = Assignment.objects.planned().filter(
            opens_at__lte=self.now, closes_at__gt=self.now
        )
        to_ask = open_now.exclude(patient__in=Patient.objects.paused_at(self.now))
        found = to_ask.aggregate(n=Count("pk"), oldest=Min("opens_at"))
        yield self._gauge(
            "outcomes_assignments_to_ask",
            "Questionnaires to be asked now, and not yet.",
            found["n"],
        )
        yield self._gauge(
            "outcomes_ask_age_seconds",
            "How long the oldest of them has been due.",
            self._age(found["oldest"]),
        )
