"""Questionnaires as data: an instrument, and each exact version of it."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Self

from django.db import models
from uuid_utils.compat import uuid7

from outcomes.instruments.definition import Definition


class Instrument(models.Model):
    """One questionnaire of the library, e.g. PHQ-9; it belongs to no clinic."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    code = models.CharField(max_length=40, unique=True)
    title = models.CharField(max_length=200)

    def __str__(self) -> str:
        return self.code


class InstrumentVersionQuerySet(models.QuerySet["InstrumentVersion"]):
    """Versions, narrowed to the current one of each instrument."""

    def current(self) -> Self:
        """Keep the versions that new assignments use."""
        return self.filter(is_current=True)

    def of_code(self, code: str) -> Self:
        """Keep the versions of the instrument with this code."""
        return self.filter(instrument__code=code)


class InstrumentVersion(models.Model):
    """An instrument's exact wording, options and scoring, known by content hash.

    Never edited: another wording is another row.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    instrument = models.ForeignKey(Instrument, models.PROTECT, related_name="versions")
    version = models.CharField(max_length=20)
    content_hash = models.CharField(max_length=64, unique=True)
    content: models.JSONField[Any, dict[str, Any]] = models.JSONField()
    is_current = models.BooleanField(default=True)
    created_at = models.DateTimeField()

    objects = InstrumentVersionQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["instrument"],
                condition=models.Q(is_current=True),
                name="instrument_one_current_version",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.instrument} {self.version}"

    @property
    def definition(self) -> Definition:
        """Return the parsed content."""
        return definition_of(self.content_hash)


@lru_cache(maxsize=512)
def definition_of(content_hash: str) -> Definition:
    """Return the parsed definition with this hash; cached, for a hash never changes its content.

    Raises InstrumentVersion.DoesNotExist.
    """
    content = InstrumentVersion.objects.values_list("content", flat=True)
    return Definition.from_json(content.get(content_hash=content_hash))
