"""How a synthetic patient's courses went (pure), for patients who are stored in batches."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from outcomes.care.models import CourseKind
from outcomes.management.simulation.model import Kind
from outcomes.management.simulation.roster import Part

MAINTENANCE_EVERY = (28, 42)


@dataclass(frozen=True, slots=True)
class Run:
    """One course as it went: when it began, when it ended, and its sessions in order."""

    kind: CourseKind
    started_at: datetime
    ended_at: datetime | None
    sessions: tuple[datetime, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """A patient's courses, and when the clinic's responsibility ended, if it has."""

    runs: tuple[Run, ...]
    closed_at: datetime | None


def draw_plan(part: Part, now: datetime, rng: Random) -> Plan:
    """Draw the first course and, for most, maintenance until the end or until it was closed."""
    induction = part.induction()
    decided_at = induction[-1] + timedelta(days=15)
    if decided_at > now:
        run = Run(CourseKind.INDUCTION, part.enrolled_at, None, tuple(induction))
        return Plan((run,), None)
    ends_at = None
    if part.person.kind is Kind.NON_RESPONDER or rng.random() < 0.4:
        ends_at = decided_at + timedelta(days=rng.randrange(20, 150))
    closed_at = ends_at if ends_at is not None and ends_at <= now else None
    first = Run(CourseKind.INDUCTION, part.enrolled_at, decided_at, tuple(induction))
    sessions = _maintenance(part, decided_at, closed_at or now, rng)
    if closed_at is not None:
        sessions = [at for at in sessions if at < closed_at]
    second = Run(CourseKind.MAINTENANCE, decided_at, closed_at, tuple(sessions))
    return Plan((first, second), closed_at)


def _maintenance(part: Part, after: datetime, until: datetime, rng: Random) -> list[datetime]:
    """Return the sessions up to a moment and the one planned after it."""
    sessions = [part.session_at(after.date() + timedelta(days=6))]
    while sessions[-1] < until:
        days = rng.randrange(*MAINTENANCE_EVERY)
        sessions.append(part.session_at(sessions[-1].date() + timedelta(days=days)))
    return sessions
