"""Whether alerts reach a person: tests, confirmations, failures, and what they stop."""

from __future__ import annotations

from datetime import datetime, timedelta
from importlib import import_module

import pytest
from django.apps import apps
from django.core.exceptions import ValidationError
from django.core.mail import EmailMultiAlternatives

from outcomes import workflows
from outcomes.alerts import services as alerts
from outcomes.alerts.models import Recipient
from outcomes.audit.models import SYSTEM, AuditEvent
from outcomes.clinics import services as clinics
from outcomes.clinics.access import Role
from outcomes.clinics.models import Clinic, Membership, User
from outcomes.delivery import channels
from outcomes.delivery.models import Message
from outcomes.delivery.rendering import render
from outcomes.delivery.services import path_of
from outcomes.instruments.models import Instrument
from outcomes.scheduling import services as scheduling
from outcomes.scheduling.models import Schedule, ScheduleDraft, ScheduleRule
from outcomes.workflows import Enrolment
from tests.alerts.conftest import told
from tests.conftest import make_enrolment

DAY = timedelta(days=1)


@pytest.fixture
def nora(clinic: Clinic, admin: User, now: datetime) -> User:
    """A clinician who was added a moment ago."""
    return workflows.add_member(
        clinic=clinic,
        email="nora@north.example",
        name="Nora",
        role=Role.CLINICIAN,
        by=admin.actor,
        now=now,
    ).user


def is_reachable(user: User, now: datetime) -> bool:
    return alerts.reachable_members(now).filter(user=user).exists()


def confirm(user: User, now: datetime) -> None:
    test = Message.objects.filter(kind="test", user=user).latest("created_at")
    alerts.confirm_test(message=test, user=user, now=now)


def test_a_new_member_is_tested_and_counts_once_they_confirm(nora: User, now: datetime) -> None:
    assert told("test") == [("Nora", "email")]
    assert not is_reachable(nora, now)

    confirm(nora, now + DAY)

    assert is_reachable(nora, now + DAY)
    actions = AuditEvent.objects.filter(object_type="Recipient", data__user=str(nora.pk))
    assert list(actions.order_by("number").values_list("action", flat=True)) == [
        "recipient.tested",
        "recipient.confirmed",
    ]


def test_who_may_not_answer_alerts_gets_no_test(clinic: Clinic, now: datetime) -> None:
    user = workflows.add_member(
        clinic=clinic, email="c@north.example", name="C", role=Role.CARE_TEAM, by=SYSTEM, now=now
    ).user
    assert told("test") == []
    with pytest.raises(ValidationError, match="may answer alerts"):
        alerts.send_test(clinic=clinic, user=user, by=SYSTEM, now=now)


def test_a_change_of_role_tests_who_may_answer_now(
    clinic: Clinic, care_team: User, nora: User, now: datetime
) -> None:
    for user in (care_team, nora):
        workflows.add_member(
            clinic=clinic,
            email=user.email,
            name=user.name,
            role=Role.CLINIC_ADMIN,
            by=SYSTEM,
            now=now + DAY,
        )
    # Nora's first test is still out.
    assert sorted(told("test")) == [("Carl", "email"), ("Nora", "email")]


def test_another_number_is_tested_by_every_channel(
    clinic: Clinic, clinician: User, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channels, "in_use", lambda: ("email", "sms"))
    user = workflows.change_phone(
        user=clinician, phone="+1 (202) 555-0147", by=clinician.actor, now=now
    )
    assert user.phone == "+12025550147"
    assert told("test") == [("Clara", "email"), ("Clara", "sms")]
    workflows.change_phone(user=user, phone="+1 202 555 0147", by=clinician.actor, now=now + DAY)
    workflows.change_phone(user=user, phone="", by=clinician.actor, now=now + DAY)
    assert len(told("test")) == 2
    events = AuditEvent.objects.filter(action="user.phone_changed")
    assert events.count() == 2
    assert "5550147" not in str(list(events.values()))


@pytest.mark.parametrize("phone", ["0123", "+1", "+1 000 000 0000", "ask Clara"])
def test_a_number_that_cannot_be_is_refused(clinician: User, now: datetime, phone: str) -> None:
    with pytest.raises(ValidationError) as refused:
        workflows.change_phone(user=clinician, phone=phone, by=clinician.actor, now=now)
    assert list(refused.value.message_dict) == ["phone"]
    clinician.refresh_from_db()
    assert clinician.phone == ""


def test_a_confirmation_lasts_37_days(nora: User, now: datetime) -> None:
    confirm(nora, now)
    assert is_reachable(nora, now + 37 * DAY)
    assert not is_reachable(nora, now + 37 * DAY + timedelta(seconds=1))


def test_only_the_person_tested_can_confirm(nora: User, clinician: User, now: datetime) -> None:
    test = Message.objects.get(kind="test")
    with pytest.raises(ValidationError, match="somebody else"):
        alerts.confirm_test(message=test, user=clinician, now=now)
    assert not is_reachable(nora, now)


def test_an_old_test_proves_nothing(nora: User, now: datetime) -> None:
    with pytest.raises(ValidationError, match="too old"):
        confirm(nora, now + 31 * DAY)


def test_everybody_is_tested_every_30_days_and_never_twice(
    clinic: Clinic, clinician: User, now: datetime
) -> None:
    for hours in range(0, 40 * 24, 6):
        workflows.test_recipients(now=now + timedelta(hours=hours))
    tests = Message.objects.filter(kind="test")
    assert tests.filter(user=clinician).count() == 1
    assert set(tests.values_list("created_at", flat=True)) == {now + 30 * DAY}
    assert tests.count() == 3


def test_a_member_never_tested_is_tested_by_the_sweep(clinic: Clinic, now: datetime) -> None:
    user = clinics.add_member(
        clinic=clinic, email="o@north.example", name="Olga", role=Role.CLINICIAN, by=SYSTEM, now=now
    ).user
    assert workflows.test_recipients(now=now) == 1
    assert workflows.test_recipients(now=now) == 0
    assert Recipient.objects.get(user=user).tested_at == now


def test_a_test_unconfirmed_for_seven_days_is_told_once(
    nora: User, admin: User, now: datetime
) -> None:
    User.objects.create_superuser("root@example.org", "x", name="Root")
    workflows.test_recipients(now=now + 7 * DAY - timedelta(seconds=1))
    assert told("notice") == []

    for hours in range(0, 48, 6):
        workflows.test_recipients(now=now + 7 * DAY + timedelta(hours=hours))

    assert told("notice") == [("Ada", "email"), ("Root", "email")]
    row = Recipient.objects.get(user=nora)
    assert (row.failed_reason, row.has_failed) == ("unconfirmed", True)
    confirm(nora, now + 9 * DAY)
    assert is_reachable(nora, now + 9 * DAY)


def test_each_new_occurrence_is_told_again(nora: User, clinic: Clinic, now: datetime) -> None:
    for day in (0, 20):
        alerts.send_test(clinic=clinic, user=nora, by=SYSTEM, now=now + day * DAY)
        workflows.test_recipients(now=now + (day + 8) * DAY)
        confirm(nora, now + (day + 9) * DAY)

    notices = Message.objects.filter(kind="notice", user__name="Ada")
    assert [notice.created_at - now for notice in notices.order_by("created_at")] == [
        8 * DAY,
        28 * DAY,
    ]


def test_a_page_that_comes_back_makes_its_recipient_unreachable(
    clinic: Clinic, nora: User, now: datetime
) -> None:
    confirm(nora, now)
    Message.objects.filter(kind="test", user=nora).update(bounced_at=now + timedelta(hours=1))
    later = now + timedelta(hours=2)

    for _ in range(3):
        workflows.test_recipients(now=later)
    # Another page of the same outage is no news.
    Message.objects.filter(kind="test", user=nora).update(bounced_at=later + timedelta(hours=1))
    workflows.test_recipients(now=later + timedelta(hours=2))

    assert Recipient.objects.get(user=nora).failed_reason == "bounced"
    assert not is_reachable(nora, later)
    assert told("notice") == [("Ada", "email")]


def test_a_bounce_before_the_confirmation_counts_no_more(
    clinic: Clinic, nora: User, now: datetime
) -> None:
    Message.objects.filter(kind="test", user=nora).update(bounced_at=now)
    confirm(nora, now + timedelta(hours=1))
    workflows.test_recipients(now=now + timedelta(hours=2))
    assert is_reachable(nora, now + timedelta(hours=2))


def test_a_page_that_does_not_leave_is_a_failure_until_it_does(nora: User, now: datetime) -> None:
    confirm(nora, now)
    pages = Message.objects.filter(kind="test", user=nora)
    pages.update(attempts=4)
    workflows.test_recipients(now=now + timedelta(minutes=20))
    assert is_reachable(nora, now + timedelta(minutes=20))

    for minutes in (21, 22, 40):
        workflows.test_recipients(now=now + timedelta(minutes=minutes))
    assert Recipient.objects.get(user=nora).failed_reason == "stuck"
    assert told("notice") == [("Ada", "email")]

    pages.update(state="sent", sent_at=now + timedelta(hours=1))
    workflows.test_recipients(now=now + timedelta(hours=1))
    assert is_reachable(nora, now + timedelta(hours=1))


def test_who_leaves_is_neither_tested_nor_told_about(nora: User, now: datetime) -> None:
    member = Membership.objects.get(user=nora)
    clinics.end_membership(membership=member, by=SYSTEM, now=now)
    Message.objects.filter(user=nora).update(bounced_at=now)
    for days in (8, 31):
        workflows.test_recipients(now=now + days * DAY)
    assert told("notice") == []
    assert Message.objects.filter(kind="test", user=nora).count() == 1


def test_a_synthetic_clinics_confirmations_do_not_lapse(clinic: Clinic, now: datetime) -> None:
    Clinic.objects.update(is_synthetic=True)
    later = now + 300 * DAY
    assert workflows.test_recipients(now=later) == 0
    assert alerts.reachable_members(later).filter(clinic=clinic).count() == 2


def test_an_older_demonstration_clinic_goes_on_and_a_real_one_confirms_itself(
    clinic: Clinic, other_clinic: Clinic, care_team: User, now: datetime
) -> None:
    Recipient.objects.all().delete()
    Clinic.objects.filter(pk=clinic.pk).update(is_synthetic=True)
    migration = import_module("outcomes.migrations.0009_confirm_synthetic_recipients")
    for _ in range(2):
        migration.confirm(apps, None)
    assert alerts.reachable_members(now).filter(clinic=clinic).count() == 2
    assert Recipient.objects.count() == 2


def test_a_notice_and_a_test_lead_to_pages_of_the_clinic(nora: User, now: datetime) -> None:
    workflows.test_recipients(now=now + 8 * DAY)
    test, notice = (
        Message.objects.select_related("clinic").filter(kind=kind)[0] for kind in ("test", "notice")
    )
    assert path_of(test) == f"/c/north/alerts/test/{test.pk}/"
    assert path_of(notice) == "/c/north/recipients/"


def test_what_is_sent_names_the_clinic_and_a_page_and_nothing_else(
    enrolment: Enrolment, nora: User, now: datetime, mailoutbox: list[EmailMultiAlternatives]
) -> None:
    workflows.test_recipients(now=now + 8 * DAY)
    workflows.send_due(lane="alert", clock=lambda: now + 8 * DAY)

    welcome, test, notice = mailoutbox
    assert welcome.subject == "North Clinic has invited you"
    assert (test.to, notice.to) == (["nora@north.example"], ["ada@north.example"])
    assert test.subject == "North: test, please confirm"
    assert "No patient is waiting." in str(test.body)
    assert "/c/north/alerts/test/" in str(test.body)
    assert notice.subject == "North: something to mend"
    assert "North: An alert did not reach one of its recipients." in str(notice.body)
    assert "/c/north/recipients/" in str(notice.body)


@pytest.mark.parametrize(("kind", "page"), [("test", "alerts/test/"), ("notice", "recipients/")])
def test_a_text_message_is_short_and_leads_to_the_same_page(
    nora: User, now: datetime, kind: str, page: str
) -> None:
    workflows.test_recipients(now=now + 8 * DAY)
    message = Message.objects.select_related("clinic", "user").filter(kind=kind)[0]
    message.channel = "sms"
    text = render(message, "+12025550147").text
    assert f"/c/north/{page}" in text
    assert text.startswith(("Test from North", "North: "))
    assert "Nora" not in text
    assert len(text) < 2 * 153


# -- Before a clinic asks ------------------------------------------------------------------------


def test_a_clinic_asks_no_safety_question_before_two_people_are_reached(
    clinic: Clinic, clinician: User, now: datetime
) -> None:
    Recipient.objects.exclude(user=clinician).delete()
    with pytest.raises(ValidationError, match="known to reach 1 person, not two"):
        make_enrolment(clinic, clinician)
    assert not clinic_has_patients(clinic)
    alerts.confirm(clinic=clinic, user=User.objects.get(name="Yara"), by=SYSTEM, now=now)
    make_enrolment(clinic, clinician)


def clinic_has_patients(clinic: Clinic) -> bool:
    from outcomes.care.models import Patient

    return Patient.objects.filter(clinic=clinic).exists()


def test_another_clinics_people_do_not_count(
    clinic: Clinic, clinician: User, stranger: User
) -> None:
    Recipient.objects.filter(clinic=clinic).delete()
    with pytest.raises(ValidationError, match="known to reach 0 people"):
        make_enrolment(clinic, clinician)


def test_nor_begins_a_course_that_asks_one(
    enrolment: Enrolment, clinician: User, now: datetime
) -> None:
    Recipient.objects.all().delete()
    episode, schedule = enrolment.episode, enrolment.course.schedule
    assert schedule is not None
    begin = {"episode": episode, "kind": "maintenance", "by": clinician.actor, "now": now}
    with pytest.raises(ValidationError, match="Alert recipients"):
        workflows.start_course(schedule_id=schedule.pk, **begin)  # type: ignore[arg-type]
    assert episode.courses.filter(ended_at=None).get() == enrolment.course
    workflows.start_course(schedule_id=None, **begin)  # type: ignore[arg-type]


def test_nor_publishes_a_schedule_that_asks_one(
    clinic: Clinic, clinician: User, now: datetime
) -> None:
    shipped = Schedule.objects.get(code="phq9-gad7-only", is_current=True)
    by = clinician.actor
    draft = scheduling.start_draft(clinic_id=clinic.pk, name="Ours", source=shipped, by=by, now=now)
    Recipient.objects.filter(clinic=clinic).exclude(user=clinician).delete()
    with pytest.raises(ValidationError, match="known to reach 1 person"):
        workflows.publish_schedule(draft=draft, revision=draft.revision, by=by, now=now)
    assert not Schedule.objects.filter(clinic=clinic).exists()
    assert ScheduleDraft.objects.get() == draft
    alerts.confirm(clinic=clinic, user=User.objects.get(name="Yara"), by=SYSTEM, now=now)
    workflows.publish_schedule(draft=draft, revision=draft.revision, by=by, now=now)
    assert Schedule.objects.filter(clinic=clinic).count() == 1


def test_a_schedule_without_a_safety_question_is_not_held_up(
    enrolment: Enrolment, clinic: Clinic, clinician: User, now: datetime
) -> None:
    Recipient.objects.all().delete()
    assert Instrument.objects.filter(code="GAD-7").exists()
    rule = ScheduleRule.objects.filter(schedule=enrolment.course.schedule).first()
    assert rule is not None
    calm = Schedule.objects.create(
        clinic=clinic, code="calm", version=1, name="Calm", created_at=now
    )
    ScheduleRule.objects.create(
        schedule=calm,
        code=rule.code,
        position=0,
        content={**rule.content, "instruments": ["GAD-7"]},
    )
    alerts.require_reachable(clinic=clinic, schedule_id=calm.pk, now=now)
