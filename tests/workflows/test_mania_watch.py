"""The mania watch is on; a clinic may switch it off, and on again."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta

import pytest
from django.db import IntegrityError, transaction

from outcomes import workflows
from outcomes.alerts.models import Alert, AlertReason
from outcomes.audit.models import SYSTEM, AuditEvent
from outcomes.care.models import Course, EpisodeOfCare
from outcomes.clinics.models import Clinic
from outcomes.responses.models import Mode
from outcomes.scheduling.models import Assignment, Schedule
from outcomes.scheduling.services import sending_of
from outcomes.workflows import Enrolment
from tests.instruments.test_services import add_words


@pytest.fixture
def bipolar(enrolment: Enrolment, clinic: Clinic, now: datetime) -> Enrolment:
    """A patient with a bipolar depression in a clinic that has the words of the ASRM."""
    default = Schedule.objects.get(code="ketamine-default", is_current=True)
    EpisodeOfCare.objects.update(indication="bipolar")
    Course.objects.update(schedule=default, needs_plan=True)
    add_words(clinic, "ASRM", now)
    workflows.replan_due(now=now)
    return enrolment


def asked() -> Counter[str]:
    """Count what is ahead of the patient, by questionnaire."""
    ahead = Assignment.objects.filter(state__in=("planned", "open", "started"))
    return Counter(ahead.values_list("instrument__code", flat=True))


def switch(clinic: Clinic, now: datetime, *, on: bool) -> None:
    workflows.change_clinic(clinic=clinic, changes={"watches_mania": on}, by=SYSTEM, now=now)
    workflows.replan_due(now=now)


def test_it_is_on_until_somebody_switches_it_off_and_that_is_recorded(
    bipolar: Enrolment, clinic: Clinic, now: datetime
) -> None:
    before = asked()
    assert before["ASRM"] == before["PHQ-9"] > 0

    switch(clinic, now, on=False)
    assert asked() == before - Counter(ASRM=before["ASRM"])
    assert sending_of(clinic.pk)["ASRM"] == "switched_off"
    event = AuditEvent.objects.get(action="clinic.changed")
    assert event.data == {"watches_mania": ["True", "False"]}

    switch(clinic, now, on=True)
    assert asked() == before
    assert sending_of(clinic.pk)["ASRM"] == "sendable"


def test_another_clinic_goes_on_watching(
    bipolar: Enrolment, other_clinic: Clinic, now: datetime
) -> None:
    before = asked()
    switch(other_clinic, now, on=False)
    assert asked() == before


def test_a_course_that_has_ended_and_asks_on_is_planned_anew_too(
    bipolar: Enrolment, clinic: Clinic, now: datetime
) -> None:
    Course.objects.update(ended_at=now, needs_plan=False)
    workflows.change_clinic(clinic=clinic, changes={"watches_mania": False}, by=SYSTEM, now=now)
    assert Course.objects.get().needs_plan


def test_other_settings_plan_nothing_anew(
    bipolar: Enrolment, clinic: Clinic, now: datetime
) -> None:
    workflows.change_clinic(clinic=clinic, changes={"name": "Other"}, by=SYSTEM, now=now)
    assert not Course.objects.get().needs_plan


def test_what_was_asked_before_can_be_answered_and_alerts(
    bipolar: Enrolment, clinic: Clinic, now: datetime
) -> None:
    workflows.invite_due(now=now)
    switch(clinic, now, on=False)
    item = Assignment.objects.get(instrument__code="ASRM", state="open")
    assert asked()["ASRM"] == 1

    workflows.submit_response(
        assignment_id=item.pk,
        answers=dict.fromkeys("12345", 3),
        submission_id="asrm",
        language="en",
        mode=Mode.LINK,
        by=SYSTEM,
        now=now + timedelta(hours=1),
    )
    assert Alert.objects.get().reason == AlertReason.MANIA


def test_it_is_switched_with_its_audit_event_or_not_at_all(
    bipolar: Enrolment, clinic: Clinic, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise IntegrityError("no audit")

    monkeypatch.setattr("outcomes.audit.services.record", fail)
    with pytest.raises(IntegrityError), transaction.atomic():
        workflows.change_clinic(clinic=clinic, changes={"watches_mania": False}, by=SYSTEM, now=now)

    assert Clinic.objects.get(pk=clinic.pk).watches_mania
    assert not Course.objects.get().needs_plan
