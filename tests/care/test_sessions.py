"""The session record: its minimum, its doubts, its history."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from hypothesis import given
from hypothesis import strategies as st

from outcomes import workflows
from outcomes.audit.models import AuditEvent
from outcomes.care.models import SessionStatus, TreatmentSession
from outcomes.care.services import ImplausibleValues, move_session
from outcomes.care.services.sessions import refusal_to_cancel, refusal_to_move
from outcomes.care.session_record import (
    PLAUSIBLE,
    PLAUSIBLE_DOSES,
    Facts,
    RecordError,
    check_limits,
    check_rows,
    doubts,
    implausible,
)
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
    with pytest.raises(ImplausibleValues, match="Weight 700 kg is outside 30 to 250 kg"):
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
        ({"vitals": [{"minute": 10_000}]}, "between -9999 and 9999, not 10000"),
        ({"vitals": [{"minute": 1, "slot": "noon"}]}, "“noon” is not one of before"),
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
    low, high, *_words = PLAUSIBLE[name]

    assert bool(list(implausible({name: value}))) is not (low <= value <= high)


@given(st.sampled_from(sorted(PLAUSIBLE_DOSES)), st.decimals(0, 99_999, places=3))
def test_a_dose_in_any_unit_is_asked_about_exactly_outside_its_range(
    unit: str, amount: Decimal
) -> None:
    low, high = PLAUSIBLE_DOSES[unit]

    asked = list(implausible({"dose_amount": amount, "dose_unit": unit}))

    assert bool(asked) is not (low <= float(amount) <= high)


def test_a_dose_in_an_unknown_unit_is_asked_about() -> None:
    ((field, sentence),) = implausible({"dose_amount": Decimal("40"), "dose_unit": "vials"})

    assert field == "dose_unit"
    assert sentence.startswith("Dose 40 vials: the unit is not one of mg,")


def test_another_unit_asks_about_the_dose_that_stays(
    record: Any, clinician: User, now: datetime
) -> None:
    with pytest.raises(ImplausibleValues, match="Dose 40 pulses is outside 50 to 20000 pulses"):
        workflows.edit_session(
            session=record(),
            changes={"dose_unit": "pulses"},
            reason="x",
            by=clinician.actor,
            now=now,
        )


@pytest.mark.parametrize("status", [SessionStatus.PLANNED, SessionStatus.DONE])
@pytest.mark.parametrize("route", ["iv", "device"])
def test_a_dose_needs_its_unit(record: Any, status: SessionStatus, route: str) -> None:
    with pytest.raises(ValidationError) as caught:
        record(status=status, route=route, dose_unit="", is_confirmed=True)

    assert list(caught.value.message_dict) == ["dose_unit"]


def test_a_plan_stored_without_a_unit_may_still_be_cancelled(
    record: Any, clinician: User, now: datetime
) -> None:
    session = record(status=SessionStatus.PLANNED)
    TreatmentSession.objects.filter(pk=session.pk).update(dose_unit="")

    workflows.cancel_session(session=session, reason="ill", by=clinician.actor, now=now)

    session.refresh_from_db()
    assert session.status == SessionStatus.CANCELLED


FACTS = Facts(
    now=datetime(2026, 2, 2, 9, tzinfo=UTC),
    zone="America/New_York",
    born_on=date(1980, 5, 17),
    episode_started_on=date(2026, 1, 10),
    highest_number=3,
)
START = datetime(2026, 2, 1, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        (
            {"planned_at": datetime(1979, 1, 1, 3, tzinfo=UTC)},
            "Planned for 31 Dec 1978, 22:00 is before the patient's birth on 17 May 1980.",
        ),
        (
            {"started_at": datetime(2024, 12, 1, 15, tzinfo=UTC)},
            "Started 1 Dec 2024, 10:00 is more than a year before the episode, 10 Jan 2026.",
        ),
        (
            {"planned_at": datetime(2028, 2, 6, 15, tzinfo=UTC)},
            "Planned for 6 Feb 2028, 10:00 is more than 2 years ahead.",
        ),
        (
            {"started_at": START, "ended_at": datetime(2026, 2, 2, 9, 1, tzinfo=UTC)},
            "Ended 2 Feb 2026, 04:01 is in the future.",
        ),
        (
            {
                "started_at": datetime(2026, 1, 30, 15, tzinfo=UTC),
                "ended_at": datetime(2026, 1, 31, 15, 1, tzinfo=UTC),
            },
            "Ended 31 Jan 2026, 10:01 is more than 24 hours after the start.",
        ),
        (
            {"started_at": START, "ready_at": START - timedelta(hours=1)},
            "Ready for discharge 1 Feb 2026, 09:00 is before the start.",
        ),
        ({"weight_on": date(2026, 2, 3)}, "Weighed on 3 Feb 2026 is in the future."),
        (
            {"concomitant": [{"medicine": "Lamotrigine", "last_taken_on": "1926-01-31"}]},
            "Lamotrigine last taken on 31 Jan 1926 is before the patient's birth on 17 May 1980.",
        ),
        ({"number": 9}, "Number 9 leaves a gap: the course's highest is 3."),
        (
            {"vitals": [{"slot": "before", "minute": 0, "spo2": 40}]},
            "Vital signs, Before: SpO₂ 40 % is outside 80 to 100 %.",
        ),
        (
            {"vitals": [{"minute": 95, "systolic": 300}]},
            "Vital signs, minute 95: Systolic 300 is outside 70 to 220.",
        ),
    ],
)
def test_each_doubt_names_field_and_value(values: dict[str, Any], sentence: str) -> None:
    assert [words for _field, words in doubts(values, FACTS)] == [sentence]


def test_usual_times_and_numbers_ask_nothing() -> None:
    usual = {
        "number": 4,
        "planned_at": START,
        "started_at": START,
        "ended_at": START + timedelta(hours=1),
        "ready_at": START + timedelta(hours=2),
        "weight_on": date(2026, 2, 2),
    }
    assert not list(doubts(usual, FACTS))
    # The evening before, on a clock behind UTC, is the episode's first day.
    assert not list(doubts({"planned_at": datetime(2026, 1, 9, 20, tzinfo=UTC)}, FACTS))
    assert not list(doubts({"weight_on": date(1979, 1, 1)}, replace(FACTS, born_on=None)))


def test_one_time_in_both_fields_is_asked_about_once() -> None:
    long_ago = datetime(2024, 12, 1, 15, tzinfo=UTC)

    asked = list(doubts({"planned_at": long_ago, "started_at": long_ago}, FACTS))

    assert [field for field, _sentence in asked] == ["started_at"]


def test_a_first_number_that_is_not_1_leaves_a_gap() -> None:
    ((_field, sentence),) = doubts({"number": 2}, replace(FACTS, highest_number=0))

    assert sentence == "Number 2 leaves a gap: the course has no session yet."


def test_an_odd_time_asks_and_is_then_kept(record: Any, now: datetime) -> None:
    long_ago = now - timedelta(days=400)
    with pytest.raises(ImplausibleValues, match="more than a year before the episode"):
        record(planned_at=long_ago)

    assert record(planned_at=long_ago, is_confirmed=True).started_at == long_ago


def test_a_confirmed_value_is_not_asked_about_again(
    record: Any, clinician: User, now: datetime
) -> None:
    session = record(number=9, planned_at=now - timedelta(days=400), is_confirmed=True)

    edited = workflows.edit_session(
        session=session,
        changes={"number": 9, "lot": "A17"},
        reason="Left out",
        by=clinician.actor,
        now=now,
    )

    assert (edited.number, edited.lot) == (9, "A17")


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"number": 10_000}, "must be at most 9999, not 10000"),
        ({"sedation": 10**30}, "must be at most 9999"),
        ({"planned_at": datetime(9999, 12, 31, tzinfo=UTC)}, "between the years 1900 and 2199"),
    ],
)
def test_what_no_session_can_have_is_refused_even_if_confirmed(
    record: Any, values: dict[str, Any], reason: str
) -> None:
    with pytest.raises(RecordError, match=reason):
        check_limits(values)
    with pytest.raises(ValidationError, match=reason):
        record(**values, is_confirmed=True)


def test_an_edit_that_changes_nothing_writes_nothing(
    record: Any, clinician: User, now: datetime
) -> None:
    session = record()
    events = AuditEvent.objects.count()

    same = workflows.edit_session(
        session=session,
        changes={"dose_amount": Decimal("40.0"), "drug": "Ketamine"},
        reason="Looked again",
        by=clinician.actor,
        now=now,
    )

    assert (same.edited_by, same.edited_at) == ("", None)
    assert AuditEvent.objects.count() == events


@pytest.mark.parametrize(
    "status", [status for status in SessionStatus if status != SessionStatus.PLANNED]
)
def test_only_a_planned_session_is_moved_or_cancelled(
    record: Any, clinician: User, now: datetime, status: SessionStatus
) -> None:
    # The caller's copy still says that it is planned.
    session = record(status=SessionStatus.PLANNED)
    TreatmentSession.objects.filter(pk=session.pk).update(status=status)
    who: dict[str, Any] = {"session": session, "reason": "x", "by": clinician.actor, "now": now}

    with pytest.raises(ValidationError, match="Only a planned session can be moved"):
        workflows.move_session(planned_at=now, **who)
    with pytest.raises(ValidationError, match="cancelled"):
        workflows.cancel_session(**who)

    session.refresh_from_db()
    assert (session.status, session.edited_at) == (status, None)
    assert refusal_to_move(session)
    assert refusal_to_cancel(session)


def test_a_move_to_an_odd_time_asks_and_is_then_kept(
    record: Any, clinician: User, now: datetime
) -> None:
    move: dict[str, Any] = {
        "session": record(status=SessionStatus.PLANNED),
        "planned_at": now + timedelta(days=1000),
        "reason": "x",
        "by": clinician.actor,
        "now": now,
    }
    with pytest.raises(ImplausibleValues, match="more than 2 years ahead"):
        move_session(**move)

    assert move_session(**move, is_confirmed=True).planned_at == move["planned_at"]
