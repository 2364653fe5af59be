"""Plan which questionnaire is due when, from a schedule and the facts of one course.

Pure: the plan is a function of (rules, spacing, facts, now) and nothing else, so the order in which
sessions were added, moved, cancelled or backdated cannot matter. Offsets in days are counted on the
patient's local calendar, offsets in hours are absolute. It lists what is asked; it advises nothing.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from itertools import count, groupby
from typing import Literal
from zoneinfo import ZoneInfo

from outcomes.scheduling.definition import (
    Anchor,
    Offset,
    RepeatUntil,
    RuleSpec,
    ScheduleError,
    ScheduleSpec,
    parse_schedule,
)
from outcomes.scheduling.local_time import local_instant, shift_days

__all__ = [
    "Anchor",
    "AnswerFact",
    "CourseFacts",
    "Fixed",
    "Key",
    "Offset",
    "Planned",
    "RepeatUntil",
    "RuleSpec",
    "ScheduleError",
    "ScheduleSpec",
    "SessionFact",
    "SessionState",
    "WeekBurden",
    "local_instant",
    "minutes_per_week",
    "parse_schedule",
    "plan",
]

SessionState = Literal["planned", "held", "not_held"]
Key = tuple[str, int, str | None, str]

SHORTEST_WINDOW = timedelta(hours=1)
ONE_SITTING = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class SessionFact:
    """State when a session was or is to be: its actual start if held, else the planned one.

    Only planned and held sessions anchor anything; cancelled and no-show are `not_held`.
    """

    id: str
    at: datetime
    state: SessionState


@dataclass(frozen=True, slots=True)
class AnswerFact:
    """State that an instrument was answered, by whatever way, and when it was submitted."""

    instrument: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Fixed:
    """Keep an assignment that was sent, started, completed or has expired: it never moves.

    `is_of_other_version` where the course followed another version of its schedule at the time.
    """

    key: Key
    opens_at: datetime
    due_at: datetime
    closes_at: datetime
    is_of_other_version: bool = False


@dataclass(frozen=True, slots=True)
class CourseFacts:
    """Gather everything a plan depends on beside the schedule; every instant is aware."""

    enrolled_at: datetime
    ended_at: datetime | None
    indications: tuple[str, ...]
    zone: str
    sessions: tuple[SessionFact, ...]
    answers: tuple[AnswerFact, ...]
    fixed: tuple[Fixed, ...]


@dataclass(frozen=True, slots=True)
class Planned:
    """Ask this instrument: opens < due <= closes, reminders strictly between opening and close."""

    rule_code: str
    occurrence: int
    anchor_session: str | None
    instrument: str
    opens_at: datetime
    due_at: datetime
    closes_at: datetime
    reminders_at: tuple[datetime, ...]

    @property
    def key(self) -> Key:
        """Return what identifies this ask across re-planning."""
        return (self.rule_code, self.occurrence, self.anchor_session, self.instrument)


@dataclass(frozen=True, slots=True)
class WeekBurden:
    """Give the minutes asked of the patient in one ISO week."""

    year: int
    week: int
    minutes: float


def _utc(at: datetime) -> datetime:
    """Return the instant in UTC; a naive time has no instant and is refused."""
    if at.tzinfo is None:
        raise ValueError("An instant without a time zone cannot be planned with.")
    return at.astimezone(UTC)


def plan(
    rules: Sequence[RuleSpec],
    spacing_days: Mapping[str, int],
    facts: CourseFacts,
    now: datetime,
    horizon_days: int = 400,
) -> tuple[Planned, ...]:
    """Return every ask that is still open or to come, sorted by due time.

    Keys in `facts.fixed` are left out: they stay as they are. Windows that closed before `now` are
    never planned, so a backdated session causes no flood. Nothing due after the horizon is planned.
    """
    now = _utc(now)
    by_code = {rule.code: (position, rule) for position, rule in enumerate(rules)}
    starts = {session.id: _utc(session.at) for session in facts.sessions}

    def by_due_then_rule(ask: Planned) -> tuple[datetime, int, datetime, str, int]:
        # Of two sessions that ask at the same moment the earlier one goes first, and only of two
        # that began together the one that was entered first.
        position = by_code[ask.rule_code][0]
        anchor = ask.anchor_session or ""
        return (ask.due_at, position, starts.get(anchor, now), anchor, ask.occurrence)

    candidates = [ask for rule in rules for ask in _candidates(rule, facts, now, horizon_days)]
    fixed = _fixed_by_key(facts.fixed)
    open_to_plan = [ask for ask in candidates if not _stands_for(fixed.get(ask.key, ()), ask)]
    ledger = _Ledger(spacing_days, facts, now)
    # What an answer pushes back takes its place by where it is due in the end: beside asks that
    # were sent meanwhile it must fit as it did when they were planned.
    moved: list[Planned] = []
    for key, together in groupby(open_to_plan, _occurrence_of):
        moved += ledger.after_answers(together, by_code[key[0]][1].only_if_older_than_days or 0)
    # Sorting is stable, so the instruments of one occurrence stay side by side.
    for key, together in groupby(sorted(moved, key=by_due_then_rule), _occurrence_of):
        ledger.admit(together, by_code[key[0]][1].only_if_older_than_days or 0)
    asks = sorted(ledger.admitted, key=by_due_then_rule)
    return tuple(_with_reminders(ask, by_code[ask.rule_code][1]) for ask in asks)


def _fixed_by_key(fixed: Sequence[Fixed]) -> dict[Key, list[Fixed]]:
    by_key: dict[Key, list[Fixed]] = {}
    for item in fixed:
        by_key.setdefault(item.key, []).append(item)
    return by_key


def _stands_for(fixed: Sequence[Fixed], ask: Planned) -> bool:
    """Tell whether one of these is the ask itself, so that it is not made again.

    A rule may have changed since another version asked under its name: then it is the same ask only
    where the windows meet.
    """
    return any(
        not item.is_of_other_version
        or (item.opens_at < ask.closes_at and ask.opens_at < item.closes_at)
        for item in fixed
    )


@dataclass(frozen=True, slots=True)
class _Moment:
    """Hold one anchor of a rule, with the start of the session that follows it."""

    session: str | None
    at: datetime
    next_session_at: datetime | None


def _moments(anchor: Anchor, facts: CourseFacts) -> Iterator[_Moment]:
    """Yield every moment of the course that this kind of anchor means."""
    held = sorted((_utc(s.at), s.id) for s in facts.sessions if s.state != "not_held")
    anchors: Sequence[tuple[datetime, str | None]]
    match anchor:
        case "enrolment":
            anchors = [(_utc(facts.enrolled_at), None)]
        case "course_end":
            anchors = [(_utc(facts.ended_at), None)] if facts.ended_at else []
        case "each_session":
            anchors = held
        case "first_session":
            anchors = held[:1]
        case "last_session":
            anchors = held[-1:]
    starts = [at for at, _ in held]
    for at, session in anchors:
        later = starts[bisect_right(starts, at) :]
        yield _Moment(session, at, later[0] if later else None)


def _candidates(
    rule: RuleSpec, facts: CourseFacts, now: datetime, horizon_days: int
) -> Iterator[Planned]:
    """Yield what one rule asks, before spacing, where the window is open now or still to come."""
    if rule.indications and not set(rule.indications) & set(facts.indications):
        return
    enrolled_at = _utc(facts.enrolled_at)
    horizon = now + timedelta(days=horizon_days)
    for moment in _moments(rule.anchor, facts):
        for occurrence, due_at in _due_times(rule, moment, facts.zone, horizon):
            window = _window(rule, moment, due_at, enrolled_at)
            if window is None or window[2] <= now:
                continue
            for instrument in rule.instruments:
                yield Planned(rule.code, occurrence, moment.session, instrument, *window, ())


def _due_times(
    rule: RuleSpec, moment: _Moment, zone: str, horizon: datetime
) -> Iterator[tuple[int, datetime]]:
    """Yield the number and due time of each occurrence of a rule at one anchor."""
    until = rule.repeat_until or RepeatUntil()
    end = moment.next_session_at if until.next_session else None
    for occurrence, (days, hours) in enumerate(_after_anchor(rule)):
        due_at = _due(rule, moment.at, days, hours, zone)
        if until.days is not None and days + hours / 24 > until.days:
            return
        if until.date is not None and due_at.astimezone(ZoneInfo(zone)).date() > until.date:
            return
        if due_at > horizon or (end is not None and due_at >= end):
            return
        yield occurrence, due_at


def _after_anchor(rule: RuleSpec) -> Iterator[tuple[int, int]]:
    """Yield the days and the hours from the anchor to each occurrence."""
    is_in_days = rule.offset.unit == "days"
    days, hours = (rule.offset.value, 0) if is_in_days else (0, rule.offset.value)
    yield days, hours
    if rule.repeat_every_hours is not None:
        start, every = hours + rule.repeat_every_hours, rule.repeat_every_hours
        yield from ((days, later) for later in count(start, every))
    elif rule.repeat_every_days is not None:
        start = days + rule.repeat_every_days if rule.repeat_from is None else rule.repeat_from
        yield from ((later, hours) for later in count(start, rule.repeat_every_days))


def _due(rule: RuleSpec, anchor_at: datetime, days: int, hours: int, zone: str) -> datetime:
    """Return the due time so many local days and hours after the anchor."""
    if rule.time_of_day is not None:
        day = anchor_at.astimezone(ZoneInfo(zone)).date() + timedelta(days=days)
        return local_instant(day, rule.time_of_day, zone)
    if rule.repeat_every_hours is not None:
        return shift_days(anchor_at, days, zone) + timedelta(hours=hours)
    return shift_days(anchor_at + timedelta(hours=hours), days, zone)


def _window(
    rule: RuleSpec, moment: _Moment, due_at: datetime, enrolled_at: datetime
) -> tuple[datetime, datetime, datetime] | None:
    """Return (opens, due, closes), or None where nothing of the window is left.

    Nobody is asked before they are enrolled, so that reminders count from a real opening.
    """
    opens_at = max(due_at - timedelta(hours=rule.opens_before), enrolled_at)
    closes_at = due_at + timedelta(hours=rule.closes_after)
    if rule.closes_at_anchor:
        closes_at = moment.at
    if rule.repeat_until and rule.repeat_until.next_session and moment.next_session_at:
        closes_at = min(closes_at, moment.next_session_at)
    if opens_at >= closes_at:
        return None
    return opens_at, closes_at if opens_at >= due_at else min(due_at, closes_at), closes_at


class _Ledger:
    """Decide, ask by ask in order of due time, what the spacing between asks leaves."""

    def __init__(self, spacing_days: Mapping[str, int], facts: CourseFacts, now: datetime) -> None:
        self.admitted: list[Planned] = []
        self._spacing = spacing_days
        self._zone = facts.zone
        self._answered: dict[str, datetime] = {}
        for answer in sorted(facts.answers, key=lambda answer: answer.at):
            self._answered[answer.instrument] = _utc(answer.at)
        self._fixed = [item for item in facts.fixed if self._counts(item, now)]
        self._by_due: dict[str, list[Planned]] = {}

    def _counts(self, item: Fixed, now: datetime) -> bool:
        """Tell whether a fixed ask takes part: what closed unanswered does not.

        An answered one counts by its answer where the instrument has a spacing; where it has none
        (a daily question) its window still keeps a second ask from the same hours.
        """
        instrument = item.key[-1]
        answered_at = self._answered.get(instrument)
        is_answered = answered_at is not None and answered_at >= item.opens_at
        return item.closes_at > now and not (is_answered and instrument in self._spacing)

    def after_answers(self, together: Iterable[Planned], older_than: int) -> Iterator[Planned]:
        """Yield what the answers leave of one occurrence, its instruments opening together."""
        moved = (self._after_answer(ask, older_than) for ask in together)
        yield from _open_together([ask for ask in moved if ask is not None])

    def _after_answer(self, ask: Planned, older_than: int) -> Planned | None:
        answered_at = self._answered.get(ask.instrument)
        days = max(self._spacing.get(ask.instrument, 0), older_than)
        if answered_at is None or days == 0:
            return ask
        return _opening_at(ask, self._shift(answered_at, days))

    def admit(self, together: Iterable[Planned], older_than: int) -> None:
        """Take in what the spacing leaves of one occurrence, its instruments opening together."""
        fitting = (self._fit(ask, older_than) for ask in together)
        for ask in _open_together([ask for ask in fitting if ask is not None]):
            self.admitted.append(ask)
            insort(self._by_due.setdefault(ask.instrument, []), ask, key=_due_at)

    def _fit(self, ask: Planned, older_than: int) -> Planned | None:
        """Return the ask with its opening pushed back where needed; None if nothing is left."""
        opens_at = self._opening(ask, self._spacing.get(ask.instrument, 0), older_than)
        return None if opens_at is None else _opening_at(ask, opens_at)

    def _opening(self, ask: Planned, spacing: int, older_than: int) -> datetime | None:
        """Return the earliest opening beside what is already asked, if any.

        Two windows of one instrument never overlap: whatever is answered in the earlier one, the
        later one is still unsent and can be planned anew.
        """
        opens_at = ask.opens_at
        too_soon, too_late = self._shift(ask.due_at, -spacing), self._shift(ask.due_at, spacing)
        fresh_since = self._shift(ask.due_at, -older_than)
        for other in self._neighbours(ask):
            if too_soon < other.due_at < too_late or fresh_since < other.due_at <= ask.due_at:
                return None
            if other.due_at <= ask.due_at:
                if ask.due_at <= other.closes_at:
                    return None
                opens_at = max(opens_at, other.closes_at)
            elif self._shift(ask.closes_at, spacing) > other.opens_at:
                return None
        return opens_at

    def _neighbours(self, ask: Planned) -> Iterator[Fixed | Planned]:
        """Yield what can be in the way: admitted windows are disjoint, so the nearest two do."""
        yield from (item for item in self._fixed if item.key[-1] == ask.instrument)
        admitted = self._by_due.get(ask.instrument, [])
        after = bisect_right(admitted, ask.due_at, key=_due_at)
        yield from admitted[max(after - 1, 0) : after + 1]

    def _shift(self, at: datetime, days: int) -> datetime:
        return shift_days(at, days, self._zone)


def _opening_at(ask: Planned, opens_at: datetime) -> Planned | None:
    """Return the ask opening no earlier than this; None where too little of its window is left."""
    if opens_at <= ask.opens_at:
        return ask
    if ask.closes_at - opens_at < SHORTEST_WINDOW:
        return None
    due_at = ask.due_at if opens_at < ask.due_at else ask.closes_at
    return replace(ask, opens_at=opens_at, due_at=due_at)


def _due_at(ask: Planned) -> datetime:
    return ask.due_at


def _occurrence_of(ask: Planned) -> tuple[str, int, str | None]:
    return ask.key[:3]


def _open_together(asks: Sequence[Planned]) -> Iterator[Planned]:
    """Open the instruments of one occurrence at one moment, where less than a day parts them.

    PHQ-9 and GAD-7 answered minutes apart would otherwise be asked minutes apart for ever. They are
    brought together before anything later is looked at, so that the spacing counts from where they
    are due in the end.
    """
    last = max(asks, key=lambda ask: ask.opens_at, default=None)
    for ask in asks:
        if last and timedelta(0) < last.opens_at - ask.opens_at < ONE_SITTING:
            yield replace(ask, opens_at=last.opens_at, due_at=last.due_at)
        else:
            yield ask


def _with_reminders(ask: Planned, rule: RuleSpec) -> Planned:
    """Return the ask with the reminders that fall inside its window."""
    if not rule.reminders_after_hours:
        return ask
    times = (ask.opens_at + timedelta(hours=hours) for hours in rule.reminders_after_hours)
    return replace(ask, reminders_at=tuple(at for at in times if at < ask.closes_at))


def minutes_per_week(
    planned: Sequence[Planned], minutes: Mapping[str, float], zone: str
) -> tuple[WeekBurden, ...]:
    """Return the minutes asked per ISO week of the due times on the local calendar.

    `minutes` gives the time one filling-in of each instrument takes. Weeks in which nothing is
    asked are listed as 0 between the first and the last week.
    """
    tz = ZoneInfo(zone)
    totals: dict[date, float] = {}
    for ask in planned:
        day = ask.due_at.astimezone(tz).date()
        monday = day - timedelta(days=day.weekday())
        totals[monday] = totals.get(monday, 0) + minutes[ask.instrument]
    weeks = (max(totals) - min(totals)).days // 7 + 1 if totals else 0
    mondays = (min(totals) + timedelta(weeks=week) for week in range(weeks))
    return tuple(WeekBurden(*day.isocalendar()[:2], totals.get(day, 0)) for day in mondays)
