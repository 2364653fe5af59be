"""Ninety days planned: the engine alone, and through the database.

The engine's rival is dateutil's rrule, which only makes instants: one rule of so many days at 18:00
in the patient's zone, as many as the engine plans. The rival of `replan` is a bare bulk_create of
the same rows, in one transaction for each course, with nothing read, locked or compared.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from dateutil.rrule import DAILY, rrule  # type: ignore[import-untyped]
from django.db import transaction

from bench.figures import Figure
from bench.people import make_clinic
from outcomes.audit.models import SYSTEM
from outcomes.care.models import (
    Course,
    CourseKind,
    EpisodeOfCare,
    Patient,
    SessionStatus,
    TreatmentSession,
)
from outcomes.scheduling import engine
from outcomes.scheduling import services as scheduling
from outcomes.scheduling.models import Assignment, Schedule

IS_FULL = os.environ.get("BENCH") == "full"
PATIENTS = 10_000 if IS_FULL else 300
STORED = 1_000 if IS_FULL else 40
ROUNDS = 3
DAYS = 90
SESSIONS = 12
ZONE = "America/New_York"


def measure(now: datetime) -> Iterator[Figure]:
    """Yield patients a second by the engine, and courses a second through the database."""
    schedule = Schedule.objects.get(code="ketamine-default", clinic=None, is_current=True)
    yield _by_engine(scheduling.spec_of(schedule.pk), now)
    yield _through_database(schedule, now)


def _sessions(now: datetime) -> list[datetime]:
    return [now + timedelta(days=3 + 7 * number, hours=1) for number in range(SESSIONS)]


def _by_engine(spec: engine.ScheduleSpec, now: datetime) -> Figure:
    facts = engine.CourseFacts(
        enrolled_at=now,
        ended_at=None,
        indications=("trd",),
        zone=ZONE,
        sessions=tuple(
            engine.SessionFact(f"s{number:02}", at, "planned")
            for number, at in enumerate(_sessions(now))
        ),
        answers=(),
        fixed=(),
    )

    def plan() -> int:
        return len(engine.plan(spec.rules, spec.spacing_days, facts, now, DAYS))

    asks = plan()

    def instants() -> int:
        start = now.astimezone(ZoneInfo(ZONE)).replace(hour=18)
        # Three instants to an ask: it opens, is due and closes.
        made = rrule(DAILY, dtstart=start, count=3 * asks)
        return len([at.astimezone(UTC) for at in made])

    ours, theirs, ratio = _taking_turns(plan, instants, PATIENTS)
    return Figure(
        f"patients planned, {DAYS} days, {asks} asks each, by engine",
        f"{ours:,.0f}/s",
        f"{theirs:,.0f}/s",
        ratio,
    )


def _through_database(schedule: Schedule, now: datetime) -> Figure:
    courses = _make_courses(schedule, now)
    halves = courses[::2], courses[1::2]
    scheduling.replan(course=courses[0], now=now)
    pattern = list(Assignment.objects.filter(course=courses[0]))
    if not pattern:
        raise RuntimeError("The schedule plans nothing.")
    made, copied = iter(halves[0][1:]), iter(halves[1])

    def replan() -> None:
        scheduling.replan(course=next(made), now=now)

    def store() -> None:
        course = next(copied)
        rows: list[Assignment] = []
        for row in pattern:
            row.pk, row.course, row.episode = Assignment().pk, course, course.episode
            row.patient_id, row.anchor_session_id = course.episode.patient_id, None
            row.occurrence = len(rows)
            rows.append(row)
        with transaction.atomic():
            Assignment.objects.bulk_create(rows)

    ours, theirs, ratio = _taking_turns(replan, store, STORED)
    return Figure(
        f"courses planned and stored, {len(pattern)} asks each",
        f"{ours:,.1f}/s",
        f"{theirs:,.1f}/s",
        ratio,
    )


def _make_courses(schedule: Schedule, now: datetime) -> list[Course]:
    clinic, _clinician = make_clinic("planning", now)
    courses = []
    with transaction.atomic():
        for _ in range(2 * (ROUNDS * STORED + 1)):
            patient = Patient.objects.create(
                clinic=clinic, given_name="Bo", time_zone=ZONE, created_at=now
            )
            episode = EpisodeOfCare.objects.create(
                clinic=clinic, patient=patient, indication="trd", started_on=now.date()
            )
            course = Course.objects.create(
                clinic=clinic,
                episode=episode,
                kind=CourseKind.INDUCTION,
                schedule=schedule,
                started_at=now,
            )
            TreatmentSession.objects.bulk_create(
                TreatmentSession(
                    clinic=clinic,
                    episode=episode,
                    course=course,
                    number=number,
                    planned_at=at,
                    status=SessionStatus.PLANNED,
                    entered_by=SYSTEM.label,
                    entered_at=now,
                )
                for number, at in enumerate(_sessions(now), 1)
            )
            courses.append(course)
    return courses


def _taking_turns(
    ours: Callable[[], object], theirs: Callable[[], object], times: int
) -> tuple[float, float, float]:
    """Return both rates and the median ratio of the rounds."""
    rates: list[tuple[float, float]] = []
    for _ in range(ROUNDS):
        pair = []
        for way in (ours, theirs):
            begun = time.perf_counter()
            for _ in range(times):
                way()
            pair.append(times / (time.perf_counter() - begun))
        rates.append((pair[0], pair[1]))
    mine, bare = (statistics.median(each) for each in zip(*rates, strict=True))
    return mine, bare, statistics.median(a / b for a, b in rates)
