"""Words and pictures for templates: numbers, changes, times in a patient's own zone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from zoneinfo import ZoneInfo

from django import template
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from outcomes.instruments.definition import Rule, Scale
from outcomes.review.change import Change, ReliableChange, Verdict
from outcomes.review.charts.words import number

register = template.Library()


@register.filter
def score(value: float) -> str:
    """Write a score: whole where it is whole."""
    return number(value)


@register.filter
def svg(markup: str) -> SafeString:
    """Pass on a chart as markup: `review.charts` escapes every text it draws."""
    return mark_safe(markup)  # noqa: S308


@register.filter
def in_zone(at: datetime | None, zone: str) -> datetime | None:
    """Return the instant in the zone's local time."""
    # A fixed moment is named by its own zone: the template engine would turn it into the server's.
    local = at.astimezone(ZoneInfo(zone)) if at else None
    return local.replace(tzinfo=None) if local else None


@register.filter
def change_words(change: Change) -> str:
    """Write a change as “−9 (−43 %)”, or “no change”."""
    if change.absolute == 0:
        return _("no change")
    sign = "+" if change.absolute > 0 else "−"
    points = f"{sign}{number(abs(change.absolute))}"
    if change.percent is None:
        return points
    return f"{points} ({sign}{abs(change.percent):.0f} %)"


@register.filter
def reliable_words(result: ReliableChange) -> str:
    """Write the outcome of the reliable change rule."""
    words = {
        "improved": _("reliable improvement"),
        "deteriorated": _("reliable deterioration"),
        "no_reliable_change": _("no reliable change"),
    }
    return words.get(result.outcome or "", result.reason)


@register.filter
def verdict_words(verdict: Verdict, name: str) -> str:
    """Write whether a named rule is met, or why it cannot be applied."""
    words = {"response": _("response"), "remission": _("remission")}
    if verdict.met is None:
        return f"{words[name]}: {verdict.reason}"
    return words[name] if verdict.met else _("no %(rule)s") % {"rule": words[name]}


@register.filter
def alerts_words(count: int) -> str:
    """Write how many alerts are open."""
    return ngettext("%(n)d open alert", "%(n)d open alerts", count) % {"n": count}


@register.filter
def overdue_words(count: int) -> str:
    """Write how many questionnaires are overdue."""
    return ngettext("%(n)d overdue", "%(n)d overdue", count) % {"n": count}


@register.filter
def hours_words(hours: float) -> str:
    """Write a span as hours up to three days, then as days, rounded down."""
    whole = int(hours)
    if whole <= 72:
        return ngettext("%(n)d hour", "%(n)d hours", whole) % {"n": whole}
    return ngettext("%(n)d day", "%(n)d days", whole // 24) % {"n": whole // 24}


@register.filter
def rules(scale: Scale) -> Iterator[tuple[str, Rule]]:
    """Yield the scale's published rules by name."""
    named = (
        (_("Response"), scale.response),
        (_("Remission"), scale.remission),
        (_("Reliable change"), scale.reliable_change),
        (_("Percentage"), scale.baseline_min),
    )
    yield from ((name, rule) for name, rule in named if rule is not None)
    yield from ((_("Cut-off"), rule) for rule in scale.cutoffs)
