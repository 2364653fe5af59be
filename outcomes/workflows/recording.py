"""The audit row of an event that concerns one row of one patient."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from outcomes.audit import services as audit
from outcomes.audit.models import Actor
from outcomes.delivery.models import (
    Invitation,
    Message,
    RememberedDevice,
)
from outcomes.responses.models import QuestionnaireResponse, Remark


def record(
    row: Invitation | Message | QuestionnaireResponse | Remark | RememberedDevice,
    action: str,
    by: Actor,
    now: datetime,
    reason: str = "",
    data: dict[str, Any] | None = None,
) -> None:
    """Append to the clinic's audit trail what was done to this row, by whom and when."""
    audit.record(
        clinic_id=row.clinic_id,
        by=by,
        now=now,
        action=action,
        object_type=type(row).__name__,
        object_id=row.pk,
        patient_id=row.patient_id,
        reason=reason,
        data=data,
    )
