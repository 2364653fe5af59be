"""Questionnaires as data: an instrument, and each exact version of it."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Self, TypeVar
from uuid import UUID

from django.db import models
from django.db.models import Exists, F, OuterRef, Q
from uuid_utils.compat import uuid7

from outcomes.instruments.definition import Definition

Row = TypeVar("Row", bound=models.Model)


class SharedOrOwn(models.QuerySet[Row]):
    """Rows that ship with the product, and those that a clinic made."""

    def visible_to(self, user: Any) -> Self:
        """Keep what ships, and what the clinics made that this actor may enter."""
        # Reached through the key: this room and that of clinics do not import each other.
        clinics: Any = self.model._meta.get_field("clinic").related_model
        return self.filter(Q(clinic=None) | Q(clinic__in=clinics.objects.visible_to(user)))


class InstrumentQuerySet(SharedOrOwn["Instrument"]):
    """Instruments of the library and of clinics."""


class Instrument(models.Model):
    """One questionnaire, e.g. PHQ-9. Without a clinic it belongs to the shipped library."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    clinic = models.ForeignKey(
        "outcomes.Clinic", models.PROTECT, null=True, blank=True, related_name="+"
    )
    code = models.CharField(max_length=40)
    title = models.CharField(max_length=200)

    objects = InstrumentQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["code"], condition=Q(clinic=None), name="instrument_code_once"
            ),
            models.UniqueConstraint(
                fields=["clinic", "code"],
                condition=~Q(clinic=None),
                name="instrument_code_once_per_clinic",
            ),
        ]

    def __str__(self) -> str:
        return self.code


class InstrumentVersionQuerySet(SharedOrOwn["InstrumentVersion"]):
    """Versions, narrowed to the current one of each instrument."""

    def shipped(self) -> Self:
        """Keep the library's current versions."""
        return self.filter(is_current=True, clinic=None)

    def used_by(self, clinic_id: UUID) -> Self:
        """Keep the version of each instrument that a clinic's new assignments use.

        Its own, which has the wording it is licensed for, before the shipped one.
        """
        own = self.model.objects.filter(
            instrument=OuterRef("instrument"), clinic=clinic_id, is_current=True
        )
        is_own = Q(clinic=clinic_id)
        return self.filter(is_current=True).filter(is_own | (Q(clinic=None) & ~Exists(own)))

    def newest_of(self, instrument_id: UUID, clinic_id: UUID) -> InstrumentVersion:
        """Return the version of one instrument that a clinic uses; raises DoesNotExist."""
        own_first = F("clinic").asc(nulls_last=True)
        current = self.filter(instrument=instrument_id, is_current=True)
        found = current.filter(Q(clinic=None) | Q(clinic=clinic_id)).order_by(own_first).first()
        if found is None:
            raise self.model.DoesNotExist
        return found

    def of_code(self, code: str) -> Self:
        """Keep the versions of the instrument with this code."""
        return self.filter(instrument__code=code)


class InstrumentVersion(models.Model):
    """An instrument's exact wording, options and scoring, known by content hash.

    Never edited: another wording is another row. A clinic's own version holds the wording that it
    is licensed to use, with the words in which somebody confirmed that.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    instrument = models.ForeignKey(Instrument, models.PROTECT, related_name="versions")
    clinic = models.ForeignKey(
        "outcomes.Clinic", models.PROTECT, null=True, blank=True, related_name="+"
    )
    version = models.CharField(max_length=20)
    content_hash = models.CharField(max_length=64, db_index=True)
    content: models.JSONField[Any, dict[str, Any]] = models.JSONField()
    is_current = models.BooleanField(default=True)
    licence_statement = models.TextField(blank=True)
    added_by = models.CharField(max_length=254, blank=True)
    created_at = models.DateTimeField()

    objects = InstrumentVersionQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["instrument"],
                condition=Q(is_current=True, clinic=None),
                name="instrument_one_current_version",
            ),
            models.UniqueConstraint(
                fields=["instrument", "clinic"],
                condition=Q(is_current=True) & ~Q(clinic=None),
                name="instrument_one_current_version_per_clinic",
            ),
            models.UniqueConstraint(
                fields=["content_hash"], condition=Q(clinic=None), name="instrument_content_once"
            ),
            models.UniqueConstraint(
                fields=["clinic", "content_hash"],
                condition=~Q(clinic=None),
                name="instrument_content_once_per_clinic",
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
    # Two clinics may hold the same content; the same hash says that it is the same.
    held = InstrumentVersion.objects.filter(content_hash=content_hash)[:1]
    return Definition.from_json(held.get().content)
