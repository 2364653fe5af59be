"""Write invitations and links: who is asked, by which address, and when that ends."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

from django.conf import settings
from django.db import transaction
from django.db.models import Max, Q
from django.urls import reverse

from outcomes.audit import services as audit
from outcomes.audit.models import SYSTEM, Actor
from outcomes.care.models import Channel, Contact, Patient
from outcomes.delivery.links import hash_token, new_nonce, token_of
from outcomes.delivery.models import (
    Invitation,
    Lane,
    Link,
    Message,
    MessageKind,
    MessageState,
)
from outcomes.scheduling.models import Assignment

MAX_CHECKS = 5


def create_invitation(
    *, patient: Patient, assignments: Sequence[Assignment], now: datetime
) -> Invitation:
    """Make one live request that covers these assignments, until the last of them closes."""
    invitation = Invitation.objects.create(
        clinic_id=patient.clinic_id,
        patient=patient,
        opens_at=now,
        closes_at=max(item.closes_at for item in assignments),
        created_at=now,
    )
    invitation.assignments.set(assignments)
    _record(invitation, SYSTEM, now, "invitation.created")
    return invitation


def is_astray(contact: Contact) -> bool:
    """Say whether links sent to this contact reached somebody else, or were locked.

    So it stays until the contact is set anew or the patient confirms a link.
    """
    invitations = Invitation.objects.filter(patient_id=contact.patient_id)
    confirmed = invitations.aggregate(last=Max("confirmed_at"))["last"]
    since = max(contact.set_at, confirmed or contact.set_at)
    # A link that was handed over says nothing about an address.
    stray = invitations.gone_astray().filter(links__message__isnull=False)
    return stray.filter(Q(revoked_at__gt=since) | Q(locked_at__gt=since)).exists()


def create_link(*, invitation: Invitation, now: datetime) -> Link:
    """Make one address that opens the invitation; only its token's hash is stored."""
    link = Link(
        clinic_id=invitation.clinic_id, invitation=invitation, nonce=new_nonce(), created_at=now
    )
    link.token_hash = hash_token(token_of(link.pk, link.nonce))
    link.save(force_insert=True)
    return link


def address_of(link: Link) -> str:
    """Return the link's full address, made from the key outside the database."""
    path = reverse("patient_site:open", args=[token_of(link.pk, link.nonce)])
    return f"{settings.BASE_URL}{path}"


def find_link(token: str) -> Link | None:
    """Return the link with this token, whatever became of it; None if there is none."""
    return (
        Link.objects.filter(token_hash=hash_token(token))
        .select_related("invitation__patient", "invitation__clinic")
        .first()
    )


def is_live(link: Link, now: datetime) -> bool:
    """Say whether the link still opens its invitation."""
    invitation = link.invitation
    return (
        link.revoked_at is None
        and invitation.revoked_at is None
        and invitation.locked_at is None
        and invitation.completed_at is None
        and invitation.opens_at <= now < invitation.closes_at
    )


def note_opened(*, link: Link, now: datetime) -> None:
    """Remember when a person first went past the link's first page."""
    Link.objects.filter(pk=link.pk, opened_at=None).update(opened_at=now)


@transaction.atomic
def check_birth_date(
    *, invitation: Invitation, birth_date: date | None, by: Actor, now: datetime
) -> bool:
    """Say whether this is the patient's birth date. Five misses lock the invitation.

    A check against misdelivery, not a proof of identity.
    """
    invitation = (
        Invitation.objects.select_for_update(of=("self",))
        .select_related("patient")
        .get(pk=invitation.pk)
    )
    if invitation.locked_at is not None:
        return False
    if birth_date is not None and birth_date == invitation.patient.birth_date:
        invitation.confirmed_at = now
        invitation.save(update_fields=["confirmed_at"])
        _record(invitation, by, now, "invitation.confirmed")
        return True
    invitation.failed_checks += 1
    _record(invitation, by, now, "invitation.check_failed")
    if invitation.failed_checks >= MAX_CHECKS:
        invitation.locked_at = now
        _record(invitation, by, now, "invitation.locked")
    invitation.save(update_fields=["failed_checks", "locked_at"])
    return False


@transaction.atomic
def unlock_for_patient(*, patient: Patient, by: Actor, now: datetime) -> None:
    """Let a patient try again whose birth date the clinic has corrected."""
    for invitation in Invitation.objects.filter(patient=patient, locked_at__isnull=False):
        invitation.locked_at, invitation.failed_checks = None, 0
        invitation.save(update_fields=["locked_at", "failed_checks"])
        _record(invitation, by, now, "invitation.unlocked")


@transaction.atomic
def revoke_invitation(*, invitation: Invitation, reason: str, by: Actor, now: datetime) -> None:
    """End an invitation and everything of it that is not sent yet."""
    Invitation.objects.filter(pk=invitation.pk).update(revoked_at=now, revoked_reason=reason)
    _cancel_unsent(invitation, reason)
    _record(invitation, by, now, "invitation.revoked", {"reason": reason})


def revoke_for_patient(*, patient: Patient, reason: str, by: Actor, now: datetime) -> None:
    """End every live invitation of a patient, whose contact or consent has changed."""
    for invitation in Invitation.objects.filter(patient=patient).live_at(now):
        revoke_invitation(invitation=invitation, reason=reason, by=by, now=now)


def finish_invitations(*, assignment: Assignment, now: datetime) -> None:
    """Complete the invitations that cover nothing answerable any more; their reminders stop."""
    covering = Invitation.objects.filter(assignments=assignment).only("completed_at", "revoked_at")
    for invitation in covering:
        is_over = invitation.completed_at or invitation.revoked_at
        if not is_over and not invitation.has_open_assignments():
            Invitation.objects.filter(pk=invitation.pk).update(completed_at=now)
            _cancel_unsent(invitation, "answered")


def _cancel_unsent(invitation: Invitation, reason: str) -> None:
    # By their keys: a join in an UPDATE would become a subquery over the whole outbox.
    links = list(invitation.links.values_list("pk", flat=True))
    Message.objects.filter(link__in=links).unsent().update(
        state=MessageState.CANCELLED, state_reason=reason
    )


def queue_invitation_message(
    *, invitation: Invitation, channel: Channel | str, now: datetime
) -> Message:
    """Queue the first message of an invitation, once."""
    return _queue(invitation, MessageKind.INVITATION, channel, "first", now, now)


def queue_reminder(
    *, invitation: Invitation, channel: Channel | str, at: datetime, now: datetime
) -> Message:
    """Queue one reminder of an invitation, with a link of its own, once per moment."""
    return _queue(invitation, MessageKind.REMINDER, channel, at.isoformat(), at, now)


def _queue(
    invitation: Invitation,
    kind: MessageKind,
    channel: str,
    occasion: str,
    not_before: datetime,
    now: datetime,
) -> Message:
    dedupe = f"{kind}:{invitation.pk}:{occasion}"
    existing = Message.objects.filter(dedupe=dedupe).first()
    if existing is not None:
        return existing
    return Message.objects.create(
        clinic_id=invitation.clinic_id,
        kind=kind,
        lane=Lane.BULK,
        channel=channel,
        dedupe=dedupe,
        patient_id=invitation.patient_id,
        link=create_link(invitation=invitation, now=now),
        not_before=not_before,
        expires_at=invitation.closes_at,
        created_at=now,
    )


def _record(
    invitation: Invitation,
    by: Actor,
    now: datetime,
    action: str,
    data: dict[str, str] | None = None,
) -> None:
    audit.record(
        clinic_id=invitation.clinic_id,
        by=by,
        now=now,
        action=action,
        object_type="Invitation",
        object_id=invitation.pk,
        patient_id=invitation.patient_id,
        data=data,
    )
