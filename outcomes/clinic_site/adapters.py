"""How the account library behaves here: no sign-up, and second factors sealed at rest."""

from __future__ import annotations

from allauth.account.adapter import DefaultAccountAdapter
from allauth.mfa.adapter import DefaultMFAAdapter
from django.http import HttpRequest

from outcomes.care.encryption import seal, unseal


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    """Close sign-up: a clinic admin adds members."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Refuse everybody."""
        return False


class MfaAdapter(DefaultMFAAdapter):  # type: ignore[misc]
    """Keep the secrets of second factors sealed in the database."""

    def encrypt(self, text: str) -> str:
        """Seal a secret."""
        return seal(text)

    def decrypt(self, encrypted_text: str) -> str:
        """Open a secret."""
        return unseal(encrypted_text)
