"""The audit record cannot be changed unseen."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from outcomes.audit.models import SYSTEM, AuditEvent
from outcomes.audit.services import atomic, find_breaks, record
from outcomes.clinics.models import Clinic


@pytest.fixture
def events(clinic: Clinic, now: datetime) -> list[AuditEvent]:
    for number in range(5):
        record(
            clinic_id=clinic.pk,
            by=SYSTEM,
            now=now,
            action=f"test.{number}",
            object_type="Test",
            data={"number": number},
        )
    return list(AuditEvent.objects.filter(action__startswith="test.").order_by("number"))


def test_an_untouched_chain_has_no_breaks(clinic: Clinic, events: list[AuditEvent]) -> None:
    assert list(find_breaks(clinic.pk)) == []


def test_each_clinic_has_a_chain_of_its_own(
    clinic: Clinic, other_clinic: Clinic, events: list[AuditEvent]
) -> None:
    others = AuditEvent.objects.filter(clinic_id=other_clinic.pk)
    numbers = list(others.order_by("number").values_list("number", flat=True))

    assert numbers == list(range(1, len(numbers) + 1))
    assert list(find_breaks(other_clinic.pk)) == []


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("reason", "another"),
        ("action", "test.changed"),
        ("actor_label", "Somebody else"),
        ("data", {"number": 99}),
        ("patient_id", "0192d3c0-0000-7000-8000-000000000000"),
    ],
)
def test_an_edited_event_is_found(
    clinic: Clinic, events: list[AuditEvent], column: str, value: object
) -> None:
    AuditEvent.objects.filter(pk=events[2].pk).update(**{column: value})

    breaks = list(find_breaks(clinic.pk))

    assert breaks == [f"Event {events[2].number} was changed after it was written."]


def test_a_deleted_event_is_found(clinic: Clinic, events: list[AuditEvent]) -> None:
    AuditEvent.objects.filter(pk=events[1].pk).delete()

    assert f"Event {events[1].number} is missing" in next(find_breaks(clinic.pk))


def test_a_cut_end_is_found(clinic: Clinic, events: list[AuditEvent]) -> None:
    AuditEvent.objects.filter(pk=events[-1].pk).delete()

    assert list(find_breaks(clinic.pk)) == [
        f"The chain ends at event {events[-2].number}, but {events[-1].number} were written."
    ]


def test_swapped_events_are_found(clinic: Clinic, events: list[AuditEvent]) -> None:
    first, second = events[1].number, events[2].number
    AuditEvent.objects.filter(pk=events[1].pk).update(number=999)
    AuditEvent.objects.filter(pk=events[2].pk).update(number=first)
    AuditEvent.objects.filter(pk=events[1].pk).update(number=second)

    assert len(list(find_breaks(clinic.pk))) >= 2


def test_an_event_is_never_deleted_by_its_model(events: list[AuditEvent]) -> None:
    with pytest.raises(TypeError):
        events[0].delete()


def test_the_command_prints_the_end_of_each_chain_and_fails_on_a_break(
    clinic: Clinic, events: list[AuditEvent], capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("audit_check")
    assert events[-1].hash in capsys.readouterr().out

    AuditEvent.objects.filter(pk=events[2].pk).update(reason="another")
    with pytest.raises(CommandError, match="not whole"):
        call_command("audit_check")


def test_the_events_of_one_transaction_cost_three_statements_a_clinic(
    clinic: Clinic, other_clinic: Clinic, now: datetime, django_assert_num_queries: Any
) -> None:
    # Six, and the savepoint inside the test's own transaction.
    with django_assert_num_queries(8), atomic():
        for number in range(20):
            for place in (clinic, other_clinic):
                record(
                    clinic_id=place.pk,
                    by=SYSTEM,
                    now=now,
                    action=f"test.{number}",
                    object_type="Test",
                )

    for place in (clinic, other_clinic):
        told = AuditEvent.objects.filter(clinic_id=place.pk, action__startswith="test.")
        actions = told.order_by("number").values_list("action", flat=True)
        assert list(actions) == [f"test.{number}" for number in range(20)]
        assert list(find_breaks(place.pk)) == []
