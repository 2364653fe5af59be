"""People who work in a clinic."""

from __future__ import annotations

from datetime import datetime

from outcomes.alerts import services as alerts
from outcomes.audit import services as audit
from outcomes.audit.models import Actor
from outcomes.clinics import services as clinics
from outcomes.clinics.access import Role
from outcomes.clinics.models import Clinic, Membership, User
from outcomes.delivery import services as delivery


@audit.atomic()
def add_member(
    *, clinic: Clinic, email: str, name: str, role: Role, by: Actor, now: datetime
) -> Membership:
    """Give a person a role; who may then answer alerts is sent a test alert to confirm.

    Who has yet to accept, or to choose a first password, is told by e-mail.
    """
    member = clinics.add_member(clinic=clinic, email=email, name=name, role=role, by=by, now=now)
    if member.is_awaited:
        delivery.queue_membership_mail(clinic_id=clinic.pk, user=member.user, now=now)
    alerts.test_if_needed(clinic=clinic, user=member.user, by=by, now=now)
    return member


@audit.atomic()
def accept_membership(*, membership: Membership, by: Actor, now: datetime) -> Membership:
    """Let a person who was invited work here; who may answer alerts is sent a test to confirm."""
    member = clinics.accept_membership(membership=membership, by=by, now=now)
    alerts.test_if_needed(clinic=member.clinic, user=member.user, by=by, now=now)
    return member


@audit.atomic()
def change_phone(*, user: User, phone: str, by: Actor, now: datetime) -> User:
    """Change the number to which a person's alerts go, and test the new way in every clinic.

    An empty number sends e-mail alone.
    """
    before = user.phone
    user = clinics.change_phone(user=user, phone=phone, by=by, now=now)
    if user.phone and user.phone != before:
        for member in alerts.answering_members().filter(user=user).select_related("clinic"):
            alerts.send_test(clinic=member.clinic, user=user, by=by, now=now)
    return user
