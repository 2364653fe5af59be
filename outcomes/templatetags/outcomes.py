"""Words and pictures for templates: numbers, changes, times in a patient's own zone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from zoneinfo import ZoneInfo

from django import template
from django.template.defaultfilters import floatformat
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from outcomes.instruments.definition import Rule, Scale
from outcomes.review.change import Change, ReliableChange, Verdict
from outcomes.review.charts.words import number, signed
from outcomes.review.delivery_words import channel_words, words_of
from outcomes.review.per_session import Cell

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
def days_ago(days: int) -> str:
    """Write how many days have passed on the calendar."""
    if days == 0:
        return _("today")
    return ngettext("%(n)d day ago", "%(n)d days ago", days) % {"n": days}


@register.filter
def days_ahead(days: int) -> str:
    """Write in how many days on the calendar something is."""
    if days == 0:
        return _("today")
    return ngettext("in %(n)d day", "in %(n)d days", days) % {"n": days}


@register.filter
def overdue_words(count: int) -> str:
    """Write how many questionnaires are overdue."""
    return ngettext("%(n)d overdue", "%(n)d overdue", count) % {"n": count}


@register.filter
def channel_name(code: str) -> str:
    """Write a channel's name."""
    return channel_words(code)


@register.filter
def reason_words(code: str) -> str:
    """Write why a message did not go out."""
    return words_of(code)


@register.filter
def hours_words(hours: float) -> str:
    """Write a span as hours up to three days, then as days, rounded down."""
    whole = int(hours)
    if whole <= 72:
        return ngettext("%(n)d hour", "%(n)d hours", whole) % {"n": whole}
    return ngettext("%(n)d day", "%(n)d days", whole // 24) % {"n": whole // 24}


def missing_words(cell: Cell) -> str:
    """Write why a session has no score in a window."""
    words = {
        "none": _("none"),
        "next_session": _("next session came first"),
        "not_yet": _("not yet"),
    }
    return words.get(cell.missing, "")


@register.filter
def cell_words(cell: Cell) -> SafeString:
    """Write one score of a session's row: value, true hours and differences, or why there is none.

    Not a template: a page holds dozens of these.
    """
    if cell.point is None:
        return format_html('<span class="muted">{}</span>', missing_words(cell))
    written = format_html(
        '<strong>{}</strong> <span class="muted small">{}</span>',
        number(cell.point.value),
        true_hours(cell),
    )
    small = []
    if cell.from_before is not None:
        small.append(("small", signed(cell.from_before), f" {_('from before')}"))
    if cell.from_baseline is not None:
        since = f" {_('from baseline')}"
        if cell.percent is not None:
            percent = {"percent": floatformat(cell.percent, 0)}
            since += ", " + _("%(percent)s %% of it") % percent
        small.append(("small", signed(cell.from_baseline), since))
    if cell.overlaps:
        small.append(("muted small", _("asks about a time before the session too"), ""))
    return written + format_html_join("", '<br><span class="{}">{}{}</span>', small)


def true_hours(cell: Cell) -> str:
    """Write the true hours from a session to a score, as “25 h”, or “30 h before” it."""
    told = f"{number(abs(cell.hours))} h"
    return _("%(span)s before") % {"span": told} if cell.hours < 0 else told


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
