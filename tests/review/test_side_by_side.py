"""Two courses of one patient, on days since the first session of each."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from pytest_django import DjangoAssertNumQueries

from outcomes import workflows
from outcomes.care.models import Course, CourseKind
from outcomes.clinics.models import User
from outcomes.review import side_by_side
from outcomes.workflows import Enrolment
from tests.review.conftest import Answer

GIVEN = {"status": "done", "route": "iv", "dose_amount": Decimal("40"), "dose_unit": "mg"}
# The second course, by days after the first one was enrolled.
BEGINS, TREATED, ASKED = timedelta(days=24), timedelta(days=25), timedelta(days=32)


@pytest.fixture
def second(treated: Enrolment, clinician: User, answer: Answer, now: datetime) -> Course:
    """A course after the first: 0 and 0 before its session, 9 and 7 a week after it."""
    by = clinician.actor
    course = workflows.start_course(
        episode=treated.episode,
        kind=CourseKind.MAINTENANCE,
        schedule_id=treated.course.schedule_id,
        by=by,
        now=now + BEGINS,
    )
    at = now + TREATED
    record = {**GIVEN, "planned_at": at, "started_at": at}
    workflows.record_session(course=course, record=record, by=by, now=at)
    answer(1, now + ASKED)
    return course


def test_a_course_without_a_held_session_cannot_be_compared(
    treated: Enrolment, clinician: User, now: datetime
) -> None:
    workflows.start_course(
        episode=treated.episode,
        kind=CourseKind.MAINTENANCE,
        schedule_id=None,
        by=clinician.actor,
        now=now + BEGINS,
    )

    assert side_by_side.comparable(treated.patient) == [treated.course]


def test_each_course_is_set_against_its_own_baseline_on_its_own_days(
    treated: Enrolment, second: Course
) -> None:
    both = side_by_side.build(treated.patient, side_by_side.comparable(treated.patient))
    told = [
        (
            row.course.split()[0],
            row.score.value,
            round(row.day, 1),
            row.change and row.change.absolute,
        )
        for row in both.rows
        if row.measure.definition.code == "PHQ-9"
    ]

    assert told == [
        ("Maintenance", 0, -14.6, None),  # after the first course, and where the second starts
        ("Induction", 27, -3.0, None),
        ("Maintenance", 9, 7.0, 9),
        ("Induction", 0, 7.4, -27),
    ]


def test_what_came_before_its_courses_baseline_is_no_change_from_it(
    treated: Enrolment, clinician: User, answer: Answer, now: datetime
) -> None:
    course = workflows.start_course(
        episode=treated.episode,
        kind=CourseKind.MAINTENANCE,
        schedule_id=treated.course.schedule_id,
        by=clinician.actor,
        now=now + BEGINS,
    )
    at = now + TREATED
    planned = {"status": "planned", "planned_at": at}
    session = workflows.record_session(
        course=course, record=planned, by=clinician.actor, now=now + BEGINS
    )
    answer(2, now + BEGINS + timedelta(hours=12))
    workflows.edit_session(
        session=session,
        changes={**GIVEN, "drug": "Ketamine", "started_at": at},
        reason="Held",
        by=clinician.actor,
        now=at,
    )
    both = side_by_side.build(treated.patient, side_by_side.comparable(treated.patient))
    told = [
        (row.score.value, row.change)
        for row in both.rows
        if row.course.startswith("Maintenance") and row.measure.definition.code == "PHQ-9"
    ]

    assert told == [(0, None), (18, None)]


def test_equal_days_stand_under_each_other_and_every_mark_tells_its_true_date(
    treated: Enrolment, second: Course
) -> None:
    both = side_by_side.build(treated.patient, side_by_side.comparable(treated.patient))
    first, other = (run.aligned for run in both.runs)

    assert first.began - other.began == -(TREATED - timedelta(days=3))
    for drawn in (both.wide, both.narrow):
        assert drawn.count("Days since the first session") == 1
        assert f"PHQ-9 · {first.name}" in drawn
        assert f"PHQ-9 · {other.name}" in drawn
        assert "6 Mar 2026" in drawn  # the week after the second course's session


def test_more_sessions_cost_no_more_queries(
    treated: Enrolment,
    second: Course,
    clinician: User,
    now: datetime,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    courses = side_by_side.comparable(treated.patient)
    with django_assert_num_queries(8):
        _ = side_by_side.build(treated.patient, courses).wide
    for day in (40, 43, 46):
        at = now + timedelta(days=day)
        record = {**GIVEN, "planned_at": at, "started_at": at}
        workflows.record_session(course=second, record=record, by=clinician.actor, now=at)
    with django_assert_num_queries(8):
        _ = side_by_side.build(treated.patient, courses).wide
