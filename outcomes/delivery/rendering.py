"""What a message says, written at the moment of sending; nothing of it is stored."""

from __future__ import annotations

from django.conf import settings
from django.template.loader import render_to_string
from django.utils import translation

from outcomes.care.models import Channel
from outcomes.delivery.channels.base import Outgoing
from outcomes.delivery.models import Lane, Message, MessageKind
from outcomes.delivery.services.alerts import path_of
from outcomes.delivery.services.invitations import address_of
from outcomes.delivery.services.own_pages import own_address_of
from outcomes.delivery.services.unsubscribing import unsubscribe_address


def render(message: Message, to: str) -> Outgoing:
    """Return the message as it goes to this address; the same every time, so a repeat is one.

    `message` comes with its clinic, patient, user and link.
    """
    if message.lane == Lane.ALERT:
        language = message.clinic.language
        address = f"{settings.BASE_URL}{path_of(message)}"
    else:
        assert message.patient is not None
        assert message.link is not None
        language, address = message.patient.language, address_of(message.link)
    context = {"clinic": message.clinic, "address": address, "message": message}
    if message.kind == MessageKind.INVITATION and message.patient is not None:
        context["own_page"] = own_address_of(message.patient)
    with translation.override(language):
        if message.channel == Channel.SMS:
            subject, html = "", ""
            text = render_to_string(f"sms/{message.kind}.txt", context).strip()
        else:
            subject, text, html = (
                render_to_string(f"emails/{message.kind}-{part}.html", context)
                for part in ("subject", "body-text", "body-html")
            )
    return Outgoing(
        to=to,
        subject=" ".join(subject.split()),
        text=text,
        html=html,
        key=str(message.pk),
        unsubscribe=unsubscribe_address(message, to),
    )
