"""Write what the patient answered, and its scores."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _

from outcomes.instruments import scoring
from outcomes.instruments.definition import Definition
from outcomes.instruments.models import InstrumentVersion
from outcomes.responses.models import Mode, QuestionnaireResponse, ResponseStatus, Score
from outcomes.scheduling.models import Assignment

Answers = Mapping[str, int | None]


class AlreadySubmitted(Exception):
    """A final response exists; `response` is it, and it stays as it is."""

    def __init__(self, response: QuestionnaireResponse) -> None:
        super().__init__("This questionnaire was submitted already.")
        self.response = response


class StaleRevision(Exception):
    """The answer was changed elsewhere since the sender last saw it; `response` is the newer."""

    def __init__(self, response: QuestionnaireResponse) -> None:
        super().__init__("The answers were changed in another window.")
        self.response = response


def current_response(assignment: Assignment) -> QuestionnaireResponse | None:
    """Return the assignment's response, in progress or final; None before the first answer."""
    return (
        assignment.responses.exclude(status=ResponseStatus.CORRECTED)
        .select_related("instrument_version")
        .defer("instrument_version__content")
        .first()
    )


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


def save_answers(
    *,
    assignment: Assignment,
    answers: Answers,
    language: str,
    mode: Mode,
    now: datetime,
    revision: int | None = None,
) -> QuestionnaireResponse:
    """Store answers of an unfinished form, each the moment it is given; None takes one back.

    `assignment` must be locked by the caller's transaction. `revision` is what the sender last saw:
    another one than stored raises StaleRevision; None means "mine is newest".
    Raises AlreadySubmitted, or scoring.AnswerError naming the item, and then stores nothing.
    """
    response = current_response(assignment) or _begin(assignment, language, mode, now)
    if response.status == ResponseStatus.FINAL:
        raise AlreadySubmitted(response)
    if revision is not None and revision != response.revision:
        raise StaleRevision(response)
    _check_language(response, language)
    merged = {**response.answers, **answers}
    scoring.score(response.instrument_version.definition, merged)
    moment = now.isoformat()
    times = {key: moment for key, value in answers.items() if response.answers.get(key) != value}
    response.answers = merged
    response.answered_at = {**response.answered_at, **times}
    response.language = language
    response.revision += 1
    response.save()
    return response


def finalise(
    *,
    assignment: Assignment,
    answers: Answers,
    submission_id: str,
    language: str,
    mode: Mode,
    now: datetime,
    revision: int | None = None,
) -> tuple[QuestionnaireResponse, scoring.ScoreResult]:
    """Make the assignment's response final with exactly these answers, and store its scores.

    `assignment` must be locked by the caller's transaction; `revision` is as in `save_answers`.
    Raises AlreadySubmitted, StaleRevision or scoring.AnswerError.
    """
    response = current_response(assignment) or _begin(assignment, language, mode, now)
    if response.status == ResponseStatus.FINAL:
        raise AlreadySubmitted(response)
    if revision is not None and revision != response.revision:
        raise StaleRevision(response)
    _check_language(response, language)
    definition = response.instrument_version.definition
    answers = scoring.prune(definition, answers)
    result = scoring.score(definition, answers)
    moment = now.isoformat()
    known = response.answered_at
    response.answered_at = {
        key: known[key] if response.answers.get(key) == value and key in known else moment
        for key, value in answers.items()
        if value is not None
    }
    response.answers = answers
    response.status = ResponseStatus.FINAL
    response.submission_id = submission_id
    response.mode, response.language = mode, language
    response.submitted_at = response.stored_at = now
    response.revision += 1
    response.save()
    store_scores(response, result)
    return response, result


def _check_language(response: QuestionnaireResponse, language: str) -> None:
    # An answer is to words: those of another language were never shown.
    languages = response.instrument_version.definition.languages
    if languages and language not in languages:
        message = _("This questionnaire is worded in %(languages)s only.")
        raise ValidationError({"language": message % {"languages": ", ".join(languages)}})


def store_scores(response: QuestionnaireResponse, result: scoring.ScoreResult) -> list[Score]:
    """Store one row per scale, with its value or the reason why there is none."""
    return Score.objects.bulk_create(scores_of(response, result))


def scores_of(response: QuestionnaireResponse, result: scoring.ScoreResult) -> list[Score]:
    """Return one unsaved row per scale of a final response."""
    return scores_by(response.instrument_version.definition, response, result)


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


def lock_assignment(assignment_id: UUID) -> Assignment:
    """Return the assignment, locked until the transaction ends."""
    return Assignment.objects.select_for_update().get(pk=assignment_id)


def result_of(response: QuestionnaireResponse) -> scoring.ScoreResult:
    """Return what the response's answers score by its own instrument version."""
    return scoring.score(response.instrument_version.definition, response.answers)


def safety_of(response: QuestionnaireResponse) -> tuple[scoring.SafetyHit, ...]:
    """Return the positive safety answers of a response, finished or not."""
    return result_of(response).safety


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
        corrects=response,
        correction_reason=reason.strip(),
    )
    store_scores(corrected, result)
    return corrected, result
