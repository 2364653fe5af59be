"""Building blocks that check the edge: nothing unknown, nothing ambiguous, no echo of a value."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from django.utils.translation import gettext_lazy as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

# Nobody is treated outside these; date arithmetic far outside them overflows.
FIRST_YEAR, LAST_YEAR = 1900, 2199


class Strict(serializers.Serializer[Any]):
    """Refuse fields that do not exist, by name: a misspelt one must not be lost in silence."""

    def to_internal_value(self, data: Any) -> Any:
        """Return the checked values; raises ValidationError naming every unknown field."""
        if isinstance(data, Mapping):
            known = {name for name, field in self.fields.items() if not field.read_only}
            if unknown := [str(name)[:40] for name in data if name not in known]:
                message = [_("There is no such field.")]
                raise serializers.ValidationError(dict.fromkeys(sorted(unknown), message))
        return super().to_internal_value(data)


class Filters(Strict):
    """What a list may be narrowed by; each field's source is the lookup it stands for."""


class Text(serializers.CharField):
    """Text that was sent as text: a number turned into text may lose what it meant."""

    def to_internal_value(self, data: Any) -> str:
        """Return the text without surrounding blanks."""
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class Choice(serializers.ChoiceField):
    """One of a few words; the error lists them and does not repeat what was sent."""

    default_error_messages = {"invalid_choice": _("Must be one of: {words}.")}

    def fail(self, key: str, **values: Any) -> Any:
        """Refuse with the words that are accepted."""
        super().fail(key, words=", ".join(map(str, self.choices)))


class Instant(serializers.DateTimeField):
    """A moment with its offset from UTC; without one it is no moment."""

    default_error_messages = {
        "naive": _("Give the time with its offset from UTC, like 2026-02-05T09:00:00Z."),
        "year": _("Must lie between the years {first} and {last}."),
    }

    def enforce_timezone(self, value: datetime) -> datetime:
        """Return the moment in UTC; raises ValidationError for a naive or impossible one."""
        if value.tzinfo is None:
            self.fail("naive")
        if not FIRST_YEAR <= value.year <= LAST_YEAR:
            self.fail("year", first=FIRST_YEAR, last=LAST_YEAR)
        return value.astimezone(UTC)


@extend_schema_field(OpenApiTypes.NUMBER)
class Number(serializers.Field[float, Any, float, Any]):
    """A JSON number, kept as it came; text and true are not numbers."""

    default_error_messages = {"invalid": _("Must be a number.")}

    def to_internal_value(self, data: Any) -> float:
        """Return the number unchanged."""
        if isinstance(data, bool) or not isinstance(data, int | float) or not math.isfinite(data):
            self.fail("invalid")
        return data

    def to_representation(self, value: float) -> float:
        """Return the number unchanged."""
        return value


@extend_schema_field(OpenApiTypes.DATE)
class DateText(serializers.DateField):
    """A date inside a JSON column, where it is kept as text."""

    def to_internal_value(self, data: Any) -> Any:
        """Return the checked date as text."""
        return super().to_internal_value(data).isoformat()
