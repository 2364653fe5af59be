"""R5: an alert that nobody takes is paged on time, and never once it is taken."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from statistics import quantiles

import pytest
from django.core.exceptions import ValidationError

from outcomes import workflows
from outcomes.alerts import services as alerts
from outcomes.alerts.models import Alert, AlertState
from outcomes.alerts.tiers import next_step_after, tier_at
from outcomes.clinics.models import Clinic, User, validate_alert_minutes
from outcomes.delivery.models import Message
from outcomes.responses.models import QuestionnaireResponse
from outcomes.scheduling.models import Assignment
from tests.alerts.conftest import raise_alert

SIMULATED, STORED = 10_000, 60
TICK = timedelta(seconds=10)
ON_TIME = timedelta(seconds=30)
BEGIN = datetime(2026, 3, 28, 12, 0, tzinfo=UTC)


def planned(minutes: list[int], opened_at: datetime, until: datetime) -> list[datetime]:
    """Return when people are to be told after the opening, written down apart from the product."""
    moments = [opened_at + timedelta(minutes=minute) for minute in minutes]
    while moments[-1] < until:
        moments.append(moments[-1] + timedelta(minutes=60))
    return [moment for moment in moments if moment < until]


def draw_minutes(rng: random.Random) -> list[int]:
    while True:
        minutes = sorted(rng.sample(range(1, 181), 3))
        try:
            validate_alert_minutes(minutes)
        except ValidationError:
            continue
        return minutes


def pages_of(
    minutes: list[int], opened_at: datetime, taken_at: datetime, first_tick: datetime
) -> list[tuple[int, datetime]]:
    """Walk one alert through ticks until it is taken; return each page's tier and moment."""
    told, tick = [], first_tick
    due = next_step_after(minutes, opened_at, opened_at)
    while True:
        tick += max(0, -((tick - due) // TICK)) * TICK  # the first tick at or after it is due
        if tick >= taken_at:
            return told
        told.append((tier_at(minutes, opened_at, tick), tick))
        due = next_step_after(minutes, opened_at, tick)
        tick += TICK


def test_ten_thousand_ignored_alerts_are_paged_on_time() -> None:
    rng = random.Random(5)
    late: list[float] = []
    after = wrong = 0
    for _ in range(SIMULATED):
        minutes = draw_minutes(rng)
        opened_at = BEGIN + timedelta(seconds=rng.uniform(0, 86_400))
        taken_at = opened_at + timedelta(seconds=rng.uniform(0, 30 * 3600))
        first_tick = opened_at + TICK * rng.random()
        told = pages_of(minutes, opened_at, taken_at, first_tick)
        wanted = planned(minutes, opened_at, taken_at)
        # One that was due within the tick before it was taken may go without a page.
        wrong += len(wanted) - len(told) not in (0, 1)
        wrong += [tier for tier, _at in told] != list(range(1, len(told) + 1))
        late += [(at - due).total_seconds() for (_, at), due in zip(told, wanted, strict=False)]
        after += sum(at >= taken_at for _tier, at in told)

    worst, p99 = max(late), quantiles(late, n=100)[98]
    print(
        f"\nR5 held: {len(late)} pages of {SIMULATED} simulated alerts, the latest {worst:.1f} s "
        f"after its time (p99 {p99:.1f} s), {after} after the acknowledgement"
    )
    assert min(late) >= 0
    assert timedelta(seconds=worst) <= ON_TIME
    assert (wrong, after) == (0, 0)


def copies_of(alert: Alert, count: int, opened: list[datetime]) -> list[Alert]:
    """Store so many open alerts of the same patient, each of an answer of its own."""
    answer = QuestionnaireResponse.objects.get(pk=alert.response_id)
    made = []
    for number in range(count):
        answer.pk, answer.assignment_id = QuestionnaireResponse().pk, None
        answer.submission_id = f"copy-{number}"
        answer._state.adding = True
        answer.save(force_insert=True)
        minutes = alert.clinic.alert_minutes
        made.append(
            Alert(
                clinic_id=alert.clinic_id,
                patient_id=alert.patient_id,
                episode_id=alert.episode_id,
                response_id=answer.pk,
                rule_id=alert.rule_id,
                reason=alert.reason,
                value=1,
                state=AlertState.OPEN,
                raised_at=opened[number],
                opened_at=opened[number],
                next_at=next_step_after(minutes, opened[number], opened[number]),
            )
        )
    return Alert.objects.bulk_create(made)


def test_stored_alerts_are_paged_on_time_and_not_after_they_are_taken(
    phq9: Assignment, clinician: User, now: datetime
) -> None:
    rng = random.Random(6)
    Clinic.objects.update(alert_minutes=[5, 20, 40])
    first = raise_alert(phq9, now)
    first.clinic.refresh_from_db()
    opened = [now + timedelta(seconds=rng.uniform(0, 600)) for _ in range(STORED)]
    made = copies_of(first, STORED, opened)
    alerts.acknowledge(alert=first, user=clinician, now=now)
    taken = {alert.pk: now + timedelta(seconds=rng.uniform(600, 3 * 3600)) for alert in made}

    clock, waiting = now, dict(taken)
    while clock < now + timedelta(hours=3, minutes=30):
        for key in [key for key, at in waiting.items() if at <= clock]:
            alerts.acknowledge(
                alert=Alert.objects.get(pk=key), user=clinician, now=waiting.pop(key)
            )
        workflows.escalate_due(now=clock)
        clock += TICK

    late: list[float] = []
    for alert in made:
        told = list(
            Message.objects.filter(alert=alert)
            .order_by("created_at")
            .values_list("created_at", flat=True)
            .distinct()
        )
        assert alert.opened_at is not None
        wanted = planned([5, 20, 40], alert.opened_at, taken[alert.pk])
        assert len(wanted) - len(told) in (0, 1)
        assert all(at < taken[alert.pk] for at in told)
        late += [(at - due).total_seconds() for at, due in zip(told, wanted, strict=False)]
    print(
        f"\nR5 held: {len(late)} pages of {STORED} stored alerts, the latest {max(late):.1f} s "
        "after its time, 0 after the acknowledgement"
    )
    assert len(late) > 2 * STORED
    assert 0 <= min(late) <= max(late) <= ON_TIME.total_seconds()


@pytest.mark.parametrize(
    ("minute", "tier"),
    [(0, 0), (14, 0), (15, 1), (30, 2), (59, 2), (60, 3), (119, 3), (120, 4), (60 + 60 * 24, 27)],
)
def test_tiers_follow_from_the_opening(minute: int, tier: int) -> None:
    assert tier_at([15, 30, 60], BEGIN, BEGIN + timedelta(minutes=minute)) == tier


def test_a_clinic_that_changes_its_times_narrows_no_circle(phq9: Assignment, now: datetime) -> None:
    alert = raise_alert(phq9, now)
    workflows.escalate_due(now=now + timedelta(minutes=30))
    Clinic.objects.update(alert_minutes=[45, 90, 150])

    workflows.escalate_due(now=now + timedelta(minutes=60))

    alert.refresh_from_db()
    assert (alert.tier, alert.next_at) == (2, now + timedelta(minutes=90))
