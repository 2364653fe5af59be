"""A mail as it lies in the folder of an installation without a mail server."""

from __future__ import annotations

from dataclasses import dataclass
from email.message import EmailMessage

from outcomes.delivery.channels.folder import read_mail
from outcomes.delivery.models import Message


@dataclass(frozen=True, slots=True)
class Mail:
    """The parts of a mail that a page shows."""

    to: str
    sender: str
    subject: str
    text: str

    @classmethod
    def of(cls, message: Message) -> Mail | None:
        """Return the mail a message became; None where it is not in a folder."""
        mail = read_mail(message.provider_ref)
        if not isinstance(mail, EmailMessage):
            return None
        body = mail.get_body(("plain",))
        text = body.get_content() if body else ""
        return cls(str(mail["To"]), str(mail["From"]), str(mail["Subject"]), text)
