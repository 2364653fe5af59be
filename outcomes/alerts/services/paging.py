"""Tell people about an alert, and ever more of them, until a named person takes it."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import transaction

from outcomes.alerts import cover, tiers
from outcomes.alerts.models import Alert, AlertState, Cover
from outcomes.alerts.services import recipients as reach
from outcomes.alerts.services.events import note
from outcomes.audit import services as audit
from outcomes.audit.models import SYSTEM
from outcomes.care.models import EpisodeOfCare
from outcomes.clinics.access import Role
from outcomes.clinics.models import Clinic, User
from outcomes.delivery import services as delivery
from outcomes.delivery.models import Topic

log = logging.getLogger(__name__)


def open_alert(alert: Alert, now: datetime) -> None:
    """Open an alert that waited, or was just raised, and tell the first people."""
    alert.move_to(AlertState.OPEN)
    alert.opened_at, alert.tier = now, 0
    alert.next_at = tiers.next_step_after(alert.clinic.alert_minutes, now, now)
    alert.save(update_fields=["state", "opened_at", "next_at", "tier"])
    note(alert, "opened", SYSTEM, now)
    _page(alert, now)


@audit.atomic()
def escalate(*, alert: Alert, now: datetime) -> None:
    """Open a waiting alert, or tell the next circle of people of an open one, if it is time.

    After an outage it goes to the widest circle whose time has come, in one step.
    """
    due = Alert.objects.due_at(now).select_for_update(of=("self",))
    alert_now = due.select_related("clinic").filter(pk=alert.pk).first()
    if alert_now is None:
        return
    alert = alert_now
    if alert.state == AlertState.PROVISIONAL:
        open_alert(alert, now)
        return
    assert alert.opened_at is not None
    minutes = alert.clinic.alert_minutes
    # A clinic that changes its times meanwhile narrows no circle.
    alert.tier = max(alert.tier, tiers.tier_at(minutes, alert.opened_at, now))
    alert.next_at = tiers.next_step_after(minutes, alert.opened_at, now)
    alert.save(update_fields=["tier", "next_at"])
    note(alert, "escalated", SYSTEM, now, {"tier": alert.tier})
    _page(alert, now)


@audit.atomic()
def page_all_anew(*, now: datetime) -> int:
    """Tell people at once of every alert that nobody has acknowledged; return how many there are.

    For a restored database, which knows neither who was told since nor who answered.
    """
    waiting = Alert.objects.filter(state__in=(AlertState.PROVISIONAL, AlertState.OPEN))
    alerts = list(waiting.select_for_update(of=("self",)).order_by("raised_at", "pk"))
    delivery.cancel_pages_waiting(alert_ids=[alert.pk for alert in alerts])
    Alert.objects.filter(pk__in=[alert.pk for alert in alerts]).update(next_at=now)
    for alert in alerts:
        escalate(alert=alert, now=now)
    return len(alerts)


def tell_the_last(*, alert: Alert, now: datetime) -> None:
    """Page the clinic's admins and the operators of an open alert that reaches nobody else."""
    users = _last_resort(reach.members_of(alert.clinic, now))
    _queue(alert, users, now)
    _tell_unreachable(alert, users, now)


@dataclass(frozen=True, slots=True)
class Circle:
    """Whom a step of an alert tells, and whether any of them is known to be reached."""

    users: list[User]
    is_reachable: bool


def recipients(alert: Alert, now: datetime) -> list[User]:
    """Return whom the alert's tier tells now."""
    return circle_of(alert, now).users


def circle_of(alert: Alert, now: datetime) -> Circle:
    """Return whom the alert's tier tells now, and whether any of them is known to be reached."""
    return circle_for(alert.clinic, [alert.episode_id], alert.tier, now)


def circle_for(clinic: Clinic, episodes: Collection[UUID], tier: int, now: datetime) -> Circle:
    """Return whom a tier of the clinic tells now about these episodes.

    First whoever is on cover, or in a gap the responsible clinicians; then all clinicians; then
    admins too. A circle in which nobody is reachable is widened at once, in the end to the
    installation's operators. An error in any of this tells everybody who may answer.
    """
    # Raised in the answer's transaction: no fault here may lose the answer or the page.
    try:
        with transaction.atomic():
            return _circle_for(clinic, episodes, tier, now)
    except Exception as error:
        log.error("Whom clinic %s tells was not found: %s", clinic.pk, type(error).__name__)
    members = reach.answering_members().filter(clinic=clinic).select_related("user")
    return Circle([member.user for member in members.order_by("user__email")], is_reachable=True)


def _circle_for(clinic: Clinic, episodes: Collection[UUID], tier: int, now: datetime) -> Circle:
    members = reach.members_of(clinic, now)
    by_id = {member.user.pk: member for member in members}
    told_first = on_cover(clinic, now) or _responsible(episodes)
    circles = [
        [by_id[key].user for key in told_first if key in by_id],
        [member.user for member in members if member.role == Role.CLINICIAN],
        [member.user for member in members],
    ]
    users: list[User] = []
    for number, circle in enumerate(circles):
        users = list(dict.fromkeys([*users, *circle]))
        if number >= min(tier, 2) and any(by_id[user.pk].is_reachable for user in users):
            return Circle(users, is_reachable=True)
    return Circle(list(dict.fromkeys([*users, *_last_resort(members)])), is_reachable=False)


def _responsible(episodes: Collection[UUID]) -> list[UUID]:
    rows = EpisodeOfCare.clinicians.through.objects.filter(episodeofcare__in=episodes)
    return list(rows.order_by("user__email").values_list("user_id", flat=True))


def on_cover(clinic: Clinic, now: datetime) -> list[UUID]:
    """Return the keys of those on cover now who may still answer alerts; none in a gap."""
    rows = Cover.objects.filter(clinic=clinic).answering().order_by("user__email")
    keys = cover.on_duty([row.line for row in rows], now, clinic.time_zone)
    return [key for key in keys if isinstance(key, UUID)]


def _last_resort(members: Sequence[reach.Member]) -> list[User]:
    admins = [member.user for member in members if member.role == Role.CLINIC_ADMIN]
    operators = User.objects.filter(is_superuser=True, is_active=True).order_by("email")
    return list(dict.fromkeys([*admins, *operators]))


def _page(alert: Alert, now: datetime) -> None:
    circle = circle_of(alert, now)
    _queue(alert, circle.users, now)
    if not circle.is_reachable:
        _tell_unreachable(alert, circle.users, now)


def _queue(alert: Alert, users: Sequence[User], now: datetime) -> None:
    if not users:
        log.error("Alert %s has nobody to tell: give the clinic a member.", alert.pk)
    page = alert.events.filter(kind="paged").count()
    delivery.queue_pages(
        alert_id=alert.pk, clinic_id=alert.clinic_id, users=users, page=page, now=now
    )
    note(alert, "paged", SYSTEM, now, {"tier": alert.tier, "recipients": len(users)})


def _tell_unreachable(alert: Alert, users: Iterable[User], now: datetime) -> None:
    if alert.events.filter(kind="unreachable").exists():
        return
    note(alert, "unreachable", SYSTEM, now)
    told = {user.pk for user in users}
    last = [user for user in _last_resort(reach.members_of(alert.clinic, now)) if user.pk in told]
    delivery.queue_notice(
        topic=Topic.NO_RECIPIENT, clinic_id=alert.clinic_id, users=last, key=str(alert.pk), now=now
    )
