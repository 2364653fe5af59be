"""What the pages about schedules show: lines, the sample course, versions, running courses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from itertools import groupby
from typing import Any

from django.db.models import Count, QuerySet

from outcomes.care.models import Course, Indication
from outcomes.clinic_site.instruments import usable
from outcomes.clinic_site.schedule_words import (
    Remark,
    moment_words,
    remark_of,
    sentences_of,
    silence_words,
)
from outcomes.clinics.models import Clinic, User
from outcomes.instruments.watched import WATCHED
from outcomes.scheduling import services as scheduling
from outcomes.scheduling.burden import Week, minutes_per_week
from outcomes.scheduling.checking import TooMuchError, Work
from outcomes.scheduling.definition import (
    RuleSpec,
    ScheduleError,
    ScheduleSpec,
    parse_rule,
    parse_schedule,
)
from outcomes.scheduling.engine import Planned
from outcomes.scheduling.models import Schedule, ScheduleDraft
from outcomes.scheduling.sample import (
    FIRST_SESSION,
    SAMPLE,
    Sample,
    Silence,
    asks_of,
    day_of,
    silences,
)
from outcomes.scheduling.services import PlanChange, spec_of

CONDITIONS: Mapping[str, Any] = dict(Indication.choices)


def minutes_of(user: User, clinic: Clinic) -> dict[str, float]:
    """Return the minutes that each questionnaire takes which is sent here."""
    return {
        entry.definition.code: float(entry.definition.minutes.value or 0)
        for entry in reversed(usable(user, clinic))
        if entry.definition.is_sendable
        and (clinic.watches_mania or entry.definition.code not in WATCHED)
    }


# -- One schedule --------------------------------------------------------------------------------


@dataclass(frozen=True)
class ScheduleFacts:
    """One schedule: its rules, what it leaves out here, and what it asks of a sample course."""

    spec: ScheduleSpec
    is_own: bool
    minutes: Mapping[str, float]
    sample: Sample = SAMPLE
    row: Schedule | None = None

    @cached_property
    def named(self) -> list[str]:
        """Return every questionnaire that a rule names, in order."""
        return list(dict.fromkeys(code for rule in self.spec.rules for code in rule.instruments))

    @property
    def left_out(self) -> list[str]:
        """Return the questionnaires that cannot be sent here."""
        return [code for code in self.named if code not in self.minutes]

    @property
    def leaves_out_watch(self) -> bool:
        """Say whether it leaves out the mania watch."""
        return any(code in WATCHED for code in self.left_out)

    @property
    def codes(self) -> list[str]:
        """Return the questionnaires that are sent here."""
        return [code for code in self.named if code in self.minutes]

    @cached_property
    def weeks(self) -> tuple[Week, ...]:
        """Return what each week of the sample asks."""
        return minutes_per_week(self.spec, self.minutes, self.sample)

    @property
    def rules(self) -> list[tuple[RuleSpec, list[str]]]:
        """Return the lines of the schedule, each with what it says, a sentence each."""
        return [(rule, sentences_of(rule, CONDITIONS)) for rule in self.spec.rules]

    @property
    def spacing(self) -> list[tuple[str, int]]:
        """Return the least days between two of a kind."""
        return list(self.spec.spacing_days.items())

    @property
    def rows(self) -> list[tuple[Week, list[tuple[str, int]]]]:
        """Return each week with how often each questionnaire is asked in it."""
        return [
            (week, [(code, week.administrations.get(code, 0)) for code in self.codes])
            for week in self.weeks
        ]

    @property
    def is_conditional(self) -> bool:
        """Say whether a rule holds for certain conditions only."""
        return any(rule.indications for rule in self.spec.rules)


def schedules_of(user: User, clinic: Clinic) -> list[ScheduleFacts]:
    """Return every schedule that a new course of the clinic may follow."""
    minutes = minutes_of(user, clinic)
    rows = Schedule.objects.usable_by(clinic.pk).current().order_by("name")
    return [facts_of(row, minutes) for row in rows]


def facts_of(row: Schedule, minutes: Mapping[str, float], sample: Sample = SAMPLE) -> ScheduleFacts:
    """Return what a page shows of one version of a schedule."""
    return ScheduleFacts(spec_of(row.pk), row.clinic_id is not None, minutes, sample, row)


# -- The sample course, day by day ---------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Ask:
    """One line of a day: what is asked together, by which rule, when."""

    title: str
    instruments: list[str]
    opens: str
    due: str
    closes: str
    reminders: list[str]
    minutes: float


@dataclass(frozen=True, slots=True)
class Day:
    """One day of the sample on which there is a session, or something falls due."""

    number: int
    week: int
    sessions: list[int]
    asks: list[Ask]


@dataclass(frozen=True)
class Preview:
    """A schedule on a sample course: what is asked on which day, and what never is."""

    facts: ScheduleFacts

    @cached_property
    def asks(self) -> list[Planned]:
        """Return what is asked and can be sent."""
        found = asks_of(self.facts.spec, self.facts.sample)
        return [ask for ask in found if ask.instrument in self.facts.minutes]

    @property
    def days(self) -> list[Day]:
        """Return every day with a session or a questionnaire due."""
        sample = self.facts.sample
        by_day: dict[int, list[Planned]] = {day: [] for day in sample.session_days}
        for ask in self.asks:
            by_day.setdefault(day_of(ask.due_at), []).append(ask)
        last = day_of(sample.until)
        return [
            Day(
                number=day,
                week=max(1, day // 7 + 1),
                sessions=[n for n, on in enumerate(sample.session_days, 1) if on == day],
                asks=self._together(asks),
            )
            for day, asks in sorted(by_day.items())
            if day < last
        ]

    def _together(self, asks: list[Planned]) -> list[Ask]:
        titles = {rule.code: rule.title or rule.code for rule in self.facts.spec.rules}

        def window(ask: Planned) -> tuple[Any, ...]:
            return (ask.rule_code, ask.anchor_session, ask.opens_at, ask.due_at, ask.closes_at)

        return [
            self._ask(titles[key[0]], list(together)) for key, together in groupby(asks, window)
        ]

    def _ask(self, title: str, asks: list[Planned]) -> Ask:
        first = asks[0]
        return Ask(
            title=title,
            instruments=[ask.instrument for ask in asks],
            opens=moment_words(first.opens_at),
            due=moment_words(first.due_at),
            closes=moment_words(first.closes_at),
            reminders=[moment_words(at) for at in first.reminders_at],
            minutes=sum(self.facts.minutes[ask.instrument] for ask in asks),
        )

    @property
    def total_minutes(self) -> float:
        """Return the minutes of the whole sample."""
        return sum(self.facts.minutes[ask.instrument] for ask in self.asks)

    @property
    def busiest(self) -> Week:
        """Return the week that asks most."""
        return max(self.facts.weeks, key=lambda week: week.minutes)

    @property
    def silent(self) -> list[tuple[Silence, str]]:
        """Return what can be sent and is never asked in the sample, with the reason."""
        return [
            (silence, silence_words(silence, CONDITIONS))
            for silence in silences(self.facts.spec, self.facts.sample)
            if silence.instrument in self.facts.minutes
        ]

    @property
    def first_session(self) -> datetime:
        """Return the start of the first session, whose time of day all sessions share."""
        return FIRST_SESSION


# -- A draft -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class DraftPage:
    """A draft with its lines in words, and what speaks against publishing it."""

    draft: ScheduleDraft
    now: datetime

    @property
    def name(self) -> str:
        """Return the draft's name."""
        return str(self.draft.content["name"])

    @cached_property
    def lines(self) -> list[tuple[str, list[str]]]:
        """Return each line's title and what it says; nothing where it cannot be read."""
        return [self._line(entry) for entry in self.draft.content["rules"]]

    def _line(self, entry: Mapping[str, Any]) -> tuple[str, list[str]]:
        title = str(entry.get("title") or entry.get("code"))
        try:
            return title, sentences_of(parse_rule(entry, "rule"), CONDITIONS)
        except ScheduleError:
            return title, []

    @property
    def spacing(self) -> list[tuple[str, int]]:
        """Return the least days between two of a kind."""
        return list(self.draft.content["spacing_days"].items())

    @cached_property
    def remarks(self) -> list[Remark]:
        """Return what is refused, then what should be known."""
        titles = {
            entry["code"]: title
            for entry, (title, _said) in zip(self.draft.content["rules"], self.lines, strict=True)
        }
        found = scheduling.findings_on(
            content=self.draft.content,
            clinic_id=self.draft.clinic_id,
            code=self.draft.code,
            now=self.now,
        )
        return [remark_of(finding, titles) for finding in found]

    @property
    def refusals(self) -> list[Remark]:
        """Return why it cannot be published."""
        return [remark for remark in self.remarks if remark.is_refusal]

    @property
    def notes(self) -> list[Remark]:
        """Return what should be known before it is published."""
        return [remark for remark in self.remarks if not remark.is_refusal]

    def preview(self, minutes: Mapping[str, float], sample: Sample) -> Preview | None:
        """Return the draft on a sample course; None where it cannot be read, or asks too often."""
        document = {"code": self.draft.code, "version": 1, **self.draft.content}
        try:
            spec = parse_schedule(document)
            Work().spend(spec, sample)
        except (ScheduleError, TooMuchError):
            return None
        return Preview(ScheduleFacts(spec, True, minutes, sample))


# -- Versions and the courses that follow them ---------------------------------------------------


@dataclass(frozen=True, slots=True)
class Followed:
    """One version of a schedule, and how many running courses follow it."""

    schedule: Schedule
    courses: int


def running(clinic: Clinic) -> QuerySet[Course]:
    """Return the clinic's courses that have not ended."""
    return Course.objects.filter(clinic=clinic, ended_at=None, episode__ended_on=None)


def versions_of(clinic: Clinic, schedule: Schedule) -> list[Followed]:
    """Return every version of a schedule, newest first, with its running courses."""
    rows = Schedule.objects.versions_of(schedule)
    return _followed(clinic, list(rows.order_by("-version")))


def followed_by_others(clinic: Clinic, schedule: Schedule) -> list[Followed]:
    """Return what running courses follow instead of this version: its own older versions first."""
    rows = Schedule.objects.usable_by(clinic.pk).filter(
        pk__in=running(clinic).exclude(schedule=schedule).values("schedule")
    )
    found = _followed(clinic, list(rows.order_by("name", "-version")))
    return sorted(found, key=lambda each: not is_version_of(each.schedule, schedule))


def is_version_of(one: Schedule, other: Schedule) -> bool:
    """Say whether two rows are versions of one schedule."""
    return (one.clinic_id, one.code) == (other.clinic_id, other.code)


def _followed(clinic: Clinic, rows: list[Schedule]) -> list[Followed]:
    courses = running(clinic).filter(schedule__in=rows).values("schedule")
    counts = dict(courses.annotate(n=Count("pk")).values_list("schedule", "n"))
    return [Followed(row, counts.get(row.pk, 0)) for row in rows]


def changes_of(
    courses: list[Course], schedule: Schedule, now: datetime
) -> list[tuple[Course, PlanChange]]:
    """Return what moving each of these courses would change of what nobody was asked yet."""
    return [
        (course, scheduling.change_of_plan(course=course, schedule_id=schedule.pk, now=now))
        for course in courses
    ]
