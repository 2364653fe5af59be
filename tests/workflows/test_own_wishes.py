"""What patients decide about messages on their own page, and what is sent after that."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import pytest
from django.core import mail
from django.core.exceptions import ValidationError

from outcomes import workflows
from outcomes.audit.models import SYSTEM, Actor, AuditEvent
from outcomes.care import services as care
from outcomes.care.models import Channel, Consent, Patient, Suppression
from outcomes.delivery import channels, quiet
from outcomes.delivery.models import Invitation, Message, Unreached
from outcomes.scheduling.models import Assignment
from tests.conftest import NOW

HERSELF = Actor(kind="patient", id="somebody", label="Patient")


@pytest.fixture(autouse=True)
def _both_channels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channels, "in_use", lambda: (Channel.EMAIL, Channel.SMS))


@pytest.fixture
def with_number(patient: Patient) -> Patient:
    """A patient whose number the clinic has, and who has not agreed to be written to by it."""
    care.set_contact(patient=patient, channel=Channel.SMS, value="+12025550123", by=SYSTEM, now=NOW)
    return patient


def wish(patient: Patient, **changes: object) -> Patient:
    wishes = {
        "channel": Channel.EMAIL,
        "asked_from": None,
        "language": "en",
        "consents": False,
        **changes,
    }
    return workflows.change_wishes(patient=patient, **wishes, by=HERSELF, now=NOW)  # type: ignore[arg-type]


def send(at: datetime) -> int:
    before = len(mail.outbox)
    workflows.send_due(lane="bulk", clock=lambda: at, through=["email"])
    return len(mail.outbox) - before


def done() -> list[str]:
    return list(AuditEvent.objects.filter(actor_kind="patient").values_list("action", flat=True))


# -- Channel and language ------------------------------------------------------------------------


def test_another_channel_needs_the_patients_consent(with_number):
    with pytest.raises(ValidationError, match="Tick the box"):
        wish(with_number, channel=Channel.SMS)
    wish(with_number, channel=Channel.SMS, consents=True)
    contact = care.reachable_contact(Patient.objects.get(), channels.in_use())
    assert contact is not None
    assert contact.channel == Channel.SMS
    assert sorted(done()) == ["consent.given", "patient.changed"]


def test_a_channel_without_a_contact_cannot_be_chosen(patient):
    with pytest.raises(ValidationError, match="cannot write to you this way"):
        wish(patient, channel=Channel.SMS, consents=True)
    assert not Consent.objects.filter(channel=Channel.SMS).exists()


def test_a_number_that_does_not_exist_cannot_be_chosen(with_number):
    contact = with_number.contacts.get(channel=Channel.SMS)
    care.suppress_contact(contact=contact, reason=Suppression.HARD_BOUNCE, by=SYSTEM, now=NOW)
    assert care.choosable_channels(with_number, channels.in_use()) == [Channel.EMAIL]


def test_the_language_is_kept_and_what_did_not_change_is_not_recorded(patient):
    wish(patient, language="es")
    assert Patient.objects.get().language == "es"
    [event] = AuditEvent.objects.filter(action="patient.changed")
    assert event.data == {"fields": ["language", "preferred_channel"]}


# -- The hour ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("clock", "is_quiet"), [("20:59", False), ("21:00", True), ("03:00", True), ("08:00", False)]
)
def test_the_hours_of_the_night_are_quiet(clock, is_quiet):
    assert quiet.is_quiet_at(time.fromisoformat(clock), time(21), time(8)) is is_quiet


def test_equal_times_leave_no_hour_quiet():
    assert not quiet.is_quiet_at(time(3), time(21), time(21))


def test_nothing_is_sent_before_the_patients_hour(patient):
    wish(patient, asked_from=time(17))
    workflows.invite_due(now=NOW)
    assert send(NOW) == 0
    message = Message.objects.get(kind="invitation")
    assert message.state_reason == "the patient's hour"
    assert message.not_before == datetime(2026, 2, 2, 17, tzinfo=UTC)
    assert send(NOW.replace(hour=17)) == 1


def test_an_hour_that_is_quiet_by_now_is_void(patient, clinic):
    wish(patient, asked_from=time(20))
    clinic.quiet_from = time(19)
    clinic.save()
    workflows.invite_due(now=NOW)
    assert send(NOW) == 1


@pytest.mark.parametrize(("hour", "sent"), [(16, 1), (17, 1), (18, 0)])
def test_questions_that_close_before_the_hour_come_all_the_same(patient, hour, sent):
    wish(patient, asked_from=time(17))
    workflows.invite_due(now=NOW)
    first = Assignment.objects.filter(state="open", instrument__code="PHQ-9")
    closing = {"due_at": NOW, "closes_at": NOW.replace(hour=hour)}
    assert first.update(**closing) == 1  # the GAD-7 closes days later
    assert send(NOW) == sent


# -- The pause -----------------------------------------------------------------------------------


def pause(patient: Patient, weeks: int = 1) -> Patient:
    return workflows.pause_messages(patient=patient, weeks=weeks, by=HERSELF, now=NOW)


def test_in_a_pause_nothing_is_asked_and_afterwards_what_is_still_open(patient):
    pause(patient)
    until = Patient.objects.get().paused_until
    assert until == datetime(2026, 2, 9, tzinfo=UTC)
    assert workflows.invite_due(now=NOW) == 0
    planned = Assignment.objects.planned()
    assert planned.exists()
    planned.update(opens_at=NOW, due_at=NOW, closes_at=until + timedelta(days=1))
    assert workflows.invite_due(now=until - timedelta(seconds=1)) == 0
    assert workflows.invite_due(now=until) == 1
    assert done() == ["patient.paused"]


def test_what_was_queued_before_the_pause_waits_and_its_reminders_are_left_out(patient):
    workflows.invite_due(now=NOW)
    pause(patient)
    assert send(NOW) == 0
    reminder = Message.objects.filter(kind="reminder").earliest("not_before")
    assert send(reminder.not_before) == 0
    reminder.refresh_from_db()
    assert (reminder.state, reminder.state_reason) == ("cancelled", "paused by the patient")
    assert Message.objects.get(kind="invitation").state == "pending"


def test_a_pause_can_be_ended_at_any_time(patient):
    workflows.invite_due(now=NOW)
    patient = pause(patient, weeks=4)
    assert send(NOW) == 0
    workflows.resume_messages(patient=patient, by=HERSELF, now=NOW + timedelta(hours=1))
    assert send(NOW + timedelta(hours=1)) == 1
    assert done() == ["patient.paused", "patient.resumed"]


def test_staff_are_refused_a_message_in_a_pause(patient):
    workflows.invite_due(now=NOW)
    pause(patient)
    with pytest.raises(ValidationError, match="paused"):
        workflows.resend_invitation(
            invitation=Invitation.objects.get(), channel="email", by=SYSTEM, now=NOW
        )
    Invitation.objects.all().delete()
    with pytest.raises(ValidationError, match="paused"):
        workflows.ask_again(patient=Patient.objects.get(), by=SYSTEM, now=NOW)


def test_a_pause_that_cannot_be_recorded_is_none(patient, monkeypatch):
    def fail(**_named: object) -> None:
        raise RuntimeError

    monkeypatch.setattr("outcomes.care.services.people.audit.record", fail)
    with pytest.raises(RuntimeError):
        pause(patient)
    assert Patient.objects.get().paused_until is None


# -- The end of messages -------------------------------------------------------------------------


def test_stopping_withdraws_every_consent_and_tells_staff(with_number):
    wish(with_number, channel=Channel.SMS, consents=True)
    workflows.invite_due(now=NOW)

    workflows.stop_messages(patient=with_number, by=HERSELF, now=NOW)

    assert Consent.objects.given_now_by([with_number]) == set()
    assert not Message.objects.filter(state="pending").exists()
    assert sorted(Unreached.objects.open().values_list("channel", "reason")) == [
        ("email", "opted_out"),
        ("sms", "opted_out"),
    ]
    assert send(NOW + timedelta(hours=1)) == 0
    assert done().count("consent.withdrawn") == 2


def test_whoever_stopped_comes_back_by_choosing_a_channel_again(patient):
    workflows.invite_due(now=NOW)
    workflows.stop_messages(patient=patient, by=HERSELF, now=NOW)
    wish(patient, consents=True)
    assert not Unreached.objects.open().exists()
    assert send(NOW) == 1
