"""What staff templates need beside plain data: moments on the clinic's clock, and lists."""

from __future__ import annotations

from datetime import date, datetime
from functools import cache
from zoneinfo import available_timezones

from django import template
from django.template.context import RequestContext
from django.utils import timezone
from django.utils.dateformat import format as format_date
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from outcomes.alerts.models import AlertOutcome
from outcomes.responses.models import QuestionnaireResponse, Score

register = template.Library()

CLINIC_PAGES = frozenset(
    {
        "settings",
        "members",
        "member",
        "tokens",
        "messages",
        "message",
        "import",
        "export",
        "audit",
    }
)


@register.filter
def headline(response: QuestionnaireResponse) -> Score | None:
    """Return the result that stands for a whole response: the charted scale, else its word."""
    definition = response.instrument_version.definition
    wanted = [*definition.charted, *(levels.code for levels in definition.levels)]
    stored = {score.scale: score for score in response.scores.all() if score.is_current}
    return next((stored[code] for code in wanted if code in stored), None)


@register.filter
def moment(at: datetime | None) -> SafeString | str:
    """Return an instant on the current clock, with its zone: “5 Feb 2026, 09:00 GMT”."""
    return _time_element(at, "j M Y, H:i T")


@register.filter
def short_moment(at: datetime | None) -> SafeString | str:
    """Return an instant on the current clock, for tables whose page names the zone."""
    return _time_element(at, "j M Y, H:i")


@register.filter
def day(on: date | None) -> SafeString | str:
    """Return a day: “5 Feb 2026”."""
    if on is None:
        return ""
    return format_html('<time datetime="{}">{}</time>', f"{on:%Y-%m-%d}", format_date(on, "j M Y"))


def _time_element(at: datetime | None, pattern: str) -> SafeString | str:
    if at is None:
        return ""
    return format_html(
        '<time datetime="{}">{}</time>',
        at.isoformat(timespec="seconds"),
        format_date(timezone.localtime(at), pattern),
    )


@register.filter
def masked(contact: str) -> str:
    """Return enough of an address or number to recognise it, and not enough to use it."""
    name, at, domain = contact.partition("@")
    if at:
        return f"{name[:1]}•••@{domain}"
    return f"{contact[:2]}•••{contact[-2:]}"


@register.simple_tag(takes_context=True)
def is_clinic_page(context: RequestContext) -> bool:
    """Say whether the page belongs to the running of the clinic rather than to a patient."""
    match = context["request"].resolver_match
    return bool(match) and match.url_name in CLINIC_PAGES


@register.simple_tag
def time_zones() -> tuple[str, ...]:
    """Return the names of the world's time zones, for a field to suggest."""
    return _time_zones()


@cache
def _time_zones() -> tuple[str, ...]:
    return tuple(
        sorted(name for name in available_timezones() if "/" in name and "Etc" not in name)
    )


ALERT_EVENTS = {
    "raised": _("Raised"),
    "opened": _("Opened"),
    "paged": _("Mail queued"),
    "escalated": _("Escalated: more people are told"),
    "acknowledged": _("Acknowledged"),
    "followed_up": _("Followed up"),
    "answer_changed": _("The patient changed the answer"),
}


@register.filter
def alert_event(kind: str) -> str:
    """Return what happened to an alert, in words."""
    return str(ALERT_EVENTS.get(kind, kind))


@register.filter
def alert_outcome(code: str) -> str:
    """Return the label of an alert's outcome."""
    return str(AlertOutcome(code).label) if code in AlertOutcome.values else code
