"""Telephone numbers in one form."""

from __future__ import annotations

import phonenumbers
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _


def normalise_phone(value: str) -> str:
    """Return a number as E.164 (+12025550123); raises ValidationError for one that cannot be."""
    try:
        number = phonenumbers.parse(value.strip(), None)
    except phonenumbers.NumberParseException as error:
        raise ValidationError(
            _("Enter the telephone number with its country code, like +1 202 555 0123.")
        ) from error
    if not phonenumbers.is_valid_number(number):
        raise ValidationError(_("This telephone number does not exist."))
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
