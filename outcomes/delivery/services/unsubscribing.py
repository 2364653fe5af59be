"""The address by which a mail program stops further mail; good only where the mail was sent."""

from __future__ import annotations

from datetime import datetime
from hmac import compare_digest
from uuid import UUID

from django.conf import settings
from django.urls import reverse

from outcomes.audit import services as audit
from outcomes.care.encryption import blind_index
from outcomes.care.models import Channel, Contact, Suppression
from outcomes.delivery.links import link_holder, stop_token_of
from outcomes.delivery.models import Message
from outcomes.delivery.services.unreached import stop_channel


def unsubscribe_address(message: Message, to: str) -> str:
    """Return where mail to this address is stopped; empty for what is not mail to a patient."""
    if message.patient_id is None or message.channel != Channel.EMAIL:
        return ""
    token = stop_token_of(message.pk, blind_index(to))
    return f"{settings.BASE_URL}{reverse('patient_site:stop', args=[message.pk, token])}"


def find_stoppable(message_id: UUID, token: str) -> Contact | None:
    """Return the contact that the address stops; None if it is not good, or not any more."""
    message = Message.objects.filter(pk=message_id, channel=Channel.EMAIL).first()
    if message is None or message.patient_id is None:
        return None
    contact = Contact.objects.filter(patient=message.patient_id, channel=Channel.EMAIL).first()
    if contact is None:
        return None
    is_good = compare_digest(
        token.encode(), stop_token_of(message_id, contact.value_index).encode()
    )
    return contact if is_good else None


@audit.atomic()
def unsubscribe(*, contact: Contact, message_id: UUID, now: datetime) -> None:
    """Send no more mail to this address, whoever's patient has it; idempotent."""
    same = Contact.objects.filter(channel=contact.channel, value_index=contact.value_index)
    for found in same.select_related("patient").order_by("pk"):
        stop_channel(
            patient=found.patient,
            channel=found.channel,
            reason=Suppression.OPTED_OUT,
            now=now,
            by=link_holder(message_id),
        )
