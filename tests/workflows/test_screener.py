"""After a positive safety answer the clinic may have the C-SSRS screener asked at once."""

from __future__ import annotations

from datetime import datetime

import pytest

from outcomes import workflows
from outcomes.alerts.models import Alert
from outcomes.audit.models import SYSTEM
from outcomes.clinics.models import Clinic
from outcomes.delivery.models import Invitation
from outcomes.responses.models import Mode
from outcomes.scheduling import services as scheduling
from outcomes.scheduling.models import Assignment, AssignmentState
from outcomes.workflows import Enrolment
from tests.screener import give_screener


@pytest.fixture
def phq9(enrolment: Enrolment, now: datetime) -> Assignment:
    """The patient's open PHQ-9."""
    workflows.invite_due(now=now)
    return Assignment.objects.get(instrument__code="PHQ-9", state="open")


@pytest.fixture
def screening(clinic: Clinic, now: datetime) -> None:
    """The clinic has the words and wants the screener."""
    give_screener(clinic, now)


def save(
    item: Assignment, answers: dict[str, int | None], now: datetime, mode: Mode = Mode.LINK
) -> None:
    workflows.save_answers(
        assignment_id=item.pk, answers=answers, language="en", mode=mode, by=SYSTEM, now=now
    )


def submit(item: Assignment, answers: dict[str, int | None], now: datetime, mode: Mode) -> None:
    workflows.submit_response(
        assignment_id=item.pk,
        answers=answers,
        submission_id=f"test-{item.pk}",
        language="en",
        mode=mode,
        by=SYSTEM,
        now=now,
    )


def screeners() -> list[Assignment]:
    return list(Assignment.objects.filter(instrument__code=workflows.SCREENER))


def test_without_the_setting_nothing_is_added(
    phq9: Assignment, screening: None, clinic: Clinic, now: datetime
) -> None:
    Clinic.objects.update(asks_screener=False)
    save(phq9, {"9": 3}, now)
    submit(phq9, {"9": 3}, now, Mode.LINK)
    assert screeners() == []


def test_without_the_words_nothing_is_added(phq9: Assignment, now: datetime) -> None:
    Clinic.objects.update(asks_screener=True)
    save(phq9, {"9": 3}, now)
    assert screeners() == []
    assert Alert.objects.count() == 1


def test_a_positive_answer_adds_it_once_to_the_same_invitation(
    phq9: Assignment, screening: None, now: datetime
) -> None:
    for value in (1, 3, 2):
        save(phq9, {"9": value}, now)
    submit(phq9, {"9": 2}, now, Mode.LINK)

    (row,) = screeners()
    assert (row.follows, row.state, row.closes_at) == (phq9, "open", phq9.closes_at)
    assert row in Invitation.objects.get().assignments.all()
    assert Invitation.objects.get().completed_at is None


def test_an_answer_below_the_cut_off_adds_nothing(
    phq9: Assignment, screening: None, now: datetime
) -> None:
    save(phq9, {"9": 0, "1": 3}, now)
    assert screeners() == []


def test_it_goes_when_the_answer_is_taken_back_and_comes_again(
    phq9: Assignment, screening: None, now: datetime
) -> None:
    save(phq9, {"9": 1}, now)
    save(phq9, {"9": 0}, now)
    assert [row.state for row in screeners()] == [AssignmentState.CANCELLED]
    save(phq9, {"9": 2}, now)
    assert [row.state for row in screeners()] == [AssignmentState.OPEN]


def test_what_is_begun_stays(phq9: Assignment, screening: None, now: datetime) -> None:
    save(phq9, {"9": 1}, now)
    (row,) = screeners()
    save(row, {"1": 0}, now)
    save(phq9, {"9": 0}, now)
    assert [row.state for row in screeners()] == [AssignmentState.STARTED]


def test_what_staff_enter_asks_the_patient_nothing(
    phq9: Assignment, screening: None, now: datetime
) -> None:
    submit(phq9, {"9": 3}, now, Mode.STAFF)
    assert screeners() == []


def test_its_own_answers_alert_and_ask_nothing_more(
    phq9: Assignment, screening: None, now: datetime
) -> None:
    save(phq9, {"9": 1}, now)
    (row,) = screeners()
    submit(row, {"1": 1, "2": 0, "6": 0}, now, Mode.LINK)

    assert Alert.objects.filter(rule__instrument__code=workflows.SCREENER).count() == 1
    assert len(screeners()) == 1


def test_a_sitting_that_asks_it_anyway_asks_it_once(
    phq9: Assignment, screening: None, now: datetime
) -> None:
    save(phq9, {"9": 1}, now)
    (row,) = screeners()
    Assignment.objects.filter(pk=row.pk).update(follows=None, occurrence=7)
    save(phq9, {"9": 2}, now)
    submit(row, {"1": 0}, now, Mode.LINK)
    submit(phq9, {"9": 2}, now, Mode.LINK)
    assert len(screeners()) == 1


def test_a_new_plan_leaves_it(phq9: Assignment, screening: None, now: datetime) -> None:
    save(phq9, {"9": 1}, now)
    scheduling.replan(course=phq9.course, now=now)
    assert [row.state for row in screeners()] == [AssignmentState.OPEN]


def test_a_fault_in_it_loses_neither_the_answer_nor_the_alert(
    phq9: Assignment, screening: None, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**kwargs: object) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(scheduling, "follow_up", fail)
    save(phq9, {"9": 3}, now)

    assert phq9.responses.get().answers == {"9": 3}
    assert Alert.objects.count() == 1
    assert screeners() == []
