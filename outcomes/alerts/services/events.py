"""Append what happened to an alert: who, when, what."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from outcomes.alerts.models import Alert, AlertEvent
from outcomes.audit import services as audit
from outcomes.audit.models import Actor


def note(
    alert: Alert,
    kind: str,
    by: Actor,
    now: datetime,
    data: dict[str, Any] | None = None,
    text: str = "",
) -> None:
    """Append one event to the alert and to the clinic's audit record, which never has the text."""
    AlertEvent.objects.create(
        clinic_id=alert.clinic_id,
        alert=alert,
        at=now,
        kind=kind,
        actor_label=by.label,
        data=data or {},
        note=text,
    )
    audit.record(
        clinic_id=alert.clinic_id,
        by=by,
        now=now,
        action=f"alert.{kind}",
        object_type="Alert",
        object_id=alert.pk,
        patient_id=alert.patient_id,
        data=data,
    )
