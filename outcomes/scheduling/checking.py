"""Whether a schedule may be put in force, and what about it should be known before.

Pure: the rules are tried on courses of many shapes with the engine itself. `definition` says what
a rule may look like; this says whether the rules can stand together.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from itertools import pairwise, product
from typing import Any, Literal

from outcomes.scheduling import engine
from outcomes.scheduling.definition import (
    RuleSpec,
    ScheduleError,
    ScheduleSpec,
    faults_of,
    parse_rule,
    parse_schedule,
)
from outcomes.scheduling.sample import (
    FIRST_SESSION,
    Sample,
    asks_alone,
    asks_of,
    rules_at_the_end,
)

#: Whether a clinic can ask an instrument; those a clinician rates are never sent.
Sending = Literal["sendable", "no_wording", "switched_off", "by_clinician"]

PHQ_9_DAYS = 7
# They hold the items of the PHQ-9, all nine or all but the last, about the same two weeks.
FULL_PHQ_9 = ("PHQ-9", "PHQ-8", "PHQ-ADS")
LATEST_DAYS = 400  # the engine plans no further ahead

_SESSIONS: tuple[tuple[int, ...], ...] = (
    (0, 3, 7, 10, 14, 17),
    (0,),
    (0, 2, 4, 7, 9, 11),
    tuple(range(0, 56, 7)),
    (0, 28, 56, 84),
    (0, 120),
    (0, 1, 2, 3),
)
_COURSES = tuple(
    Sample(sessions, 60, (), sessions[-1] + ends if ends else None, enrolled)
    for sessions, enrolled, ends in product(_SESSIONS, (7, 30, 0), (None, 1, 30))
)
_TRIES = 12
MOST_RULES = 40
# A page waits for what is planned for one course, and in all while a schedule is tried. The busiest
# schedule that ships plans 600 for a course.
_MOST_IN_A_COURSE = 20_000
_MOST_TRIED = 200_000


class TooMuchError(Exception):
    """Say that a schedule asks too often to be tried."""


class Work:
    """Count what is planned while a schedule is tried; raises TooMuchError beyond the bound."""

    def __init__(self) -> None:
        self._left = _MOST_TRIED

    def spend(self, spec: ScheduleSpec, course: Sample) -> None:
        """Take the plan of one course into account, before it is made."""
        moments = len(course.session_days)
        size = int(sum(_occurrences(rule, moments) * len(rule.instruments) for rule in spec.rules))
        self._left -= size
        if size > _MOST_IN_A_COURSE or self._left < 0:
            raise TooMuchError


def _occurrences(rule: RuleSpec, sessions: int) -> float:
    """Return about how often a rule falls due in a course of so many sessions; rather too often."""
    moments = sessions if rule.anchor == "each_session" else 1
    every = (rule.repeat_every_hours or 0) / 24 or rule.repeat_every_days
    if not every:
        return moments
    until = rule.repeat_until
    if until is not None and until.next_session:
        return moments + LATEST_DAYS / every
    days = until.days if until is not None and until.days is not None else LATEST_DAYS
    return moments * (1 + max(0, min(days, LATEST_DAYS)) / every)


@dataclass(frozen=True, slots=True)
class Finding:
    """Say what about a schedule is refused or, where it may stand, should be known.

    `path` names the field as in the file, `rule` the code of the rule it belongs to, if any;
    `reason` has the words of the page that shows it.
    """

    path: str
    reason: str
    rule: str = ""
    is_refusal: bool = True

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


def findings_on(
    content: Mapping[str, Any],
    instruments: Mapping[str, Sending],
    conditions: Collection[str],
    today: date,
) -> list[Finding]:
    """Return everything that speaks against a schedule, then what should be known about it.

    `instruments` are all that the clinic has, `conditions` all that an episode may treat.
    """
    found = list(_unreadable(content))
    if found:
        return found
    spec = parse_schedule(content)
    found = [
        *_names(spec, instruments, conditions),
        *_phq_9(spec),
        *_ends(spec, today),
    ]
    if not any(finding.is_refusal for finding in found):
        try:
            found += _never_asked(spec, Work())
        except TooMuchError:
            why = "ask too often to be tried: let them repeat less often, or end earlier."
            found.append(Finding("rules", why))
    return sorted(found, key=lambda finding: not finding.is_refusal)


def _unreadable(content: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield the first fault of each rule, then of the schedule around them."""
    rules = content.get("rules")
    spacing = content.get("spacing_days", {})
    spacing = spacing if isinstance(spacing, Mapping) else {}
    is_broken = False
    if rules == []:
        yield Finding("rules", "none is written yet: nothing would be asked.")
        return
    if isinstance(rules, list) and len(rules) > MOST_RULES:
        yield Finding("rules", f"are {len(rules)}; at most {MOST_RULES} can stand together.")
        return
    for index, entry in enumerate(rules if isinstance(rules, list) else ()):
        path = f"rules[{index}]"
        code = str(entry.get("code", "")) if isinstance(entry, Mapping) else ""
        try:
            faults = list(faults_of(parse_rule(entry, path), spacing))
        except ScheduleError as error:
            yield Finding(error.path, error.reason, code)
            is_broken = True
        else:
            yield from (Finding(f"{path}.{field}", why, code) for field, why in faults)
            is_broken = is_broken or bool(faults)
    if is_broken:
        return
    try:
        parse_schedule(content)
    except ScheduleError as error:
        yield Finding(error.path, error.reason)


def _names(
    spec: ScheduleSpec, instruments: Mapping[str, Sending], conditions: Collection[str]
) -> Iterator[Finding]:
    """Yield instruments that cannot be asked and conditions that nobody has."""
    for path, rule in _paths(spec):
        for code in rule.instruments:
            match instruments.get(code):
                case None:
                    yield _refusal(f"{path}.instruments", rule, f"“{code}” is not known here.")
                case "by_clinician":
                    why = f"{code} is rated by a clinician: it is never sent to a patient."
                    yield _refusal(f"{path}.instruments", rule, why)
                case "no_wording":
                    why = f"{code} has no wording here: it is left out until the clinic loads it."
                    yield Finding(f"{path}.instruments", why, rule.code, is_refusal=False)
                case "switched_off":
                    why = f"{code} is left out: the mania watch is switched off in the settings."
                    yield Finding(f"{path}.instruments", why, rule.code, is_refusal=False)
        for name in rule.indications:
            if name not in conditions:
                why = f"“{name}” is not a condition that an episode can treat."
                yield _refusal(f"{path}.indications", rule, why)
    asked = {code for rule in spec.rules for code in rule.instruments}
    for code in spec.spacing_days:
        if code not in asked:
            why = f"{code} is asked by no line, so its days say nothing."
            yield Finding("spacing_days", why, is_refusal=False)


def _phq_9(spec: ScheduleSpec) -> Iterator[Finding]:
    """Yield what would let two full PHQ-9 be asked within 7 days."""
    asked = [code for code in _asked(spec) if is_full_phq_9(code)]
    for code in asked:
        days = spec.spacing_days.get(code)
        if days is None or days < PHQ_9_DAYS:
            said = "no days are kept" if days is None else f"{days} days are kept"
            why = (
                f"{said} between two {code}; at least {PHQ_9_DAYS} are needed: "
                f"it asks about two weeks, and never more than one in {PHQ_9_DAYS} days."
            )
            yield Finding(f"spacing_days.{code}", why)
    for one, other in pairwise(asked):
        why = (
            f"{one} and {other} share their questions, and days are kept only between two of one "
            f"kind: ask one of them, never more than one full PHQ-9 in {PHQ_9_DAYS} days."
        )
        yield Finding("rules", why)


def is_full_phq_9(code: str) -> bool:
    """Say whether an instrument holds the items of the PHQ-9; a variant of its name does too."""
    return code in FULL_PHQ_9 or code.startswith("PHQ-9-")


def _asked(spec: ScheduleSpec) -> list[str]:
    return list(dict.fromkeys(code for rule in spec.rules for code in rule.instruments))


def _ends(spec: ScheduleSpec, today: date) -> Iterator[Finding]:
    """Yield rules that begin too late, never end, or ended already."""
    for path, rule in _paths(spec):
        days = rule.offset.value / (24 if rule.offset.unit == "hours" else 1)
        if abs(days) > LATEST_DAYS:
            why = f"is {rule.offset.value} {rule.offset.unit}; at most {LATEST_DAYS} days count."
            yield _refusal(f"{path}.offset", rule, why)
        until = rule.repeat_until
        if rule.is_repeated and until is None:
            why = "is missing: name the next session, a number of weeks or a date."
            yield _refusal(f"{path}.repeat_until", rule, why)
        if until and until.date and until.date < today:
            why = f"ends on {until.date:%Y-%m-%d}, which has passed, so it could never be asked."
            yield _refusal(f"{path}.repeat_until", rule, why)


def _paths(spec: ScheduleSpec) -> Iterator[tuple[str, RuleSpec]]:
    for index, rule in enumerate(spec.rules):
        yield f"rules[{index}]", rule


def _refusal(path: str, rule: RuleSpec, reason: str) -> Finding:
    return Finding(path, reason, rule.code)


# -- Tried on courses of many shapes -------------------------------------------------------------


def _never_asked(spec: ScheduleSpec, work: Work) -> Iterator[Finding]:
    """Yield each instrument of a rule that no course is ever asked, or only after a miss."""
    spec = _without_dates(spec)
    missing = {(rule.code, code) for rule in spec.rules for code in rule.instruments}
    for course in _courses(spec):
        work.spend(spec, course)
        missing -= {(ask.rule_code, ask.instrument) for ask in asks_of(spec, course)}
        if not missing:
            return
    for path, rule in _paths(spec):
        for code in rule.instruments:
            if (rule.code, code) in missing:
                yield _verdict(spec, path, rule, code, work)


def _without_dates(spec: ScheduleSpec) -> ScheduleSpec:
    """Return the schedule with no calendar dates: the courses it is tried on have none."""
    return replace(
        spec,
        rules=tuple(
            replace(rule, repeat_until=replace(rule.repeat_until, date=None))
            if rule.repeat_until
            else rule
            for rule in spec.rules
        ),
    )


def _courses(spec: ScheduleSpec) -> Iterator[Sample]:
    """Yield courses of every shape, for a patient with each condition that a rule names."""
    named = sorted({name for rule in spec.rules for name in rule.indications})
    has_end = any(rule.anchor == "course_end" for rule in spec.rules)
    for course in _COURSES:
        if course.end_day is None or has_end:
            for condition in ((), *((name,) for name in named)):
                yield replace(course, indications=condition)


def _verdict(spec: ScheduleSpec, path: str, rule: RuleSpec, code: str, work: Work) -> Finding:
    by = ""
    try:
        for course in _courses(replace(spec, rules=(rule,))):
            alone = asks_alone(spec, course, rule, code)
            by = by or _in_the_way(spec, course, alone)
            for ask in alone[:_TRIES]:
                work.spend(spec, course)
                if _is_asked_after_a_miss(spec, course, ask):
                    why = f"{code} is asked only where an earlier one was missed: {by}."
                    return Finding(f"{path}.instruments", why, rule.code, is_refusal=False)
    except TooMuchError:
        if not by:
            raise
    if by:
        why = f"{code} is never asked in any course tried: {by}."
        return _refusal(f"{path}.instruments", rule, why)
    why = f"{code} is never asked: it has closed before it could be known of."
    return _refusal(f"{path}.offset", rule, why)


def _in_the_way(spec: ScheduleSpec, course: Sample, alone: tuple[engine.Planned, ...]) -> str:
    """Return in words which rule asks the same, too near to what this one would ask."""
    if not alone:
        return ""
    instrument = alone[0].instrument
    others = [ask for ask in asks_of(spec, course) if ask.instrument == instrument]
    if not others:
        return ""
    nearest = min(others, key=lambda ask: abs(ask.due_at - alone[0].due_at))
    other = next(rule for rule in spec.rules if rule.code == nearest.rule_code)
    return f"“{other.title or other.code}” asks it first, or too near"


def _is_asked_after_a_miss(spec: ScheduleSpec, course: Sample, ask: engine.Planned) -> bool:
    """Say whether this is asked where all before it was missed, shortly before it closes."""
    now = max(ask.opens_at, ask.closes_at - engine.SHORTEST_WINDOW)
    rules, facts = spec.rules, course.facts(spec)
    ended_at = _end_of(course)
    if ended_at is not None and ended_at <= now:
        rules, facts = rules_at_the_end(spec), replace(facts, ended_at=ended_at)
    asks = engine.plan(rules, spec.spacing_days, facts, now)
    return ask.key in {each.key for each in asks}


def _end_of(course: Sample) -> datetime | None:
    if course.end_day is None:
        return None
    return FIRST_SESSION + timedelta(days=course.end_day)
