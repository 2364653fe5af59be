"""Know whether alerts reach each member of staff: test them, take their confirmation, see failures.

A test goes out at set-up and every 30 days, by every channel of the person. Only the person's own
confirmation counts, given after signing in on the page the test leads to.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from outcomes.alerts.models import (
    ANSWERING,
    CONFIRM_WITHIN,
    TEST_EVERY,
    Alert,
    AlertEvent,
    AlertRule,
    Failure,
    Recipient,
)
from outcomes.audit import services as audit
from outcomes.audit.models import SYSTEM, Actor
from outcomes.clinics.access import Role
from outcomes.clinics.models import Clinic, Membership, MembershipQuerySet, User
from outcomes.delivery import services as delivery
from outcomes.delivery.models import Lane, Message, MessageKind, MessageQuerySet, Topic
from outcomes.scheduling.models import ScheduleRule

# A clinic asks nothing that may alert before so many people are known to be reached.
LEAST_REACHABLE = 2
# A page that was tried and has not left for so long does not reach its recipient.
STUCK_AFTER = timedelta(minutes=20)
# A bounce older than this tells nothing that a later test has not told.
BOUNCE_COUNTS_FOR = timedelta(days=40)
PAGES = (MessageKind.ALERT, MessageKind.TEST)
TEST_AGAIN_AFTER = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Member:
    """A person who may answer alerts, and whether alerts are known to reach them."""

    user: User
    role: str
    is_reachable: bool


def answering_members() -> MembershipQuerySet:
    """Return the memberships of everybody who may answer alerts now."""
    return Membership.objects.active().filter(role__in=ANSWERING)


def reachable_members(now: datetime) -> QuerySet[Membership]:
    """Return those of them whom alerts are known to reach."""
    return answering_members().filter(_is_reachable(now))


def _is_reachable(now: datetime) -> Exists:
    rows = Recipient.objects.reachable_at(now)
    return Exists(rows.filter(clinic=OuterRef("clinic"), user=OuterRef("user")))


def members_of(clinic: Clinic, now: datetime) -> list[Member]:
    """Return who may answer the clinic's alerts, by e-mail address."""
    rows: QuerySet[Any] = answering_members().filter(clinic=clinic).select_related("user")
    rows = rows.annotate(is_reachable=_is_reachable(now)).order_by("user__email")
    return [Member(row.user, row.role, row.is_reachable) for row in rows]


# -- Before a clinic asks --------------------------------------------------------------------------


def require_reachable(*, clinic: Clinic, schedule_id: UUID | None, now: datetime) -> None:
    """Refuse a schedule that may alert while fewer than two people are known to be reached."""
    if schedule_id is None or not _may_alert(clinic, schedule_id):
        return
    count = reachable_members(now).filter(clinic=clinic).count()
    if count >= LEAST_REACHABLE:
        return
    message = ngettext(
        "This schedule asks safety questions, and alerts are known to reach %(n)d person, not two:"
        " a clinic admin sends tests under Clinic, “Alert recipients”, and each person confirms"
        " theirs.",
        "This schedule asks safety questions, and alerts are known to reach %(n)d people, not two:"
        " a clinic admin sends tests under Clinic, “Alert recipients”, and each person confirms"
        " theirs.",
        count,
    )
    raise ValidationError(message % {"n": count})


def _may_alert(clinic: Clinic, schedule_id: UUID) -> bool:
    rules = ScheduleRule.objects.filter(schedule_id=schedule_id)
    codes = {
        code for content in rules.values_list("content", flat=True) for code in _asked(content)
    }
    own_or_shipped = Q(instrument__clinic=None) | Q(instrument__clinic=clinic)
    return AlertRule.objects.filter(own_or_shipped, instrument__code__in=codes).exists()


def _asked(content: dict[str, list[str]]) -> list[str]:
    return content["instruments"]


# -- Tests -----------------------------------------------------------------------------------------


@audit.atomic()
def send_test(*, clinic: Clinic, user: User, by: Actor, now: datetime) -> Recipient:
    """Send a person a test alert by each of their channels; raises ValidationError for others."""
    if not answering_members().filter(clinic=clinic, user=user).exists():
        raise ValidationError(_("Only a member who may answer alerts gets a test."))
    recipient = _locked(clinic.pk, user.pk)
    recipient.tested_at = now
    recipient.save(update_fields=["tested_at"])
    delivery.queue_tests(clinic_id=clinic.pk, user=user, now=now)
    _record(recipient, "recipient.tested", by, now)
    return recipient


def test_by_hand(*, clinic: Clinic, user: User, by: Actor, now: datetime) -> Recipient:
    """Send a person a test because an admin asks for it; raises ValidationError right after one.

    Tests of every clinic count: an admin may give anybody a role here by their address.
    """
    tests = Message.objects.filter(kind=MessageKind.TEST, user=user)
    if tests.filter(created_at__gt=now - TEST_AGAIN_AFTER).exists():
        raise ValidationError(_("A test was sent to them just now: wait five minutes."))
    return send_test(clinic=clinic, user=user, by=by, now=now)


def test_if_needed(*, clinic: Clinic, user: User, by: Actor, now: datetime) -> None:
    """Test a person who has just been set up, unless a test is out or they are reachable."""
    if not answering_members().filter(clinic=clinic, user=user).exists():
        return
    known = Recipient.objects.filter(clinic=clinic, user=user)
    is_out = known.filter(tested_at__gt=now - CONFIRM_WITHIN).exists()
    if not is_out and not known.reachable_at(now).exists():
        send_test(clinic=clinic, user=user, by=by, now=now)


@audit.atomic()
def test_again(*, member: Membership, now: datetime) -> None:
    """Test a person whose last test was 30 days ago, unless another dispatcher just did."""
    _locked(member.clinic_id, member.user_id)
    if due_for_test(now).filter(pk=member.pk).exists():
        send_test(clinic=member.clinic, user=member.user, by=SYSTEM, now=now)


@audit.atomic()
def confirm_test(*, message: Message, user: User, now: datetime) -> Recipient:
    """Take a person's own word that a test reached them; what failed before counts no more."""
    if message.kind != MessageKind.TEST or message.user_id != user.pk:
        raise ValidationError(_("This test alert was sent to somebody else."))
    if message.created_at < now - TEST_EVERY:
        raise ValidationError(_("This test alert is too old. A clinic admin can send another."))
    return confirm(clinic=message.clinic, user=user, by=user.actor, now=now)


@audit.atomic()
def confirm(*, clinic: Clinic, user: User, by: Actor, now: datetime) -> Recipient:
    """Record that alerts reach this person, as they have confirmed."""
    recipient = _locked(clinic.pk, user.pk)
    recipient.confirmed_at, recipient.failed_at, recipient.failed_reason = now, None, ""
    recipient.tested_at = recipient.tested_at or now
    recipient.save()
    _record(recipient, "recipient.confirmed", by, now)
    return recipient


def _locked(clinic_id: UUID, user_id: UUID) -> Recipient:
    rows = Recipient.objects.select_for_update(of=("self",))
    return rows.get_or_create(clinic_id=clinic_id, user_id=user_id)[0]


def _record(recipient: Recipient, action: str, by: Actor, now: datetime, reason: str = "") -> None:
    audit.record(
        clinic_id=recipient.clinic_id,
        by=by,
        now=now,
        action=action,
        object_type="Recipient",
        object_id=recipient.pk,
        reason=reason,
        data={"user": str(recipient.user_id)},
    )


# -- Sweeping --------------------------------------------------------------------------------------


def due_for_test(now: datetime) -> QuerySet[Membership]:
    """Return who was never tested, or not for 30 days. A synthetic clinic's staff are nobody."""
    recent = Recipient.objects.filter(tested_at__gt=now - TEST_EVERY)
    recent = recent.filter(clinic=OuterRef("clinic"), user=OuterRef("user"))
    rows = answering_members().filter(~Exists(recent), clinic__is_synthetic=False)
    return rows.select_related("clinic", "user").order_by("pk")


def unconfirmed(now: datetime) -> QuerySet[Recipient]:
    """Return whose last test has gone unconfirmed for seven days, and is not known to have."""
    member = answering_members().filter(clinic=OuterRef("clinic"), user=OuterRef("user"))
    return (
        Recipient.objects.filter(Exists(member), clinic__is_synthetic=False)
        .filter(tested_at__lte=now - CONFIRM_WITHIN)
        .filter(Q(confirmed_at=None) | Q(confirmed_at__lt=F("tested_at")))
        .filter(Q(failed_at=None) | Q(failed_at__lt=F("tested_at")))
        .order_by("pk")
    )


def bounced_pages(now: datetime) -> QuerySet[Message]:
    """Return pages and tests that came back, which neither a failure nor a confirmation covers."""
    covered = Recipient.objects.filter(clinic=OuterRef("clinic"), user=OuterRef("user"))
    covered = covered.filter(
        Q(failed_at__gte=OuterRef("bounced_at")) | Q(confirmed_at__gt=OuterRef("bounced_at"))
    )
    rows = _pages().filter(bounced_at__gt=now - BOUNCE_COUNTS_FOR)
    return rows.filter(~Exists(covered)).order_by("bounced_at")


def stuck_pages(now: datetime) -> QuerySet[Message]:
    """Return pages and tests that were tried and do not leave, whose recipient is not failed."""
    failed = Recipient.objects.filter(clinic=OuterRef("clinic"), user=OuterRef("user"))
    failed = failed.filter(Q(failed_at__gte=F("confirmed_at")) | Q(confirmed_at=None)).exclude(
        failed_at=None
    )
    return _stuck(now).filter(~Exists(failed)).order_by("created_at")


def _stuck(now: datetime) -> MessageQuerySet:
    late = _pages().unsent().filter(created_at__lt=now - STUCK_AFTER, bounced_at=None)
    return late.filter(attempts__gt=0)


def _pages() -> MessageQuerySet:
    member = answering_members().filter(clinic=OuterRef("clinic"), user=OuterRef("user"))
    return Message.objects.filter(Exists(member), lane=Lane.ALERT, kind__in=PAGES)


def unstuck(now: datetime) -> QuerySet[Recipient]:
    """Return who failed because pages did not leave, now that they do: the way was at fault."""
    late = _stuck(now).filter(clinic=OuterRef("clinic"), user=OuterRef("user"))
    rows = Recipient.objects.filter(failed_reason=Failure.STUCK).exclude(failed_at=None)
    return rows.filter(~Exists(late)).order_by("pk")


@audit.atomic()
def fail(*, clinic_id: UUID, user_id: UUID, reason: Failure, now: datetime) -> None:
    """Record that alerts do not reach a person; tell admins and operators the first time."""
    recipient = _locked(clinic_id, user_id)
    was_failed = recipient.has_failed
    recipient.failed_at, recipient.failed_reason = now, reason
    recipient.save(update_fields=["failed_at", "failed_reason"])
    if was_failed:
        return
    _record(recipient, "recipient.failed", SYSTEM, now, reason)
    key = f"{recipient.pk}:{now.timestamp():.0f}"
    delivery.queue_notice(
        topic=Topic.PAGE_FAILED, clinic_id=clinic_id, users=_menders(clinic_id), key=key, now=now
    )


@audit.atomic()
def recover(*, recipient: Recipient, now: datetime) -> None:
    """Record that what held a person's pages up is over."""
    recipient = _locked(recipient.clinic_id, recipient.user_id)
    if recipient.failed_reason == Failure.STUCK:
        recipient.failed_at, recipient.failed_reason = None, ""
        recipient.save(update_fields=["failed_at", "failed_reason"])
        _record(recipient, "recipient.recovered", SYSTEM, now)


def _menders(clinic_id: UUID) -> list[User]:
    admins = Q(
        pk__in=Membership.objects.active()
        .filter(clinic=clinic_id, role=Role.CLINIC_ADMIN)
        .values("user")
    )
    people = User.objects.filter(admins | Q(is_superuser=True), is_active=True)
    return list(people.order_by("email"))


def alerts_reaching_nobody(now: datetime) -> QuerySet[Alert]:
    """Return open alerts of clinics nobody of which is reachable, and that were not told of it."""
    reachable = reachable_members(now).filter(clinic=OuterRef("clinic"))
    told = AlertEvent.objects.filter(alert=OuterRef("pk"), kind="unreachable")
    rows = Alert.objects.open().filter(~Exists(reachable), ~Exists(told))
    return rows.select_related("clinic").order_by("opened_at")
