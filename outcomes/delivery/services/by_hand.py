"""What staff decide about one invitation or one message, in place of the plan."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction

from outcomes.care.models import Channel, Patient
from outcomes.clinics.models import User
from outcomes.delivery import quiet
from outcomes.delivery.models import Invitation, Message, MessageState
from outcomes.delivery.recheck import sent_lately
from outcomes.delivery.services.invitations import queue_by_hand, stop_sending

# A second message so soon is likely a slip.
SOON = timedelta(hours=1)
TO_CALL = "to be telephoned"
GIVEN_UP = "given up"
_UNSENT = (MessageState.PENDING, MessageState.SENDING)


def lock_invitation(invitation: Invitation) -> Invitation:
    """Return the invitation as it stands now; nobody else changes it before the commit."""
    rows = Invitation.objects.select_for_update(of=("self",)).select_related("patient__clinic")
    return rows.get(pk=invitation.pk)


def last_message_within(invitation: Invitation, now: datetime) -> Message | None:
    """Return a message of this invitation that goes out now or went out within the hour."""
    messages = Message.objects.filter(link__invitation=invitation)
    sent = messages.filter(sent_at__gt=now - SOON).order_by("-sent_at").first()
    return sent or messages.filter(state__in=_UNSENT, not_before__lte=now).first()


def sent_today(*, patient: Patient, now: datetime) -> int:
    """Return how many messages of the day's limit the patient has had, on their own calendar."""
    sent = sent_lately([patient.pk], now)[patient.pk]
    return quiet.count_of_the_day(sent, now, patient.time_zone)


@transaction.atomic
def send_again(*, invitation: Invitation, channel: Channel | str, now: datetime) -> Message:
    """Queue one more message of an invitation, with a link of its own.

    Whoever was to be telephoned instead is written to after all.
    """
    Invitation.objects.filter(pk=invitation.pk).update(to_call_at=None, to_call_by=None)
    return queue_by_hand(invitation=invitation, channel=channel, now=now)


@transaction.atomic
def call_instead(*, invitation: Invitation, by_user: User, now: datetime) -> None:
    """Send nothing more for an invitation: a person telephones. Links that are out stay open."""
    Invitation.objects.filter(pk=invitation.pk).update(to_call_at=now, to_call_by=by_user)
    stop_sending(invitation=invitation, reason=TO_CALL)


@transaction.atomic
def try_again(*, message: Message, now: datetime) -> bool:
    """Put a message that was set aside back into the queue; False if it is no longer set aside."""
    aside = Message.objects.filter(pk=message.pk, state=MessageState.QUARANTINED)
    columns = {"state": MessageState.PENDING, "state_reason": "", "crashes": 0}
    return aside.update(**columns, not_before=now, lease_until=None) == 1


@transaction.atomic
def give_up(*, message: Message) -> bool:
    """Send a message that was set aside never; False if it is no longer set aside."""
    aside = Message.objects.filter(pk=message.pk, state=MessageState.QUARANTINED)
    return aside.update(state=MessageState.CANCELLED, state_reason=GIVEN_UP) == 1
