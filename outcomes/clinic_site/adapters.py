"""How the account library behaves here: no sign-up, and second factors sealed at rest."""

from __future__ import annotations

from allauth.account.adapter import DefaultAccountAdapter
from allauth.mfa.adapter import DefaultMFAAdapter
from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse

from outcomes.care.encryption import seal, unseal


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    """Close sign-up: a clinic admin adds members."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Refuse everybody."""
        return False

    def get_reset_password_from_key_url(self, key: str) -> str:
        """Build the address from our own name, never from the one the caller claims."""
        uidb36, _, temp_key = key.partition("-")
        path = reverse("account_reset_password_from_key", args=[uidb36, temp_key])
        return f"{settings.BASE_URL}{path}"


class MfaAdapter(DefaultMFAAdapter):  # type: ignore[misc]
    """Keep the secrets of second factors sealed in the database."""

    def encrypt(self, text: str) -> str:
        """Seal a secret."""
        return seal(text)

    def decrypt(self, encrypted_text: str) -> str:
        """Open a secret."""
        return unseal(encrypted_text)
