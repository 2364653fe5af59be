"""Write schedules and assignments; the plan itself is `scheduling.engine`."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from uuid import UUID

from django.db import transaction

from outcomes.care.models import HELD, Course, EpisodeOfCare, SessionStatus
from outcomes.instruments.models import Instrument, InstrumentVersion
from outcomes.scheduling import engine
from outcomes.scheduling.definition import RuleSpec, ScheduleSpec, parse_schedule
from outcomes.scheduling.models import (
    FIXED,
    UNDER_WAY,
    Assignment,
    AssignmentState,
    Schedule,
    ScheduleRule,
)

LIBRARY = Path(__file__).parent / "library"


@transaction.atomic
def install_library(*, now: datetime) -> int:
    """Store each shipped schedule once per version; return how many were new."""
    return sum(
        _install(json.loads(path.read_text()), now) for path in sorted(LIBRARY.glob("*.json"))
    )


def _install(data: dict[str, object], now: datetime) -> bool:
    spec = parse_schedule(data, set(Instrument.objects.values_list("code", flat=True)))
    if Schedule.objects.filter(clinic=None, code=spec.code, version=spec.version).exists():
        return False
    Schedule.objects.filter(clinic=None, code=spec.code).update(is_current=False)
    schedule = Schedule.objects.create(
        code=spec.code,
        version=spec.version,
        name=spec.name,
        description=spec.description,
        spacing_days=dict(spec.spacing_days),
        created_at=now,
    )
    rules = data["rules"]
    assert isinstance(rules, list)
    ScheduleRule.objects.bulk_create(
        ScheduleRule(schedule=schedule, code=rule["code"], position=position, content=rule)
        for position, rule in enumerate(rules)
    )
    return True


@lru_cache(maxsize=256)
def spec_of(schedule_id: UUID) -> ScheduleSpec:
    """Return the parsed schedule; cached, for a version is never edited."""
    schedule = Schedule.objects.get(pk=schedule_id)
    return parse_schedule(
        {
            "code": schedule.code,
            "version": schedule.version,
            "name": schedule.name,
            "description": schedule.description,
            "spacing_days": schedule.spacing_days,
            "rules": [rule.content for rule in schedule.rules.all()],
        }
    )


def request_plan(course_ids: Iterable[UUID]) -> None:
    """Mark courses whose plan no longer follows from their facts."""
    Course.objects.filter(pk__in=list(course_ids)).update(needs_plan=True)


@transaction.atomic
def replan(*, course: Course, now: datetime) -> None:
    """Bring the course's assignments to what the engine plans from its facts.

    What a patient was asked, started, answered or missed stays as it is.
    """
    course = (
        Course.objects.select_for_update(of=("self",))
        .select_related("episode__patient")
        .get(pk=course.pk)
    )
    Course.objects.filter(pk=course.pk).update(needs_plan=False)
    if course.schedule_id is None:
        return
    spec = spec_of(course.schedule_id)
    facts = _facts_of(course)
    sendable = _sendable_instruments(course.clinic_id)
    planned = [
        item
        for item in engine.plan(_rules_in_force(course, spec), spec.spacing_days, facts, now)
        if item.instrument in sendable
    ]
    _apply(course, planned, sendable)


def _rules_in_force(course: Course, spec: ScheduleSpec) -> tuple[RuleSpec, ...]:
    # What follows an ended course belongs to the next one, but for what is anchored on its end.
    if course.episode.ended_on is not None:
        return ()
    if course.ended_at is not None:
        return tuple(rule for rule in spec.rules if rule.anchor == "course_end")
    return spec.rules


def _sendable_instruments(clinic_id: UUID) -> dict[str, Instrument]:
    versions = InstrumentVersion.objects.used_by(clinic_id).select_related("instrument")
    return {
        version.instrument.code: version.instrument
        for version in versions
        if version.definition.is_sendable
    }


def _facts_of(course: Course) -> engine.CourseFacts:
    episode = course.episode
    assignments = list(
        Assignment.objects.filter(episode=episode, state__in=FIXED).select_related("instrument")
    )
    return engine.CourseFacts(
        enrolled_at=course.started_at,
        ended_at=course.ended_at,
        indications=(episode.indication,),
        zone=episode.patient.time_zone,
        sessions=tuple(
            engine.SessionFact(id=str(session.pk), at=session.at, state=_state_of(session.status))
            for session in course.sessions.all()
        ),
        # Answers and open requests of an earlier course space this one's, too.
        answers=tuple(
            engine.AnswerFact(instrument=item.instrument.code, at=item.completed_at)
            for item in assignments
            if item.completed_at is not None
        ),
        fixed=tuple(_fixed(item, course) for item in assignments),
    )


def _state_of(status: str) -> engine.SessionState:
    if status in HELD:
        return "held"
    return "planned" if status == SessionStatus.PLANNED else "not_held"


def _key_of(item: Assignment) -> tuple[str, int, str | None, str]:
    anchor = str(item.anchor_session_id) if item.anchor_session_id else None
    return (item.rule_code, item.occurrence, anchor, item.instrument.code)


def _fixed(item: Assignment, course: Course) -> engine.Fixed:
    rule_code, occurrence, anchor, instrument = _key_of(item)
    own = item.course_id == course.pk
    return engine.Fixed(
        # The same rule of another course is another key.
        key=(rule_code if own else f"{item.course_id}:{rule_code}", occurrence, anchor, instrument),
        opens_at=item.opens_at,
        due_at=item.due_at,
        closes_at=item.closes_at,
    )


def _apply(
    course: Course, planned: list[engine.Planned], instruments: dict[str, Instrument]
) -> None:
    rules = {rule.code: rule for rule in ScheduleRule.objects.filter(schedule=course.schedule_id)}
    existing = {
        _key_of(item): item
        for item in course.assignments.exclude(state__in=FIXED)
        .select_related("instrument")
        .select_for_update(of=("self",))
    }
    created, changed = [], []
    for item in planned:
        row = existing.pop(item.key, None)
        if row is None:
            row = Assignment(
                clinic_id=course.clinic_id,
                patient_id=course.episode.patient_id,
                episode_id=course.episode_id,
                course=course,
                rule=rules[item.rule_code],
                rule_code=item.rule_code,
                occurrence=item.occurrence,
                anchor_session_id=UUID(item.anchor_session) if item.anchor_session else None,
                instrument=instruments[item.instrument],
            )
            created.append(row)
        elif _is_as_planned(row, item):
            continue
        else:
            changed.append(row)
        row.state = AssignmentState.PLANNED
        row.opens_at, row.due_at, row.closes_at = item.opens_at, item.due_at, item.closes_at
        row.reminders_at = [moment.isoformat() for moment in item.reminders_at]
    Assignment.objects.bulk_create(created)
    columns = ["state", "opens_at", "due_at", "closes_at", "reminders_at"]
    Assignment.objects.bulk_update(changed, columns)
    withdrawn = [row.pk for row in existing.values() if row.state == AssignmentState.PLANNED]
    Assignment.objects.filter(pk__in=withdrawn).update(state=AssignmentState.CANCELLED)


def _is_as_planned(row: Assignment, item: engine.Planned) -> bool:
    return (
        row.state == AssignmentState.PLANNED
        and (row.opens_at, row.due_at) == (item.opens_at, item.due_at)
        and row.closes_at == item.closes_at
        and row.reminders_at == [moment.isoformat() for moment in item.reminders_at]
    )


def withdraw(*, episode: EpisodeOfCare) -> None:
    """Withdraw what an ended episode still asks; what was answered or missed stays."""
    Assignment.objects.filter(episode=episode).under_way().update(state=AssignmentState.CANCELLED)


def open_due(*, assignments: Iterable[Assignment], now: datetime) -> int:
    """Mark planned assignments as asked; return how many were still planned."""
    keys = [item.pk for item in assignments]
    return (
        Assignment.objects.planned()
        .filter(pk__in=keys)
        .update(state=AssignmentState.OPEN, asked_at=now)
    )


def start(*, assignment: Assignment) -> None:
    """Mark an assignment as begun by the patient."""
    Assignment.objects.filter(
        pk=assignment.pk, state__in=(AssignmentState.PLANNED, AssignmentState.OPEN)
    ).update(state=AssignmentState.STARTED)


def complete(*, assignment: Assignment, now: datetime) -> None:
    """Mark an assignment as answered, for good, and ask for a new plan."""
    Assignment.objects.filter(pk=assignment.pk).update(
        state=AssignmentState.COMPLETED, completed_at=now
    )
    request_plan([assignment.course_id])


@transaction.atomic
def expire_closed(*, now: datetime, limit: int = 2000) -> int:
    """Mark what closed unanswered as missed, or as superseded if nobody was asked; return how many.

    The courses are planned anew, for a missed assignment no longer spaces the next.
    """
    closed = Assignment.objects.filter(
        state__in=(AssignmentState.PLANNED, *UNDER_WAY), closes_at__lte=now
    )
    rows = list(closed.select_for_update(skip_locked=False).values("pk", "course", "state")[:limit])
    missed = [row["pk"] for row in rows if row["state"] != AssignmentState.PLANNED]
    unasked = [row["pk"] for row in rows if row["state"] == AssignmentState.PLANNED]
    Assignment.objects.filter(pk__in=missed).update(state=AssignmentState.EXPIRED)
    Assignment.objects.filter(pk__in=unasked).update(state=AssignmentState.SUPERSEDED)
    request_plan({row["course"] for row in rows})
    return len(rows)
