"""Sweeping: what is done for all at once, with nobody watching."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from django.db.models import Model, QuerySet

from outcomes.alerts import services as alerts
from outcomes.alerts.models import Alert, Failure, Recipient
from outcomes.care.models import (
    Channel,
    Course,
)
from outcomes.delivery import services as delivery
from outcomes.delivery.channels import dead_man
from outcomes.delivery.models import (
    Lane,
    Message,
)
from outcomes.scheduling import services as scheduling

log = logging.getLogger(__name__)

# One sweep does at most this many rows, so that a task ends well inside its time limit.
AT_MOST = 500

Row = TypeVar("Row", bound=Model)


def sweep(rows: QuerySet[Row], step: Callable[[Row], object]) -> int:
    """Take the step for each row, at most once in this sweep, and return for how many it went well.

    Rows that fail, however many, hold up no other; they are tried again at the next sweep.
    """
    done = 0
    seen: list[UUID] = []
    while done < AT_MOST:
        found = list(rows.exclude(pk__in=seen)[: AT_MOST - done])
        if not found:
            break
        for row in found:
            seen.append(row.pk)
            try:
                step(row)
                done += 1
            except Exception as error:
                # Only the kind of error: its text may hold a patient's data.
                log.error("%s %s failed: %s", type(row).__name__, row.pk, type(error).__name__)
    return done


def replan_due(*, now: datetime) -> int:
    """Plan every course whose facts have changed; return how many."""
    courses = Course.objects.filter(needs_plan=True).order_by("pk")
    return sweep(courses, lambda course: scheduling.replan(course=course, now=now))


def expire_assignments(*, now: datetime) -> int:
    """Close what nobody answered in time; return how many."""
    return scheduling.expire_closed(now=now)


def send_due(
    *, lane: str, clock: Callable[[], datetime], through: Iterable[str] = Channel.values
) -> int:
    """Send the due messages of a lane by these channels, each at the time `clock` then gives.

    Each provider is called outside any transaction. Returns how many were handled. Nothing of the
    bulk lane leaves a database that was restored and not reconciled yet.
    """
    if lane == Lane.BULK and delivery.is_restored(clock()):
        log.error("The database was restored: run `manage.py reconcile` to go on sending.")
        return 0
    done = 0
    for channel in through:
        left = AT_MOST
        while left > 0 and (sent := delivery.send_batch(lane=lane, channel=channel, clock=clock)):
            left -= sent
            done += sent
    # The mark first: a lane that goes on while its mark stands still is one that is held.
    delivery.note_mark(clock())
    delivery.note_loop(lane=lane, now=clock())
    return done


def escalate_due(*, now: datetime) -> int:
    """Open or escalate every alert whose time has come; return how many."""
    due = Alert.objects.due_at(now).order_by("next_at")
    return sweep(due, lambda alert: alerts.escalate(alert=alert, now=now))


def test_recipients(*, now: datetime) -> int:
    """Send the test alerts that are due, and find whom alerts do not reach; return how many.

    Who must mend it is told once for each occurrence.
    """

    def fail_page(reason: Failure) -> Callable[[Message], object]:
        def step(page: Message) -> None:
            assert page.user_id is not None
            alerts.fail(clinic_id=page.clinic_id, user_id=page.user_id, reason=reason, now=now)

        return step

    def fail_unconfirmed(recipient: Recipient) -> None:
        alerts.fail(
            clinic_id=recipient.clinic_id,
            user_id=recipient.user_id,
            reason=Failure.UNCONFIRMED,
            now=now,
        )

    return sum(
        (
            sweep(
                alerts.due_for_test(now), lambda member: alerts.test_again(member=member, now=now)
            ),
            sweep(alerts.unconfirmed(now), fail_unconfirmed),
            sweep(alerts.bounced_pages(now), fail_page(Failure.BOUNCED)),
            sweep(alerts.unstuck(now), lambda row: alerts.recover(recipient=row, now=now)),
            sweep(alerts.stuck_pages(now), fail_page(Failure.STUCK)),
            sweep(
                alerts.alerts_reaching_nobody(now),
                lambda alert: alerts.tell_the_last(alert=alert, now=now),
            ),
        )
    )


def report_alive(*, now: datetime) -> bool:
    """Tell the outside monitor, at most once a minute, that alerts go out in time.

    Says nothing, and so lets the monitor raise its alarm, while the alert lane is late. Returns
    whether the monitor was told.
    """
    return dead_man.is_in_use() and alerts.is_healthy(now) and delivery.report_alive(now=now)
