"""The ways out of this installation, by channel."""

from __future__ import annotations

from functools import cache

from django.conf import settings

from outcomes.care.models import Channel
from outcomes.delivery.channels.base import Provider
from outcomes.delivery.channels.email import MailServer
from outcomes.delivery.channels.hosted import HostedMail
from outcomes.delivery.channels.telnyx import Telnyx
from outcomes.delivery.channels.twilio import Twilio


@cache
def providers() -> dict[str, Provider]:
    """Return the provider of every channel this installation can send by, as the settings say."""
    found: dict[str, Provider] = {Channel.EMAIL: _mail()}
    if settings.SMS_PROVIDER:
        found[Channel.SMS] = _text_messages()
    return found


def in_use() -> tuple[str, ...]:
    """Return the channels this installation can send by."""
    return tuple(providers())


def _mail() -> Provider:
    if settings.EMAIL_PROVIDER:
        return HostedMail(settings.EMAIL_PROVIDER, settings.EMAIL_PER_SECOND)
    return MailServer(settings.EMAIL_PER_SECOND)


def _text_messages() -> Provider:
    key, sender, url = settings.SMS_KEY, settings.SMS_FROM, settings.SMS_API_URL
    pace = settings.SMS_PER_SECOND
    if settings.SMS_PROVIDER == "twilio":
        account = settings.SMS_ACCOUNT
        return Twilio(account=account, key=key, sender=sender, url=url, per_second=pace)
    return Telnyx(key=key, sender=sender, url=url, per_second=pace)
