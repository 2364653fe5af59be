"""Answers: kept the moment they are given, final once, corrected with a reason."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from outcomes import workflows
from outcomes.alerts.models import Alert
from outcomes.audit.models import SYSTEM, AuditEvent
from outcomes.clinics.models import User
from outcomes.instruments.scoring import AnswerError, version_of
from outcomes.responses.models import Mode, QuestionnaireResponse, ResponseStatus, Score
from outcomes.responses.services import AlreadySubmitted, StaleRevision
from outcomes.scheduling.models import Assignment
from outcomes.workflows import Enrolment, Submission, SubmissionConflict

ANSWERS = dict.fromkeys(map(str, range(1, 10)), 1)


@pytest.fixture
def item(enrolment: Enrolment, now: datetime) -> Assignment:
    workflows.invite_due(now=now)
    return Assignment.objects.get(instrument__code="PHQ-9", state="open")


def save(
    item: Assignment, answers: dict[str, int | None], now: datetime, revision: int | None = None
) -> QuestionnaireResponse:
    return workflows.save_answers(
        assignment_id=item.pk,
        answers=answers,
        language="en",
        mode=Mode.LINK,
        by=SYSTEM,
        now=now,
        revision=revision,
    )


def submit(
    item: Assignment, answers: dict[str, int | None], now: datetime, key: str = "one"
) -> Submission:
    return workflows.submit_response(
        assignment_id=item.pk,
        answers=answers,
        submission_id=key,
        language="en",
        mode=Mode.LINK,
        by=SYSTEM,
        now=now,
    )


def test_each_tap_adds_to_what_was_saved(item: Assignment, now: datetime) -> None:
    save(item, {"1": 2}, now)
    response = save(item, {"2": 3}, now + timedelta(seconds=5))

    assert response.answers == {"1": 2, "2": 3}
    assert response.revision == 2
    assert response.answered_at["2"] == (now + timedelta(seconds=5)).isoformat()
    item.refresh_from_db()
    assert item.state == "started"


def test_the_time_of_an_answer_is_when_it_last_changed(item: Assignment, now: datetime) -> None:
    save(item, {"1": 2}, now)
    response = save(item, {"1": 2}, now + timedelta(seconds=5))

    assert response.answered_at["1"] == now.isoformat()


def test_an_older_window_does_not_overwrite_a_newer(item: Assignment, now: datetime) -> None:
    save(item, {"1": 2}, now)
    save(item, {"1": 3}, now)

    with pytest.raises(StaleRevision):
        save(item, {"1": 0}, now, revision=1)
    assert QuestionnaireResponse.objects.get().answers == {"1": 3}


def test_two_windows_that_answer_different_questions_do_not_meet(
    item: Assignment, now: datetime
) -> None:
    save(item, {"1": 2}, now, revision=0)
    response = save(item, {"2": 3}, now, revision=0)

    assert response.answers == {"1": 2, "2": 3}
    with pytest.raises(StaleRevision) as caught:
        save(item, {"3": 1, "1": 0}, now, revision=0)
    assert (caught.value.refused, caught.value.stored) == ({"1": 0}, {"1": 2})
    assert save(item, {"3": 1, "1": 0}, now, revision=1).answers == {"1": 0, "2": 3, "3": 1}


def test_what_is_stored_already_is_no_conflict_and_no_change(
    item: Assignment, now: datetime
) -> None:
    save(item, {"1": 2}, now)
    response = save(item, {"1": 2}, now + timedelta(seconds=5), revision=0)

    assert response.revision == 1
    assert response.changed_in == {"1": 1}


def test_a_question_skipped_elsewhere_is_a_conflict_too(item: Assignment, now: datetime) -> None:
    save(item, {"1": None}, now, revision=0)

    with pytest.raises(StaleRevision):
        save(item, {"1": 2}, now, revision=0)


@pytest.mark.parametrize(
    "answers", [{"1": 4}, {"1": -1}, {"11": 0}, {"1": True}, {"1": 1.0}, {"1": "1"}]
)
def test_a_bad_answer_is_refused_and_nothing_is_stored(
    item: Assignment, now: datetime, answers: dict[str, int | None]
) -> None:
    with pytest.raises(AnswerError):
        save(item, answers, now)
    with pytest.raises(AnswerError):
        submit(item, answers, now)

    assert not QuestionnaireResponse.objects.exists()
    item.refresh_from_db()
    assert item.state == "open"


def test_a_submission_stores_answers_score_version_and_hash(
    item: Assignment, now: datetime
) -> None:
    submit(item, ANSWERS, now)

    response = QuestionnaireResponse.objects.get()
    score = Score.objects.get(scale="total")
    assert response.answers == {**ANSWERS, "10": None}
    assert response.content_hash == response.instrument_version.content_hash
    assert (score.value, score.band, score.scoring_version) == (
        9,
        "mild",
        version_of(score.response.instrument_version.definition),
    )


def test_the_same_submission_again_gives_the_same_reply(item: Assignment, now: datetime) -> None:
    first = submit(item, ANSWERS, now)
    again = submit(item, ANSWERS, now + timedelta(minutes=1))

    assert again.is_repeat
    assert again.response == first.response
    assert again.result == first.result
    assert (Score.objects.filter(scale="total").count(), Alert.objects.count()) == (1, 1)


@pytest.mark.parametrize(("answers", "key"), [({**ANSWERS, "1": 0}, "one"), (ANSWERS, "two")])
def test_a_different_submission_is_refused_and_the_first_kept(
    item: Assignment, now: datetime, answers: dict[str, int | None], key: str
) -> None:
    submit(item, ANSWERS, now)

    with pytest.raises(SubmissionConflict):
        submit(item, answers, now, key)
    assert QuestionnaireResponse.objects.get().answers["1"] == 1


def test_nothing_is_saved_after_the_submission(item: Assignment, now: datetime) -> None:
    submit(item, ANSWERS, now)

    with pytest.raises(AlreadySubmitted):
        save(item, {"1": 0}, now)


def test_an_incomplete_form_is_kept_without_a_total(item: Assignment, now: datetime) -> None:
    submit(item, {**ANSWERS, "3": None}, now)

    score = Score.objects.get(scale="total")
    assert score.value is None
    assert score.missing_reason


def test_the_database_refuses_two_current_responses(item: Assignment, now: datetime) -> None:
    submit(item, ANSWERS, now)
    response = QuestionnaireResponse.objects.get()
    response.pk, response.submission_id = None, "another"  # type: ignore[assignment]

    with pytest.raises(IntegrityError), transaction.atomic():
        response.save(force_insert=True)


def test_a_correction_needs_a_reason(item: Assignment, clinician: User, now: datetime) -> None:
    response = submit(item, ANSWERS, now).response

    with pytest.raises(ValidationError, match="why"):
        workflows.correct_response(
            response=response, answers=ANSWERS, reason=" ", by=clinician.actor, now=now
        )


def test_a_correction_keeps_the_old_version_and_scores_the_new(
    item: Assignment, clinician: User, now: datetime
) -> None:
    response = submit(item, ANSWERS, now).response

    corrected = workflows.correct_response(
        response=response,
        answers={**ANSWERS, "1": 3},
        reason="Misread on paper",
        by=clinician.actor,
        now=now + timedelta(days=1),
    ).response

    response.refresh_from_db()
    assert response.status == ResponseStatus.CORRECTED
    assert response.answers["1"] == 1
    assert corrected.corrects == response
    assert corrected.submitted_at == response.submitted_at
    assert [score.value for score in Score.objects.current().filter(scale="total")] == [11]
    assert Score.objects.filter(scale="total").count() == 2
    event = AuditEvent.objects.get(action="response.corrected")
    assert event.reason == "Misread on paper"


def test_a_sitting_is_stored_whole_or_not_at_all(
    item: Assignment, enrolment: Enrolment, now: datetime
) -> None:
    other = Assignment.objects.get(instrument__code="GAD-7", state="open")
    sitting = {item.pk: ANSWERS, other.pk: {"1": 9}}

    with pytest.raises(AnswerError):
        workflows.submit_sitting(
            sitting=sitting, sitting_id="s", language="en", mode=Mode.LINK, by=SYSTEM, now=now
        )

    assert not QuestionnaireResponse.objects.exists()
    assert not Alert.objects.exists()


def test_a_submission_older_than_the_last_tap_is_refused(item: Assignment, now: datetime) -> None:
    save(item, {"1": 1}, now)
    save(item, {"9": 3}, now)

    with pytest.raises(StaleRevision) as caught:
        workflows.submit_response(
            assignment_id=item.pk,
            answers={"1": 1},
            submission_id="x",
            language="en",
            mode=Mode.LINK,
            by=SYSTEM,
            now=now,
            revision=1,
        )
    assert (caught.value.refused, caught.value.stored) == ({"9": None}, {"9": 3})
    assert QuestionnaireResponse.objects.get().answers == {"1": 1, "9": 3}


def test_a_submission_of_just_what_is_stored_was_seen(item: Assignment, now: datetime) -> None:
    save(item, ANSWERS, now)

    submission = workflows.submit_response(
        assignment_id=item.pk,
        answers=ANSWERS,
        submission_id="x",
        language="en",
        mode=Mode.LINK,
        by=SYSTEM,
        now=now,
        revision=0,
    )
    assert submission.response.answers == {**ANSWERS, "10": None}
