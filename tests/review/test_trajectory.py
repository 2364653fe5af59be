"""What the clinician sees of one patient."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from pytest_django import DjangoAssertNumQueries

from outcomes import workflows
from outcomes.audit.models import SYSTEM
from outcomes.care.models import SessionStatus
from outcomes.clinics.models import Clinic, User
from outcomes.responses.models import Mode
from outcomes.review import caseload, trajectory
from outcomes.scheduling.models import Assignment
from outcomes.workflows import Enrolment

Answer = Callable[[int, datetime], None]


@pytest.fixture
def answer(enrolment: Enrolment) -> Answer:
    """Answer whatever is open at a moment with the same value for every item."""

    def fill(value: int, at: datetime) -> None:
        workflows.invite_due(now=at)
        for item in Assignment.objects.under_way():
            count = 9 if item.instrument.code == "PHQ-9" else 7
            workflows.submit_response(
                assignment_id=item.pk,
                answers=dict.fromkeys(map(str, range(1, count + 1)), value),
                submission_id=str(item.pk),
                language="en",
                mode=Mode.LINK,
                by=SYSTEM,
                now=at,
            )
        workflows.replan_due(now=at)

    return fill


@pytest.fixture
def treated(enrolment: Enrolment, clinician: User, answer: Answer, now: datetime) -> Enrolment:
    """Baseline 27 and 21, one session on day 3, then 0 and 0 a week after it."""
    answer(3, now)
    session = enrolment.course.sessions.get(number=1)
    at = now + timedelta(days=3)
    workflows.edit_session(
        session=session,
        changes={
            "status": SessionStatus.DONE,
            "started_at": at,
            "route": "iv",
            "drug": "Ketamine",
            "dose_amount": Decimal("40"),
            "dose_unit": "mg",
        },
        reason="Held",
        by=clinician.actor,
        now=at,
    )
    answer(0, now + timedelta(days=10, hours=10))
    return enrolment


def test_a_patient_without_scores_has_an_empty_trajectory(
    enrolment: Enrolment, now: datetime
) -> None:
    built = trajectory.build(enrolment.episode, now)

    assert built.measures == ()
    assert "No scores yet" in built.wide


def test_baseline_change_and_outcomes_follow_the_published_rules(
    treated: Enrolment, now: datetime
) -> None:
    phq9, gad7 = trajectory.build(treated.episode, now).measures

    assert (phq9.definition.code, gad7.definition.code) == ("PHQ-9", "GAD-7")
    assert phq9.baseline.point is not None
    assert phq9.baseline.point.value == 27
    assert phq9.change is not None
    assert (phq9.change.absolute, phq9.change.percent) == (-27, -100)
    assert phq9.response is not None
    assert phq9.response.met
    assert phq9.remission is not None
    assert phq9.remission.met
    assert phq9.reliable is not None
    assert phq9.reliable.outcome == "improved"
    assert phq9.panel.response_line == 13.5


def test_a_positive_item_is_marked_on_the_chart(treated: Enrolment, now: datetime) -> None:
    phq9 = trajectory.build(treated.episode, now).measures[0]

    assert [point.safety for point in phq9.panel.points] == ["item 9: 3", ""]


def test_the_table_tells_the_true_time_since_the_session(treated: Enrolment, now: datetime) -> None:
    newest = trajectory.build(treated.episode, now).rows(1)[0]

    assert (newest.session_number, newest.hours_since_session) == (1, 7 * 24 + 10)
    assert newest.reaches_past_session


def test_a_missed_window_is_shown_as_missed(enrolment: Enrolment, now: datetime) -> None:
    workflows.invite_due(now=now)
    workflows.expire_assignments(now=now + timedelta(days=4))

    windows = trajectory._windows(enrolment.episode, now)

    assert [window.state for window in windows["PHQ-9"]] == ["missed"]


def test_an_incomplete_form_stands_in_the_table_with_its_reason(
    enrolment: Enrolment, now: datetime
) -> None:
    workflows.invite_due(now=now)
    item = Assignment.objects.under_way().filter(instrument__code="PHQ-9").get()
    workflows.submit_response(
        assignment_id=item.pk,
        answers={"1": 1},
        submission_id="x",
        language="en",
        mode=Mode.LINK,
        by=SYSTEM,
        now=now,
    )

    (measure,) = trajectory.build(enrolment.episode, now).measures

    assert measure.latest is None
    assert measure.entries[0][0].missing_reason


def test_the_number_of_queries_does_not_grow(
    treated: Enrolment,
    answer: Answer,
    now: datetime,
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    with django_assert_max_num_queries(9):
        trajectory.build(treated.episode, now)
    for week in range(4, 12, 2):
        answer(1, now + timedelta(weeks=week))
    with django_assert_max_num_queries(9):
        trajectory.build(treated.episode, now)


def test_the_caseload_shows_last_score_and_change(
    treated: Enrolment, clinic: Clinic, clinician: User, now: datetime
) -> None:
    (line,) = caseload.build(clinic, clinician, now).lines

    assert line.last is not None
    assert (line.last.value, line.band) == (0, "none-minimal")
    assert line.change is not None
    assert line.change.absolute == -27
    assert line.colour == "better"
    assert line.open_alerts == 1
    assert "2 scores" in line.sparkline


def test_a_change_within_measurement_error_is_not_coloured(
    treated: Enrolment, clinic: Clinic, clinician: User, now: datetime
) -> None:
    (line,) = caseload.build(clinic, clinician, now).lines
    assert line.change is not None
    small = replace(line.change, absolute=-4)

    assert (line.reliable_from, replace(line, change=small).colour) == (6, "none")


def test_only_my_patients_unless_asked_for_all(
    treated: Enrolment, clinic: Clinic, admin: User, now: datetime
) -> None:
    assert caseload.build(clinic, admin, now).lines == ()
    assert len(caseload.build(clinic, admin, now, only_mine=False).lines) == 1


def test_another_clinics_patients_never_appear(
    treated: Enrolment, other_enrolment: Enrolment, clinic: Clinic, stranger: User, now: datetime
) -> None:
    assert caseload.build(clinic, stranger, now, only_mine=False).lines == ()


def test_the_order_is_by_stated_need(
    treated: Enrolment, clinic: Clinic, clinician: User, now: datetime
) -> None:
    from tests.conftest import make_enrolment

    calm = make_enrolment(clinic, clinician, "Abel")
    unreachable = make_enrolment(clinic, clinician, "Zoe")
    unreachable.patient.contacts.all().delete()
    late = make_enrolment(clinic, clinician, "Yuri")
    workflows.invite_due(now=now)
    Assignment.objects.filter(patient__in=[calm.patient, unreachable.patient]).delete()
    Assignment.objects.filter(patient=late.patient).under_way().update(due_at=now)

    later = now + timedelta(hours=1)
    names = [
        line.episode.patient.given_name for line in caseload.build(clinic, clinician, later).lines
    ]

    assert names == ["Robin", "Zoe", "Yuri", "Abel"]


def test_a_message_that_reached_a_stranger_is_said_until_the_contact_is_set_anew(
    enrolment: Enrolment, clinic: Clinic, clinician: User, now: datetime
) -> None:
    workflows.invite_due(now=now)
    later = now + timedelta(hours=1)
    workflows.decline_invitation(
        invitation=enrolment.patient.invitations.get(), by=SYSTEM, now=later
    )

    def problem(at: datetime) -> str:
        return caseload.build(clinic, clinician, at).lines[0].contact_problem

    assert problem(later) == "Wrong person reached"
    workflows.change_contact(
        patient=enrolment.patient,
        channel="email",  # type: ignore[arg-type]
        value="right@patient.example",
        by=clinician.actor,
        now=later + timedelta(hours=1),
    )
    assert problem(later + timedelta(hours=2)) == ""


def test_the_caseload_asks_a_constant_number_of_queries(
    clinic: Clinic,
    clinician: User,
    now: datetime,
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    from tests.conftest import make_enrolment

    for name in ("Abel", "Bea", "Cy", "Di", "Ed"):
        make_enrolment(clinic, clinician, name)

    with django_assert_max_num_queries(12):
        caseload.build(clinic, clinician, now)
