"""Seal all contact data and second factors with the newest key."""

from __future__ import annotations

from typing import Any

from allauth.mfa.models import Authenticator
from django.core.management.base import BaseCommand

from outcomes.care.encryption import reseal
from outcomes.care.models import Contact

# Columns of a second factor that hold sealed text.
SEALED = ("secret", "seed")


class Command(BaseCommand):
    """Rotate keys: put a new key in front of FIELD_KEYS, run this, then drop the old key."""

    help = "Seal all contact data and second factors with the first key of FIELD_KEYS."

    def handle(self, *args: Any, **options: Any) -> None:
        """Reseal row by row, so that it may be stopped and run again."""
        contacts = 0
        for contact in Contact.objects.iterator():
            contact.value_sealed = reseal(contact.value_sealed)
            contact.save(update_fields=["value_sealed"])
            contacts += 1
        factors = 0
        for factor in Authenticator.objects.iterator():
            sealed = {name: reseal(factor.data[name]) for name in SEALED if name in factor.data}
            if sealed:
                factor.data = {**factor.data, **sealed}
                factor.save(update_fields=["data"])
                factors += 1
        self.stdout.write(f"Sealed {contacts} contacts and {factors} second factors anew.")
