"""Write treatment sessions: planned, recorded, edited with a reason, moved, cancelled."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Max
from django.utils.translation import gettext as _

from outcomes.audit import services as audit
from outcomes.audit.models import Actor
from outcomes.care.models import HELD, Course, SessionStatus, TreatmentSession
from outcomes.care.session_record import RecordError, check_rows, implausible


def next_number(course: Course) -> int:
    """Return the number the course's next session takes."""
    return (course.sessions.aggregate(last=Max("number"))["last"] or 0) + 1


@transaction.atomic
def add_session(
    *,
    course: Course,
    record: Mapping[str, Any],
    by: Actor,
    now: datetime,
    is_confirmed: bool = False,
) -> TreatmentSession:
    """Add a planned or held session to a course.

    `record` maps column names to values; the minimum is planned_at and status and, for a held
    session, route, dose_amount and dose_unit. Raises ValidationError by field; implausible values
    are errors until `is_confirmed`.
    """
    session = TreatmentSession(
        clinic_id=course.clinic_id,
        course=course,
        episode_id=course.episode_id,
        entered_by=by.label,
        entered_at=now,
    )
    _apply(session, {"number": next_number(course), **record}, now, is_confirmed)
    session.save(force_insert=True)
    session.refresh_from_db()
    _record(session, by, now, "session.recorded", "", {"record": session.as_record()})
    return session


@transaction.atomic
def edit_session(
    *,
    session: TreatmentSession,
    changes: Mapping[str, Any],
    reason: str,
    by: Actor,
    now: datetime,
    is_confirmed: bool = False,
) -> TreatmentSession:
    """Change a session's record. The reason is required; what stood before goes to the audit."""
    if not reason.strip():
        raise ValidationError({"edit_reason": _("Say why the record is changed.")})
    session = TreatmentSession.objects.select_for_update().get(pk=session.pk)
    before = session.as_record()
    _apply(session, changes, now, is_confirmed)
    session.edited_by, session.edited_at, session.edit_reason = by.label, now, reason.strip()
    session.save()
    session.refresh_from_db()
    after = session.as_record()
    changed = {name: [before[name], after[name]] for name in after if before[name] != after[name]}
    _record(session, by, now, "session.edited", reason, {"changed": changed})
    return session


def move_session(
    *, session: TreatmentSession, planned_at: datetime, reason: str, by: Actor, now: datetime
) -> TreatmentSession:
    """Plan the session for another time; a held session keeps its actual times."""
    changes = {"planned_at": planned_at}
    return edit_session(session=session, changes=changes, reason=reason, by=by, now=now)


def cancel_session(
    *,
    session: TreatmentSession,
    reason: str,
    by: Actor,
    now: datetime,
    status: SessionStatus = SessionStatus.CANCELLED,
) -> TreatmentSession:
    """Record that a planned session does not take place, or that the patient did not come."""
    if session.is_held:
        raise ValidationError({"status": _("A session that was held cannot be cancelled.")})
    changes = {"status": status, "status_reason": reason.strip()}
    return edit_session(session=session, changes=changes, reason=reason, by=by, now=now)


def _apply(
    session: TreatmentSession, record: Mapping[str, Any], now: datetime, is_confirmed: bool
) -> None:
    columns = {field.name for field in session._meta.concrete_fields}
    for name, value in record.items():
        if name not in columns:
            raise ValidationError({name: _("There is no such field in a session record.")})
        setattr(session, name, value)
    if session.status in HELD and session.started_at is None:
        session.started_at = session.planned_at
    session.full_clean()
    _require_treatment(session, now)
    values = {name: getattr(session, name) for name in columns}
    try:
        check_rows(values)
    except RecordError as error:
        raise ValidationError({error.field: error.reason}) from error
    if not is_confirmed:
        # Only what this change touches asks again: an old confirmed value stays confirmed.
        touched = {name: value for name, value in values.items() if name in record}
        touched.setdefault("dose_unit", session.dose_unit)
        if doubts := list(implausible(touched)):
            raise ImplausibleValues(doubts)


class ImplausibleValues(ValidationError):
    """Values to be confirmed: kept as entered once somebody says that they are right."""

    def __init__(self, doubts: list[tuple[str, str]]) -> None:
        by_field: dict[str, list[str]] = {}
        for field, sentence in doubts:
            by_field.setdefault(field, []).append(sentence)
        super().__init__(dict(by_field))


def _require_treatment(session: TreatmentSession, now: datetime) -> None:
    errors: dict[str, str] = {}
    if session.status in HELD:
        if session.at > now:
            errors["status"] = _("A session in the future cannot have been held.")
        for name in ("route", "dose_amount", "dose_unit"):
            if session.route == "device" and name != "route":
                continue
            if getattr(session, name) in (None, ""):
                errors[name] = _("Needed for a session that was held.")
    if session.status == SessionStatus.STOPPED and not session.status_reason:
        errors["status_reason"] = _("Say why the session was stopped.")
    if session.dose_amount is not None and session.dose_amount < 0:
        errors["dose_amount"] = _("A dose cannot be negative.")
    if errors:
        raise ValidationError(errors)


def _record(
    session: TreatmentSession,
    by: Actor,
    now: datetime,
    action: str,
    reason: str,
    data: dict[str, Any],
) -> None:
    audit.record(
        clinic_id=session.clinic_id,
        by=by,
        now=now,
        action=action,
        object_type="TreatmentSession",
        object_id=session.pk,
        patient_id=session.episode.patient_id,
        reason=reason,
        data=data,
    )
