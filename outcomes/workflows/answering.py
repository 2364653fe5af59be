"""Answering: what a patient taps, sends or wrote on paper."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from outcomes.alerts import services as alerts
from outcomes.alerts.models import Alert
from outcomes.audit import services as audit
from outcomes.audit.models import Actor
from outcomes.delivery import services as delivery
from outcomes.delivery.models import Link
from outcomes.instruments import scoring
from outcomes.instruments.scoring import ScoreResult
from outcomes.responses import services as responses
from outcomes.responses.models import Mode, QuestionnaireResponse
from outcomes.responses.services import AlreadySubmitted, Answers, Held, OtherRemark, Paper, Words
from outcomes.scheduling import services as scheduling
from outcomes.scheduling.models import Assignment, AssignmentState
from outcomes.workflows.recording import record
from outcomes.workflows.screener import ask_screener, asks_about_safety


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
    link: Link | None = None,
) -> QuestionnaireResponse:
    """Keep answers of an unfinished form, and hold a positive safety answer ready to alert.

    Through a `link`, only what it asks or has had answered; raises Assignment.DoesNotExist.
    Raises AlreadySubmitted, StaleRevision or AnswerError, and then stores nothing.
    """
    held = _lock(assignment_id, link, now)
    assignment = held.assignment
    response = responses.save_answers(
        held=held,
        answers=answers,
        language=language,
        mode=mode,
        now=now,
        revision=revision,
    )
    _hold_alerts(response, answers, now)
    ask_screener(assignment, response, answers, now)
    if assignment.state != AssignmentState.STARTED:
        scheduling.start(assignment=assignment)
        record(response, "response.started", by, now)
    return response


def _lock(assignment_id: UUID, link: Link | None, now: datetime) -> Held:
    """Return what is answered, locked; raises Assignment.DoesNotExist if no link asks it."""
    held = responses.lock(assignment_id, link.invitation_id if link else None)
    if link and not delivery.asks(link, held.assignment, now):
        raise Assignment.DoesNotExist
    return held


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
    link: Link | None = None,
) -> Submission:
    """Store a completed questionnaire, its scores and its alerts; stop its reminders.

    Through a `link`, only what it asks or has had answered; raises Assignment.DoesNotExist.
    Sending the same again (same `submission_id`, same answers) gives the same reply.
    Raises SubmissionConflict when something else was stored first, StaleRevision when answers were
    saved since the sender saw `revision`, AnswerError for a bad answer.
    """
    held = _lock(assignment_id, link, now)
    assignment = held.assignment
    try:
        response, result = responses.finalise(
            held=held,
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
    ask_screener(assignment, response, answers, now)
    scheduling.complete(assignment=assignment, now=now)
    delivery.finish_invitations(assignment=assignment, now=now)
    record(response, "response.submitted", by, now)
    return Submission(response, result, raised, is_repeat=False)


def _repeat(
    response: QuestionnaireResponse, answers: Answers, submission_id: str, language: str
) -> Submission:
    definition = response.definition
    sent = (submission_id, language, scoring.prune(definition, answers))
    if sent != (response.submission_id, response.language, response.answers):
        raise SubmissionConflict("This questionnaire was submitted already.")
    result = responses.result_of(response)
    return Submission(response, result, list(response.alerts.all()), is_repeat=True)


def _hold_alerts(response: QuestionnaireResponse, answers: Answers, now: datetime) -> None:
    try:
        hits = responses.safety_of(response)
        # Most taps: nothing is positive, and what was before has been closed by its own answer.
        if not hits and not asks_about_safety(response, answers):
            return
        with audit.atomic():
            alerts.raise_provisional(response=response, hits=hits, now=now)
    except Exception:
        alerts.raise_rule_error(response=response, now=now)


def _raise_alerts(
    response: QuestionnaireResponse, result: ScoreResult, now: datetime
) -> list[Alert]:
    # An error in the rules must neither lose the answer nor pass unseen.
    try:
        hits = alerts.hits_of(response, result)
        if not alerts.concerns(response, hits):
            return []
        with audit.atomic():
            return alerts.raise_for(response=response, hits=hits, now=now)
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
    languages: Mapping[UUID, str] | None = None,
    words: Words | None = None,
) -> list[Submission]:
    """Store all questionnaires of one sitting together: all of them, or none.

    `revisions` are the numbers the patient last saw, by assignment; `languages` those of the words,
    where they are not all in `language`; `words` what the patient added of their own. Raises
    SubmissionConflict, too, where the sitting was stored before without these words.
    """
    made = [
        submit_response(
            assignment_id=assignment_id,
            answers=answers,
            submission_id=f"{sitting_id}:{assignment_id.hex[-12:]}",
            language=(languages or {}).get(assignment_id, language),
            mode=mode,
            by=by,
            now=now,
            revision=(revisions or {}).get(assignment_id),
        )
        for assignment_id, answers in sorted(sitting.items())
    ]
    if words is not None and made:
        _store_words(words, made, sitting_id, by, now)
    return made


def _store_words(
    words: Words, made: list[Submission], sitting_id: str, by: Actor, now: datetime
) -> None:
    try:
        remark = responses.store_remark(
            words=words,
            sent=[submission.response for submission in made],
            submission_id=sitting_id,
            now=now,
            is_repeat=all(submission.is_repeat for submission in made),
        )
    except OtherRemark as earlier:
        raise SubmissionConflict(str(earlier)) from None
    if remark is not None:
        record(remark, "remark.written", by, now)


@audit.atomic()
def enter_paper(
    *,
    assignment: Assignment,
    answers: Answers,
    language: str,
    paper: Paper,
    now: datetime,
) -> Submission:
    """Store a questionnaire that was filled in on paper, its scores and its alerts.

    It counts from when it was filled in; an alert opens now. Raises ValidationError where it can
    not be entered, AnswerError for a bad answer.
    """
    held = responses.lock(assignment.pk)
    assignment = held.assignment
    if not Assignment.objects.enterable_at(now).filter(pk=assignment.pk).exists():
        raise ValidationError(_("It cannot be entered now: it may have been answered meanwhile."))
    if paper.filled_at > now:
        raise ValidationError({"filled_on": _("This day is still to come.")})
    response, result = responses.finalise(
        held=held,
        answers=answers,
        submission_id=f"paper:{assignment.pk}",
        language=language,
        mode=Mode.STAFF,
        now=now,
        paper=paper,
    )
    raised = _raise_alerts(response, result, now)
    scheduling.complete(assignment=assignment, now=paper.filled_at)
    delivery.finish_invitations(assignment=assignment, now=now)
    data = {"filled_at": paper.filled_at.isoformat(), "is_entered_twice": paper.is_entered_twice}
    record(response, "response.entered", paper.entered_by.actor, now, data=data)
    return Submission(response, result, raised, is_repeat=False)


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
    record(corrected, "response.corrected", by, now, reason, data)
    return Submission(corrected, result, raised, is_repeat=False)
