"""Seal contact data at rest, and find it again without opening it.

Keys come from the setting `FIELD_KEYS`: the first seals, all open, so a key is rotated by putting a
new one in front and running `manage.py rotate_keys`. The blind index has a key of its own, which
does not rotate with them.
"""

from __future__ import annotations

import hashlib
import hmac
from functools import lru_cache

from cryptography.fernet import Fernet, MultiFernet
from django.conf import settings


@lru_cache(maxsize=4)
def _fernet(keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(key) for key in keys])


def seal(text: str) -> str:
    """Encrypt text with the newest key."""
    return _fernet(tuple(settings.FIELD_KEYS)).encrypt(text.encode()).decode()


def unseal(sealed: str) -> str:
    """Decrypt what `seal` made with any current key; raises cryptography's InvalidToken."""
    return _fernet(tuple(settings.FIELD_KEYS)).decrypt(sealed.encode()).decode()


def reseal(sealed: str) -> str:
    """Encrypt sealed text again with the newest key."""
    return _fernet(tuple(settings.FIELD_KEYS)).rotate(sealed.encode()).decode()


def blind_index(text: str) -> str:
    """Return a keyed fingerprint by which equal values are found without being readable."""
    return hmac.new(settings.INDEX_KEY.encode(), text.encode(), hashlib.sha256).hexdigest()
