"""The lines of a schedule, put in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils.formats import date_format
from django.utils.text import get_text_list
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from outcomes.scheduling.checking import Finding
from outcomes.scheduling.definition import RuleSpec
from outcomes.scheduling.sample import Silence, day_of

#: The moments a rule may count from, as they stand after “before” or “after”.
ANCHORS = {
    "enrolment": gettext_lazy("the course begins"),
    "each_session": gettext_lazy("each session"),
    "first_session": gettext_lazy("the first session"),
    "last_session": gettext_lazy("the last session"),
    "course_end": gettext_lazy("the course ends"),
}

_AT = {
    "enrolment": gettext_lazy("when the course begins"),
    "each_session": gettext_lazy("at each session"),
    "first_session": gettext_lazy("at the first session"),
    "last_session": gettext_lazy("at the last session"),
    "course_end": gettext_lazy("when the course ends"),
}
_ON_THE_DAY = {
    "enrolment": gettext_lazy("the day the course begins"),
    "each_session": gettext_lazy("the day of each session"),
    "first_session": gettext_lazy("the day of the first session"),
    "last_session": gettext_lazy("the day of the last session"),
    "course_end": gettext_lazy("the day the course ends"),
}
_SESSION_BEGINS = gettext_lazy("the session begins")
_WHEN = {
    "enrolment": ANCHORS["enrolment"],
    "each_session": _SESSION_BEGINS,
    "first_session": _SESSION_BEGINS,
    "last_session": _SESSION_BEGINS,
    "course_end": ANCHORS["course_end"],
}


def listed(words: Sequence[object], last: str = "") -> str:
    """Return words as a list in a sentence."""
    return get_text_list([str(word) for word in words], last or _("and"))


def hours_words(hours: int) -> str:
    """Return a number of hours, in days where it is some whole days."""
    if hours % 24 == 0 and hours >= 48:
        return days_words(hours // 24)
    return ngettext("%(n)d hour", "%(n)d hours", hours) % {"n": hours}


def days_words(days: int) -> str:
    """Return a number of days, in weeks where it is some whole weeks."""
    if days % 7 == 0 and days >= 14:
        return ngettext("%(n)d week", "%(n)d weeks", days // 7) % {"n": days // 7}
    return ngettext("%(n)d day", "%(n)d days", days) % {"n": days}


def sentences_of(rule: RuleSpec, conditions: Mapping[str, object]) -> list[str]:
    """Return everything that a rule says, a sentence each."""
    said = [_when(rule), _window(rule)]
    if rule.is_repeated:
        said.append(_repeats(rule))
    if rule.only_if_older_than_days is not None:
        said.append(
            _("Only if the last answer is at least %(days)s old, or there is none.")
            % {"days": days_words(rule.only_if_older_than_days)}
        )
    if rule.indications:
        named = listed([conditions.get(name, name) for name in rule.indications], _("or"))
        said.append(_("Only for patients with: %(conditions)s.") % {"conditions": named})
    if rule.reminders_after_hours:
        times = listed([hours_words(hours) for hours in rule.reminders_after_hours])
        said.append(_("Reminds %(times)s after opening, unless answered.") % {"times": times})
    return said


def _when(rule: RuleSpec) -> str:
    words = {
        "what": listed(rule.instruments),
        "anchor": ANCHORS[rule.anchor],
        "day": _ON_THE_DAY[rule.anchor],
        "moment": _AT[rule.anchor],
        "distance": _distance(rule),
        "time": f"{rule.time_of_day:%H:%M}" if rule.time_of_day else "",
    }
    if rule.offset.value == 0:
        if rule.time_of_day:
            return _("Ask %(what)s: on %(day)s, at %(time)s.") % words
        return _("Ask %(what)s: %(moment)s.") % words
    if rule.offset.value < 0:
        said = _("Ask %(what)s: %(distance)s before %(anchor)s") % words
    else:
        said = _("Ask %(what)s: %(distance)s after %(anchor)s") % words
    return said + (_(", at %(time)s.") % words if rule.time_of_day else ".")


def _distance(rule: RuleSpec) -> str:
    value = abs(rule.offset.value)
    if rule.offset.unit == "days":
        return days_words(value)
    return ngettext("%(n)d hour", "%(n)d hours", value) % {"n": value}


def _window(rule: RuleSpec) -> str:
    words = {"opens": hours_words(rule.opens_before), "when": _WHEN[rule.anchor]}
    if rule.closes_at_anchor:
        return _("It opens %(opens)s before that and closes when %(when)s.") % words
    if rule.closes_after == 0:
        return _("It opens %(opens)s before that and closes then.") % words
    words["closes"] = hours_words(rule.closes_after)
    return _("It opens %(opens)s before that and closes %(closes)s after.") % words


def _repeats(rule: RuleSpec) -> str:
    if rule.repeat_every_hours is not None:
        said = _("Again every %(n)s") % {"n": hours_words(rule.repeat_every_hours)}
    else:
        said = _("Again every %(n)s") % {"n": days_words(rule.repeat_every_days or 0)}
    if rule.repeat_from is not None:
        said += _(" from day %(n)d on") % {"n": rule.repeat_from}
    until, ends = rule.repeat_until, []
    if until and until.next_session:
        ends.append(_("until the next session"))
    if until and until.days is not None:
        ends.append(_("for at most %(days)s") % {"days": days_words(until.days)})
    if until and until.date is not None:
        ends.append(_("not after %(day)s") % {"day": date_format(until.date, "j M Y")})
    return ", ".join([said, *ends]) + "."


# -- What is refused, or never asked -------------------------------------------------------------

_FIELDS = {
    "instruments": gettext_lazy("questionnaires"),
    "anchor": gettext_lazy("when it is due"),
    "offset": gettext_lazy("when it is due"),
    "time_of_day": gettext_lazy("time of day"),
    "opens_before": gettext_lazy("when it opens"),
    "closes_after": gettext_lazy("when it closes"),
    "closes_at_anchor": gettext_lazy("when it closes"),
    "repeat_every_days": gettext_lazy("repeat"),
    "repeat_every_hours": gettext_lazy("repeat"),
    "repeat_from": gettext_lazy("where repeating begins"),
    "repeat_until": gettext_lazy("where repeating ends"),
    "only_if_older_than_days": gettext_lazy("age of the last answer"),
    "indications": gettext_lazy("conditions"),
    "reminders_after_hours": gettext_lazy("reminders"),
    "spacing_days": gettext_lazy("days between two of a kind"),
    "rules": gettext_lazy("lines"),
    "name": gettext_lazy("name"),
}


@dataclass(frozen=True, slots=True)
class Remark:
    """One finding as a page shows it: which line, which of its fields, and why."""

    place: str
    reason: str
    is_refusal: bool


def remark_of(finding: Finding, titles: Mapping[str, str]) -> Remark:
    """Return a finding with the line's title and the field's name in place of its path."""
    parts = [part.split("[")[0] for part in finding.path.split(".")]
    names = [str(_FIELDS[part]) for part in parts if part in _FIELDS]
    title = titles.get(finding.rule, "")
    field = "" if finding.path.startswith("rules[") and len(parts) == 1 else (names or [""])[-1]
    place = ": ".join(word for word in (title, field) if word)
    return Remark(place or finding.path, finding.reason, finding.is_refusal)


def silence_words(silence: Silence, conditions: Mapping[str, object]) -> str:
    """Return why a line is never asked in the sample course."""
    if silence.why == "condition":
        named = listed([conditions.get(name, name) for name in silence.rule.indications], _("or"))
        return _("only for patients with: %(conditions)s") % {"conditions": named}
    if silence.by is None:
        return _("its moment does not come in the time looked at")
    if silence.by.code == silence.rule.code:
        return _("this line asks it already, too near")
    return _("“%(other)s” asks it first, or too near") % {
        "other": silence.by.title or silence.by.code
    }


def moment_words(at: datetime) -> str:
    """Return a moment of the sample course: the day after the first session, and the time."""
    day = str(day_of(at)).replace("-", "−")
    return _("day %(day)s, %(time)s") % {"day": day, "time": f"{at:%H:%M}"}
