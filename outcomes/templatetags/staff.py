"""What staff templates need beside plain data: moments on the clinic's clock, and lists."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from django import template
from django.template.context import RequestContext
from django.urls import get_script_prefix, reverse
from django.utils import timezone
from django.utils.dateformat import format as format_date
from django.utils.dates import WEEKDAYS
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from outcomes.alerts.models import AlertOutcome, ContactWay
from outcomes.clinics.models import time_zone_names
from outcomes.responses.models import QuestionnaireResponse, Score

register = template.Library()

# Stands in an address for the key of whichever row.
ANY = str(UUID(int=0))

CLINIC_PAGES = frozenset(
    {
        "settings",
        "members",
        "member",
        "member_phone",
        "tokens",
        "recipients",
        "cover",
        "messages",
        "message",
        "message_give_up",
        "deliveries",
        "import",
        "export",
        "audit",
    }
)


@register.filter
def headline(response: QuestionnaireResponse) -> Score | None:
    """Return the result that stands for a whole response: the charted scale, else its word."""
    definition = response.definition
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
def days_until(at: datetime, today: date) -> int:
    """Return how many days on the calendar have passed since an instant."""
    return (today - timezone.localtime(at).date()).days


@register.filter
def masked(contact: str) -> str:
    """Return enough of an address or number to recognise it, and not enough to use it."""
    name, at, domain = contact.partition("@")
    if at:
        return f"{name[:1]}•••@{domain}"
    return f"{contact[:2]}•••{contact[-2:]}"


@register.simple_tag(takes_context=True)
def row_url(context: RequestContext, name: str, key: UUID) -> str:
    """Return the address of a page of the clinic about one row: as `url`, for long lists."""
    address = _address_of_any(name, context["clinic"].slug, get_script_prefix())
    return address.replace(ANY, str(key))


@lru_cache(maxsize=1024)
def _address_of_any(name: str, slug: str, _prefix: str) -> str:
    return reverse(f"clinic_site:{name}", args=[slug, ANY])


@register.simple_tag(takes_context=True)
def is_clinic_page(context: RequestContext) -> bool:
    """Say whether the page belongs to the running of the clinic rather than to a patient."""
    match = context["request"].resolver_match
    return bool(match) and match.url_name in CLINIC_PAGES


@register.simple_tag
def time_zones() -> tuple[str, ...]:
    """Return the names of the world's time zones, for a field to suggest."""
    return tuple(sorted(name for name in time_zone_names() if "/" in name and "Etc" not in name))


ALERT_EVENTS = {
    "raised": _("Raised"),
    "opened": _("Opened"),
    "paged": _("Messages queued"),
    "escalated": _("Escalated: more people are told"),
    "unreachable": _("Nobody reachable: admins and operators are told"),
    "acknowledged": _("Acknowledged"),
    "contact_attempted": _("Contact attempted"),
    "plan": _("Plan"),
    "outcome": _("Outcome"),
    "followed_up": _("Followed up"),
    "closed": _("Closed"),
    "raised_again": _("Raised again by a higher answer"),
    "answer_changed": _("The patient changed the answer"),
}


@register.filter
def alert_event(kind: str) -> str:
    """Return what happened to an alert, in words."""
    return str(ALERT_EVENTS.get(kind, kind))


@register.filter
def weekday(number: int) -> str:
    """Return the name of a weekday; 0 is Monday."""
    return str(WEEKDAYS[number])


@register.filter
def has_delayed(alerts: Iterable[Any]) -> bool:
    """Say whether a mail about any of these alerts waits for longer than it should."""
    return any(alert.is_delayed for alert in alerts)


@register.filter
def contact_way(code: str) -> str:
    """Return how somebody tried to reach a patient, in words."""
    return str(ContactWay(code).label) if code in ContactWay.values else code


@register.filter
def alert_outcome(code: str) -> str:
    """Return the label of an alert's outcome."""
    return str(AlertOutcome(code).label) if code in AlertOutcome.values else code
