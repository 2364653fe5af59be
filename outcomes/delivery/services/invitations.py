"""Write invitations and links: who is asked, by which address, and when that ends."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, Max, OuterRef, Q
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
from outcomes.scheduling.models import Assignment, AssignmentState

MAX_MOVES = 4


def create_invitation(
    *, patient: Patient, assignments: Sequence[Assignment], now: datetime
) -> Invitation:
    """Make one live request that covers these assignments, until the last of them closes."""
    return create_invitations(asked=[(patient, assignments)], now=now)[0]


def create_invitations(
    *, asked: Iterable[tuple[Patient, Sequence[Assignment]]], now: datetime
) -> list[Invitation]:
    """Make one live request for each patient with what is asked, in two statements for all."""
    invitations, covers = [], []
    for patient, assignments in asked:
        invitation = Invitation(
            clinic_id=patient.clinic_id,
            patient=patient,
            opens_at=now,
            closes_at=max(item.closes_at for item in assignments),
            created_at=now,
        )
        invitations.append(invitation)
        covers += [
            Invitation.assignments.through(invitation=invitation, assignment=item)
            for item in assignments
        ]
        _record(invitation, SYSTEM, now, "invitation.created")
    Invitation.objects.bulk_create(invitations)
    Invitation.assignments.through.objects.bulk_create(covers)
    return invitations


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


def astray_among(contacts: Collection[Contact]) -> set[UUID]:
    """Return the keys of those contacts of which `is_astray` holds."""
    invitations = Invitation.objects.filter(patient__in=[item.patient_id for item in contacts])
    stray = set(invitations.gone_astray().values_list("patient_id", flat=True))
    return {item.pk for item in contacts if item.patient_id in stray and is_astray(item)}


def create_link(*, invitation: Invitation, now: datetime) -> Link:
    """Make one address that opens the invitation; only its token's hash is stored."""
    link = _new_link(invitation, now)
    link.save(force_insert=True)
    return link


def _new_link(invitation: Invitation, now: datetime) -> Link:
    link = Link(
        clinic_id=invitation.clinic_id, invitation=invitation, nonce=new_nonce(), created_at=now
    )
    link.token_hash = hash_token(token_of(link.pk, link.nonce))
    return link


def address_of(link: Link) -> str:
    """Return the link's full address, made from the key outside the database."""
    path = reverse("patient_site:open", args=[token_of(link.pk, link.nonce)])
    return f"{settings.BASE_URL}{path}"


def find_link(token: str) -> Link | None:
    """Return the link with this token, whatever became of it; None if there is none.

    A tablet's link is none of these: a hand-over opens it, for minutes.
    """
    return (
        Link.objects.filter(token_hash=hash_token(token), hand_over=None)
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


def asks(link: Link, assignment: Assignment, now: datetime) -> bool:
    """Say whether the link asks this part of its invitation now, or had it answered.

    An answered one stays known, so that a reply that was lost can be asked for again.
    """
    if assignment.is_answerable_at(now) and is_live(link, now):
        return True
    is_revoked = link.revoked_at is not None or link.invitation.revoked_at is not None
    return assignment.state == AssignmentState.COMPLETED and not is_revoked


def note_opened(*, link: Link, now: datetime) -> None:
    """Remember when a person first went past the link's first page."""
    Link.objects.filter(pk=link.pk, opened_at=None).update(opened_at=now)


@transaction.atomic
def revoke_invitation(*, invitation: Invitation, reason: str, by: Actor, now: datetime) -> None:
    """End an invitation and everything of it that is not sent yet."""
    Invitation.objects.filter(pk=invitation.pk).update(revoked_at=now, revoked_reason=reason)
    stop_sending(invitation=invitation, reason=reason)
    _record(invitation, by, now, "invitation.revoked", {"reason": reason})


def revoke_for_patient(*, patient: Patient, reason: str, by: Actor, now: datetime) -> None:
    """End every live invitation of a patient, whose contact or consent has changed."""
    for invitation in Invitation.objects.filter(patient=patient).live_at(now):
        revoke_invitation(invitation=invitation, reason=reason, by=by, now=now)


def ask_along(*, assignment: Assignment, beside: Assignment, now: datetime) -> None:
    """Let every live invitation that covers one assignment cover another, too."""
    for invitation in Invitation.objects.filter(assignments=beside).live_at(now):
        invitation.assignments.add(assignment)


def finish_invitations(*, assignment: Assignment, now: datetime) -> None:
    """Complete the invitations that cover nothing answerable any more; their reminders stop."""
    still_asked = Assignment.objects.under_way().filter(invitations=OuterRef("pk"))
    answered = Invitation.objects.filter(
        ~Exists(still_asked), assignments=assignment, completed_at=None, revoked_at=None
    )
    found = list(answered.values_list("pk", "links"))
    if found:
        Invitation.objects.filter(pk__in={key for key, _ in found}).update(completed_at=now)
        _cancel_unsent([link for _, link in found], "answered")


def _cancel_unsent(links: Collection[UUID], reason: str) -> None:
    # By their keys: a join in an UPDATE would become a subquery over the whole outbox.
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


def queue_again(*, message: Message, channel: Channel | str, now: datetime) -> Message | None:
    """Queue what a message was to say by another channel, with a link of its own, once.

    None after it has moved from channel to channel four times: it says nothing new.
    """
    occasion = message.dedupe.split(":", 2)[2]
    if message.link is None or occasion.count("/") >= MAX_MOVES:
        return None
    invitation, kind = message.link.invitation, MessageKind(message.kind)
    not_before = max(message.not_before, now)
    return _queue(invitation, kind, channel, f"{occasion}/{channel}", not_before, now)


def queue_by_hand(*, invitation: Invitation, channel: Channel | str, now: datetime) -> Message:
    """Queue one more message of an invitation, because staff asked for it."""
    occasion = f"by hand {now.isoformat()}"
    return _queue(invitation, MessageKind.INVITATION, channel, occasion, now, now)


def stop_sending(*, invitation: Invitation, reason: str) -> None:
    """Cancel everything of an invitation that is not sent yet; its links stay open."""
    _cancel_unsent(list(invitation.links.values_list("pk", flat=True)), reason)


def queue_first_messages(
    *, queued: Iterable[tuple[Invitation, str, Iterable[datetime]]], now: datetime
) -> None:
    """Queue the first message and the reminders of new invitations, by their channels.

    In two statements for all. An invitation that has a message already is refused.
    """
    messages = []
    for invitation, channel, moments in queued:
        kind = MessageKind.INVITATION
        messages.append(_new_message(invitation, kind, channel, "first", now, now))
        for at in moments:
            kind = MessageKind.REMINDER
            messages.append(_new_message(invitation, kind, channel, at.isoformat(), at, now))
    Link.objects.bulk_create(message.link for message in messages if message.link)
    Message.objects.bulk_create(messages)


def _queue(
    invitation: Invitation,
    kind: MessageKind,
    channel: str,
    occasion: str,
    not_before: datetime,
    now: datetime,
) -> Message:
    existing = Message.objects.filter(dedupe=_dedupe(kind, invitation, occasion)).first()
    if existing is not None:
        return existing
    message = _new_message(invitation, kind, channel, occasion, not_before, now)
    assert message.link is not None
    message.link.save(force_insert=True)
    message.save(force_insert=True)
    return message


def _dedupe(kind: MessageKind, invitation: Invitation, occasion: str) -> str:
    return f"{kind}:{invitation.pk}:{occasion}"


def _new_message(
    invitation: Invitation,
    kind: MessageKind,
    channel: str,
    occasion: str,
    not_before: datetime,
    now: datetime,
) -> Message:
    return Message(
        clinic_id=invitation.clinic_id,
        kind=kind,
        lane=Lane.BULK,
        channel=channel,
        dedupe=_dedupe(kind, invitation, occasion),
        patient_id=invitation.patient_id,
        link=_new_link(invitation, now),
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
