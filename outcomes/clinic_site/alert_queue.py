"""The queue of alerts: what is owed stands first, the oldest on top, each with its clocks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Case, Count, Exists, F, IntegerField, OuterRef, Q, QuerySet, When
from django.db.models.functions import Coalesce
from django.utils.translation import gettext_lazy as _

from outcomes.alerts.models import UNCLOSED, Alert, AlertState
from outcomes.care.models import EpisodeOfCare
from outcomes.clinic_site.alert_words import rank_words, short_words, told_words
from outcomes.clinics.models import Clinic, User
from outcomes.review.alert_history import places_of

PER_PAGE = 25
# What a line shows; the content of a questionnaire is read once in a process, by its hash.
QUEUED = Alert.objects.select_related("patient", "rule__instrument", "acknowledged_by", "response")

# The parts of the queue, in the order in which they are offered.
SECTIONS = {
    "": _("Not closed"),
    "open": _("Open"),
    "acknowledged": _("Acknowledged"),
    "mine": _("Mine"),
    "closed": _("Closed"),
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One alert with what a line says of it; `open_for` and `next_in` are clocks at `now`."""

    alert: Alert
    about: str
    rank: str
    told: str
    open_for: timedelta | None
    next_in: timedelta | None


@dataclass(frozen=True, slots=True)
class Tab:
    """One part of the queue; `count` is None where it is not counted."""

    code: str
    title: str
    count: int | None
    is_here: bool


def narrowed(rows: QuerySet[Alert], section: str, kind: str, user: User) -> QuerySet[Alert]:
    """Keep one part of the queue, in its order."""
    if kind:
        rows = rows.filter(reason=kind)
    if section == "closed":
        return rows.filter(state=AlertState.RESOLVED).order_by("-resolved_at", "-pk")
    rows = rows.filter(state__in=UNCLOSED)
    if section in (AlertState.OPEN, AlertState.ACKNOWLEDGED):
        rows = rows.filter(state=section)
    elif section == "mine":
        rows = rows.filter(mine(user))
    return rows.annotate(stage=_STAGE).order_by("stage", _SINCE, "pk")


# Open, acknowledged with a step still owed, then what may yet open by itself.
_STAGE = Case(
    When(state=AlertState.OPEN, then=0),
    When(state=AlertState.ACKNOWLEDGED, then=1),
    default=2,
    output_field=IntegerField(),
)
_SINCE = Coalesce(F("acknowledged_at"), F("opened_at"), F("raised_at"))


def mine(user: User) -> Q:
    """Keep what a person has taken, or is responsible for and nobody has taken."""
    through = EpisodeOfCare.clinicians.through.objects
    responsible = Exists(through.filter(episodeofcare=OuterRef("episode"), user=user))
    return Q(acknowledged_by=user) | (~Q(state=AlertState.ACKNOWLEDGED) & Q(responsible))


def tabs_of(rows: QuerySet[Alert], section: str, kind: str, user: User) -> list[Tab]:
    """Return the parts of the queue, counted in one query; what is closed only grows."""
    if kind:
        rows = rows.filter(reason=kind)
    counts: dict[str, Any] = rows.filter(state__in=UNCLOSED).aggregate(
        all=Count("pk"),
        open=Count("pk", filter=Q(state=AlertState.OPEN)),
        acknowledged=Count("pk", filter=Q(state=AlertState.ACKNOWLEDGED)),
        mine=Count("pk", filter=mine(user)),
    )
    return [
        Tab(code, str(title), counts.get(code or "all"), code == section)
        for code, title in SECTIONS.items()
    ]


def entries_of(alerts: Sequence[Alert], clinic: Clinic, now: datetime) -> list[Entry]:
    """Return the lines of a page; the number of queries does not depend on that of the alerts."""
    places = places_of(alerts)
    entries = []
    for alert in alerts:
        place = places.get(alert.pk)
        is_open = alert.state == AlertState.OPEN and alert.opened_at is not None
        entries.append(
            Entry(
                alert=alert,
                about=short_words(alert, clinic),
                rank=rank_words(place, alert.rule, clinic) if place and alert.rule else "",
                told=told_words(alert.tier),
                open_for=now - alert.opened_at if is_open and alert.opened_at else None,
                next_in=max(alert.next_at - now, timedelta(0)) if alert.next_at else None,
            )
        )
    return entries
