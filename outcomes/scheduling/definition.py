"""What a schedule says: its rules as data, read from JSON and refused with a reason.

Pure: no database, no clock. `engine.plan` turns the rules into dates.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, time
from typing import Any, Literal, cast, get_args

Anchor = Literal["enrolment", "each_session", "first_session", "last_session", "course_end"]
Unit = Literal["hours", "days"]


# Days beyond this leave the calendar.
LARGEST = 10_000
IN_DAYS_ONLY = "goes only with a due time counted in days, not in hours."

_SCHEDULE_FIELDS = ("code", "version", "name", "description", "spacing_days", "rules")


class ScheduleError(ValueError):
    """Say which field of a schedule is refused, and why."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Offset:
    """Give the distance from the anchor to the due time; negative is before the anchor."""

    value: int
    unit: Unit


@dataclass(frozen=True, slots=True)
class RepeatUntil:
    """End a repeating rule at whichever of its limits comes first.

    `next_session`: only what is due before the next session after the anchor, and every window
    closes when that session starts. `days`: nothing later than this many days after the anchor.
    `date`: nothing due after this day of the patient's calendar.
    """

    next_session: bool = False
    days: int | None = None
    date: date | None = None


@dataclass(frozen=True, slots=True)
class RuleSpec:
    """Describe one line of a schedule.

    `opens_before` and `closes_after` are hours around the due time; with `closes_at_anchor` the
    window ends at the anchor itself. `time_of_day` is a local clock time (None: the anchor's own)
    and goes with offsets in days only. Occurrence 0 is due at `offset`; the next ones follow every
    `repeat_every_days` or `repeat_every_hours`; those in days begin `repeat_from` days after the
    anchor where that is given.
    `only_if_older_than_days` asks only when the last answer is at least that old, or missing.
    `indications` empty means all. `reminders_after_hours` count from the opening.
    `basis` is the published source, or says that the rule is a design choice.
    """

    code: str
    instruments: tuple[str, ...]
    anchor: Anchor
    offset: Offset
    opens_before: int
    closes_after: int = 0
    closes_at_anchor: bool = False
    time_of_day: time | None = None
    repeat_every_days: int | None = None
    repeat_every_hours: int | None = None
    repeat_from: int | None = None
    repeat_until: RepeatUntil | None = None
    only_if_older_than_days: int | None = None
    indications: tuple[str, ...] = ()
    reminders_after_hours: tuple[int, ...] = ()
    title: str = ""
    basis: str = ""

    @property
    def is_repeated(self) -> bool:
        """Say whether the rule asks again at one anchor."""
        return self.repeat_every_days is not None or self.repeat_every_hours is not None


@dataclass(frozen=True, slots=True)
class ScheduleSpec:
    """Hold one version of a schedule; `spacing_days` is the least days between two of a kind."""

    code: str
    version: int
    name: str
    description: str
    rules: tuple[RuleSpec, ...]
    spacing_days: Mapping[str, int]


def parse_schedule(
    data: Mapping[str, Any], known_instruments: Collection[str] | None = None
) -> ScheduleSpec:
    """Read a schedule, or raise ScheduleError naming the first field that cannot stand.

    With `known_instruments` given, an instrument outside it is refused.
    """
    top = _Fields(data, "schedule", _SCHEDULE_FIELDS)
    spacing = _spacing(data.get("spacing_days", {}), known_instruments)
    entries = data.get("rules")
    if not isinstance(entries, list) or not entries:
        raise ScheduleError("rules", "must be a list of at least one rule.")
    rules: list[RuleSpec] = []
    for index, entry in enumerate(entries):
        rule = parse_rule(entry, f"rules[{index}]")
        if rule.code in {earlier.code for earlier in rules}:
            raise ScheduleError(f"rules[{index}].code", f"“{rule.code}” is used by another line.")
        _refuse_unknown(rule.instruments, known_instruments, f"rules[{index}].instruments")
        for field, reason in faults_of(rule, spacing):
            raise ScheduleError(f"rules[{index}].{field}", reason)
        rules.append(rule)
    return ScheduleSpec(
        code=top.text("code"),
        version=top.whole("version", at_least=1),
        name=top.text("name"),
        description=top.text("description", default=""),
        rules=tuple(rules),
        spacing_days=spacing,
    )


class _Fields:
    """Read one JSON object field by field; every refusal names the field."""

    def __init__(self, data: object, path: str, allowed: Collection[str]) -> None:
        if not isinstance(data, Mapping):
            raise ScheduleError(path, "must be an object.")
        self._data = cast("Mapping[str, object]", data)
        self._path = "" if path == "schedule" else f"{path}."
        for name in data:
            if name not in allowed:
                raise ScheduleError(f"{self._path}{name}", "is not a field of a schedule.")

    def refuse(self, name: str, reason: str) -> ScheduleError:
        return ScheduleError(f"{self._path}{name}", reason)

    def text(self, name: str, default: str | None = None) -> str:
        value = self._data.get(name, default)
        if not isinstance(value, str) or (default is None and not value):
            raise self.refuse(name, "must be a text.")
        return value

    def whole(self, name: str, default: int | None = None, at_least: int | None = None) -> int:
        value = self._data.get(name, default)
        if not isinstance(value, int) or isinstance(value, bool):
            raise self.refuse(name, "must be a whole number.")
        if at_least is not None and value < at_least:
            raise self.refuse(name, f"must be at least {at_least}.")
        if abs(value) > LARGEST:
            raise self.refuse(name, f"is {value}; at most {LARGEST} can be counted with.")
        return value

    def optional(self, name: str, at_least: int) -> int | None:
        return None if self._data.get(name) is None else self.whole(name, at_least=at_least)

    def choice(self, name: str, choices: tuple[str, ...]) -> str:
        value = self._data.get(name)
        if value not in choices:
            raise self.refuse(name, f"must be one of {', '.join(choices)}.")
        return str(value)

    def yes(self, name: str) -> bool:
        value = self._data.get(name, False)
        if not isinstance(value, bool):
            raise self.refuse(name, "must be true or false.")
        return value

    def each(self, name: str, kind: type) -> tuple[Any, ...]:
        value = self._data.get(name, [])
        if not isinstance(value, list) or any(type(entry) is not kind for entry in value):
            noun = "texts" if kind is str else "whole numbers"
            raise self.refuse(name, f"must be a list of {noun}.")
        if len(set(value)) < len(value):
            raise self.refuse(name, "names something twice.")
        if any(isinstance(entry, int) and abs(entry) > LARGEST for entry in value):
            raise self.refuse(name, f"holds more than {LARGEST}.")
        return tuple(value)

    def raw(self, name: str) -> object:
        return self._data.get(name)


def parse_rule(entry: object, path: str) -> RuleSpec:
    """Read one rule, field by field; whether it can ask anything is for `faults_of` to say."""
    fields = _Fields(entry, path, RuleSpec.__slots__)
    offset = _Fields(fields.raw("offset"), f"{path}.offset", ("value", "unit"))
    return RuleSpec(
        code=fields.text("code"),
        instruments=fields.each("instruments", str),
        anchor=cast("Anchor", fields.choice("anchor", get_args(Anchor))),
        offset=Offset(offset.whole("value"), cast("Unit", offset.choice("unit", get_args(Unit)))),
        opens_before=fields.whole("opens_before"),
        closes_after=fields.whole("closes_after", default=0),
        closes_at_anchor=fields.yes("closes_at_anchor"),
        time_of_day=_clock(fields),
        repeat_every_days=fields.optional("repeat_every_days", at_least=1),
        repeat_every_hours=fields.optional("repeat_every_hours", at_least=4),
        repeat_from=_repeat_from(fields, path),
        repeat_until=_repeat_until(fields, path),
        only_if_older_than_days=fields.optional("only_if_older_than_days", at_least=1),
        indications=fields.each("indications", str),
        reminders_after_hours=tuple(sorted(fields.each("reminders_after_hours", int))),
        title=fields.text("title", default=""),
        basis=fields.text("basis", default=""),
    )


def _clock(fields: _Fields) -> time | None:
    """Read a local clock time written HH:MM."""
    if fields.raw("time_of_day") is None:
        return None
    text = fields.text("time_of_day")
    if not re.fullmatch(r"([01][0-9]|2[0-3]):[0-5][0-9]", text):
        raise fields.refuse("time_of_day", "must be a clock time from 00:00 to 23:59.")
    return time.fromisoformat(text)


def _repeat_from(fields: _Fields, path: str) -> int | None:
    """Read the day after the anchor on which repeating begins."""
    if fields.raw("repeat_from") is None:
        return None
    return _Fields(fields.raw("repeat_from"), f"{path}.repeat_from", ("days",)).whole("days")


def _repeat_until(fields: _Fields, path: str) -> RepeatUntil | None:
    """Read the end of repeating: "next_session", or an object with one limit or more.

    `weeks` is another way of writing `days`.
    """
    value = fields.raw("repeat_until")
    if value is None:
        return None
    if value == "next_session":
        return RepeatUntil(next_session=True)
    limits = _Fields(value, f"{path}.repeat_until", ("next_session", "days", "weeks", "date"))
    days = None if limits.raw("days") is None else limits.whole("days")
    if limits.raw("weeks") is not None:
        if days is not None:
            raise limits.refuse("weeks", "is given beside days: write one of the two.")
        days = 7 * limits.whole("weeks", at_least=1)
    until = RepeatUntil(limits.yes("next_session"), days, _day(limits))
    if until == RepeatUntil():
        raise fields.refuse(
            "repeat_until", "must name the next session, a number of days or weeks, or a date."
        )
    return until


def _day(fields: _Fields) -> date | None:
    """Read a day written YYYY-MM-DD."""
    if fields.raw("date") is None:
        return None
    text = fields.text("date")
    try:
        if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise fields.refuse("date", f"must be a day written like 2027-03-31, not {text!r}.")


def _spacing(value: object, known: Collection[str] | None) -> dict[str, int]:
    """Read the least number of days between two of one instrument."""
    if not isinstance(value, Mapping):
        raise ScheduleError("spacing_days", "must be an object of instrument and days.")
    fields = _Fields(value, "spacing_days", value)
    _refuse_unknown(tuple(value), known, "spacing_days")
    return {name: fields.whole(name, at_least=1) for name in value}


def _refuse_unknown(names: tuple[str, ...], known: Collection[str] | None, path: str) -> None:
    """Refuse an instrument that the library does not have."""
    for name in names:
        if known is not None and name not in known:
            raise ScheduleError(path, f"{name!r} is not a known instrument.")


def faults_of(rule: RuleSpec, spacing: Mapping[str, int]) -> Iterator[tuple[str, str]]:
    """Yield each field by which a rule can never ask, or contradicts itself or the spacing.

    The field is named as in the file, the reason in the words of the page that shows it.
    """
    yield from _window_faults(rule)
    yield from _repeat_faults(rule, spacing)


def _window_faults(rule: RuleSpec) -> Iterator[tuple[str, str]]:
    """Yield each field that leaves no window, or puts something outside it."""
    if not rule.instruments:
        yield "instruments", "must name at least one questionnaire."
    if rule.time_of_day is not None and rule.offset.unit == "hours":
        yield "time_of_day", IN_DAYS_ONLY
    if rule.closes_at_anchor and rule.closes_after:
        yield "closes_after", "contradicts closing at the moment itself."
    if rule.closes_at_anchor and rule.offset.value > 0:
        yield "offset", "is after the moment at which it closes, so it could never be asked."
    if rule.opens_before + rule.closes_after < 0:
        yield "opens_before", "opens it after it closes, so it could never be asked."
    if rule.opens_before < 1:
        yield "opens_before", "must be at least 1 hour before it is due."
    if rule.closes_after < 0:
        yield "closes_after", "must not be before it is due."
    for hours in rule.reminders_after_hours:
        if hours < 1:
            yield "reminders_after_hours", "must be at least 1 hour after it opens."
        if hours >= _longest_window(rule):
            yield "reminders_after_hours", f"puts a reminder at {hours} hours, after it closes."


def _longest_window(rule: RuleSpec) -> int:
    """Return the hours from opening to close; a fixed clock time may add up to a day."""
    if not rule.closes_at_anchor:
        return rule.opens_before + rule.closes_after
    hours = rule.offset.value * (24 if rule.offset.unit == "days" else 1)
    return rule.opens_before - hours + (24 if rule.time_of_day else 0)


def _repeat_faults(rule: RuleSpec, spacing: Mapping[str, int]) -> Iterator[tuple[str, str]]:
    """Yield each field by which a rule repeats never, or against itself or the spacing."""
    until = rule.repeat_until or RepeatUntil()
    if until.next_session and rule.anchor == "last_session":
        yield "repeat_until", "waits for a next session, and after the last there is none."
    if not rule.is_repeated:
        if rule.repeat_from is not None or rule.repeat_until is not None:
            yield "repeat_every_days", "is missing, so there is nothing to begin or end."
        return
    if rule.closes_at_anchor:
        yield "closes_at_anchor", "contradicts repeating: later ones are due after it closes."
    if rule.repeat_every_hours is not None:
        yield from _hourly_faults(rule)
    if rule.repeat_from is not None and rule.offset.unit == "hours":
        yield "repeat_from", IN_DAYS_ONLY
    first = rule.offset.value / (24 if rule.offset.unit == "hours" else 1)
    if rule.repeat_from is not None and rule.repeat_from <= first:
        yield "repeat_from", "must be later than the day on which it is first due."
    if until.days is not None and until.days < max(first, rule.repeat_from or first):
        yield "repeat_until", "ends before it is first due."
    every = rule.repeat_every_days or (rule.repeat_every_hours or 0) / 24
    field = "repeat_every_days" if rule.repeat_every_days else "repeat_every_hours"
    if every < (rule.only_if_older_than_days or 0):
        yield "only_if_older_than_days", "is longer than the repeat, so repeats are never asked."
    for instrument in rule.instruments:
        if every < spacing.get(instrument, 0):
            yield field, f"asks {instrument} more often than the days between two of a kind allow."


def _hourly_faults(rule: RuleSpec) -> Iterator[tuple[str, str]]:
    """Yield what a repeat in hours does not go with."""
    if rule.repeat_every_days is not None:
        yield "repeat_every_hours", "is given in hours and in days: write one of the two."
    if rule.time_of_day is not None:
        yield "repeat_every_hours", "contradicts a fixed time of day."
    if rule.repeat_from is not None:
        yield "repeat_from", "goes only with a repeat in days."
