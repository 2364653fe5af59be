"""E-mail through Django's configured backend."""

from __future__ import annotations

import smtplib
from email.utils import parseaddr

from django.conf import settings
from django.core.mail import EmailMultiAlternatives

from outcomes.delivery.channels.base import Outgoing, SendError

# Replies that will be the same tomorrow: no such mailbox, mailbox name not allowed, and so on.
PERMANENT = range(500, 600)


def send(outgoing: Outgoing) -> str:
    """Hand one e-mail to the mail server and return its Message-ID; raises SendError."""
    domain = parseaddr(settings.DEFAULT_FROM_EMAIL)[1].rpartition("@")[2] or "localhost"
    message_id = f"<{outgoing.key}@{domain}>"
    mail = EmailMultiAlternatives(
        subject=outgoing.subject,
        body=outgoing.text,
        to=[outgoing.to],
        headers={
            "Message-ID": message_id,
            "Auto-Submitted": "auto-generated",
            "X-Auto-Response-Suppress": "All",
        },
    )
    mail.attach_alternative(outgoing.html, "text/html")
    try:
        mail.send()
    except smtplib.SMTPRecipientsRefused as error:
        codes = [code for code, _text in error.recipients.values()]
        permanent = bool(codes) and all(code in PERMANENT for code in codes)
        raise SendError("address refused", is_retryable=not permanent) from None
    except smtplib.SMTPResponseException as error:
        # A 5xx about the session, the sender or the text is ours to mend, so it is tried again.
        raise SendError(f"mail server said {error.smtp_code}", is_retryable=True) from None
    except (smtplib.SMTPException, OSError) as error:
        raise SendError(type(error).__name__, is_retryable=True) from None
    return message_id
