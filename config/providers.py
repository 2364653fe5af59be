"""What each provider of e-mail and text messages needs to be told."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ImproperlyConfigured

# Those that can be told with each mail to count no opens and clicks. It holds for every mail: a
# password reset's link is nobody's to count either.
UNTRACKED = ("mailgun", "postmark")
# By provider: what django-anymail calls its key.
MAIL_KEYS = {
    "brevo": "BREVO_API_KEY",
    "mailgun": "MAILGUN_API_KEY",
    "postmark": "POSTMARK_SERVER_TOKEN",
    "resend": "RESEND_API_KEY",
}
SMS_NEEDS = {
    "telnyx": ("SMS_FROM", "SMS_KEY", "SMS_WEBHOOK_KEY"),
    "twilio": ("SMS_FROM", "SMS_ACCOUNT", "SMS_KEY"),
}


def hosted_mail(
    provider: str, *, key: str, domain: str, url: str, webhook_secret: str, signing_key: str
) -> dict[str, Any]:
    """Return the settings of django-anymail; raises ImproperlyConfigured naming what is missing."""
    if provider not in MAIL_KEYS:
        raise ImproperlyConfigured(
            f"EMAIL_PROVIDER is {provider}: it must be one of {', '.join(MAIL_KEYS)}."
        )
    _require(provider, EMAIL_KEY=key, EMAIL_WEBHOOK_SECRET=webhook_secret)
    if ":" not in webhook_secret or len(webhook_secret) < 32:
        raise ImproperlyConfigured(
            "EMAIL_WEBHOOK_SECRET must be name:password, 32 characters or more in all."
        )
    name = provider.upper()
    found: dict[str, Any] = {MAIL_KEYS[provider]: key, "WEBHOOK_SECRET": webhook_secret}
    if provider == "mailgun":
        _require(provider, EMAIL_DOMAIN=domain, EMAIL_SIGNING_KEY=signing_key)
        found |= {"MAILGUN_SENDER_DOMAIN": domain, "MAILGUN_WEBHOOK_SIGNING_KEY": signing_key}
    if provider in UNTRACKED:
        found[f"{name}_SEND_DEFAULTS"] = {"track_clicks": False, "track_opens": False}
    if url:
        found[f"{name}_API_URL"] = url
    return found


def needed(provider: str) -> tuple[str, ...]:
    """Return the settings a provider of text messages cannot do without."""
    if provider not in SMS_NEEDS:
        raise ImproperlyConfigured(
            f"SMS_PROVIDER is {provider}: it must be one of {', '.join(SMS_NEEDS)}."
        )
    return SMS_NEEDS[provider]


def _require(provider: str, **settings: str) -> None:
    for name, value in settings.items():
        if not value:
            raise ImproperlyConfigured(f"EMAIL_PROVIDER is {provider}: {name} must be set.")
