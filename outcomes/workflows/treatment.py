"""Treatment: courses and their sessions."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from outcomes.alerts import services as alerts
from outcomes.audit import services as audit
from outcomes.audit.models import Actor
from outcomes.care import services as care
from outcomes.care.models import (
    Course,
    CourseKind,
    EpisodeOfCare,
    SessionStatus,
    TreatmentSession,
)
from outcomes.delivery import services as delivery
from outcomes.scheduling import services as scheduling
from outcomes.scheduling.models import Schedule


@audit.atomic()
def start_course(
    *,
    episode: EpisodeOfCare,
    kind: CourseKind | str,
    schedule_id: UUID | None,
    by: Actor,
    now: datetime,
) -> Course:
    """Begin a new course in an episode; the one before it ends and its plan is withdrawn."""
    alerts.require_reachable(clinic=episode.clinic, schedule_id=schedule_id, now=now)
    before = list(episode.courses.filter(ended_at=None))
    course = care.start_course(
        episode=episode, kind=kind, schedule_id=schedule_id, started_at=now, by=by, now=now
    )
    for old in before:
        scheduling.replan(course=old, now=now)
    scheduling.replan(course=course, now=now)
    return course


@audit.atomic()
def move_course_to_schedule(
    *, course: Course, schedule: Schedule, by: Actor, now: datetime
) -> Course:
    """Let a running course follow another version, and plan anew what nobody was asked yet.

    What was sent, started, answered or missed stays. Raises ValidationError where the version is
    not one that new courses of the clinic may follow.
    """
    if not Schedule.objects.usable_by(course.clinic_id).current().filter(pk=schedule.pk).exists():
        raise ValidationError(_("This schedule is not one that courses may follow now."))
    clinic = course.episode.clinic
    alerts.require_reachable(clinic=clinic, schedule_id=schedule.pk, now=now)
    course = care.set_schedule(course=course, schedule_id=schedule.pk, by=by, now=now)
    scheduling.replan(course=course, now=now)
    return course


@audit.atomic()
def close_episode(*, episode: EpisodeOfCare, by: Actor, now: datetime) -> EpisodeOfCare:
    """End an episode: nothing more is asked, live invitations end."""
    episode = care.close_episode(episode=episode, ended_on=now.date(), by=by, now=now)
    scheduling.withdraw(episode=episode)
    for course in episode.courses.all():
        scheduling.replan(course=course, now=now)
    patient = episode.patient
    delivery.revoke_for_patient(patient=patient, reason="episode closed", by=by, now=now)
    if not patient.episodes.open().exists():
        # Coming back some day must not open what was sent in an earlier treatment.
        delivery.renew_own_page(patient=patient, reason="episode closed", by=by, now=now)
    return episode


@audit.atomic()
def record_session(
    *,
    course: Course,
    record: Mapping[str, Any],
    by: Actor,
    now: datetime,
    is_confirmed: bool = False,
) -> TreatmentSession:
    """Record a session, planned, held or backdated, and plan the course anew."""
    session = care.add_session(
        course=course, record=record, by=by, now=now, is_confirmed=is_confirmed
    )
    scheduling.replan(course=course, now=now)
    return session


@audit.atomic()
def edit_session(
    *,
    session: TreatmentSession,
    changes: Mapping[str, Any],
    reason: str,
    by: Actor,
    now: datetime,
    is_confirmed: bool = False,
) -> TreatmentSession:
    """Change a session's record, with the reason, and plan the course anew."""
    session = care.edit_session(
        session=session,
        changes=changes,
        reason=reason,
        by=by,
        now=now,
        is_confirmed=is_confirmed,
    )
    scheduling.replan(course=session.course, now=now)
    return session


@audit.atomic()
def move_session(
    *,
    session: TreatmentSession,
    planned_at: datetime,
    reason: str,
    by: Actor,
    now: datetime,
    is_confirmed: bool = False,
) -> TreatmentSession:
    """Plan a session for another time; what hangs on it moves along."""
    session = care.move_session(
        session=session,
        planned_at=planned_at,
        reason=reason,
        by=by,
        now=now,
        is_confirmed=is_confirmed,
    )
    scheduling.replan(course=session.course, now=now)
    return session


@audit.atomic()
def cancel_session(
    *,
    session: TreatmentSession,
    reason: str,
    by: Actor,
    now: datetime,
    status: SessionStatus = SessionStatus.CANCELLED,
) -> TreatmentSession:
    """Record that a planned session does not take place; what hung on it is withdrawn."""
    session = care.cancel_session(session=session, reason=reason, by=by, now=now, status=status)
    scheduling.replan(course=session.course, now=now)
    return session
