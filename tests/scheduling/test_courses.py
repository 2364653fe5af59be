"""Plans of real courses: what patients have met stays, whatever happens around it."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.core.exceptions import ValidationError

from outcomes import workflows
from outcomes.audit.models import SYSTEM, AuditEvent
from outcomes.care.models import TreatmentSession
from outcomes.clinics.models import Clinic
from outcomes.imports.services import import_scores
from outcomes.responses.models import Mode
from outcomes.review import trajectory
from outcomes.scheduling import services as scheduling
from outcomes.scheduling.models import FIXED, Assignment, AssignmentState, Schedule
from outcomes.workflows import Enrolment
from tests.conftest import NOW
from tests.imports.conftest import plan_of

ANSWERS = {
    "PHQ-9": {str(number): 0 for number in range(1, 11)},
    "GAD-7": {str(number): 0 for number in range(1, 8)},
    "MOOD-1": {"1": 3},
}


def shipped(code: str) -> Schedule:
    return Schedule.objects.get(clinic=None, code=code, is_current=True)


def own(clinic: Clinic, base: str, **changes: Any) -> Schedule:
    """Publish a copy of a shipped schedule with some of its lines changed."""
    draft = scheduling.start_draft(
        clinic_id=clinic.pk, name="Ours", source=shipped(base), by=SYSTEM, now=NOW
    )
    rules = [{**line, **changes.get(line["code"], {})} for line in draft.content["rules"]]
    draft = scheduling.change_draft(
        draft=draft, changes={"rules": rules}, revision=0, by=SYSTEM, now=NOW
    )
    return scheduling.publish_draft(draft=draft, revision=1, by=SYSTEM, now=NOW)


def answer(assignment: Assignment, now: datetime) -> None:
    workflows.submit_response(
        assignment_id=assignment.pk,
        answers=ANSWERS[assignment.instrument.code],
        submission_id=str(assignment.pk),
        language="en",
        mode=Mode.LINK,
        by=SYSTEM,
        now=now,
    )


def planned(enrolment: Enrolment) -> set[tuple[str, str, datetime]]:
    rows = Assignment.objects.planned().filter(course=enrolment.course)
    return set(rows.values_list("rule_code", "instrument__code", "due_at"))


# -- Moving between versions ---------------------------------------------------------------------


def test_a_moved_course_keeps_what_was_answered_and_plans_the_rest_anew(
    enrolment: Enrolment, clinic: Clinic
) -> None:
    workflows.invite_due(now=NOW)
    for item in Assignment.objects.under_way():
        answer(item, NOW + timedelta(hours=1))
    done = set(
        Assignment.objects.values_list("pk", "state", "due_at", "rule").exclude(asked_at=None)
    )
    later = {"offset": {"value": 9, "unit": "days"}}
    target = own(clinic, "phq9-gad7-only", **{"day-7": later})

    before = planned(enrolment)
    workflows.move_course_to_schedule(
        course=enrolment.course, schedule=target, by=SYSTEM, now=NOW + timedelta(hours=2)
    )
    after = planned(enrolment)

    assert done == set(
        Assignment.objects.values_list("pk", "state", "due_at", "rule").exclude(asked_at=None)
    )
    moved = {(code, name) for code, name, _due in before ^ after}
    assert moved == {("day-7", "PHQ-9"), ("day-7", "GAD-7")}
    rules = Assignment.objects.planned().values_list("rule__schedule", flat=True)
    assert set(rules) == {target.pk}


def test_moving_back_gives_the_plan_that_was(enrolment: Enrolment, clinic: Clinic) -> None:
    first = enrolment.course.schedule
    assert first is not None
    before = planned(enrolment)
    for schedule in (shipped("ketamine-default"), first):
        workflows.move_course_to_schedule(
            course=enrolment.course, schedule=schedule, by=SYSTEM, now=NOW
        )
    assert planned(enrolment) == before


def test_repeats_that_are_numbered_otherwise_are_still_asked(
    enrolment: Enrolment, clinic: Clinic
) -> None:
    """What was the fourth of a daily line is not taken for the fourth of a weekly one."""
    often = {"offset": {"value": 1, "unit": "days"}, "repeat_every_days": 2}
    seldom = {"offset": {"value": 7, "unit": "days"}, "repeat_every_days": 7}
    first = own(clinic, "ketamine-default", **{"daily-mood": often})
    second = own(clinic, "ketamine-default", **{"daily-mood": seldom})
    (session, last) = enrolment.course.sessions.in_order()
    workflows.cancel_session(session=last, reason="ill", by=SYSTEM, now=NOW)
    workflows.move_course_to_schedule(course=enrolment.course, schedule=first, by=SYSTEM, now=NOW)
    now = session.planned_at
    for _day in range(14):
        now += timedelta(days=1)
        workflows.replan_due(now=now)
        workflows.invite_due(now=now.replace(hour=18))
        for item in Assignment.objects.under_way().filter(instrument__code="MOOD-1"):
            answer(item, now.replace(hour=18, minute=5))
        workflows.expire_assignments(now=now)
    asked = Assignment.objects.filter(rule_code="daily-mood", state=AssignmentState.COMPLETED)
    assert {1, 2, 3, 4, 5} <= set(asked.values_list("occurrence", flat=True))
    workflows.move_course_to_schedule(course=enrolment.course, schedule=second, by=SYSTEM, now=now)
    again = Assignment.objects.planned().filter(rule_code="daily-mood", rule__schedule=second)
    days = sorted((item.due_at.date() - session.planned_at.date()).days for item in again)
    assert days[:3] == [14, 21, 28]


def test_an_ended_course_a_foreign_and_an_old_version_are_refused(
    enrolment: Enrolment, other_clinic: Clinic, clinic: Clinic
) -> None:
    foreign = own(other_clinic, "phq9-gad7-only")
    old = own(clinic, "phq9-gad7-only")
    scheduling.retire_schedule(schedule=old, by=SYSTEM, now=NOW)
    before, current = planned(enrolment), enrolment.course.schedule
    assert current is not None
    for schedule, words in (
        (foreign, "not one that courses may follow"),
        (old, "not one that courses may follow"),
        (current, "follows that version already"),
    ):
        with pytest.raises(ValidationError, match=words):
            workflows.move_course_to_schedule(
                course=enrolment.course, schedule=schedule, by=SYSTEM, now=NOW
            )
    workflows.close_episode(episode=enrolment.episode, by=SYSTEM, now=NOW)
    with pytest.raises(ValidationError, match="has ended"):
        workflows.move_course_to_schedule(
            course=enrolment.course, schedule=shipped("ketamine-default"), by=SYSTEM, now=NOW
        )
    assert before
    assert not AuditEvent.objects.filter(action="course.schedule_changed").exists()


def test_a_move_that_cannot_be_audited_is_no_move(
    enrolment: Enrolment, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, schedule = planned(enrolment), enrolment.course.schedule_id

    def fail(*_args: object, **_kwargs: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(AuditEvent, "save", fail)
    monkeypatch.setattr(AuditEvent.objects, "bulk_create", fail)
    with pytest.raises(RuntimeError):
        workflows.move_course_to_schedule(
            course=enrolment.course, schedule=shipped("ketamine-default"), by=SYSTEM, now=NOW
        )
    enrolment.course.refresh_from_db()
    assert (planned(enrolment), enrolment.course.schedule_id) == (before, schedule)


# -- Zones and late answers ----------------------------------------------------------------------


def test_a_patient_who_moves_zone_keeps_what_was_sent(enrolment: Enrolment) -> None:
    workflows.invite_due(now=NOW)
    sent = set(Assignment.objects.under_way().values_list("pk", "opens_at", "due_at", "closes_at"))
    before = planned(enrolment)
    workflows.change_patient(
        patient=enrolment.patient, changes={"time_zone": "Asia/Tokyo"}, by=SYSTEM, now=NOW
    )
    assert sent == set(
        Assignment.objects.under_way().values_list("pk", "opens_at", "due_at", "closes_at")
    )
    week = [due for code, _name, due in planned(enrolment) if code == "day-7"]
    assert {(due.hour, due.minute) for due in week} == {(9, 0)}
    assert {due.hour for code, _name, due in before if code == "day-7"} == {18}


def test_a_late_answer_is_kept_with_its_true_hours_since_the_session(enrolment: Enrolment) -> None:
    session, other = enrolment.course.sessions.in_order()
    workflows.cancel_session(session=other, reason="ill", by=SYSTEM, now=NOW)
    started = session.planned_at + timedelta(minutes=30)
    changes = {"status": "done", "started_at": started, "route": "iv", "dose_amount": "40"}
    changes |= {"dose_unit": "mg", "drug": "Ketamine"}
    workflows.edit_session(
        session=session, changes=changes, reason="held", by=SYSTEM, now=started, is_confirmed=True
    )
    item = Assignment.objects.planned().get(rule_code="day-7", instrument__code="PHQ-9")
    workflows.invite_due(now=item.opens_at + timedelta(minutes=1))
    item.refresh_from_db()
    assert item.state == AssignmentState.OPEN
    late = item.due_at + timedelta(hours=20)
    answer(item, late)
    item.refresh_from_db()
    assert item.state == AssignmentState.COMPLETED
    rows = trajectory.build(enrolment.episode, late).rows(None)
    (row,) = [row for row in rows if row.score.instrument_code == "PHQ-9"]
    assert row.hours_since_session == pytest.approx((late - started) / timedelta(hours=1))
    assert row.point is not None
    assert row.point.late


def test_an_imported_answer_keeps_the_next_one_away_too(
    enrolment: Enrolment, clinic: Clinic
) -> None:
    enrolment.patient.record_number = "old-1"
    enrolment.patient.save()
    baseline = Assignment.objects.planned().filter(rule_code="baseline")
    assert baseline.filter(instrument__code="PHQ-9").exists()
    yesterday = NOW - timedelta(days=1)
    content = f"id,on,phq9\n1,{yesterday:%Y-%m-%d},12\n".encode()
    plan = plan_of(measures=[{"instrument": "PHQ-9", "column": "phq9"}])
    import_scores(clinic=clinic, plan=plan, content=content, by=SYSTEM, now=NOW)
    workflows.replan_due(now=NOW)
    assert not baseline.filter(instrument__code="PHQ-9").exists()
    assert baseline.filter(instrument__code="GAD-7").exists()
    due = Assignment.objects.planned().filter(instrument__code="PHQ-9").earliest("opens_at")
    assert due.opens_at >= yesterday.replace(hour=0) + timedelta(days=7)


# -- Any history ---------------------------------------------------------------------------------


@dataclass
class Story:
    """Live one course at random and keep what the patient has met."""

    enrolment: Enrolment
    versions: list[Schedule]
    chance: random.Random
    now: datetime = NOW
    met: dict[UUID, tuple[Any, ...]] = field(default_factory=dict)

    def live(self, steps: int) -> None:
        self.ask()
        for _step in range(steps):
            getattr(self, self.chance.choice(self.EVENTS))()
            workflows.replan_due(now=self.now)
            self.check()

    EVENTS = (
        "add",
        "move",
        "cancel",
        "backdate",
        "switch",
        "switch",
        "ask",
        "ask",
        "reply",
        "wait",
    )

    def add(self) -> None:
        self._record(self.now + timedelta(days=self.chance.randint(1, 20)), "planned")

    def backdate(self) -> None:
        self._record(self.now - timedelta(days=self.chance.randint(1, 15)), "done")

    def _record(self, at: datetime, status: str) -> None:
        record: dict[str, Any] = {"planned_at": at, "status": status}
        if status == "done":
            record |= {"started_at": at, "route": "iv", "drug": "Ketamine"}
            record |= {"dose_amount": "40", "dose_unit": "mg"}
        workflows.record_session(
            course=self.enrolment.course, record=record, by=SYSTEM, now=self.now, is_confirmed=True
        )

    def _session(self) -> TreatmentSession | None:
        sessions = list(self.enrolment.course.sessions.filter(status="planned").order_by("pk"))
        return self.chance.choice(sessions) if sessions else None

    def move(self) -> None:
        if session := self._session():
            at = session.planned_at + timedelta(days=self.chance.randint(-9, 9))
            workflows.move_session(
                session=session, planned_at=at, reason="moved", by=SYSTEM, now=self.now,
                is_confirmed=True,
            )  # fmt: skip

    def cancel(self) -> None:
        if session := self._session():
            workflows.cancel_session(session=session, reason="ill", by=SYSTEM, now=self.now)

    def switch(self) -> None:
        course = self.enrolment.course
        course.refresh_from_db()
        others = [each for each in self.versions if each.pk != course.schedule_id]
        schedule = self.chance.choice(others)
        expected = scheduling.change_of_plan(course=course, schedule_id=schedule.pk, now=self.now)
        before = self._planned()
        workflows.move_course_to_schedule(course=course, schedule=schedule, by=SYSTEM, now=self.now)
        after = self._planned()
        # The preview of a move told the truth.
        assert len(after.keys() - before.keys()) == expected.added
        assert len(before.keys() - after.keys()) == expected.withdrawn
        course.refresh_from_db()

    def _planned(self) -> dict[tuple[Any, ...], datetime]:
        rows = Assignment.objects.planned().filter(course=self.enrolment.course)
        columns = ("rule_code", "occurrence", "anchor_session", "instrument", "due_at")
        return {tuple(key): due for *key, due in rows.values_list(*columns)}

    def ask(self) -> None:
        workflows.invite_due(now=self.now)

    def reply(self) -> None:
        for item in Assignment.objects.under_way().answerable_at(self.now)[:1]:
            answer(item, self.now)

    def wait(self) -> None:
        self.now += timedelta(hours=self.chance.randint(6, 120))
        workflows.expire_assignments(now=self.now)
        # With time the end of what is planned ahead moves on.
        scheduling.request_plan([self.enrolment.course.pk])

    def check(self) -> None:
        rows = Assignment.objects.filter(course=self.enrolment.course, state__in=FIXED)
        columns = ("opens_at", "due_at", "closes_at", "rule_id", "instrument_id")
        now = {row.pk: tuple(getattr(row, name) for name in columns) for row in rows}
        assert self.met.items() <= now.items()
        self.met = now
        self.enrolment.course.refresh_from_db()
        schedule_id = self.enrolment.course.schedule_id
        assert schedule_id is not None
        nothing = scheduling.PlanChange(added=0, moved=0, withdrawn=0)
        again = scheduling.change_of_plan(
            course=self.enrolment.course, schedule_id=schedule_id, now=self.now
        )
        assert again == nothing


@pytest.mark.parametrize("seed", range(12))
def test_nothing_the_patient_has_met_vanishes_in_any_history(
    enrolment: Enrolment, clinic: Clinic, seed: int
) -> None:
    often = {"offset": {"value": 1, "unit": "days"}, "repeat_every_days": 2}
    versions = [
        shipped("ketamine-default"),
        shipped("six-in-twelve-days"),
        own(clinic, "ketamine-default", **{"daily-mood": often}),
    ]
    story = Story(enrolment, versions, random.Random(seed))
    story.live(steps=14)
    assert story.met
