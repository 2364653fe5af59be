"""Tokens of patient links: 256 bits that the database alone cannot make."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from uuid import UUID

from django.conf import settings

from outcomes.audit.models import Actor


def new_nonce() -> str:
    """Return 256 random bits as URL-safe text."""
    return secrets.token_urlsafe(32)


def token_of(link_id: UUID, nonce: str) -> str:
    """Return the link's token: an HMAC under a key kept outside the database.

    The same link always has the same token, so a repeated send carries the same address.
    """
    digest = hmac.new(settings.LINK_KEY.encode(), link_id.bytes + nonce.encode(), hashlib.sha256)
    return base64.urlsafe_b64encode(digest.digest()).rstrip(b"=").decode()


def stop_token_of(message_id: UUID, value_index: str) -> str:
    """Return the token that stops mail to the address this message went to; it opens no form."""
    content = b"stop" + message_id.bytes + value_index.encode()
    digest = hmac.new(settings.LINK_KEY.encode(), content, hashlib.sha256)
    return base64.urlsafe_b64encode(digest.digest()).rstrip(b"=").decode()


def hash_token(token: str) -> str:
    """Return what is stored of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


def link_holder(link_id: UUID) -> Actor:
    """Name whoever answers through a link in the audit record; never by the patient's name."""
    return Actor(kind="patient", id=str(link_id), label="Holder of a patient link")
