"""Write assignments; the plan itself is `scheduling.engine`."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Exists, QuerySet

from outcomes.care.models import HELD, Course, EpisodeOfCare, SessionStatus
from outcomes.clinics.models import Clinic
from outcomes.instruments.models import Instrument, InstrumentVersion
from outcomes.instruments.watched import WATCHED
from outcomes.scheduling import engine
from outcomes.scheduling.definition import RuleSpec, ScheduleSpec
from outcomes.scheduling.models import (
    FIXED,
    NOT_BEGUN,
    UNDER_WAY,
    Assignment,
    AssignmentState,
    ScheduleRule,
)
from outcomes.scheduling.sample import rules_at_the_end
from outcomes.scheduling.services.schedules import spec_of


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
    instruments = _sendable_instruments(course.clinic_id)
    _apply(course, _plan(course, course.schedule_id, instruments, now), instruments)


def _plan(
    course: Course, schedule_id: UUID, instruments: Collection[str], now: datetime
) -> list[engine.Planned]:
    """Return what a course is to be asked by a version of a schedule, where it can be sent."""
    spec = spec_of(schedule_id)
    facts = _facts_of(course, schedule_id)
    asks = engine.plan(_rules_in_force(course, spec), spec.spacing_days, facts, now)
    return [ask for ask in asks if ask.instrument in instruments]


@dataclass(frozen=True, slots=True)
class PlanChange:
    """Count what another version would change of what nobody was asked yet."""

    added: int
    moved: int
    withdrawn: int


def change_of_plan(*, course: Course, schedule_id: UUID, now: datetime) -> PlanChange:
    """Return what following another version of a schedule would change; it changes nothing."""
    planned = _plan(course, schedule_id, _sendable_instruments(course.clinic_id), now)
    unasked = {
        _key_of(item): item for item in course.assignments.planned().select_related("instrument")
    }
    kept = [(unasked[ask.key], ask) for ask in planned if ask.key in unasked]
    return PlanChange(
        added=len(planned) - len(kept),
        moved=sum(not _is_as_planned(item, ask) for item, ask in kept),
        withdrawn=len(unasked) - len(kept),
    )


def _rules_in_force(course: Course, spec: ScheduleSpec) -> tuple[RuleSpec, ...]:
    # What follows an ended course belongs to the next one, but for what is anchored on its end.
    if course.episode.ended_on is not None:
        return ()
    if course.ended_at is not None:
        return rules_at_the_end(spec)
    return spec.rules


def _sendable_instruments(clinic_id: UUID) -> dict[str, Instrument]:
    # The content is read once in a process, by its hash.
    versions = InstrumentVersion.objects.used_by(clinic_id).defer("content")
    is_switched_off = Exists(Clinic.objects.filter(pk=clinic_id, watches_mania=False))
    asked = versions.exclude(is_switched_off, instrument__code__in=WATCHED)
    return {
        version.instrument.code: version.instrument
        for version in asked.select_related("instrument")
        if version.definition.is_sendable
    }


def _facts_of(course: Course, schedule_id: UUID) -> engine.CourseFacts:
    episode = course.episode
    assignments = list(
        Assignment.objects.filter(episode=episode, state__in=FIXED).select_related(
            "instrument", "rule"
        )
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
        answers=(
            *(
                engine.AnswerFact(instrument=item.instrument.code, at=item.completed_at)
                for item in assignments
                if item.completed_at is not None
            ),
            *_answered_unasked(episode),
        ),
        fixed=tuple(_fixed(item, course, schedule_id) for item in assignments),
    )


def _answered_unasked(episode: EpisodeOfCare) -> Iterator[engine.AnswerFact]:
    """Yield what was answered though no schedule asked it: what was imported."""
    rows = episode.responses.filter(assignment=None, status="final", submitted_at__isnull=False)
    for code, at in rows.values_list("instrument_version__instrument__code", "submitted_at"):
        assert at is not None
        yield engine.AnswerFact(instrument=code, at=at)


def _state_of(status: str) -> engine.SessionState:
    if status in HELD:
        return "held"
    return "planned" if status == SessionStatus.PLANNED else "not_held"


def _key_of(item: Assignment) -> tuple[str, int, str | None, str]:
    anchor = str(item.anchor_session_id) if item.anchor_session_id else None
    return (item.rule_code, item.occurrence, anchor, item.instrument.code)


def _fixed(item: Assignment, course: Course, schedule_id: UUID) -> engine.Fixed:
    rule_code, occurrence, anchor, instrument = _key_of(item)
    own = item.course_id == course.pk
    return engine.Fixed(
        # The same rule of another course is another key.
        key=(rule_code if own else f"{item.course_id}:{rule_code}", occurrence, anchor, instrument),
        opens_at=item.opens_at,
        due_at=item.due_at,
        closes_at=item.closes_at,
        is_of_other_version=own and item.rule.schedule_id != schedule_id,
    )


def _apply(
    course: Course, planned: list[engine.Planned], instruments: dict[str, Instrument]
) -> None:
    rules = {rule.code: rule for rule in ScheduleRule.objects.filter(schedule=course.schedule_id)}
    existing = _unfixed(course, {rule.pk for rule in rules.values()})
    created, changed = [], []
    for item in planned:
        row = existing.pop(item.key, None)
        if row is None:
            row = Assignment(
                clinic_id=course.clinic_id,
                patient_id=course.episode.patient_id,
                episode_id=course.episode_id,
                course=course,
                rule_code=item.rule_code,
                occurrence=item.occurrence,
                anchor_session_id=UUID(item.anchor_session) if item.anchor_session else None,
                instrument=instruments[item.instrument],
            )
            created.append(row)
        elif _is_as_planned(row, item) and row.rule_id == rules[item.rule_code].pk:
            continue
        else:
            changed.append(row)
        row.rule = rules[item.rule_code]
        row.state = AssignmentState.PLANNED
        row.opens_at, row.due_at, row.closes_at = item.opens_at, item.due_at, item.closes_at
        row.reminders_at = [moment.isoformat() for moment in item.reminders_at]
    # Known keys become updates: a fraction of the time that bulk_update takes.
    columns = ["rule", "state", "opens_at", "due_at", "closes_at", "reminders_at"]
    Assignment.objects.bulk_create(
        [*created, *changed], update_conflicts=True, unique_fields=["pk"], update_fields=columns
    )
    withdrawn = [row.pk for row in existing.values() if row.state == AssignmentState.PLANNED]
    Assignment.objects.filter(pk__in=withdrawn).update(state=AssignmentState.CANCELLED)


def _unfixed(course: Course, rules: Collection[UUID]) -> dict[engine.Key, Assignment]:
    """Return what planning may move, by key, locked; of two alike the one of these rules."""
    rows = list(
        course.assignments.exclude(state__in=FIXED)
        .select_related("instrument")
        .select_for_update(of=("self",))
    )
    return {_key_of(row): row for row in sorted(rows, key=lambda row: row.rule_id in rules)}


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


def patients_to_ask(*, now: datetime) -> QuerySet[Assignment, UUID]:
    """Return the patients of what is open and unasked, longest first: a patient for each question.

    In the order of the index that finds them, however many there are.
    """
    due = Assignment.objects.to_ask_at(now).order_by("opens_at")
    return due.values_list("patient_id", flat=True)


def find_patients_to_ask(*, now: datetime, limit: int, but: Collection[UUID] = ()) -> list[UUID]:
    """Return patients to whom something unasked is open, longest first, besides those named."""
    return list(dict.fromkeys(patients_to_ask(now=now).exclude(patient__in=but)[:limit]))


def lock_answerable(*, patients: Iterable[UUID], now: datetime) -> list[Assignment]:
    """Return what these patients may answer now, kept as it is until the transaction ends."""
    rows = Assignment.objects.filter(patient__in=list(patients)).answerable_at(now)
    return list(rows.order_by("pk").select_for_update(of=("self",), no_key=True))


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
    Assignment.objects.filter(pk=assignment.pk, state__in=NOT_BEGUN).update(
        state=AssignmentState.STARTED
    )


def sendable_instrument(*, code: str, clinic_id: UUID) -> Instrument | None:
    """Return a shipped instrument that the clinic can send, having its words; None otherwise."""
    versions = InstrumentVersion.objects.used_by(clinic_id).of_code(code).defer("content")
    version = versions.filter(instrument__clinic=None).select_related("instrument").first()
    return version.instrument if version and version.definition.is_sendable else None


def follow_up(*, assignment: Assignment, instrument: Instrument, now: datetime) -> Assignment:
    """Ask one more questionnaire because of this one, until it closes.

    Once, however often it is called; what was taken back is asked again.
    """
    row, is_new = Assignment.objects.get_or_create(
        course_id=assignment.course_id,
        rule_id=assignment.rule_id,
        occurrence=assignment.occurrence,
        anchor_session_id=assignment.anchor_session_id,
        instrument=instrument,
        defaults={
            "clinic_id": assignment.clinic_id,
            "patient_id": assignment.patient_id,
            "episode_id": assignment.episode_id,
            "rule_code": assignment.rule_code,
            "follows": assignment,
            "state": AssignmentState.OPEN,
            "opens_at": now,
            "due_at": max(now, assignment.due_at),
            "closes_at": assignment.closes_at,
            "asked_at": now,
        },
    )
    if not is_new and row.state not in FIXED:
        row.state, row.follows, row.asked_at = AssignmentState.OPEN, assignment, now
        row.opens_at, row.due_at = now, max(now, assignment.due_at)
        row.closes_at = assignment.closes_at
        row.save()
    return row


def take_back_follow_ups(*, assignment: Assignment) -> None:
    """Ask no more what followed this one, where the patient has not begun it."""
    asked = assignment.follow_ups.filter(state=AssignmentState.OPEN)
    asked.update(state=AssignmentState.CANCELLED)


def complete(*, assignment: Assignment, now: datetime) -> None:
    """Mark an assignment as answered, for good, and ask for a new plan."""
    Assignment.objects.filter(pk=assignment.pk).update(
        state=AssignmentState.COMPLETED, completed_at=now
    )
    request_plan([assignment.course_id])


def closed_unanswered(*, now: datetime) -> QuerySet[Assignment, Any]:
    """Return key, course and state of what closed without an answer, longest first."""
    closed = Assignment.objects.filter(
        state__in=(AssignmentState.PLANNED, *UNDER_WAY), closes_at__lte=now
    )
    return closed.order_by("closes_at").values("pk", "course", "state")


@transaction.atomic
def expire_closed(*, now: datetime, limit: int = 2000) -> int:
    """Mark what closed unanswered as missed, or as superseded if nobody was asked; return how many.

    The courses are planned anew, for a missed assignment no longer spaces the next.
    """
    # What another sweep has locked is left to it.
    skips = connection.features.has_select_for_update_skip_locked
    rows = list(closed_unanswered(now=now).select_for_update(skip_locked=skips)[:limit])
    missed = [row["pk"] for row in rows if row["state"] != AssignmentState.PLANNED]
    unasked = [row["pk"] for row in rows if row["state"] == AssignmentState.PLANNED]
    Assignment.objects.filter(pk__in=missed).update(state=AssignmentState.EXPIRED)
    Assignment.objects.filter(pk__in=unasked).update(state=AssignmentState.SUPERSEDED)
    request_plan({row["course"] for row in rows})
    return len(rows)
