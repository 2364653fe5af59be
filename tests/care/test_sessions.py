"""The session record: its minimum, its doubts, its history."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from hypothesis import given
from hypothesis import strategies as st

from outcomes import workflows
from outcomes.audit.models import AuditEvent
from outcomes.care.models import SessionStatus, TreatmentSession
from outcomes.care.services import ImplausibleValues
from outcomes.care.session_record import PLAUSIBLE, RecordError, check_rows, implausible
from outcomes.clinics.models import User
from outcomes.workflows import Enrolment

HELD = {
    "status": SessionStatus.DONE,
    "route": "iv",
    "drug": "Ketamine",
    "dose_amount": Decimal("40"),
    "dose_unit": "mg",
}


@pytest.fixture
def record(enrolment: Enrolment, clinician: User, now: datetime) -> Any:
    def add(**values: Any) -> TreatmentSession:
        confirmed = values.pop("is_confirmed", False)
        return workflows.record_session(
            course=enrolment.course,
            record={"planned_at": now - timedelta(hours=2), **HELD, **values},
            by=clinician.actor,
            now=now,
            is_confirmed=confirmed,
        )

    return add


def test_a_session_takes_the_next_number_of_its_course(record: Any) -> None:
    assert record().number == 3


def test_a_number_is_given_once_per_course(record: Any) -> None:
    with pytest.raises(ValidationError, match="number already"):
        record(number=1)


@pytest.mark.parametrize("column", ["route", "dose_amount", "dose_unit"])
def test_a_held_session_needs_route_and_dose(record: Any, column: str) -> None:
    with pytest.raises(ValidationError) as caught:
        record(**{column: None if column == "dose_amount" else ""})

    assert column in caught.value.message_dict
    assert TreatmentSession.objects.count() == 2


def test_a_planned_session_needs_no_dose(record: Any, now: datetime) -> None:
    session = record(
        status=SessionStatus.PLANNED,
        planned_at=now + timedelta(days=9),
        route="",
        dose_amount=None,
        dose_unit="",
    )

    assert not session.is_held


def test_a_held_session_lies_in_the_past(record: Any, now: datetime) -> None:
    with pytest.raises(ValidationError, match="future"):
        record(planned_at=now + timedelta(hours=1))


def test_a_stopped_session_says_why(record: Any) -> None:
    with pytest.raises(ValidationError, match="stopped"):
        record(status=SessionStatus.STOPPED)


def test_a_session_cannot_end_before_it_starts(record: Any, now: datetime) -> None:
    with pytest.raises(ValidationError, match="ends before"):
        record(started_at=now, ended_at=now - timedelta(minutes=1))


def test_an_unlikely_value_asks_for_confirmation_and_is_then_kept(record: Any) -> None:
    with pytest.raises(ImplausibleValues, match="weight kg 700"):
        record(weight_kg=Decimal("700"))

    session = record(weight_kg=Decimal("700"), is_confirmed=True)
    assert TreatmentSession.objects.get(pk=session.pk).weight_kg == Decimal("700")


def test_dose_per_kilogram_is_derived_from_what_was_recorded(record: Any) -> None:
    assert record(weight_kg=Decimal("80")).dose_per_kg == Decimal("0.50")
    assert record().dose_per_kg is None


def test_an_edit_needs_a_reason_and_leaves_what_was_before_in_the_audit(
    record: Any, clinician: User, now: datetime
) -> None:
    session = record()
    edit: dict[str, Any] = {
        "session": session,
        "changes": {"dose_amount": Decimal("45")},
        "by": clinician.actor,
        "now": now,
    }
    with pytest.raises(ValidationError, match="why"):
        workflows.edit_session(reason="  ", **edit)

    workflows.edit_session(reason="Read from the wrong chart", **edit)

    event = AuditEvent.objects.get(action="session.edited")
    assert event.reason == "Read from the wrong chart"
    assert event.data["changed"]["dose_amount"] == ["40.000", "45.000"]


def test_a_held_session_is_not_cancelled(record: Any, clinician: User, now: datetime) -> None:
    with pytest.raises(ValidationError, match="cannot be cancelled"):
        workflows.cancel_session(session=record(), reason="x", by=clinician.actor, now=now)


def test_an_unknown_field_is_refused_by_name(record: Any) -> None:
    with pytest.raises(ValidationError) as caught:
        record(colour="blue")

    assert "colour" in caught.value.message_dict


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ({"vitals": {}}, "must be a list"),
        ({"vitals": [1]}, "must be an object"),
        ({"vitals": [{"systolic": 120}]}, "lacks “minute”"),
        ({"vitals": [{"minute": 0, "colour": 1}]}, "unknown column “colour”"),
        ({"vitals": [{"minute": "soon"}]}, "must be a number"),
        ({"effects": [{"effect": "nausea", "severity": "awful"}]}, "not one of"),
        ({"adverse_events": [{"term": "fall", "is_serious": "no"}]}, "true or false"),
        ({"concomitant": [{"medicine": "x", "last_taken_on": "May"}]}, "not a date"),
    ],
)
def test_rows_are_refused_with_their_reason(rows: dict[str, Any], reason: str) -> None:
    with pytest.raises(RecordError, match=reason):
        check_rows(rows)


def test_rows_with_known_columns_pass() -> None:
    check_rows(
        {
            "vitals": [{"minute": 40, "systolic": 150, "spo2": None}],
            "effects": [{"effect": "nausea", "severity": "mild", "onset_minute": 20}],
            "adverse_events": [{"term": "fall", "is_serious": False, "action": ""}],
            "concomitant": [{"medicine": "lamotrigine", "last_taken_on": "2026-02-01"}],
        }
    )


@given(st.sampled_from(sorted(PLAUSIBLE)), st.floats(-1000, 1000))
def test_doubt_begins_exactly_outside_the_range(name: str, value: float) -> None:
    low, high = PLAUSIBLE[name]

    assert bool(list(implausible({name: value}))) is not (low <= value <= high)


def test_doses_in_other_units_are_not_judged() -> None:
    assert not list(implausible({"dose_amount": Decimal("9000"), "dose_unit": "microgram"}))
    assert list(implausible({"dose_amount": Decimal("9000"), "dose_unit": "mg"}))
