"""R15: what the database plans after any history is what it plans from the last facts alone.

Histories are lived through the services, as staff, patients and the sweeps would: sessions added,
moved, cancelled, backdated and restored, questions sent, begun, answered and missed, zones and
schedules changed. Then the course is built anew in another order, with nothing of what was unsent.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import transaction

from outcomes import workflows
from outcomes.audit.models import SYSTEM
from outcomes.care.models import HELD, NOT_HELD, Course, EpisodeOfCare, TreatmentSession
from outcomes.clinics.models import Clinic, User
from outcomes.delivery.models import Lane, Message
from outcomes.instruments.models import InstrumentVersion
from outcomes.responses.models import Mode, QuestionnaireResponse
from outcomes.scheduling import services as scheduling
from outcomes.scheduling.models import FIXED, UNDER_WAY, Assignment, Schedule
from tests.campaign.figure import Figure, form
from tests.conftest import NOW, make_enrolment

ZONES = ("America/New_York", "Europe/London", "Australia/Lord_Howe", "America/Santiago", "UTC")
SCHEDULES = ("ketamine-default", "phq9-gad7-only", "six-in-twelve-days")
EVENTS = 12
# The campaign's full and short forms, and what every run of the tests lives through.
HISTORIES = {"full": 2000, "short": 60, "": 20}
TREATMENT = {"route": "iv", "dose_amount": 40, "dose_unit": "mg"}
# What may become of something that a patient has met.
AFTER = {
    "open": {"open", "started", "completed", "expired"},
    "started": {"started", "completed", "expired"},
    "completed": {"completed"},
    "expired": {"expired"},
}
Rows = dict[UUID, dict[str, Any]]


@dataclass
class History:
    """One course and the clock by which it is lived."""

    course: Course
    random: Random
    now: datetime = NOW

    def live(self, events: int) -> None:
        """Let so many things happen; after each, what was met must still stand."""
        happenings: list[Callable[[], None]] = [
            self.plan_session,
            self.record_session,
            self.move,
            self.cancel,
            self.restore,
            self.hold,
            self.backdate,
            self.begin,
            self.answer,
            self.answer,
            self.wait,
            self.wait,
            self.wait,
            self.travel,
            self.change_schedule,
        ]
        for _ in range(events):
            before, sent = self.met(), self.sent()
            self.random.choice(happenings)()
            assert_all_stands(before, self.met())
            assert sent <= self.sent()

    def met(self) -> Rows:
        """Return what the patient has met of the course's questions."""
        rows = Assignment.objects.filter(course=self.course, state__in=FIXED).values()
        return {row["id"]: row for row in rows}

    def sent(self) -> set[UUID]:
        sent = Message.objects.filter(sent_at__isnull=False, patient=self.course.episode.patient)
        return set(sent.values_list("pk", flat=True))

    def a_session(self, *statuses: str) -> TreatmentSession | None:
        rows = list(self.course.sessions.filter(status__in=statuses).order_by("number"))
        return self.random.choice(rows) if rows else None

    def an_open_question(self) -> Assignment | None:
        rows = Assignment.objects.filter(course=self.course, state__in=UNDER_WAY)
        found = list(rows.answerable_at(self.now).select_related("instrument").order_by("pk"))
        return self.random.choice(found) if found else None

    def some_time(self, days: int) -> timedelta:
        # Never twice the same second: two sessions are two.
        return timedelta(days=self.random.randrange(days), seconds=self.random.randrange(86400))

    # What can happen

    def plan_session(self) -> None:
        record = {"planned_at": self.now + self.some_time(30), "status": "planned"}
        self._record(record)

    def record_session(self) -> None:
        at = self.now - self.some_time(20)
        self._record({"planned_at": at, "started_at": at, "status": "done", **TREATMENT})

    def _record(self, record: dict[str, Any]) -> None:
        workflows.record_session(
            course=self.course, record=record, by=SYSTEM, now=self.now, is_confirmed=True
        )

    def _edit(self, session: TreatmentSession, changes: dict[str, Any]) -> None:
        workflows.edit_session(
            session=session,
            changes=changes,
            reason="It was otherwise.",
            by=SYSTEM,
            now=self.now,
            is_confirmed=True,
        )

    def move(self) -> None:
        if session := self.a_session("planned"):
            planned_at = self.now + self.some_time(25) - timedelta(days=5)
            workflows.move_session(
                session=session,
                planned_at=planned_at,
                reason="Another day.",
                by=SYSTEM,
                now=self.now,
                is_confirmed=True,
            )

    def cancel(self) -> None:
        if session := self.a_session("planned"):
            status = self.random.choice(NOT_HELD)
            workflows.cancel_session(
                session=session, reason="Ill.", by=SYSTEM, now=self.now, status=status
            )

    def restore(self) -> None:
        if session := self.a_session(*NOT_HELD):
            self._edit(session, {"status": "planned", "status_reason": ""})

    def hold(self) -> None:
        if session := self.a_session("planned"):
            at = min(session.planned_at, self.now - timedelta(seconds=self.random.randrange(9999)))
            self._edit(session, {"status": "done", "started_at": at, **TREATMENT})

    def backdate(self) -> None:
        if session := self.a_session(*HELD):
            self._edit(session, {"started_at": session.at - self.some_time(9)})

    def begin(self) -> None:
        if question := self.an_open_question():
            workflows.save_answers(
                assignment_id=question.pk,
                answers={"1": 0},
                language="en",
                mode=Mode.LINK,
                by=SYSTEM,
                now=self.now,
            )

    def answer(self) -> None:
        if question := self.an_open_question():
            version = InstrumentVersion.objects.newest_of(
                question.instrument_id, question.clinic_id
            )
            stored = QuestionnaireResponse.objects.count()
            workflows.submit_response(
                assignment_id=question.pk,
                answers={item.link_id: 0 for item in version.definition.items},
                submission_id=str(uuid4()),
                language="en",
                mode=Mode.LINK,
                by=SYSTEM,
                now=self.now,
            )
            assert QuestionnaireResponse.objects.count() >= stored

    def wait(self) -> None:
        """Let hours pass, and the sweeps do what they do."""
        self.now += timedelta(minutes=self.random.randrange(1, 60 * 60))
        workflows.expire_assignments(now=self.now)
        workflows.replan_due(now=self.now)
        workflows.invite_due(now=self.now)
        workflows.send_due(lane=Lane.BULK, clock=lambda: self.now)

    def travel(self) -> None:
        patient = self.course.episode.patient
        zone = self.random.choice(ZONES)
        workflows.change_patient(
            patient=patient, changes={"time_zone": zone}, by=SYSTEM, now=self.now
        )

    def change_schedule(self) -> None:
        self.course.refresh_from_db()
        others = Schedule.objects.filter(code__in=SCHEDULES, clinic=None, is_current=True)
        others = others.exclude(pk=self.course.schedule_id).order_by("code")
        schedule = self.random.choice(list(others))
        workflows.move_course_to_schedule(
            course=self.course, schedule=schedule, by=SYSTEM, now=self.now
        )

    # From scratch

    def rebuilt(self) -> Course:
        """Make a course from the last facts alone, in another order, and plan it."""
        old = Course.objects.select_related("episode__patient").get(pk=self.course.pk)
        episode = EpisodeOfCare.objects.create(
            clinic=old.clinic,
            patient=old.episode.patient,
            indication=old.episode.indication,
            started_on=old.episode.started_on,
        )
        course = Course.objects.create(
            clinic=old.clinic,
            episode=episode,
            kind=old.kind,
            schedule=old.schedule,
            started_at=old.started_at,
        )
        sessions = list(old.sessions.all())
        self.random.shuffle(sessions)
        twins: dict[UUID | None, UUID | None] = {None: None}
        for session in sessions:
            was = session.pk
            twins[was] = copy_of(session, course=course, episode=episode).pk
        met = list(Assignment.objects.filter(course=old, state__in=FIXED))
        self.random.shuffle(met)
        for row in met:
            copy_of(
                row,
                course=course,
                episode=episode,
                anchor_session_id=twins[row.anchor_session_id],
            )
        scheduling.replan(course=course, now=self.now)
        return course


def copy_of(row: Any, **changes: Any) -> Any:
    """Store the row once more under a key of its own."""
    copied = type(row).objects.get(pk=row.pk)
    copied.pk = None
    copied._state.adding = True
    for field in row._meta.concrete_fields:
        if field.primary_key:
            setattr(copied, field.attname, field.get_default())
    for name, value in changes.items():
        setattr(copied, name, value)
    copied.save(force_insert=True)
    return copied


def assert_all_stands(before: Rows, after: Rows) -> None:
    """Check that nothing sent, begun or answered has vanished, moved or gone back."""
    for key, row in before.items():
        assert key in after, "vanished"
        now = after[key]
        assert now["state"] in AFTER[row["state"]], (row["state"], now["state"])
        for name in ("opens_at", "due_at", "closes_at", "rule_id", "occurrence", "instrument_id"):
            assert now[name] == row[name], name
        for name in ("asked_at", "completed_at", "anchor_session_id"):
            assert row[name] in (None, now[name]), name


def unsent(course: Course, until: datetime) -> list[tuple[Any, ...]]:
    """Return what a course has to ask until then, with sessions named by their order in time."""
    in_order = sorted(course.sessions.all(), key=lambda session: session.at)
    place = {session.pk: number for number, session in enumerate(in_order)}
    return sorted(
        (
            item.due_at,
            item.rule_code,
            item.occurrence,
            place.get(item.anchor_session_id, -1),
            str(item.instrument_id),
            item.opens_at,
            item.closes_at,
            tuple(item.reminders_at),
        )
        for item in Assignment.objects.filter(course=course, due_at__lt=until).planned()
    )


def fault_of(seed: int, clinic: Clinic, clinician: User) -> str:
    """Live one history and undo it; return what went wrong, if anything."""
    with transaction.atomic():
        try:
            random = Random(seed)
            enrolment = make_enrolment(clinic, clinician)
            history = History(enrolment.course, random)
            if random.random() < 0.8:
                history.change_schedule()
            history.live(EVENTS)
            workflows.replan_due(now=history.now)
            # How far a plan reaches is no fact of the course: its far end grows as time passes.
            near = history.now + timedelta(days=390)
            kept, fresh = unsent(history.course, near), unsent(history.rebuilt(), near)
            if kept != fresh:
                odd = sorted(set(kept) ^ set(fresh))
                return f"seed {seed}: {len(odd)} differ, first {odd[0][:5]}"
        except AssertionError as error:
            return f"seed {seed}: {error}"
        finally:
            transaction.set_rollback(True)
    return ""


def play(histories: int, clinic: Clinic, clinician: User) -> tuple[Figure, list[str]]:
    """Live so many histories; return the figure and what went wrong."""
    faults = [fault for seed in range(histories) if (fault := fault_of(seed, clinic, clinician))]
    text = (
        f"{histories - len(faults)} of {histories} histories give the plan from scratch,"
        f" {len(faults)} lost or moved what was sent"
    )
    return Figure("R15", not faults, text), faults


@pytest.mark.thorough
def test_every_history_gives_the_plan_from_scratch(
    clinic: Clinic, clinician: User, capsys: pytest.CaptureFixture[str]
) -> None:
    figure, faults = play(HISTORIES[form()], clinic, clinician)
    with capsys.disabled():
        print("\n" + figure.line())
    assert faults == []
