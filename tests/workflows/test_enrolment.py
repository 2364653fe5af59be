"""Enrolling: everything, or nothing."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import pytest
from django.apps import apps
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from outcomes import workflows
from outcomes.care.models import Channel, Course, Patient, TreatmentSession
from outcomes.clinics.models import Clinic, User
from outcomes.delivery.models import Invitation
from outcomes.scheduling.models import Assignment, Schedule
from outcomes.workflows import Enrolment

BORN = date(1990, 1, 1)


def enrol(clinic: Clinic, clinician: User, now: datetime, **changes: Any) -> Enrolment:
    return workflows.enrol_patient(
        **{
            "clinic": clinic,
            "details": {"given_name": "Kim", "record_number": "7", "birth_date": BORN},
            "contacts": {Channel.EMAIL: "kim@patient.example"},
            "consents": [Channel.EMAIL],
            "indication": "depression",
            "clinicians": [clinician],
            "course_kind": "induction",
            "schedule_id": Schedule.objects.get(code="ketamine-default").pk,
            "sessions_planned_at": [now + timedelta(days=2)],
            "by": clinician.actor,
            "now": now,
            **changes,
        }
    )


def counts() -> dict[str, int]:
    return {
        model.__name__: model.objects.count()
        for model in apps.get_app_config("outcomes").get_models()
    }


def test_one_call_makes_the_patient_the_course_and_the_plan(
    clinic: Clinic, clinician: User, now: datetime
) -> None:
    made = enrol(clinic, clinician, now)

    assert made.patient.name == "Kim"
    assert TreatmentSession.objects.get().number == 1
    assert Assignment.objects.filter(rule_code="baseline").count() == 2
    assert not Course.objects.get().needs_plan


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"details": {"given_name": "", "birth_date": BORN}}, "given_name"),
        (
            {"details": {"given_name": "Kim", "birth_date": BORN, "time_zone": "Mars/Base"}},
            "time_zone",
        ),
        ({"details": {"given_name": "Kim", "birth_date": BORN, "language": "xx"}}, "language"),
        ({"details": {"given_name": "Kim"}}, "birth_date"),
        ({"indication": "boredom"}, "indication"),
        ({"course_kind": "holiday"}, "kind"),
    ],
)
def test_a_bad_field_is_named_and_nothing_is_kept(
    clinic: Clinic, clinician: User, now: datetime, changes: dict[str, Any], field: str
) -> None:
    before = counts()

    with pytest.raises(ValidationError) as caught:
        enrol(clinic, clinician, now, **changes)

    assert field in caught.value.message_dict
    assert counts() == before


def test_a_bad_contact_keeps_nothing(clinic: Clinic, clinician: User, now: datetime) -> None:
    before = counts()

    with pytest.raises(ValidationError):
        enrol(clinic, clinician, now, contacts={Channel.EMAIL: "kim"})

    assert counts() == before


def test_a_failing_audit_keeps_nothing(
    clinic: Clinic, clinician: User, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = counts()

    def fail(*args: object, **kwargs: object) -> None:
        raise IntegrityError("no audit")

    monkeypatch.setattr("outcomes.care.services.sessions.audit.record", fail)
    with pytest.raises(IntegrityError), transaction.atomic():
        enrol(clinic, clinician, now)

    assert counts() == before


def test_a_record_number_is_used_once_per_clinic(
    clinic: Clinic, other_clinic: Clinic, clinician: User, stranger: User, now: datetime
) -> None:
    enrol(clinic, clinician, now)

    with pytest.raises(ValidationError, match="record number"):
        enrol(clinic, clinician, now)
    enrol(other_clinic, stranger, now)
    assert Patient.objects.filter(record_number="7").count() == 2


def test_closing_the_episode_ends_the_plan_and_the_links(
    enrolment: Enrolment, clinician: User, now: datetime
) -> None:
    workflows.invite_due(now=now)

    workflows.close_episode(episode=enrolment.episode, by=clinician.actor, now=now)

    assert not Assignment.objects.planned().exists()
    assert not Invitation.objects.live_at(now).exists()


def test_a_patient_who_moves_zone_is_asked_at_the_local_time_there(
    enrolment: Enrolment, clinician: User, now: datetime
) -> None:
    def due() -> datetime:
        return Assignment.objects.filter(rule_code="day-7").earliest("due_at").due_at

    before = due()
    workflows.change_patient(
        patient=enrolment.patient,
        changes={"time_zone": "America/New_York"},
        by=clinician.actor,
        now=now,
    )

    assert due() == before + timedelta(hours=5)
