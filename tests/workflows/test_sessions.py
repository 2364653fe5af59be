"""A session that is recorded, moved or cancelled takes its questionnaires along."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from outcomes import workflows
from outcomes.care.models import SessionStatus, TreatmentSession
from outcomes.clinics.models import User
from outcomes.scheduling.models import Assignment, AssignmentState
from outcomes.workflows import Enrolment


@pytest.fixture
def first(enrolment: Enrolment) -> TreatmentSession:
    return enrolment.course.sessions.get(number=1)


def baseline() -> Assignment:
    rows = Assignment.objects.exclude(state=AssignmentState.CANCELLED)
    return rows.get(rule_code="baseline", instrument__code="PHQ-9")


def test_moving_a_session_moves_what_hangs_on_it(
    first: TreatmentSession, clinician: User, now: datetime
) -> None:
    later = first.planned_at + timedelta(days=1)
    before = baseline().pk

    workflows.move_session(
        session=first, planned_at=later, reason="Asked by patient", by=clinician.actor, now=now
    )

    assert baseline().pk == before
    assert (baseline().due_at, baseline().closes_at) == (later, later)


def test_what_the_patient_was_asked_stays_when_the_session_moves(
    first: TreatmentSession, clinician: User, now: datetime
) -> None:
    workflows.invite_due(now=now)
    asked = baseline()

    workflows.move_session(
        session=first,
        planned_at=first.planned_at + timedelta(days=1),
        reason="x",
        by=clinician.actor,
        now=now,
    )

    assert (baseline().state, baseline().closes_at) == (AssignmentState.OPEN, asked.closes_at)


def test_cancelling_the_only_sessions_withdraws_the_plan(
    enrolment: Enrolment, clinician: User, now: datetime
) -> None:
    for session in enrolment.course.sessions.all():
        workflows.cancel_session(session=session, reason="x", by=clinician.actor, now=now)

    assert not Assignment.objects.planned().exists()


def test_a_no_show_is_no_anchor(first: TreatmentSession, clinician: User, now: datetime) -> None:
    workflows.cancel_session(
        session=first,
        reason="x",
        by=clinician.actor,
        now=now,
        status=SessionStatus.NO_SHOW,
    )

    second = TreatmentSession.objects.get(number=2)
    assert baseline().due_at == second.planned_at


def test_a_backdated_session_plans_only_what_can_still_be_answered(
    enrolment: Enrolment, clinician: User, now: datetime
) -> None:
    workflows.record_session(
        course=enrolment.course,
        record={
            "planned_at": now - timedelta(days=30),
            "status": SessionStatus.DONE,
            "route": "iv",
            "dose_amount": Decimal("40"),
            "dose_unit": "mg",
        },
        by=clinician.actor,
        now=now,
        is_confirmed=True,
    )

    assert not Assignment.objects.planned().filter(closes_at__lte=now).exists()


def test_the_order_of_entry_does_not_change_the_plan(
    enrolment: Enrolment, clinician: User, now: datetime
) -> None:
    first, second = enrolment.course.sessions.order_by("number")
    days = [timedelta(days=4), timedelta(days=9)]

    def plan() -> list[tuple[object, ...]]:
        rows = Assignment.objects.planned().order_by("due_at", "instrument__code")
        return list(rows.values_list("rule_code", "instrument__code", "opens_at", "due_at"))

    def move(session: TreatmentSession, by: timedelta) -> None:
        workflows.move_session(
            session=session, planned_at=now + by, reason="x", by=clinician.actor, now=now
        )

    move(first, days[0])
    move(second, days[1])
    one_way = plan()
    move(second, timedelta(days=20))
    move(first, timedelta(days=15))
    move(second, days[1])
    move(first, days[0])

    assert plan() == one_way


def test_what_nobody_answered_is_missed_once_it_closes(enrolment: Enrolment, now: datetime) -> None:
    workflows.invite_due(now=now)

    workflows.expire_assignments(now=now + timedelta(days=4))

    assert baseline().state == AssignmentState.EXPIRED
    enrolment.course.refresh_from_db()
    assert enrolment.course.needs_plan


def test_one_broken_course_does_not_hold_up_the_others(
    enrolment: Enrolment,
    other_enrolment: Enrolment,
    now: datetime,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    from outcomes.scheduling import services

    original = services.replan

    def replan(*, course: object, now: datetime) -> None:
        if course == enrolment.course:
            raise RuntimeError("Robin Example, born 1980")
        original(course=course, now=now)  # type: ignore[arg-type]

    monkeypatch.setattr(services, "replan", replan)
    services.request_plan([enrolment.course.pk, other_enrolment.course.pk])

    assert workflows.replan_due(now=now) == 1
    assert "RuntimeError" in caplog.text
    assert "Robin" not in caplog.text
