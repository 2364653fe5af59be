"""Write what the patient answered, and its scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _

from outcomes.clinics.models import User
from outcomes.instruments import scoring
from outcomes.instruments.definition import Definition
from outcomes.instruments.models import InstrumentVersion
from outcomes.responses.models import (
    Mode,
    QuestionnaireResponse,
    ResponseQuerySet,
    ResponseStatus,
    Score,
)
from outcomes.scheduling.models import NOT_BEGUN, Assignment

Answers = Mapping[str, int | None]


@dataclass(frozen=True, slots=True)
class Paper:
    """A form filled in on paper: when, who copies it, and whether they did so twice."""

    filled_at: datetime
    entered_by: User
    is_entered_twice: bool = False


class AlreadySubmitted(Exception):
    """A final response exists; `response` is it, and it stays as it is."""

    def __init__(self, response: QuestionnaireResponse) -> None:
        super().__init__("This questionnaire was submitted already.")
        self.response = response


class StaleRevision(Exception):
    """The answer was changed elsewhere since the sender last saw it; `response` is the newer.

    `refused` are the answers that met another one, and `stored` is what stands in their place.
    """

    def __init__(self, response: QuestionnaireResponse, refused: Answers) -> None:
        super().__init__("The answers were changed in another window.")
        self.response = response
        self.refused = refused
        self.stored = {key: response.answers.get(key) for key in refused}


@dataclass(frozen=True, slots=True)
class Held:
    """An assignment locked to be answered, and its response; None before the first answer."""

    assignment: Assignment
    response: QuestionnaireResponse | None


def current_response(assignment: Assignment) -> QuestionnaireResponse | None:
    """Return the assignment's response, in progress or final; None before the first answer."""
    return (
        assignment.responses.exclude(status=ResponseStatus.CORRECTED)
        .select_related("instrument_version")
        .defer("instrument_version__content")
        .first()
    )


# What a tap needs of both rows; the rest is read when asked for.
READ = (
    *("clinic", "patient", "episode", "instrument_version", "content_hash", "submission_id"),
    *("status", "mode", "language", "answers", "answered_at", "changed_in", "revision"),
    *("submitted_at", "assignment__clinic", "assignment__instrument", "assignment__course"),
    *("assignment__state", "assignment__opens_at", "assignment__closes_at"),
)


def lock(assignment_id: UUID, invitation_id: UUID | None = None) -> Held:
    """Return the assignment and its response, both locked until the transaction ends.

    With an invitation, only what it asks; raises Assignment.DoesNotExist.
    """
    current = QuestionnaireResponse.objects.filter(
        assignment=assignment_id, status__in=(ResponseStatus.IN_PROGRESS, ResponseStatus.FINAL)
    )
    # One query where an answer was saved before, so for every tap but the first.
    if begun := _lock_begun(current, invitation_id):
        return begun
    assignments = Assignment.objects.filter(pk=assignment_id)
    if invitation_id is not None:
        assignments = assignments.filter(invitations=invitation_id)
    assignment = assignments.select_for_update(of=("self",)).get()
    # Another window may have begun it while this one waited: the locked row tells.
    is_begun = assignment.state not in NOT_BEGUN
    return (is_begun and _lock_begun(current, invitation_id)) or Held(assignment, None)


def _lock_begun(current: ResponseQuerySet, invitation_id: UUID | None) -> Held | None:
    # Both rows: whoever had to wait gets both as the one before has left them.
    rows = current.select_related("assignment").select_for_update(of=("assignment", "self"))
    if invitation_id is not None:
        rows = rows.filter(assignment__invitations=invitation_id)
    for response in rows.only(*READ)[:1]:
        assert response.assignment is not None
        return Held(response.assignment, response)
    return None


def _begin(
    assignment: Assignment, language: str, mode: Mode, now: datetime
) -> QuestionnaireResponse:
    # The content is read once in a process, by its hash.
    versions = InstrumentVersion.objects.defer("content")
    version = versions.newest_of(assignment.instrument_id, assignment.clinic_id)
    return QuestionnaireResponse(
        clinic_id=assignment.clinic_id,
        patient_id=assignment.patient_id,
        episode_id=assignment.episode_id,
        assignment=assignment,
        instrument_version=version,
        content_hash=version.content_hash,
        status=ResponseStatus.IN_PROGRESS,
        mode=mode,
        language=language,
        started_at=now,
        stored_at=now,
        submission_id=f"assignment:{assignment.pk}",
    )


# What a further tap changes.
SAVED = ("answers", "answered_at", "changed_in", "language", "revision")


def save_answers(
    *,
    held: Held,
    answers: Answers,
    language: str,
    mode: Mode,
    now: datetime,
    revision: int | None = None,
) -> QuestionnaireResponse:
    """Store answers of an unfinished form, each the moment it is given; None takes one back.

    `held` is locked by the caller's transaction. `revision` is the one in which the
    sender saw these answers: StaleRevision is raised where one of them was changed since; None
    means "mine are newest". What is stored already, sent again, is no conflict and no change.
    Raises AlreadySubmitted, or scoring.AnswerError naming the item, and then stores nothing.
    """
    response = held.response or _begin(held.assignment, language, mode, now)
    if response.status == ResponseStatus.FINAL:
        raise AlreadySubmitted(response)
    _check_language(response, language)
    merged = {**response.answers, **answers}
    scoring.checked(response.definition, merged)
    changed = dict(answers.items() - response.answers.items())
    if not changed and not response._state.adding:
        return response
    seen = response.revision if revision is None else revision
    unseen = {key: changed[key] for key in changed if response.changed_in.get(key, 0) > seen}
    if unseen:
        raise StaleRevision(response, unseen)
    moment = now.isoformat()
    times = {key: moment for key, value in changed.items() if response.answers.get(key) != value}
    response.answers = merged
    response.answered_at = {**response.answered_at, **times}
    response.language = language
    response.revision += 1
    response.changed_in = {**response.changed_in, **dict.fromkeys(changed, response.revision)}
    is_first = response._state.adding
    response.save(force_insert=is_first, update_fields=None if is_first else SAVED)
    return response


def finalise(
    *,
    held: Held,
    answers: Answers,
    submission_id: str,
    language: str,
    mode: Mode,
    now: datetime,
    revision: int | None = None,
    paper: Paper | None = None,
) -> tuple[QuestionnaireResponse, scoring.ScoreResult]:
    """Make the assignment's response final with exactly these answers, and store its scores.

    `held` is locked by the caller's transaction. `revision` is the one in which the
    sender saw all of it: StaleRevision is raised where anything unseen was stored since. What was
    filled in on `paper` counts from then, and takes the place of what was saved before.
    Raises AlreadySubmitted, StaleRevision or scoring.AnswerError.
    """
    response = held.response or _begin(held.assignment, language, mode, now)
    if response.status == ResponseStatus.FINAL:
        raise AlreadySubmitted(response)
    _check_language(response, language)
    definition = response.definition
    answers = scoring.prune(definition, answers)
    is_newest = revision is None or revision == response.revision
    # The same as stored was seen, whichever revision it was seen in.
    if not is_newest and answers != scoring.prune(definition, response.answers):
        differs = {
            key: answers[key] for key in answers if response.answers.get(key) != answers[key]
        }
        raise StaleRevision(response, differs)
    result = scoring.score(definition, answers)
    at, known = now, response.answered_at
    if paper is not None:
        at, known, response.started_at = paper.filled_at, {}, None
        response.entered_by = paper.entered_by
        response.is_entered_twice = paper.is_entered_twice
    moment = at.isoformat()
    response.answered_at = {
        key: known[key] if response.answers.get(key) == value and key in known else moment
        for key, value in answers.items()
        if value is not None
    }
    response.answers = answers
    response.status = ResponseStatus.FINAL
    response.submission_id = submission_id
    response.mode, response.language = mode, language
    response.submitted_at, response.stored_at = at, now
    response.revision += 1
    response.save()
    store_scores(response, result)
    return response, result


def _check_language(response: QuestionnaireResponse, language: str) -> None:
    # An answer is to words: those of another language were never shown.
    languages = response.definition.languages
    if languages and language not in languages:
        message = _("This questionnaire is worded in %(languages)s only.")
        raise ValidationError({"language": message % {"languages": ", ".join(languages)}})


def store_scores(response: QuestionnaireResponse, result: scoring.ScoreResult) -> list[Score]:
    """Store one row per scale, with its value or the reason why there is none."""
    return Score.objects.bulk_create(scores_of(response, result))


def scores_of(response: QuestionnaireResponse, result: scoring.ScoreResult) -> list[Score]:
    """Return one unsaved row per scale of a final response."""
    return scores_by(response.definition, response, result)


def scores_by(
    definition: Definition, response: QuestionnaireResponse, result: scoring.ScoreResult
) -> list[Score]:
    """Return one unsaved row per result that a definition gives a final response."""
    assert response.submitted_at is not None
    version = scoring.version_of(definition)
    return [
        Score(
            clinic_id=response.clinic_id,
            response=response,
            patient_id=response.patient_id,
            episode_id=response.episode_id,
            instrument_code=definition.code,
            scale=code,
            value=score.value,
            standard_error=score.standard_error,
            band=score.band or "",
            is_prorated=score.prorated,
            missing_reason=score.reason,
            scoring_version=version,
            at=response.submitted_at,
        )
        for code, score in result.scores.items()
    ]


def result_of(response: QuestionnaireResponse) -> scoring.ScoreResult:
    """Return what the response's answers score by its own instrument version."""
    return scoring.score(response.definition, response.answers)


def safety_of(response: QuestionnaireResponse) -> tuple[scoring.SafetyHit, ...]:
    """Return the positive safety answers of a response, finished or not."""
    return scoring.safety(response.definition, response.answers)


@transaction.atomic
def correct(
    *, response: QuestionnaireResponse, answers: Answers, reason: str, now: datetime
) -> tuple[QuestionnaireResponse, scoring.ScoreResult]:
    """Replace a final response by a new version with these answers; the old one stays readable.

    Raises ValidationError without a reason, scoring.AnswerError for a bad answer.
    """
    if not reason.strip():
        raise ValidationError({"reason": _("Say why the answers are corrected.")})
    response = QuestionnaireResponse.objects.select_for_update(of=("self",)).get(pk=response.pk)
    if response.status != ResponseStatus.FINAL:
        raise ValidationError(_("Only a final response can be corrected."))
    definition = response.instrument_version.definition
    answers = scoring.prune(definition, answers)
    result = scoring.score(definition, answers)
    response.status = ResponseStatus.CORRECTED
    response.save(update_fields=["status"])
    corrected = QuestionnaireResponse.objects.create(
        clinic_id=response.clinic_id,
        patient_id=response.patient_id,
        episode_id=response.episode_id,
        assignment_id=response.assignment_id,
        instrument_version=response.instrument_version,
        content_hash=response.content_hash,
        status=ResponseStatus.FINAL,
        mode=response.mode,
        language=response.language,
        answers=answers,
        answered_at=response.answered_at,
        revision=response.revision + 1,
        started_at=response.started_at,
        submitted_at=response.submitted_at,
        stored_at=now,
        submission_id=f"correction:{response.pk}",
        entered_by_id=response.entered_by_id,
        remark_id=response.remark_id,
        corrects=response,
        correction_reason=reason.strip(),
    )
    store_scores(corrected, result)
    return corrected, result
