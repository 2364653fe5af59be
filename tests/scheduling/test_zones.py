"""R14: one message per occurrence and none in quiet hours, in every zone, day by day for two years.

The plan, the quiet hours and the day's limit are the product's; a virtual dispatcher looks at the
clock every 20 seconds. What they come to is judged by arithmetic on the zone's offsets alone.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from pathlib import Path
from zoneinfo import ZoneInfo, available_timezones

import pytest

from outcomes import workflows
from outcomes.audit.models import SYSTEM
from outcomes.care.models import Course, Patient
from outcomes.clinics.models import Clinic
from outcomes.delivery.models import Lane, Message
from outcomes.delivery.recheck import Facts
from outcomes.scheduling import engine
from outcomes.scheduling.definition import Offset, RepeatUntil, RuleSpec
from outcomes.scheduling.engine import CourseFacts, Fixed, Key, SessionFact
from outcomes.scheduling.models import Assignment, Schedule
from outcomes.workflows import Enrolment
from tests.campaign.figure import Figure, is_full

LIBRARY = Path(engine.__file__).parent / "library"
SPEC = engine.parse_schedule(json.loads((LIBRARY / "ketamine-default.json").read_text()))
RULES = {rule.code: rule for rule in SPEC.rules}
FIRST_DAY = date(2026, 1, 1)
DAYS = 730
QUIET = ((time(21), time(8)), (time(22), time(7)), (time(20, 30), time(9, 30)))
# Hours at which clocks change somewhere, beside the evening of the shipped rules.
NIGHTS = (time(0), time(1, 30), time(2, 30), time(3), time(23, 59))
TICK = timedelta(seconds=20)
REPLAN_EVERY = timedelta(days=56)
AHEAD_DAYS = 70


def midnight_utc(day: date) -> datetime:
    return datetime.combine(day, time(0), UTC)


@dataclass(frozen=True)
class Clock:
    """A zone's wall clock as a list of offsets and the moments at which they begin."""

    zone: str

    @cached_property
    def changes(self) -> list[tuple[datetime, timedelta]]:
        """Step through the span day by day; halve every day in which the offset moved."""
        tz = ZoneInfo(self.zone)

        def offset_at(at: datetime) -> timedelta:
            offset = at.astimezone(tz).utcoffset()
            assert offset is not None
            return offset

        at, end = midnight_utc(FIRST_DAY - timedelta(days=9)), midnight_utc(date(2028, 2, 10))
        found = [(at, offset_at(at))]
        while at < end:
            after = at + timedelta(days=1)
            if offset_at(after) != found[-1][1]:
                low, high = at, after
                while high - low > timedelta(seconds=1):
                    middle = (low + (high - low) / 2).replace(microsecond=0)
                    low, high = (
                        (middle, high) if offset_at(middle) == found[-1][1] else (low, middle)
                    )
                found.append((high, offset_at(high)))
            at = after
        return found

    @cached_property
    def starts(self) -> list[datetime]:
        return [start for start, _ in self.changes]

    def offset(self, at: datetime) -> timedelta:
        return self.changes[bisect_right(self.starts, at) - 1][1]

    def wall(self, at: datetime) -> datetime:
        """Return what the clock on the wall shows."""
        return (at + self.offset(at)).replace(tzinfo=None)

    def noon(self, day: date) -> datetime:
        at = midnight_utc(day) + timedelta(hours=12)
        return at - self.offset(at)

    def is_quiet(self, at: datetime, start: time, end: time) -> bool:
        shown = self.wall(at).time()
        return start <= shown < end if start < end else shown >= start or shown < end

    def is_at(self, at: datetime, day: date, clock: time) -> bool:
        """Say whether this is when the clock first shows the time, or first is past it."""
        asked = datetime.combine(day, clock)
        before = self.wall(at - timedelta(seconds=1))
        return self.wall(at) == asked or before < asked < self.wall(at)


@dataclass(frozen=True)
class Sent:
    """One message that went out, and the asks it stands for."""

    at: datetime
    keys: tuple[Key, ...]


class Course730:
    """Live two years of one patient: plan anew every eight weeks, invite, hold back, send."""

    def __init__(
        self, clock: Clock, rule: RuleSpec, sessions: list[datetime], quiet: tuple[time, time]
    ) -> None:
        self.clock, self.rule = clock, rule
        self.sessions = tuple(
            SessionFact(f"s{number:03}", at, "held" if at < self.start else "planned")
            for number, at in enumerate(sessions)
        )
        self.clinic = Clinic(quiet_from=quiet[0], quiet_until=quiet[1])
        self.patient = Patient(time_zone=clock.zone)
        self.message = Message(clinic=self.clinic, patient=self.patient, lane="bulk")
        self.windows: dict[Key, Fixed] = {}
        self.sent: list[Sent] = []
        self.lost: list[Key] = []

    start = midnight_utc(FIRST_DAY - timedelta(days=2))

    def live(self) -> None:
        now, end = self.start, midnight_utc(FIRST_DAY + timedelta(days=DAYS + 2))
        while now < end:
            after = now + REPLAN_EVERY
            for asks in self.planned(now, until=min(after, end)).values():
                self.deliver(asks)
            now = after

    def planned(self, now: datetime, until: datetime) -> dict[datetime, list[Fixed]]:
        """Plan as the product does; return what opens before the next planning, by its opening."""
        facts = CourseFacts(
            enrolled_at=self.start,
            ended_at=None,
            indications=("trd",),
            zone=self.clock.zone,
            sessions=self.sessions,
            answers=(),
            fixed=tuple(self.windows.values()),
        )
        together: dict[datetime, list[Fixed]] = {}
        for ask in engine.plan([self.rule], SPEC.spacing_days, facts, now, AHEAD_DAYS):
            if ask.opens_at < until:
                assert ask.key not in self.windows, "asked twice"
                fixed = Fixed(ask.key, ask.opens_at, ask.due_at, ask.closes_at)
                self.windows[ask.key] = fixed
                together.setdefault(ask.opens_at, []).append(fixed)
        return together

    def deliver(self, asks: list[Fixed]) -> None:
        """Send one invitation as the outbox does, looking at the clock every few seconds."""
        closes_at = max(ask.closes_at for ask in asks)
        keys = tuple(ask.key for ask in asks)
        due = [self.next_tick(asks[0].opens_at)]
        while due:
            now = due.pop()
            if now >= closes_at:
                self.lost += keys
            elif held := self.facts(now)._wait(self.message, now):
                assert held.until > now
                due.append(self.next_tick(held.until))
            else:
                self.sent.append(Sent(now, keys))

    def facts(self, now: datetime) -> Facts:
        """Give the recheck what it would have read: the messages of the last two days."""
        facts = Facts([], now)
        for sent in self.sent[-8:]:
            if sent.at > now - timedelta(hours=50):
                facts._sent[self.patient.pk].append(sent.at)
        return facts

    def next_tick(self, at: datetime) -> datetime:
        """Return when the dispatcher next looks."""
        past = (at - self.start) % TICK
        return at if not past else at + TICK - past

    def assert_sound(self, clock: time) -> int:
        """Judge by arithmetic on offsets; return how many occurrences there were."""
        name = (self.clock.zone, self.rule.code, clock)
        quiet = (self.clinic.quiet_from, self.clinic.quiet_until)
        assert self.lost == [], name
        told = Counter(key for sent in self.sent for key in sent.keys)
        assert set(told.values()) == {1}, name
        assert told.keys() == self.windows.keys(), name
        for sent in self.sent:
            assert not self.clock.is_quiet(sent.at, *quiet), (name, sent)
            windows = [self.windows[key] for key in sent.keys]
            opens_at = windows[0].opens_at
            assert all(opens_at <= sent.at < window.closes_at for window in windows), (name, sent)
            # At once, or at the end of the quiet hours it fell into.
            late = sent.at - opens_at
            assert late < TICK or self.clock.is_quiet(sent.at - TICK, *quiet), (name, sent)
        days = [self.clock.wall(window.due_at).date() for window in self.windows.values()]
        for day, window in zip(days, self.windows.values(), strict=True):
            assert self.clock.is_at(window.due_at, day, clock), (name, window)
        per_day = len({key[-1] for key in told})
        assert set(Counter(days).values()) == {per_day}, name
        return len(self.sent)


def live_in(clock: Clock, number: int) -> int:
    """Live three courses in a zone; return how many occurrences were told once each."""
    quiet = QUIET[number % len(QUIET)]
    day_before = FIRST_DAY - timedelta(days=2)
    daily = replace(RULES["daily-mood"], repeat_until=RepeatUntil(days=DAYS + 1))
    before = [clock.noon(day_before)]
    weekly = [clock.noon(day_before + timedelta(weeks=week)) for week in range(-1, DAYS // 7)]
    night = RuleSpec(
        code="night",
        instruments=("MOOD-1",),
        anchor="each_session",
        offset=Offset(2, "days"),
        opens_before=1,
        closes_after=13,
        time_of_day=NIGHTS[number % len(NIGHTS)],
        repeat_every_days=1,
        repeat_until=RepeatUntil(days=DAYS + 1),
    )
    occurrences = 0
    for rule, sessions, least in (
        (daily, before, DAYS),
        (RULES["day-7"], weekly, DAYS // 7),
        (night, before, DAYS),
    ):
        course = Course730(clock, rule, sessions, quiet)
        course.live()
        assert rule.time_of_day is not None
        told = course.assert_sound(rule.time_of_day)
        assert told >= least, (clock.zone, rule.code, told)
        occurrences += told
    return occurrences


def one_zone_of_each_kind(clocks: list[Clock]) -> list[Clock]:
    """Keep one of the zones whose clocks change alike in the two years, and a few that never do."""
    changing = {tuple(clock.changes): clock for clock in clocks if len(clock.changes) > 1}
    return [Clock("UTC"), Clock("Asia/Kathmandu"), Clock("Pacific/Kiritimati"), *changing.values()]


@pytest.mark.thorough
def test_each_occurrence_is_told_once_and_never_in_quiet_hours(
    capsys: pytest.CaptureFixture[str],
) -> None:
    clocks = [Clock(zone) for zone in sorted(available_timezones())]
    chosen = clocks if is_full() else one_zone_of_each_kind(clocks)
    failed: list[str] = []
    occurrences = 0
    for number, clock in enumerate(chosen):
        try:
            occurrences += live_in(clock, number)
        except AssertionError as error:
            failed.append(f"{clock.zone}: {str(error).splitlines()[0]}")
    text = (
        f"0 of {occurrences} messages outside their time or doubled,"
        f" {len(chosen)} zones x {DAYS} days"
    )
    if failed:
        text = f"{len(failed)} of {len(chosen)} zones x {DAYS} days failed"
    with capsys.disabled():
        print("\n" + Figure("R14", not failed, text).line())
    assert failed == []
    assert len(chosen) > 20


@pytest.mark.parametrize(
    ("zone", "day"),
    [
        ("America/New_York", date(2026, 3, 8)),
        ("America/New_York", date(2026, 11, 1)),
        ("Africa/Cairo", date(2026, 4, 24)),  # the gap begins at midnight
        ("America/Nuuk", date(2026, 10, 24)),  # the hour before midnight comes twice
    ],
)
def test_the_outbox_tells_each_occurrence_once_around_a_clock_change(
    enrolment: Enrolment, zone: str, day: date
) -> None:
    clock = Clock(zone)
    held_at = clock.noon(day - timedelta(days=3))
    course = _on_the_default_schedule(enrolment.course, zone, held_at)
    Message.objects.all().delete()
    now, end = clock.noon(day - timedelta(days=2)), clock.noon(day + timedelta(days=3))
    assert len({clock.offset(now), clock.offset(end)}) == 2
    while now < end:
        workflows.replan_due(now=now)
        workflows.invite_due(now=now)
        workflows.send_due(lane=Lane.BULK, clock=lambda: now)  # noqa: B023 - called at once
        workflows.expire_assignments(now=now)
        now += timedelta(minutes=60)

    sent = Message.objects.filter(sent_at__isnull=False)
    quiet = (course.clinic.quiet_from, course.clinic.quiet_until)
    for message in sent:
        assert message.sent_at is not None
        assert not clock.is_quiet(message.sent_at, *quiet)
    asked = Assignment.objects.filter(course=course, asked_at__isnull=False, rule_code="daily-mood")
    days = sorted(clock.wall(item.due_at) for item in asked)
    assert days == [
        datetime.combine(day + timedelta(days=number), time(18)) for number in (-1, 0, 1, 2)
    ]
    for item in asked:
        told = sent.filter(kind="invitation", link__invitation__assignments=item)
        assert told.count() == 1


def _on_the_default_schedule(course: Course, zone: str, held_at: datetime) -> Course:
    Patient.objects.filter(pk=course.episode.patient_id).update(time_zone=zone)
    schedule = Schedule.objects.get(code="ketamine-default", is_current=True)
    long_ago = held_at - timedelta(days=30)
    Course.objects.filter(pk=course.pk).update(
        schedule=schedule, started_at=long_ago, needs_plan=True
    )
    course.sessions.all().delete()
    record = {
        "planned_at": held_at,
        "status": "done",
        "route": "iv",
        "dose_amount": 40,
        "dose_unit": "mg",
    }
    now = held_at + timedelta(hours=2)
    workflows.record_session(course=course, record=record, by=SYSTEM, now=now, is_confirmed=True)
    return Course.objects.select_related("clinic").get(pk=course.pk)
