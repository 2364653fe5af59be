"""Write treatment sessions: planned, recorded, edited with a reason, moved, cancelled."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Max
from django.utils.translation import gettext as _

from outcomes.audit import services as audit
from outcomes.audit.models import Actor
from outcomes.care.models import HELD, Course, EpisodeOfCare, SessionStatus, TreatmentSession
from outcomes.care.session_record import Facts, RecordError, check_limits, check_rows, doubts


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
    """Change a session's record. The reason is required; what stood before goes to the audit.

    Changes that change nothing write nothing.
    """
    if not reason.strip():
        raise ValidationError({"edit_reason": _("Say why the record is changed.")})
    session = TreatmentSession.objects.select_for_update().get(pk=session.pk)
    before, stood = session.as_record(), _values(session)
    _apply(session, changes, now, is_confirmed)
    if _values(session) == stood:
        return session
    session.edited_by, session.edited_at, session.edit_reason = by.label, now, reason.strip()
    session.save()
    session.refresh_from_db()
    after = session.as_record()
    changed = {name: [before[name], after[name]] for name in after if before[name] != after[name]}
    _record(session, by, now, "session.edited", reason, {"changed": changed})
    return session


@transaction.atomic
def move_session(
    *,
    session: TreatmentSession,
    planned_at: datetime,
    reason: str,
    by: Actor,
    now: datetime,
    is_confirmed: bool = False,
) -> TreatmentSession:
    """Plan a planned session for another time; any other session is refused."""
    _refuse_if(refusal_to_move, session)
    return edit_session(
        session=session,
        changes={"planned_at": planned_at},
        reason=reason,
        by=by,
        now=now,
        is_confirmed=is_confirmed,
    )


@transaction.atomic
def cancel_session(
    *,
    session: TreatmentSession,
    reason: str,
    by: Actor,
    now: datetime,
    status: SessionStatus = SessionStatus.CANCELLED,
) -> TreatmentSession:
    """Record that a planned session does not take place, or that the patient did not come."""
    _refuse_if(refusal_to_cancel, session)
    changes = {"status": status, "status_reason": reason.strip()}
    return edit_session(session=session, changes=changes, reason=reason, by=by, now=now)


def refusal_to_move(session: TreatmentSession) -> str:
    """Return why the session cannot be moved; empty when it can."""
    if session.status == SessionStatus.PLANNED:
        return ""
    status = session.get_status_display()
    return _("Only a planned session can be moved; this one is recorded as “%s”.") % status


def refusal_to_cancel(session: TreatmentSession) -> str:
    """Return why the session cannot be cancelled; empty when it can."""
    if session.status == SessionStatus.PLANNED:
        return ""
    if session.is_held:
        return _("A session that was held cannot be cancelled.")
    status = session.get_status_display()
    return _("Only a planned session can be cancelled; this one is recorded as “%s”.") % status


def _refuse_if(refusal: Callable[[TreatmentSession], str], session: TreatmentSession) -> None:
    # The caller's copy may be older than what somebody else has just recorded.
    if sentence := refusal(TreatmentSession.objects.select_for_update().get(pk=session.pk)):
        raise ValidationError({"status": sentence})


def _apply(
    session: TreatmentSession, record: Mapping[str, Any], now: datetime, is_confirmed: bool
) -> None:
    before = {} if session._state.adding else _values(session)
    for name, value in record.items():
        if name not in _values(session):
            raise ValidationError({name: _("There is no such field in a session record.")})
        setattr(session, name, value)
    if session.status in HELD and session.started_at is None:
        session.started_at = session.planned_at
    try:
        check_limits(_values(session))
        session.full_clean()
        _require_treatment(session, before, now)
        check_rows(_values(session))
    except RecordError as error:
        raise ValidationError({error.field: error.reason}) from error
    if not is_confirmed:
        _ask_about(session, before, now)


def _values(session: TreatmentSession) -> dict[str, Any]:
    return {field.name: getattr(session, field.attname) for field in session._meta.concrete_fields}


def _ask_about(session: TreatmentSession, before: Mapping[str, Any], now: datetime) -> None:
    episode = EpisodeOfCare.objects.select_related("patient", "clinic").get(pk=session.episode_id)
    others = TreatmentSession.objects.filter(course=session.course_id).exclude(pk=session.pk)
    facts = Facts(
        now=now,
        zone=episode.clinic.time_zone,
        born_on=episode.patient.birth_date,
        episode_started_on=episode.started_on,
        highest_number=others.aggregate(last=Max("number"))["last"] or 0,
    )
    # Only what this change makes doubtful is asked about: a confirmed value stays confirmed.
    known = set(doubts(before, facts))
    if asked := [doubt for doubt in doubts(_values(session), facts) if doubt not in known]:
        raise ImplausibleValues(asked)


class ImplausibleValues(ValidationError):
    """Values to be confirmed: kept as entered once somebody says that they are right."""

    def __init__(self, asked: list[tuple[str, str]]) -> None:
        by_field: dict[str, list[str]] = {}
        for field, sentence in asked:
            by_field.setdefault(field, []).append(sentence)
        super().__init__(dict(by_field))


def _require_treatment(session: TreatmentSession, before: Mapping[str, Any], now: datetime) -> None:
    errors: dict[str, str] = {}
    if session.status in HELD:
        if session.at > now:
            errors["status"] = _("A session in the future cannot have been held.")
        for name in ("route", "dose_amount", "dose_unit"):
            if session.route == "device" and name != "route":
                continue
            if getattr(session, name) in (None, ""):
                errors[name] = _("Needed for a session that was held.")
    dose = (session.dose_amount, session.dose_unit)
    is_new_dose = dose != (before.get("dose_amount"), before.get("dose_unit"))
    if session.dose_amount is not None and not session.dose_unit and is_new_dose:
        errors.setdefault("dose_unit", _("Say the unit of the dose."))
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
