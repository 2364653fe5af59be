"""A clinician confirms by one score that response is lost, and takes that back."""

from __future__ import annotations

from datetime import datetime

from outcomes.audit import services as audit
from outcomes.clinics.models import User
from outcomes.responses.models import QuestionnaireResponse


@audit.atomic()
def set_loss_confirmed(
    *, response: QuestionnaireResponse, is_confirmed: bool, by_user: User, now: datetime
) -> bool:
    """Note who confirms the loss of response and when, or that it is not; say if that is new."""
    rows = QuestionnaireResponse.objects.final().select_for_update(of=("self",))
    row = rows.only("clinic", "patient", "loss_confirmed_at").get(pk=response.pk)
    if (row.loss_confirmed_at is not None) == is_confirmed:
        return False
    row.loss_confirmed_at = now if is_confirmed else None
    row.loss_confirmed_by = by_user if is_confirmed else None
    row.save(update_fields=["loss_confirmed_at", "loss_confirmed_by"])
    audit.record(
        clinic_id=row.clinic_id,
        by=by_user.actor,
        now=now,
        action="response.loss_confirmed" if is_confirmed else "response.loss_not_confirmed",
        object_type="QuestionnaireResponse",
        object_id=row.pk,
        patient_id=row.patient_id,
    )
    return True
