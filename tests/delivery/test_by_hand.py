"""What staff do about an invitation in place of the plan: send again, take back, telephone."""

from __future__ import annotations

from datetime import time, timedelta

import pytest
from django.core.exceptions import ValidationError

from outcomes import workflows
from outcomes.audit.models import AuditEvent
from outcomes.care import services as care
from outcomes.care.models import Channel, Consent, Suppression
from outcomes.clinics.models import Clinic
from outcomes.delivery import services as delivery
from outcomes.delivery.models import Invitation, Link, Message, MessageState
from outcomes.scheduling.models import Assignment, AssignmentState

HOUR = timedelta(hours=1)


@pytest.fixture
def invitation(enrolment, now):
    workflows.invite_patient(patient=enrolment.patient, now=now)
    Message.objects.filter(kind="invitation").update(state=MessageState.SENT, sent_at=now)
    return Invitation.objects.get()


def resend(invitation, clinician, now, **more):
    return workflows.resend_invitation(
        invitation=invitation, channel=Channel.EMAIL, by=clinician.actor, now=now, **more
    )


def refused(invitation, clinician, now, **more) -> str:
    before = Message.objects.count()
    with pytest.raises(ValidationError) as refusal:
        resend(invitation, clinician, now, **more)
    assert Message.objects.count() == before
    return " ".join(refusal.value.messages)


def test_sending_again_gives_a_link_of_its_own_and_leaves_the_others(invitation, clinician, now):
    first = Message.objects.get(kind="invitation").link
    message = resend(invitation, clinician, now + HOUR)
    assert message.link.invitation == invitation
    assert message.link_id != first.pk
    assert delivery.is_live(first, now + HOUR)
    assert message.expires_at == invitation.closes_at
    event = AuditEvent.objects.get(action="invitation.sent_again")
    assert event.actor_label.startswith("Clara")
    assert event.data == {"channel": "email"}


def test_sending_again_within_the_hour_wants_a_word(invitation, clinician, now):
    soon = now + HOUR - timedelta(seconds=1)
    assert "within the hour" in refused(invitation, clinician, soon)
    resend(invitation, clinician, soon, is_confirmed=True)
    # Another press of the button finds the first one waiting.
    assert "goes out now" in refused(invitation, clinician, now + 3 * HOUR)


def test_it_counts_what_the_patient_was_sent_today(invitation, clinician, now):
    patient = invitation.patient
    assert delivery.sent_today(patient=patient, now=now) == 1
    message = resend(invitation, clinician, now + HOUR)
    assert delivery.sent_today(patient=patient, now=now + HOUR) == 1
    Message.objects.filter(pk=message.pk).update(state=MessageState.SENT, sent_at=now + HOUR)
    assert delivery.sent_today(patient=patient, now=now + 2 * HOUR) == 2
    assert delivery.sent_today(patient=patient, now=now + 15 * HOUR) == 0


def test_nothing_is_sent_again_when_nothing_can_be_answered(invitation, clinician, now):
    Assignment.objects.update(state=AssignmentState.COMPLETED, completed_at=now)
    assert "Nothing of it" in refused(invitation, clinician, now + HOUR)


@pytest.mark.parametrize("column", ["revoked_at", "completed_at", "closes_at"])
def test_nothing_is_sent_again_for_what_is_over(invitation, clinician, now, column):
    Invitation.objects.update(**{column: now})
    assert "Nothing of it" in refused(invitation, clinician, now + HOUR)


def test_nothing_is_sent_again_without_consent(invitation, clinician, patient, now):
    Consent.objects.all().delete()
    words = refused(invitation, clinician, now + HOUR, is_confirmed=True)
    assert "cannot be written to by this channel" in words


def test_nothing_is_sent_again_to_a_contact_that_is_stopped(invitation, clinician, patient, now):
    care.suppress_contact(
        contact=patient.contacts.get(), reason=Suppression.OPTED_OUT, by=clinician.actor, now=now
    )
    assert "cannot be written to" in refused(invitation, clinician, now + HOUR)


def test_nothing_is_sent_by_a_channel_that_is_not_in_use(invitation, clinician, now):
    with pytest.raises(ValidationError, match="cannot be written to"):
        workflows.resend_invitation(
            invitation=invitation, channel="pigeon", by=clinician.actor, now=now + HOUR
        )


def test_nothing_is_sent_again_where_the_last_one_went_astray(invitation, clinician, now):
    workflows.decline_invitation(invitation=invitation, by=clinician.actor, now=now + HOUR)
    new = workflows.ask_again(patient=invitation.patient, by=clinician.actor, now=now + HOUR)
    assert not Message.objects.filter(link__invitation=new).exists()
    assert "reached somebody else" in refused(new, clinician, now + 2 * HOUR)


def test_a_locked_one_is_not_sent_again(invitation, clinician, now):
    Invitation.objects.update(locked_at=now)
    assert "wrong five times" in refused(invitation, clinician, now + HOUR)


def test_nothing_is_sent_again_where_quiet_hours_outlast_the_questions(invitation, clinician, now):
    # At 09:00, quiet until 10:00: what closes at 10:00 would never leave, what closes later will.
    Clinic.objects.update(quiet_from=time(8), quiet_until=time(10))
    Invitation.objects.update(closes_at=now + HOUR)
    assert "quiet hours last until after" in refused(invitation, clinician, now, is_confirmed=True)
    Invitation.objects.update(closes_at=now + 2 * HOUR)
    assert resend(invitation, clinician, now, is_confirmed=True).not_before == now


def test_asking_again_is_refused_where_quiet_hours_outlast_the_questions(
    invitation, clinician, now
):
    Clinic.objects.update(quiet_from=time(8), quiet_until=time(10))
    Assignment.objects.under_way().update(due_at=now, closes_at=now + HOUR)
    reason = {"reason": "Sent too early.", "by": clinician.actor, "now": now}
    workflows.take_back_invitation(invitation=invitation, **reason)
    with pytest.raises(ValidationError, match="quiet hours last until after"):
        workflows.ask_again(patient=invitation.patient, by=clinician.actor, now=now)
    assert Invitation.objects.count() == 1


def test_taking_back_ends_the_links_and_leaves_the_questions(invitation, clinician, now):
    workflows.take_back_invitation(
        invitation=invitation, reason="Sent too early.", by=clinician.actor, now=now
    )
    invitation.refresh_from_db()
    assert invitation.revoked_reason == "revoked by staff"
    for link in Link.objects.select_related("invitation"):
        assert not delivery.is_live(link, now)
    assert not Message.objects.unsent().exists()
    assert Assignment.objects.under_way().count() == 2
    assert AuditEvent.objects.get(action="invitation.taken_back").reason == "Sent too early."
    again = workflows.ask_again(patient=invitation.patient, by=clinician.actor, now=now)
    assert again.assignments.count() == 2
    assert Message.objects.filter(link__invitation=again, kind="invitation").count() == 1
    with pytest.raises(ValidationError, match="over already"):
        workflows.take_back_invitation(
            invitation=invitation, reason="Twice.", by=clinician.actor, now=now
        )


def test_asking_again_is_refused_while_an_invitation_is_open(invitation, clinician, now):
    with pytest.raises(ValidationError, match="open already"):
        workflows.ask_again(patient=invitation.patient, by=clinician.actor, now=now)
    assert Invitation.objects.count() == 1


def test_asking_again_is_refused_when_nothing_is_due(enrolment, clinician, now):
    Assignment.objects.update(state=AssignmentState.CANCELLED)
    with pytest.raises(ValidationError, match="nothing to answer"):
        workflows.ask_again(patient=enrolment.patient, by=clinician.actor, now=now)


def test_telephoning_stops_reminders_and_keeps_the_links(invitation, clinician, now):
    assert Message.objects.unsent().exists()
    workflows.call_instead(invitation=invitation, by_user=clinician, now=now)
    invitation.refresh_from_db()
    assert (invitation.to_call_at, invitation.to_call_by) == (now, clinician)
    assert set(Message.objects.exclude(state="sent").values_list("state_reason", flat=True)) == {
        "to be telephoned"
    }
    assert delivery.is_live(Message.objects.get(state="sent").link, now)
    assert AuditEvent.objects.filter(action="invitation.to_call").count() == 1
    code = workflows.hand_over_tablet(patient=invitation.patient, by=clinician.actor, now=now)
    assert code is not None


def test_writing_after_all_takes_the_note_back(invitation, clinician, now):
    workflows.call_instead(invitation=invitation, by_user=clinician, now=now)
    resend(invitation, clinician, now + HOUR)
    invitation.refresh_from_db()
    assert invitation.to_call_at is None
    assert invitation.to_call_by is None


@pytest.fixture
def aside(invitation):
    message = Message.objects.filter(kind="reminder").first()
    Message.objects.filter(pk=message.pk).update(
        state=MessageState.QUARANTINED, state_reason="crashed repeatedly", crashes=5
    )
    return message


def test_a_message_that_was_set_aside_is_tried_again_once(aside, clinician, now):
    workflows.try_message_again(message=aside, by=clinician.actor, now=now)
    aside.refresh_from_db()
    assert (aside.state, aside.crashes, aside.not_before) == (MessageState.PENDING, 0, now)
    with pytest.raises(ValidationError, match="no longer set aside"):
        workflows.try_message_again(message=aside, by=clinician.actor, now=now)
    assert AuditEvent.objects.filter(action="message.tried_again").count() == 1


def test_a_message_that_was_set_aside_is_given_up(aside, clinician, now):
    workflows.give_message_up(
        message=aside, reason="Would be too late.", by=clinician.actor, now=now
    )
    aside.refresh_from_db()
    assert (aside.state, aside.state_reason) == (MessageState.CANCELLED, "given up")
    assert AuditEvent.objects.get(action="message.given_up").reason == "Would be too late."
    with pytest.raises(ValidationError, match="no longer set aside"):
        workflows.give_message_up(message=aside, reason="", by=clinician.actor, now=now)


@pytest.mark.parametrize("what", ["resend", "take back", "call", "ask", "retry", "give up"])
def test_each_is_written_with_its_audit_row_or_not_at_all(
    aside, invitation, clinician, now, monkeypatch, what
):
    later = now + HOUR
    if what == "ask":
        workflows.take_back_invitation(
            invitation=invitation, reason="Test.", by=clinician.actor, now=now
        )
    acts = {
        "resend": lambda: resend(invitation, clinician, later),
        "take back": lambda: workflows.take_back_invitation(
            invitation=invitation, reason="x", by=clinician.actor, now=later
        ),
        "call": lambda: workflows.call_instead(invitation=invitation, by_user=clinician, now=later),
        "ask": lambda: workflows.ask_again(
            patient=invitation.patient, by=clinician.actor, now=later
        ),
        "retry": lambda: workflows.try_message_again(message=aside, by=clinician.actor, now=later),
        "give up": lambda: workflows.give_message_up(
            message=aside, reason="x", by=clinician.actor, now=later
        ),
    }

    def rows():
        kinds = (Invitation, Link, Message, Assignment)
        return [list(kind.objects.order_by("pk").values()) for kind in kinds]

    def fail(**_fields):
        raise RuntimeError("no audit")

    before = rows()
    monkeypatch.setattr("outcomes.audit.services.record", fail)
    with pytest.raises(RuntimeError):
        acts[what]()
    assert rows() == before


def test_who_is_telephoned_is_not_written_to_by_another_channel(invitation, clinician, now):
    patient = invitation.patient
    care.set_contact(
        patient=patient,
        channel=Channel.SMS,
        value="+12025550123",
        by=clinician.actor,
        now=now,
    )
    care.record_consent(
        patient=patient, channel=Channel.SMS, is_given=True, by=clinician.actor, now=now
    )
    workflows.call_instead(invitation=invitation, by_user=clinician, now=now)
    before = Message.objects.count()
    delivery.stop_channel(
        patient=patient, channel=Channel.EMAIL, reason=Suppression.HARD_BOUNCE, now=now
    )
    assert Message.objects.count() == before
