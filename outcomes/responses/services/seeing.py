"""Staff say that they have seen answers, and the patient is told when."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from outcomes.audit import services as audit
from outcomes.care.models import Patient
from outcomes.clinics.models import User
from outcomes.responses.models import Mode, QuestionnaireResponse

# One sitting has no more questionnaires than this.
MOST_AT_ONCE = 20


@audit.atomic()
def mark_seen(*, responses: Collection[UUID], by_user: User, now: datetime) -> int:
    """Note who has seen these answers and when; return how many nobody had seen before.

    It acknowledges no alert.
    """
    rows = QuestionnaireResponse.objects.unseen().filter(pk__in=responses).order_by("pk")
    unseen = list(rows.select_for_update(of=("self",)).only("clinic", "patient"))
    keys = [row.pk for row in unseen]
    QuestionnaireResponse.objects.filter(pk__in=keys).update(seen_at=now, seen_by=by_user)
    for row in unseen:
        audit.record(
            clinic_id=row.clinic_id,
            by=by_user.actor,
            now=now,
            action="response.seen",
            object_type="QuestionnaireResponse",
            object_id=row.pk,
            patient_id=row.patient_id,
        )
    return len(unseen)


def last_seen_on(patient: Patient) -> date | None:
    """Return the day on the patient's clock when all they sent last had been seen; None before."""
    own = QuestionnaireResponse.objects.final().filter(patient=patient)
    sent = own.filter(mode__in=(Mode.LINK, Mode.KIOSK)).order_by("-submitted_at")
    times = list(sent.values_list("submitted_at", "seen_at")[:MOST_AT_ONCE])
    seen = [seen_at for submitted_at, seen_at in times if submitted_at == times[0][0]]
    moments = [moment for moment in seen if moment is not None]
    if not moments or len(moments) < len(seen):
        return None
    return max(moments).astimezone(ZoneInfo(patient.time_zone)).date()
