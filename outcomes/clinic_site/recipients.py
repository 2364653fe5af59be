"""Whom the clinic's alerts reach, as the page for admins shows it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext as _

from outcomes.alerts import services as alerts
from outcomes.alerts.models import CONFIRM_WITHIN, Failure, Recipient
from outcomes.clinics.models import Clinic, Membership


@dataclass(frozen=True, slots=True)
class Row:
    """One member who may answer alerts; `state` says why they are not known to be reached."""

    member: Membership
    recipient: Recipient
    is_reachable: bool
    state: str


def rows_of(clinic: Clinic, now: datetime) -> list[Row]:
    """Return everybody who may answer the clinic's alerts, by name."""
    members = alerts.answering_members().filter(clinic=clinic).select_related("user", "clinic")
    known = {row.user_id: row for row in Recipient.objects.filter(clinic=clinic)}
    fresh = set(
        Recipient.objects.filter(clinic=clinic).reachable_at(now).values_list("user_id", flat=True)
    )
    rows = []
    for member in members.order_by("user__name"):
        recipient = known.get(member.user_id) or Recipient(clinic=clinic, user=member.user)
        is_reachable = member.user_id in fresh
        state = "" if is_reachable else _why_not(recipient, now)
        rows.append(Row(member, recipient, is_reachable, state))
    return rows


def _why_not(row: Recipient, now: datetime) -> str:
    if row.has_failed:
        return str(Failure(row.failed_reason).label)
    if row.tested_at is None:
        return _("Not tested yet")
    if row.tested_at > now - CONFIRM_WITHIN:
        return _("A test is out, not confirmed yet")
    return _("The confirmation has lapsed")
