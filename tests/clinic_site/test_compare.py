"""The page of two courses side by side."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from django.test import Client

from outcomes import workflows
from outcomes.audit.models import AuditEvent
from outcomes.care.models import Course, CourseKind, EpisodeOfCare
from outcomes.clinics.models import User
from tests.clinic_site.conftest import World
from tests.conftest import NOW


def add_course(world: World, user: User) -> Course:
    course = workflows.start_course(
        episode=world.episode,
        kind=CourseKind.MAINTENANCE,
        schedule_id=None,
        by=user.actor,
        now=NOW,
    )
    at = NOW - timedelta(hours=1)
    record = {
        "planned_at": at,
        "started_at": at,
        "status": "done",
        "route": "iv",
        "dose_amount": Decimal("40"),
        "dose_unit": "mg",
    }
    workflows.record_session(course=course, record=record, by=user.actor, now=NOW)
    return course


def test_one_course_has_nothing_to_be_compared_with(world: World, as_clinician: Client) -> None:
    assert b"nothing to compare yet" in as_clinician.get(world.url("patient_compare")).content
    assert b"Two courses side by side" not in as_clinician.get(world.url("patient")).content


def test_a_second_episode_without_a_session_is_no_second_course(
    world: World, as_clinician: Client
) -> None:
    EpisodeOfCare.objects.create(
        clinic=world.clinic,
        patient=world.episode.patient,
        indication="trd",
        started_on=NOW.date() - timedelta(days=400),
        ended_on=NOW.date() - timedelta(days=300),
    )

    assert b"Two courses side by side" not in as_clinician.get(world.url("patient")).content


def test_the_last_two_courses_are_shown_unless_others_are_chosen(
    world: World, as_clinician: Client, clinician: User
) -> None:
    second = add_course(world, clinician)

    assert world.url("patient_compare") in as_clinician.get(world.url("patient")).content.decode()
    page = as_clinician.get(world.url("patient_compare"))
    assert page.context["chosen"] == [str(world.course.pk), str(second.pk)]
    turned = as_clinician.get(
        world.url("patient_compare"), {"a": str(second.pk), "b": str(world.course.pk)}
    )
    assert turned.context["chosen"] == [str(second.pk), str(world.course.pk)]
    told = AuditEvent.objects.filter(action="patient.viewed", data__page="compare")
    assert told.count() == 2


def test_a_course_is_not_compared_with_itself(
    world: World, as_clinician: Client, clinician: User
) -> None:
    key = str(add_course(world, clinician).pk)
    page = as_clinician.get(world.url("patient_compare"), {"a": key, "b": key})

    assert b"Choose two different courses." in page.content
    assert b"<svg" not in page.content


def test_a_course_of_somebody_else_or_of_nobody_is_not_found(
    world: World, other_world: World, as_clinician: Client, clinician: User
) -> None:
    add_course(world, clinician)
    for key in (str(other_world.course.pk), "x", ""):
        reply = as_clinician.get(world.url("patient_compare"), {"a": key})
        assert reply.status_code == 404
    assert not AuditEvent.objects.filter(action="patient.viewed", data__page="compare").exists()
