"""A form filled in on paper counts from that day, and alerts like any other."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.core.exceptions import ValidationError

from outcomes import workflows
from outcomes.alerts.models import Alert, AlertState
from outcomes.audit import services as audit
from outcomes.audit.models import SYSTEM, AuditEvent
from outcomes.clinics.models import User
from outcomes.delivery.models import Invitation
from outcomes.responses.models import Mode, QuestionnaireResponse, Score
from outcomes.responses.services import Paper
from outcomes.scheduling.models import Assignment, AssignmentState
from outcomes.workflows import Enrolment, Submission

POSITIVE = {**dict.fromkeys(map(str, range(1, 10)), 0), "9": 1}


@pytest.fixture
def phq9(enrolment: Enrolment, now: datetime) -> Assignment:
    """The patient's open PHQ-9."""
    workflows.invite_due(now=now)
    return Assignment.objects.get(instrument__code="PHQ-9", state="open")


def enter(item: Assignment, user: User, now: datetime, days_ago: int = 0) -> Submission:
    paper = Paper(now - timedelta(days=days_ago), user, is_entered_twice=True)
    return workflows.enter_paper(
        assignment=item, answers=POSITIVE, language="en", paper=paper, now=now
    )


def test_it_counts_from_when_it_was_filled_in(
    phq9: Assignment, clinician: User, now: datetime
) -> None:
    response = enter(phq9, clinician, now, days_ago=2).response

    filled_at = now - timedelta(days=2)
    assert (response.mode, response.started_at) == (Mode.STAFF, None)
    assert (response.submitted_at, response.stored_at) == (filled_at, now)
    assert set(response.answered_at.values()) == {filled_at.isoformat()}
    assert {score.at for score in Score.objects.filter(response=response)} == {filled_at}
    phq9.refresh_from_db()
    assert (phq9.state, phq9.completed_at) == (AssignmentState.COMPLETED, filled_at)
    event = AuditEvent.objects.get(action="response.entered")
    assert event.actor_label == clinician.actor.label
    assert event.data["is_entered_twice"] is True


def test_a_safety_answer_alerts_now(phq9: Assignment, clinician: User, now: datetime) -> None:
    (alert,) = enter(phq9, clinician, now, days_ago=2).alerts
    assert (alert.state, alert.opened_at) == (AlertState.OPEN, now)


def test_what_was_missed_lately_becomes_answered(
    phq9: Assignment, clinician: User, now: datetime
) -> None:
    later = phq9.closes_at + timedelta(days=3)
    workflows.expire_assignments(now=later)
    enter(phq9, clinician, later, days_ago=4)
    phq9.refresh_from_db()
    assert phq9.state == AssignmentState.COMPLETED


def test_what_the_patient_had_begun_gives_way_and_its_alert_stays(
    phq9: Assignment, clinician: User, now: datetime
) -> None:
    workflows.save_answers(
        assignment_id=phq9.pk,
        answers={"9": 3, "1": 3},
        language="en",
        mode=Mode.LINK,
        by=SYSTEM,
        now=now,
    )
    workflows.escalate_due(now=now + timedelta(minutes=11))
    made = enter(phq9, clinician, now + timedelta(hours=1))

    assert made.response.answers["1"] == 0
    alert = Alert.objects.get()
    assert (alert.value, alert.state) == (3, AlertState.OPEN)


def test_nothing_more_is_asked_once_all_is_entered(
    phq9: Assignment, clinician: User, now: datetime
) -> None:
    Invitation.objects.get().assignments.exclude(pk=phq9.pk).update(state="cancelled")
    enter(phq9, clinician, now)
    assert Invitation.objects.get().completed_at == now


def test_what_was_answered_meanwhile_is_refused(
    phq9: Assignment, clinician: User, now: datetime
) -> None:
    enter(phq9, clinician, now)
    with pytest.raises(ValidationError, match="answered meanwhile"):
        enter(phq9, clinician, now)
    assert QuestionnaireResponse.objects.count() == 1


def test_a_day_to_come_is_refused(phq9: Assignment, clinician: User, now: datetime) -> None:
    with pytest.raises(ValidationError, match="still to come"):
        enter(phq9, clinician, now, days_ago=-1)


def test_without_its_audit_row_nothing_is_entered(
    phq9: Assignment, clinician: User, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object) -> None:
        raise RuntimeError("no audit")

    monkeypatch.setattr(audit, "_append", fail)
    with pytest.raises(RuntimeError):
        enter(phq9, clinician, now)

    for model in (QuestionnaireResponse, Score, Alert):
        assert not model.objects.exists()
    phq9.refresh_from_db()
    assert phq9.state == AssignmentState.OPEN
