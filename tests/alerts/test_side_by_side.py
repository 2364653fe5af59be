"""Several at once: two people take one alert, several dispatchers look after the recipients."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest
from django.core.exceptions import ValidationError
from django.db import connection

from outcomes import workflows
from outcomes.alerts import services as alerts
from outcomes.alerts.models import Alert
from outcomes.clinics.models import Clinic, User
from outcomes.delivery.models import Message
from outcomes.scheduling.models import Assignment
from tests.alerts.conftest import raise_alert

pytestmark = [
    pytest.mark.postgres,
    pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has one writer at a time"),
    pytest.mark.django_db(transaction=True),
]


def test_of_two_who_press_at_once_one_takes_the_alert_and_the_other_is_told_who(
    phq9: Assignment, clinician: User, admin: User, now: datetime
) -> None:
    alert = raise_alert(phq9, now)

    def press(user: User) -> str:
        try:
            alerts.acknowledge(alert=alert, user=user, now=now)
            return user.name
        except ValidationError as refused:
            return refused.messages[0]
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        said = list(pool.map(press, [clinician, admin]))

    holder = Alert.objects.get().acknowledged_by
    assert holder is not None
    assert holder.name in said
    assert any(sentence.startswith(f"{holder.name} has this alert already") for sentence in said)
    assert alert.events.filter(kind="acknowledged").count() == 1


def test_dispatchers_side_by_side_test_each_person_once_and_tell_once(
    clinic: Clinic, admin: User, now: datetime
) -> None:
    def sweep(at: datetime) -> int:
        try:
            return workflows.test_recipients(now=at)
        finally:
            connection.close()

    later = now + timedelta(days=30)
    for moment in (later, later + timedelta(days=7)):
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(sweep, [moment] * 4))

    tests = Message.objects.filter(kind="test").values_list("user__name", flat=True)
    assert sorted(tests) == ["Ada", "Yara", "Zeno"]
    # Ada alone is told, once about each of the three.
    assert Message.objects.filter(kind="notice").count() == 3


def test_escalating_side_by_side_pages_once(phq9: Assignment, now: datetime) -> None:
    raise_alert(phq9, now)
    later = now + timedelta(minutes=15)

    def sweep(_: int) -> int:
        try:
            return workflows.escalate_due(now=later)
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(sweep, range(4)))

    assert Message.objects.filter(kind="alert", created_at=later).count() == 3
    assert Alert.objects.get().events.filter(kind="escalated").count() == 1
