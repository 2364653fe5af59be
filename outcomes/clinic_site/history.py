"""What was changed in a session's record, read back from the audit record."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db.models import DateTimeField, DecimalField, Field
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _

from outcomes.audit.models import AuditEvent
from outcomes.care.models import TreatmentSession
from outcomes.templatetags.staff import moment

# Columns that say who edited, which the event itself says.
OWN = frozenset({"edited_by", "edited_at", "edit_reason"})


@dataclass(frozen=True, slots=True)
class Step:
    """One entry or edit: who, when, why, and each column before and after."""

    event: AuditEvent
    changes: list[tuple[str, str, str]]


def history_of(session: TreatmentSession) -> list[Step]:
    """Return the entry and the edits of a session, oldest first."""
    events = AuditEvent.objects.filter(
        clinic_id=session.clinic_id,
        patient_id=session.episode.patient_id,
        object_type="TreatmentSession",
        object_id=str(session.pk),
    ).order_by("number")
    return [Step(event, list(_changes(event))) for event in events]


def _changes(event: AuditEvent) -> Iterator[tuple[str, str, str]]:
    for name, (before, after) in event.data.get("changed", {}).items():
        if name not in OWN:
            field = TreatmentSession._meta.get_field(name)
            assert isinstance(field, Field)
            yield str(field.verbose_name), in_words(field, before), in_words(field, after)


def in_words(field: Field[Any, Any], value: Any) -> str:
    """Return a recorded value as people read it; a moment on the current clock, with its zone."""
    if value in (None, "", "None", []):
        return _("empty")
    if isinstance(value, list):
        return "; ".join(_row_in_words(row) for row in value)
    if isinstance(field, DateTimeField):
        return moment(parse_datetime(str(value)))
    if isinstance(field, DecimalField):
        return f"{Decimal(str(value)).normalize():f}"
    labels = dict(field.flatchoices)
    return str(labels.get(value, value))


def _row_in_words(row: Mapping[str, Any]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {cell}" for name, cell in row.items())
