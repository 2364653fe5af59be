"""What each rule says of a change, and how long a response held, in the reader's words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from django import template
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from outcomes.clinics.models import Clinic
from outcomes.review import clinic_rule
from outcomes.review.charts.words import day, number
from outcomes.review.durability import Durability, durability
from outcomes.review.gathered import StoredScore
from outcomes.review.measures import Measure
from outcomes.review.statements import Statement, statements

register = template.Library()

NAMES = {
    "response": gettext_lazy("Response"),
    "remission": gettext_lazy("Remission"),
    "reliable_improvement": gettext_lazy("Reliable improvement"),
    "reliable_deterioration": gettext_lazy("Reliable deterioration"),
    "minimal_improvement": gettext_lazy("Improvement that matters to patients"),
    "minimal_deterioration": gettext_lazy("Deterioration as large"),
}
WHY = {
    "no_rule": gettext_lazy("no published rule of this questionnaire is known here."),
    "no_baseline": gettext_lazy("there is no baseline."),
    "no_score": gettext_lazy("there is no score after the baseline."),
    "baseline_zero": gettext_lazy("a share of a baseline of 0 has no meaning."),
    "baseline_low": gettext_lazy("the baseline is too low for a share of it to say much."),
}


@dataclass(frozen=True, slots=True)
class Line:
    """One rule: what it is called, what it says here, and the rule itself with its source."""

    name: str
    verdict: str
    words: str
    statement: Statement


@register.filter
def each_rule(measure: Measure) -> Iterator[Line]:
    """Yield what each published rule says of the change from baseline to the latest score."""
    start, latest = measure.baseline.point, measure.latest
    before = start.value if start else None
    # Before treatment nothing is a change, and nothing is remission.
    is_after = latest is not start and (start is not None or measure.remission is not None)
    value = latest.value if latest is not None and is_after else None
    for one in statements(measure.definition, measure.scale, before, value):
        yield Line(str(NAMES[one.name]), _verdict(one), _words(one), one)


def _verdict(one: Statement) -> str:
    if one.met is None:
        return _("not computable")
    return _("yes") if one.met else _("no")


def _words(one: Statement) -> str:
    if one.why:
        return str(WHY[one.why])
    assert one.value is not None
    assert one.threshold is not None
    if one.name == "remission":
        return _("the score is %(value)s.") % {"value": number(one.value)}
    assert one.baseline is not None
    return _("%(change)s; the rule takes %(points)s.") % {
        "change": moved(one.baseline, one.value),
        "points": number(one.threshold),
    }


def moved(before: float, value: float) -> str:
    """Write a change in words: “fell 11 points, from 19 to 8”."""
    points = abs(value - before)
    if not points:
        return _("no change from %(before)s") % {"before": number(before)}
    if value < before:
        words = ngettext(
            "fell %(points)s point, from %(before)s to %(value)s",
            "fell %(points)s points, from %(before)s to %(value)s",
            1 if points == 1 else 2,
        )
    else:
        words = ngettext(
            "rose %(points)s point, from %(before)s to %(value)s",
            "rose %(points)s points, from %(before)s to %(value)s",
            1 if points == 1 else 2,
        )
    return words % {"points": number(points), "before": number(before), "value": number(value)}


@register.simple_tag
def held_words(measure: Measure, clinic: Clinic, zone: str) -> str:
    """Write when response was met, and how long until it was lost; empty without either rule.

    `zone` is the time zone whose dates are written.
    """
    rules = clinic_rule.clinic_rules(clinic, measure.definition, measure.scale)
    start, points = measure.baseline.point, measure.panel.points
    held = durability(start, points, rules, measure.confirmed) if rules else None
    if held is None:
        return ""
    local = ZoneInfo(zone)
    met = _(
        "Response first met on %(first)s; of the assessments from then on %(met)d of %(all)d met"
        " it, the last one on %(last)s."
    ) % {
        "first": day(held.responded_at, local),
        "met": held.met,
        "all": held.assessed,
        "last": day(held.last_met_at, local),
    }
    return f"{met} {_ended(held, measure)}"


def _ended(held: Durability, measure: Measure) -> str:
    days = int(held.days)
    if held.is_censored:
        return ngettext(
            "No loss by the clinic's rule in the %(n)d day up to the last assessment.",
            "No loss by the clinic's rule in the %(n)d days up to the last assessment.",
            days,
        ) % {"n": days}
    lost = ngettext(
        "From first response to its loss: %(n)d day.",
        "From first response to its loss: %(n)d days.",
        days,
    ) % {"n": days}
    if any(measure.panel.points[place].at == held.lost_at for place in measure.confirmed):
        confirmed = _("A clinician has confirmed the loss.")
        return f"{lost} {confirmed}"
    return lost


@register.filter
def loss_to_confirm(measure: Measure, clinic: Clinic) -> StoredScore | None:
    """Return the last score, where it shows a loss that nothing has confirmed."""
    return clinic_rule.loss_to_confirm(measure, clinic)


@register.filter
def loss_words(measure: Measure, clinic: Clinic) -> str:
    """Write by what rule of the clinic response counts as lost."""
    return clinic_rule.loss_words(
        clinic_rule.clinic_rules(clinic, measure.definition, measure.scale)
    )
