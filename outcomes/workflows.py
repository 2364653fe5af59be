"""The story of the product: one function per clinical event that crosses rooms.

Each is one transaction that calls rooms in order. Who acts (`by`) and when (`now`, aware UTC) come
in from a front door or a task.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db.models import Model, QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from outcomes.alerts import services as alerts
from outcomes.alerts.models import Alert
from outcomes.audit import services as audit
from outcomes.audit.models import Actor
from outcomes.care import services as care
from outcomes.care.models import (
    Channel,
    Contact,
    Course,
    CourseKind,
    EpisodeOfCare,
    Patient,
    SessionStatus,
    TreatmentSession,
)
from outcomes.clinics.models import Clinic, User
from outcomes.delivery import services as delivery
from outcomes.delivery.models import NOT_FOR_ME, Invitation
from outcomes.instruments import scoring
from outcomes.instruments import services as instruments
from outcomes.instruments.models import Instrument, InstrumentVersion
from outcomes.instruments.scoring import ScoreResult
from outcomes.responses import services as responses
from outcomes.responses.models import Mode, QuestionnaireResponse
from outcomes.responses.services import AlreadySubmitted, Answers, Outdated, Rescored
from outcomes.scheduling import services as scheduling
from outcomes.scheduling.models import Assignment, AssignmentState

log = logging.getLogger(__name__)
# One sweep does at most this many rows, so that a task ends well inside its time limit.
AT_MOST = 500

# -- Setting up ----------------------------------------------------------------------------------


@audit.atomic()
def install_library(*, now: datetime) -> tuple[int, int]:
    """Store shipped instruments, their alert rules and shipped schedules; return how many new."""
    added = instruments.install_library(now=now)
    alerts.install_rules()
    return added, scheduling.install_library(now=now)


@audit.atomic()
def add_wording(
    *,
    instrument: Instrument,
    clinic: Clinic,
    language: str,
    wording: Mapping[str, Any],
    licence_statement: str,
    by: Actor,
    now: datetime,
) -> InstrumentVersion:
    """Give a clinic an instrument's words, and plan anew what can now be asked."""
    version = instruments.add_wording(
        instrument=instrument,
        clinic_id=clinic.pk,
        language=language,
        wording=wording,
        licence_statement=licence_statement,
        by=by,
        now=now,
    )
    _plan_anew(clinic)
    return version


@audit.atomic()
def save_own_instrument(
    *, clinic: Clinic, content: Mapping[str, Any], by: Actor, now: datetime
) -> InstrumentVersion:
    """Store a clinic's own instrument with its safety rules."""
    version = instruments.save_own(clinic_id=clinic.pk, content=content, by=by, now=now)
    alerts.install_rules()
    _plan_anew(clinic)
    return version


@audit.atomic()
def retire_instrument(
    *, version: InstrumentVersion, clinic: Clinic, by: Actor, now: datetime
) -> None:
    """Ask a clinic's own version no more, and plan anew what was to be asked.

    Raises ValidationError while patients are being asked it: they would find no words.
    """
    asked = Assignment.objects.filter(clinic=clinic, instrument=version.instrument)
    if count := asked.under_way().answerable_at(now).values("patient").distinct().count():
        message = ngettext(
            "%(n)d patient is being asked it now: retire it once that is answered or over.",
            "%(n)d patients are being asked it now: retire it once that is answered or over.",
            count,
        )
        raise ValidationError(message % {"n": count})
    instruments.retire_own(version=version, by=by, now=now)
    _plan_anew(clinic)


def _plan_anew(clinic: Clinic) -> None:
    under_way = Course.objects.filter(clinic=clinic, ended_at=None)
    scheduling.request_plan(under_way.values_list("pk", flat=True))


def rescore(*, by: Actor, now: datetime, is_dry_run: bool) -> Iterator[Rescored]:
    """Yield every result that the current definitions score otherwise than it is stored.

    Unless it is a dry run, today's scores become the current ones, a batch at a time; the old
    scores stay as they were.
    """
    for outdated in responses.find_outdated(AT_MOST * 20):
        with audit.atomic():
            differing = responses.rescore(outdated, is_dry_run=is_dry_run)
            if not is_dry_run:
                _record_rescoring(outdated, len(differing), by, now)
        yield from differing


def _record_rescoring(outdated: Outdated, differing: int, by: Actor, now: datetime) -> None:
    audit.record(
        clinic_id=outdated.responses[0].clinic_id,
        by=by,
        now=now,
        action="scores.renewed",
        object_type="Score",
        data={
            "instrument": outdated.target.code,
            "scoring_version": scoring.version_of(outdated.target),
            "responses": len(outdated.responses),
            "differing": differing,
        },
    )


# -- Patients ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What enrolling a patient made."""

    patient: Patient
    episode: EpisodeOfCare
    course: Course


@audit.atomic()
def enrol_patient(
    *,
    clinic: Clinic,
    details: Mapping[str, Any],
    contacts: Mapping[Channel, str],
    consents: Iterable[Channel],
    indication: str,
    clinicians: Iterable[User],
    course_kind: CourseKind | str,
    schedule_id: UUID | None,
    sessions_planned_at: Iterable[datetime],
    by: Actor,
    now: datetime,
) -> Enrolment:
    """Enrol a patient: person, contacts, consents, episode, course and planned sessions.

    `details` are columns of Patient. Raises ValidationError naming the field; then nothing is kept.
    """
    if clinic.checks_birth_date and contacts and not details.get("birth_date"):
        raise ValidationError({"birth_date": _("Needed: it is asked before a form opens.")})
    patient = care.create_patient(clinic=clinic, by=by, now=now, **details)
    for channel, value in contacts.items():
        care.set_contact(patient=patient, channel=channel, value=value, by=by, now=now)
    for channel in consents:
        care.record_consent(patient=patient, channel=channel, is_given=True, by=by, now=now)
    episode = care.open_episode(
        patient=patient,
        indication=indication,
        clinicians=clinicians,
        started_on=now.date(),
        by=by,
        now=now,
    )
    course = care.start_course(
        episode=episode, kind=course_kind, schedule_id=schedule_id, started_at=now, by=by, now=now
    )
    for planned_at in sorted(sessions_planned_at):
        record = {"planned_at": planned_at, "status": SessionStatus.PLANNED}
        care.add_session(course=course, record=record, by=by, now=now)
    scheduling.replan(course=course, now=now)
    return Enrolment(patient, episode, course)


@audit.atomic()
def start_course(
    *,
    episode: EpisodeOfCare,
    kind: CourseKind | str,
    schedule_id: UUID | None,
    by: Actor,
    now: datetime,
) -> Course:
    """Begin a new course in an episode; the one before it ends and its plan is withdrawn."""
    before = list(episode.courses.filter(ended_at=None))
    course = care.start_course(
        episode=episode, kind=kind, schedule_id=schedule_id, started_at=now, by=by, now=now
    )
    for old in before:
        scheduling.replan(course=old, now=now)
    scheduling.replan(course=course, now=now)
    return course


@audit.atomic()
def close_episode(*, episode: EpisodeOfCare, by: Actor, now: datetime) -> EpisodeOfCare:
    """End an episode: nothing more is asked, live invitations end."""
    episode = care.close_episode(episode=episode, ended_on=now.date(), by=by, now=now)
    scheduling.withdraw(episode=episode)
    for course in episode.courses.all():
        scheduling.replan(course=course, now=now)
    delivery.revoke_for_patient(patient=episode.patient, reason="episode closed", by=by, now=now)
    return episode


@audit.atomic()
def change_contact(
    *, patient: Patient, channel: Channel, value: str, by: Actor, now: datetime
) -> Contact | None:
    """Change or, with an empty value, forget a contact; links sent to the old one stop working."""
    existing = patient.contacts.filter(channel=channel).first()
    contact: Contact | None = None
    if value:
        normal = care.normalise_contact(channel, value)
        is_same = existing is not None and existing.value == normal
        if existing is not None and is_same and not delivery.is_astray(existing):
            return existing
        contact = care.set_contact(patient=patient, channel=channel, value=value, by=by, now=now)
    elif existing is not None:
        care.remove_contact(contact=existing, by=by, now=now)
    if existing is not None:
        delivery.revoke_for_patient(patient=patient, reason="contact changed", by=by, now=now)
    _invite_again(patient, now)
    return contact


def _invite_again(patient: Patient, now: datetime) -> None:
    # What is open was asked where nobody could answer it: ask where the patient can.
    due = list(Assignment.objects.filter(patient=patient).under_way().answerable_at(now))
    if due and not Invitation.objects.filter(patient=patient).live_at(now).exists():
        invite(patient=patient, assignments=due, reminders_of=due, now=now)


@audit.atomic()
def decide_consent(
    *, patient: Patient, channel: Channel, is_given: bool, by: Actor, now: datetime
) -> None:
    """Record a patient's decision about a channel.

    A withdrawal stops what is under way; a consent asks again what is open.
    """
    care.record_consent(patient=patient, channel=channel, is_given=is_given, by=by, now=now)
    if not is_given:
        delivery.revoke_for_patient(patient=patient, reason="consent withdrawn", by=by, now=now)
    else:
        _invite_again(patient, now)


@audit.atomic()
def change_patient(
    *, patient: Patient, changes: Mapping[str, Any], by: Actor, now: datetime
) -> Patient:
    """Change a patient's details.

    Another time zone re-plans what was not sent. Another birth date opens the links that were
    locked because it did not match.
    """
    before = Patient.objects.get(pk=patient.pk)
    moved = "time_zone" in changes and changes["time_zone"] != before.time_zone
    patient = care.change_patient(patient=patient, changes=changes, by=by, now=now)
    if patient.birth_date != before.birth_date:
        delivery.unlock_for_patient(patient=patient, by=by, now=now)
        _invite_again(patient, now)
    if moved:
        for course in Course.objects.filter(episode__patient=patient, ended_at=None):
            scheduling.replan(course=course, now=now)
    return patient


# -- Sessions ------------------------------------------------------------------------------------


@audit.atomic()
def record_session(
    *,
    course: Course,
    record: Mapping[str, Any],
    by: Actor,
    now: datetime,
    is_confirmed: bool = False,
) -> TreatmentSession:
    """Record a session, planned, held or backdated, and plan the course anew."""
    session = care.add_session(
        course=course, record=record, by=by, now=now, is_confirmed=is_confirmed
    )
    scheduling.replan(course=course, now=now)
    return session


@audit.atomic()
def edit_session(
    *,
    session: TreatmentSession,
    changes: Mapping[str, Any],
    reason: str,
    by: Actor,
    now: datetime,
    is_confirmed: bool = False,
) -> TreatmentSession:
    """Change a session's record, with the reason, and plan the course anew."""
    session = care.edit_session(
        session=session,
        changes=changes,
        reason=reason,
        by=by,
        now=now,
        is_confirmed=is_confirmed,
    )
    scheduling.replan(course=session.course, now=now)
    return session


@audit.atomic()
def move_session(
    *,
    session: TreatmentSession,
    planned_at: datetime,
    reason: str,
    by: Actor,
    now: datetime,
    is_confirmed: bool = False,
) -> TreatmentSession:
    """Plan a session for another time; what hangs on it moves along."""
    session = care.move_session(
        session=session,
        planned_at=planned_at,
        reason=reason,
        by=by,
        now=now,
        is_confirmed=is_confirmed,
    )
    scheduling.replan(course=session.course, now=now)
    return session


@audit.atomic()
def cancel_session(
    *,
    session: TreatmentSession,
    reason: str,
    by: Actor,
    now: datetime,
    status: SessionStatus = SessionStatus.CANCELLED,
) -> TreatmentSession:
    """Record that a planned session does not take place; what hung on it is withdrawn."""
    session = care.cancel_session(session=session, reason=reason, by=by, now=now, status=status)
    scheduling.replan(course=session.course, now=now)
    return session


# -- Asking --------------------------------------------------------------------------------------


def replan_due(*, now: datetime) -> int:
    """Plan every course whose facts have changed; return how many."""
    courses = Course.objects.filter(needs_plan=True).order_by("pk")
    return _sweep(courses, lambda course: scheduling.replan(course=course, now=now))


def invite_due(*, now: datetime) -> int:
    """Ask every patient what is open to them now, in one invitation each; return how many.

    A patient who cannot be reached is asked all the same: staff may hand over a link.
    """
    due = Assignment.objects.planned().filter(
        opens_at__lte=now, closes_at__gt=now, course__needs_plan=False
    )
    patients = Patient.objects.filter(pk__in=due.values("patient")).order_by("pk")
    return _sweep(patients, lambda patient: invite_patient(patient=patient, now=now))


Row = TypeVar("Row", bound=Model)


def _sweep(rows: QuerySet[Row], step: Callable[[Row], object]) -> int:
    # One row that fails must not hold up the others; it is tried again at the next sweep.
    done = 0
    for row in rows[:AT_MOST]:
        try:
            step(row)
            done += 1
        except Exception as error:
            # Only the kind of error: its text may hold a patient's data.
            log.error("%s %s failed: %s", type(row).__name__, row.pk, type(error).__name__)
    return done


@audit.atomic()
def invite_patient(*, patient: Patient, now: datetime) -> Invitation | None:
    """Ask one patient everything that is now open to them; None if nothing new is."""
    Patient.objects.select_for_update().get(pk=patient.pk)
    due = list(Assignment.objects.filter(patient=patient).answerable_at(now))
    new = [item for item in due if item.state == AssignmentState.PLANNED]
    if scheduling.open_due(assignments=new, now=now) == 0:
        return None
    return invite(patient=patient, assignments=due, reminders_of=new, now=now)


@audit.atomic()
def invite(
    *,
    patient: Patient,
    assignments: list[Assignment],
    reminders_of: list[Assignment],
    now: datetime,
) -> Invitation:
    """Make one invitation for these assignments, with its first message and its reminders."""
    invitation = delivery.create_invitation(patient=patient, assignments=assignments, now=now)
    contact = care.reachable_contact(patient, delivery.CHANNELS)
    if contact is not None and _may_send_to(contact):
        channel = contact.channel
        delivery.queue_invitation_message(invitation=invitation, channel=channel, now=now)
        moments = {datetime.fromisoformat(at) for item in reminders_of for at in item.reminders_at}
        for at in sorted(moment for moment in moments if moment > now):
            delivery.queue_reminder(invitation=invitation, channel=channel, at=at, now=now)
    return invitation


def _may_send_to(contact: Contact) -> bool:
    # Without a birth date to check, a link sent to a wrong address would open for a stranger.
    patient = contact.patient
    can_check = patient.birth_date is not None or not patient.clinic.checks_birth_date
    return can_check and not delivery.is_astray(contact)


@audit.atomic()
def hand_over_link(*, patient: Patient, by: Actor, now: datetime) -> str | None:
    """Return an address for what the patient can answer now, without sending it; None if nothing.

    For a patient who is in the clinic or on the telephone.
    """
    due = list(Assignment.objects.filter(patient=patient).answerable_at(now))
    if not due:
        return None
    scheduling.open_due(assignments=due, now=now)
    invitation = delivery.create_invitation(patient=patient, assignments=due, now=now)
    link = delivery.create_link(invitation=invitation, now=now)
    audit.record(
        clinic_id=patient.clinic_id,
        by=by,
        now=now,
        action="link.handed_over",
        object_type="Invitation",
        object_id=invitation.pk,
        patient_id=patient.pk,
    )
    return delivery.address_of(link)


@audit.atomic()
def decline_invitation(*, invitation: Invitation, by: Actor, now: datetime) -> None:
    """End an invitation that reached somebody else, and tell staff through the audit record."""
    delivery.revoke_invitation(invitation=invitation, reason=NOT_FOR_ME, by=by, now=now)


# -- Answering -----------------------------------------------------------------------------------


@audit.atomic()
def save_answers(
    *,
    assignment_id: UUID,
    answers: Answers,
    language: str,
    mode: Mode,
    by: Actor,
    now: datetime,
    revision: int | None = None,
) -> QuestionnaireResponse:
    """Keep answers of an unfinished form, and hold a positive safety answer ready to alert.

    Raises AlreadySubmitted, StaleRevision or AnswerError, and then stores nothing.
    """
    assignment = responses.lock_assignment(assignment_id)
    response = responses.save_answers(
        assignment=assignment,
        answers=answers,
        language=language,
        mode=mode,
        now=now,
        revision=revision,
    )
    _hold_alerts(response, now)
    if assignment.state != AssignmentState.STARTED:
        scheduling.start(assignment=assignment)
        _record_response(response, "response.started", by, now)
    return response


@dataclass(frozen=True, slots=True)
class Submission:
    """A stored response, its result, the alerts it raised, and whether it was stored before."""

    response: QuestionnaireResponse
    result: ScoreResult
    alerts: list[Alert]
    is_repeat: bool


class SubmissionConflict(Exception):
    """Something else was submitted before; the first stays."""


@audit.atomic()
def submit_response(
    *,
    assignment_id: UUID,
    answers: Answers,
    submission_id: str,
    language: str,
    mode: Mode,
    by: Actor,
    now: datetime,
    revision: int | None = None,
) -> Submission:
    """Store a completed questionnaire, its scores and its alerts; stop its reminders.

    Sending the same again (same `submission_id`, same answers) gives the same reply.
    Raises SubmissionConflict when something else was stored first, StaleRevision when answers were
    saved since the sender saw `revision`, AnswerError for a bad answer.
    """
    assignment = responses.lock_assignment(assignment_id)
    try:
        response, result = responses.finalise(
            assignment=assignment,
            answers=answers,
            submission_id=submission_id,
            language=language,
            mode=mode,
            now=now,
            revision=revision,
        )
    except AlreadySubmitted as earlier:
        return _repeat(earlier.response, answers, submission_id, language)
    raised = _raise_alerts(response, result, now)
    scheduling.complete(assignment=assignment, now=now)
    delivery.finish_invitations(assignment=assignment, now=now)
    _record_response(response, "response.submitted", by, now)
    return Submission(response, result, raised, is_repeat=False)


def _record_response(
    response: QuestionnaireResponse,
    action: str,
    by: Actor,
    now: datetime,
    reason: str = "",
    data: dict[str, Any] | None = None,
) -> None:
    audit.record(
        clinic_id=response.clinic_id,
        by=by,
        now=now,
        action=action,
        object_type="QuestionnaireResponse",
        object_id=response.pk,
        patient_id=response.patient_id,
        reason=reason,
        data=data,
    )


def _repeat(
    response: QuestionnaireResponse, answers: Answers, submission_id: str, language: str
) -> Submission:
    definition = response.instrument_version.definition
    sent = (submission_id, language, scoring.prune(definition, answers))
    if sent != (response.submission_id, response.language, response.answers):
        raise SubmissionConflict("This questionnaire was submitted already.")
    result = responses.result_of(response)
    return Submission(response, result, list(response.alerts.all()), is_repeat=True)


def _hold_alerts(response: QuestionnaireResponse, now: datetime) -> None:
    try:
        with audit.atomic():
            hits = responses.safety_of(response)
            alerts.raise_provisional(response=response, hits=hits, now=now)
    except Exception:
        alerts.raise_rule_error(response=response, now=now)


def _raise_alerts(
    response: QuestionnaireResponse, result: ScoreResult, now: datetime
) -> list[Alert]:
    if not alerts.concerns(response, result.safety):
        return []
    # An error in the rules must neither lose the answer nor pass unseen.
    try:
        with audit.atomic():
            return alerts.raise_for(response=response, hits=result.safety, now=now)
    except Exception:
        return [alerts.raise_rule_error(response=response, now=now)]


@audit.atomic()
def submit_sitting(
    *,
    sitting: Mapping[UUID, Answers],
    sitting_id: str,
    language: str,
    mode: Mode,
    by: Actor,
    now: datetime,
    revisions: Mapping[UUID, int] | None = None,
) -> list[Submission]:
    """Store all questionnaires of one sitting together: all of them, or none.

    `revisions` are the numbers the patient last saw, by assignment.
    """
    return [
        submit_response(
            assignment_id=assignment_id,
            answers=answers,
            submission_id=f"{sitting_id}:{assignment_id.hex[-12:]}",
            language=language,
            mode=mode,
            by=by,
            now=now,
            revision=(revisions or {}).get(assignment_id),
        )
        for assignment_id, answers in sorted(sitting.items())
    ]


@audit.atomic()
def correct_response(
    *,
    response: QuestionnaireResponse,
    answers: Answers,
    reason: str,
    by: Actor,
    now: datetime,
) -> Submission:
    """Replace a final response by a corrected version; the old one is kept, with the reason."""
    corrected, result = responses.correct(
        response=response, answers=answers, reason=reason, now=now
    )
    raised = _raise_alerts(corrected, result, now)
    data = {"replaces": str(response.pk)}
    _record_response(corrected, "response.corrected", by, now, reason, data)
    return Submission(corrected, result, raised, is_repeat=False)


# -- Sweeping ------------------------------------------------------------------------------------


def expire_assignments(*, now: datetime) -> int:
    """Close what nobody answered in time; return how many."""
    return scheduling.expire_closed(now=now)


def send_due(*, lane: str, clock: Callable[[], datetime]) -> int:
    """Send the due messages of a lane, one by one, each at the time `clock` then gives.

    Each provider is called outside any transaction. Returns how many were handled.
    """
    done = 0
    while done < AT_MOST and delivery.send_next(lane=lane, now=clock()):
        done += 1
    return done


def escalate_due(*, now: datetime) -> int:
    """Open or escalate every alert whose time has come; return how many."""
    due = Alert.objects.due_at(now).order_by("next_at")
    return _sweep(due, lambda alert: alerts.escalate(alert=alert, now=now))


def view_list(*, clinic: Clinic, page: str, by: Actor, now: datetime) -> None:
    """Record that somebody read a list of the clinic's patients."""
    audit.record(
        clinic_id=clinic.pk,
        by=by,
        now=now,
        action="patients.listed",
        object_type="Clinic",
        object_id=clinic.pk,
        data={"page": page},
    )


def view_patient(*, patient: Patient, page: str, by: Actor, now: datetime) -> None:
    """Record that somebody read a patient's record."""
    audit.record(
        clinic_id=patient.clinic_id,
        by=by,
        now=now,
        action="patient.viewed",
        object_type="Patient",
        object_id=patient.pk,
        patient_id=patient.pk,
        data={"page": page},
    )
