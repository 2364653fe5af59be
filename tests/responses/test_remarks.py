"""What a patient adds in their own words: stored once, with what was sent, and as it was typed."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from outcomes import workflows
from outcomes.alerts.models import Alert
from outcomes.audit import services as audit
from outcomes.audit.models import SYSTEM, AuditEvent
from outcomes.responses.models import Mode, QuestionnaireResponse, Remark, ResponseStatus
from outcomes.responses.services import Words, tidied
from outcomes.scheduling.models import Assignment, AssignmentState
from outcomes.workflows import Enrolment, Submission, SubmissionConflict

SITTING = "0b8f6f0e-8c67-4b3f-8a0d-000000000000"
WORDS = "The new tablets make me dizzy.\n\nCan we talk?"


@pytest.fixture
def asked(enrolment: Enrolment, now: datetime) -> list[UUID]:
    """PHQ-9 and GAD-7, asked together."""
    workflows.invite_due(now=now)
    return list(Assignment.objects.filter(state="open").values_list("pk", flat=True))


def send(
    asked: list[UUID], now: datetime, text: str | None = WORDS, sitting_id: str = SITTING
) -> list[Submission]:
    return workflows.submit_sitting(
        sitting={key: {"1": 0} for key in asked},
        sitting_id=sitting_id,
        language="en",
        mode=Mode.LINK,
        by=SYSTEM,
        now=now,
        words=None if text is None else Words(text, "es"),
    )


def test_it_is_one_row_tied_to_all_that_was_sent_with_it(
    asked: list[UUID], enrolment: Enrolment, now: datetime
) -> None:
    made = send(asked, now)
    remark = Remark.objects.get()
    assert (remark.text, remark.language, remark.mode) == (WORDS, "es", Mode.LINK)
    assert (remark.patient, remark.episode) == (enrolment.patient, enrolment.episode)
    assert (remark.clinic_id, remark.written_at) == (enrolment.patient.clinic_id, now)
    assert {row.pk for row in remark.responses.all()} == {row.response.pk for row in made}
    assert len(made) == 2
    assert "dizzy" not in f"{remark} {remark!r} {Words(WORDS, 'en')!r}"


def test_its_audit_row_names_it_and_holds_no_word_of_it(asked: list[UUID], now: datetime) -> None:
    send(asked, now)
    event = AuditEvent.objects.get(action="remark.written")
    remark = Remark.objects.get()
    assert (event.object_type, event.object_id) == ("Remark", str(remark.pk))
    assert (event.patient_id, event.data, event.reason) == (remark.patient_id, {}, "")
    assert "dizzy" not in str(list(AuditEvent.objects.values()))


def test_without_its_audit_row_nothing_is_stored(
    asked: list[UUID], now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object) -> None:
        raise IntegrityError("no audit")

    monkeypatch.setattr(audit, "_append", fail)
    with pytest.raises(IntegrityError):
        send(asked, now)
    assert not Remark.objects.exists()
    assert not QuestionnaireResponse.objects.filter(status=ResponseStatus.FINAL).exists()
    assert not Assignment.objects.filter(state=AssignmentState.COMPLETED).exists()


def test_words_that_cannot_be_stored_keep_the_answers_from_being_sent(
    asked: list[UUID], now: datetime
) -> None:
    for text in ("x" * (Remark.LONGEST + 1), " \x00 \n"):
        with pytest.raises(ValidationError):
            send(asked, now, text)
    assert not QuestionnaireResponse.objects.filter(status=ResponseStatus.FINAL).exists()


def test_sent_twice_it_is_stored_once(asked: list[UUID], now: datetime) -> None:
    send(asked, now)
    again = send(asked, now)
    assert all(row.is_repeat for row in again)
    assert Remark.objects.count() == 1
    assert AuditEvent.objects.filter(action="remark.written").count() == 1


@pytest.mark.parametrize("first", [WORDS, None])
def test_other_words_with_the_same_sending_are_refused_and_the_first_stay(
    asked: list[UUID], now: datetime, first: str | None
) -> None:
    send(asked, now, first)
    with pytest.raises(SubmissionConflict):
        send(asked, now, "Something else")
    assert [row.text for row in Remark.objects.all()] == [WORDS] * (first is not None)


def test_no_words_leave_no_row(asked: list[UUID], now: datetime) -> None:
    send(asked, now, None)
    assert not Remark.objects.exists()
    assert not QuestionnaireResponse.objects.exclude(remark=None).exists()


def test_two_patients_may_have_the_same_number_of_a_sending(
    asked: list[UUID], other_enrolment: Enrolment, now: datetime
) -> None:
    workflows.invite_due(now=now)
    others = Assignment.objects.filter(state="open", clinic=other_enrolment.patient.clinic_id)
    send(asked, now)
    send(list(others.values_list("pk", flat=True)), now)
    assert Remark.objects.count() == 2


def test_the_database_takes_no_second_row_and_no_empty_one(
    asked: list[UUID], now: datetime
) -> None:
    send(asked, now)
    row = Remark.objects.values().get()
    for change in ({}, {"text": "", "submission_id": "other"}):
        values = {key: value for key, value in row.items() if key != "id"} | change
        with pytest.raises(IntegrityError), transaction.atomic():
            Remark.objects.create(**values)


def test_nothing_is_made_of_it(asked: list[UUID], now: datetime) -> None:
    send(asked, now, "I want to die. PHQ-9 item 9 is 3.")
    assert not Alert.objects.exists()


def test_a_correction_keeps_the_words_beside_the_answers(asked: list[UUID], now: datetime) -> None:
    made = send(asked, now)[0].response
    corrected = workflows.correct_response(
        response=made, answers={"1": 1}, reason="Wrong sheet", by=SYSTEM, now=now
    ).response
    assert corrected.remark == Remark.objects.get()


def test_it_goes_with_the_patient(asked: list[UUID], enrolment: Enrolment, now: datetime) -> None:
    send(asked, now)
    QuestionnaireResponse.objects.all().delete()
    assert Remark.objects.exists()
    Assignment.objects.all().delete()
    enrolment.patient.delete()
    assert not Remark.objects.exists()


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("one\r\ntwo\rthree\nfour", "one\ntwo\nthree\nfour"),
        ("\n \ttired\t \r\n", "tired"),
        ("a\x00b\x07c\x1bd\x7fe\x85f\ud800g", "abcdefg"),
        ("tab\there", "tab\there"),
        ("привет, 你好 👩‍👩‍👧 مرحبا", "привет, 你好 👩‍👩‍👧 مرحبا"),
        ("\x00\r\n", ""),
    ],
)
def test_control_characters_and_the_space_around_are_left_out(typed: str, kept: str) -> None:
    assert tidied(typed) == kept
    assert tidied(kept) == kept
