"""Asking what is due: in batches, held up by nobody, by any number of sweeps side by side."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection

from outcomes import workflows
from outcomes.clinics.models import Clinic, User
from outcomes.delivery.models import Invitation, Message
from outcomes.scheduling.models import Assignment
from tests.conftest import make_enrolment

NAMES = ("Ann", "Ben", "Cho", "Dee", "Eve", "Fay", "Gus")


@pytest.fixture
def several(clinic: Clinic, clinician: User) -> dict[str, Any]:
    """Seven patients to whom a questionnaire is open, by name."""
    return {name: make_enrolment(clinic, clinician, name).patient for name in NAMES}


def asked() -> Counter[str]:
    return Counter(Invitation.objects.values_list("patient__given_name", flat=True))


@pytest.mark.parametrize("batch", [2, 100])
def test_a_patient_who_fails_holds_up_nobody(
    several: dict[str, Any], now: datetime, monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    monkeypatch.setattr(workflows.asking, "BATCH", batch)
    due = Assignment.objects.planned()
    due.update(opens_at=now)
    broken = due.filter(patient__in=[several["Ann"], several["Cho"]])
    broken.update(reminders_at=["no time"], opens_at=now - timedelta(minutes=1))

    assert workflows.invite_due(now=now) == len(NAMES) - 2
    assert asked() == Counter(set(NAMES) - {"Ann", "Cho"})

    broken.update(reminders_at=[])
    assert workflows.invite_due(now=now) == 2
    assert asked() == Counter(NAMES)


def test_who_has_waited_longest_goes_first(several: dict[str, Any], now: datetime) -> None:
    due = Assignment.objects.planned()
    due.filter(patient=several["Gus"]).update(opens_at=now - timedelta(hours=1))

    workflows.invite_due(now=now, at_most=1)

    assert asked() == Counter(["Gus"])


def test_a_batch_costs_no_more_statements_than_one_patient(
    several: dict[str, Any], now: datetime, django_assert_max_num_queries: Any
) -> None:
    with django_assert_max_num_queries(20):
        assert workflows.invite_due(now=now) == len(NAMES)
    assert Message.objects.filter(kind="invitation").count() == len(NAMES)


@pytest.mark.postgres
@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has one writer at a time")
@pytest.mark.django_db(transaction=True)
def test_sweeps_side_by_side_ask_each_patient_once(
    several: dict[str, Any], now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workflows.asking, "BATCH", 2)

    def sweep(_: int) -> int:
        try:
            return workflows.invite_due(now=now)
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(sweep, range(4)))

    assert workflows.invite_due(now=now) == 0
    assert sum(done) == len(NAMES)
    assert asked() == Counter(NAMES)
