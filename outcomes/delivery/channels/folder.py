"""Mail written to a folder, for an installation without a mail server."""

from __future__ import annotations

import os
from collections.abc import Sequence
from email import message_from_bytes
from email.message import Message as MailMessage
from email.policy import default as default_policy
from pathlib import Path

from django.conf import settings
from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend


class FolderBackend(BaseEmailBackend):
    """Write each mail as one file named after its Message-ID; a resend replaces it."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        """Write the mails and return how many."""
        for mail in email_messages:
            content = mail.message()
            path = path_of(content["Message-ID"])
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            draft = path.with_suffix(f".{os.getpid()}")
            draft.write_bytes(content.as_bytes())
            draft.replace(path)
        return len(email_messages)


def path_of(message_id: str) -> Path:
    """Return where the mail with this Message-ID lies."""
    name = "".join(c for c in message_id.strip("<>").partition("@")[0] if c.isalnum() or c in "-_")
    return Path(settings.MAIL_FOLDER or "") / f"{name}.eml"


def read_mail(message_id: str) -> MailMessage | None:
    """Return the mail with this Message-ID, or None if it is not in the folder."""
    if not settings.MAIL_FOLDER or not message_id:
        return None
    try:
        return message_from_bytes(path_of(message_id).read_bytes(), policy=default_policy)
    except FileNotFoundError:
        return None
