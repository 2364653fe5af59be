"""The outbox: sent once, rechecked, never stuck, never lost."""

from __future__ import annotations

import smtplib
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core import mail

from outcomes import workflows
from outcomes.care.models import Channel
from outcomes.clinics.models import User
from outcomes.delivery import services as delivery
from outcomes.delivery.channels import providers
from outcomes.delivery.models import Invitation, Message, MessageState
from outcomes.delivery.services import outbox
from outcomes.scheduling.models import Assignment, AssignmentState
from outcomes.workflows import Enrolment
from tests.chance import without_chance


@pytest.fixture
def invited(enrolment: Enrolment, now: datetime) -> Message:
    """The first message of the patient's invitation, waiting in the outbox."""
    assert workflows.invite_due(now=now)
    return Message.objects.get(kind="invitation")


def send(now: datetime) -> bool:
    return bool(delivery.send_batch(lane="bulk", channel="email", clock=lambda: now))


def test_an_invitation_is_sent_once(invited: Message, now: datetime) -> None:
    assert send(now)
    assert not send(now)

    invited.refresh_from_db()
    assert (invited.state, invited.sent_at, len(mail.outbox)) == ("sent", now, 1)


def test_asking_twice_makes_one_message(invited: Message, now: datetime) -> None:
    assert not workflows.invite_due(now=now)
    assert Message.objects.filter(kind="invitation").count() == 1


def test_the_mail_carries_nothing_clinical(invited: Message, now: datetime) -> None:
    send(now)

    sent = mail.outbox[0]
    text = without_chance(f"{sent.subject} {sent.body} {sent.alternatives}").lower()
    for word in ("phq", "gad", "depress", "anxi", "robin", "example", "ketamine", "suicid"):
        assert word not in text.replace("patient.example", "")
    assert sent.to == ["robin@patient.example"]
    assert delivery.address_of(invited.link) in sent.body  # type: ignore[arg-type]


def test_a_repeated_send_carries_the_same_link_and_message_id(
    invited: Message, now: datetime
) -> None:
    send(now)
    Message.objects.update(state=MessageState.PENDING, sent_at=None)
    send(now)

    first, second = mail.outbox
    assert first.body == second.body
    assert first.extra_headers["Message-ID"] == second.extra_headers["Message-ID"]


def claim(now: datetime) -> Message | None:
    claimed = delivery.claim(lane="bulk", channel="email", size=1, now=now)
    return claimed[0] if claimed else None


def test_a_claimed_message_is_not_claimed_again_before_its_lease_ends(
    invited: Message, now: datetime
) -> None:
    claimed = claim(now)

    assert claimed is not None
    assert claim(now + outbox.LEASE) is None
    again = claim(now + outbox.LEASE + timedelta(seconds=1))
    assert again is not None
    assert (again.pk, again.fence) == (claimed.pk, claimed.fence + 1)


def test_a_dispatcher_that_wakes_up_late_records_nothing(invited: Message, now: datetime) -> None:
    stale = claim(now)
    assert stale is not None
    claim(now + timedelta(minutes=1))

    sending = outbox.Batch(providers()["email"], lambda: now)
    sending.settle(stale, state=MessageState.FAILED)
    sending.write()

    invited.refresh_from_db()
    assert invited.state == MessageState.SENDING
    assert not sending.write(begin=stale)


def test_five_crashes_set_a_bulk_message_aside(invited: Message, now: datetime) -> None:
    for attempt in range(7):
        claim(now + attempt * timedelta(minutes=1))

    invited.refresh_from_db()
    assert (invited.state, invited.crashes) == (MessageState.QUARANTINED, 5)


def cancelled_reason(message: Message, now: datetime) -> str:
    send(now)
    message.refresh_from_db()
    assert message.state == MessageState.CANCELLED
    assert mail.outbox == []
    return message.state_reason


def test_a_message_is_not_sent_when_everything_was_answered(
    invited: Message, now: datetime
) -> None:
    Assignment.objects.filter(state="open").update(state=AssignmentState.COMPLETED)

    assert cancelled_reason(invited, now) == "nothing left to answer"


def test_a_message_tried_again_after_its_link_was_revoked_says_so(
    invited: Message, clinician: User, now: datetime
) -> None:
    Message.objects.update(state=MessageState.QUARANTINED)
    invitation, by = Invitation.objects.get(), clinician.actor
    workflows.take_back_invitation(invitation=invitation, reason="Wrong day.", by=by, now=now)
    workflows.try_message_again(message=invited, by=by, now=now)

    assert cancelled_reason(invited, now) == "revoked by staff"


def test_a_message_is_not_sent_after_its_end(invited: Message, now: datetime) -> None:
    Message.objects.update(expires_at=now)

    assert cancelled_reason(invited, now) == "too late"


def test_a_message_is_not_sent_once_consent_is_withdrawn(
    invited: Message, enrolment: Enrolment, clinician: User, now: datetime
) -> None:
    workflows.decide_consent(
        patient=enrolment.patient,
        channel=Channel.EMAIL,
        is_given=False,
        by=clinician.actor,
        now=now,
    )

    invited.refresh_from_db()
    assert (invited.state, invited.state_reason) == ("cancelled", "consent withdrawn")
    assert not send(now)


def test_a_link_sent_to_an_old_address_stops_working(
    invited: Message, enrolment: Enrolment, clinician: User, now: datetime
) -> None:
    workflows.change_contact(
        patient=enrolment.patient,
        channel=Channel.EMAIL,
        value="new@patient.example",
        by=clinician.actor,
        now=now,
    )

    invited.refresh_from_db()
    assert invited.link is not None
    assert not delivery.is_live(invited.link, now)


def test_quiet_hours_postpone_to_the_morning(invited: Message, now: datetime) -> None:
    night = now.replace(hour=22)

    send(night)

    invited.refresh_from_db()
    assert invited.state == MessageState.PENDING
    assert invited.not_before == now.replace(hour=8) + timedelta(days=1)
    assert mail.outbox == []


@pytest.mark.parametrize(
    ("error", "state", "reason"),
    [
        (smtplib.SMTPRecipientsRefused({"x": (550, b"no")}), "failed", "address refused"),
        (smtplib.SMTPRecipientsRefused({"x": (450, b"later")}), "pending", "address refused"),
        (smtplib.SMTPDataError(554, b"no"), "pending", "mail server said 554"),
        (smtplib.SMTPServerDisconnected(), "pending", "SMTPServerDisconnected"),
        (TimeoutError(), "pending", "TimeoutError"),
    ],
)
def test_a_failed_send_waits_or_ends_by_its_cause(
    invited: Message,
    now: datetime,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    state: str,
    reason: str,
) -> None:
    def fail(*args: Any, **kwargs: Any) -> int:
        raise error

    monkeypatch.setattr("django.core.mail.EmailMultiAlternatives.send", fail)
    send(now)

    invited.refresh_from_db()
    assert (invited.state, invited.state_reason) == (state, reason)
    if state == "pending":
        assert now < invited.not_before <= now + timedelta(minutes=5)
        monkeypatch.undo()
        send(now + timedelta(minutes=6))
        assert len(mail.outbox) == 1


def test_backoff_grows_and_is_capped() -> None:
    waits = [max(delivery.backoff(n) for _ in range(200)) for n in (1, 4, 50)]

    assert waits[0] <= timedelta(seconds=10)
    assert waits[0] < waits[1] <= timedelta(seconds=80)
    assert waits[2] <= timedelta(minutes=5)


def test_reminders_stop_once_everything_is_answered(
    invited: Message, enrolment: Enrolment, now: datetime
) -> None:
    from outcomes.responses.models import Mode

    reminders = Message.objects.filter(kind="reminder")
    assert reminders.count() == 2
    sitting = {
        item.pk: dict.fromkeys(map(str, range(1, 8)), 0)
        for item in Assignment.objects.filter(state="open")
    }
    workflows.submit_sitting(
        sitting=sitting,
        sitting_id="s",
        language="en",
        mode=Mode.LINK,
        by=enrolment.patient.clinic.memberships.first().user.actor,  # type: ignore[union-attr]
        now=now,
    )

    assert {message.state for message in reminders.all()} == {"cancelled"}


def test_reminders_continue_while_one_questionnaire_is_open(
    invited: Message, enrolment: Enrolment, clinician: User, now: datetime
) -> None:
    from outcomes.responses.models import Mode

    item = Assignment.objects.filter(state="open").first()
    assert item is not None
    workflows.submit_response(
        assignment_id=item.pk,
        answers={"1": 0},
        submission_id="s",
        language="en",
        mode=Mode.LINK,
        by=clinician.actor,
        now=now,
    )

    assert Message.objects.filter(kind="reminder", state="pending").count() == 2


def test_a_patient_without_contact_is_asked_without_a_message(
    enrolment: Enrolment, clinician: User, now: datetime
) -> None:
    workflows.change_contact(
        patient=enrolment.patient,
        channel=Channel.EMAIL,
        value="",
        by=clinician.actor,
        now=now,
    )
    assert workflows.invite_due(now=now)

    assert not Message.objects.exists()
    assert Assignment.objects.filter(state="open").count() == 2
    address = workflows.hand_over_link(patient=enrolment.patient, by=clinician.actor, now=now)
    assert address is not None
    assert "/a/" in address


def lock(message: Message, now: datetime) -> None:
    from outcomes.audit.models import SYSTEM

    assert message.link is not None
    for _ in range(delivery.MAX_CHECKS):
        delivery.check_birth_date(sent=message.link.invitation, birth_date=None, by=SYSTEM, now=now)


def test_a_locked_invitation_opens_nothing_and_reminds_nobody(
    invited: Message, now: datetime
) -> None:
    lock(invited, now)

    assert cancelled_reason(invited, now) == "link locked"
    assert invited.link is not None
    invited.link.invitation.refresh_from_db()
    assert not delivery.is_live(invited.link, now)


def test_nothing_more_is_sent_to_a_contact_that_went_astray_until_it_is_set_anew(
    invited: Message, enrolment: Enrolment, clinician: User, now: datetime
) -> None:
    later = now + timedelta(hours=1)
    lock(invited, later)
    Assignment.objects.filter(patient=enrolment.patient).under_way().update(state="planned")

    workflows.invite_due(now=later)
    assert Message.objects.filter(kind="invitation").count() == 1

    workflows.change_contact(
        patient=enrolment.patient,
        channel=Channel.EMAIL,
        value="robin@patient.example",
        by=clinician.actor,
        now=later + timedelta(hours=1),
    )
    assert Message.objects.filter(kind="invitation", state="pending").count() == 1


def test_a_new_address_is_asked_what_is_still_open(
    invited: Message, enrolment: Enrolment, clinician: User, now: datetime
) -> None:
    send(now)
    workflows.change_contact(
        patient=enrolment.patient,
        channel=Channel.EMAIL,
        value="new@patient.example",
        by=clinician.actor,
        now=now,
    )
    send(now)

    assert [message.to for message in mail.outbox] == [
        ["robin@patient.example"],
        ["new@patient.example"],
    ]


def test_without_a_birth_date_to_check_no_link_is_sent(enrolment: Enrolment, now: datetime) -> None:
    enrolment.patient.birth_date = None
    enrolment.patient.save()

    workflows.invite_due(now=now)

    assert not Message.objects.exists()


def test_a_line_break_in_a_name_does_not_stop_the_mail(
    invited: Message, enrolment: Enrolment, now: datetime
) -> None:
    clinic = enrolment.patient.clinic
    clinic.display_name = "Nor\nth"
    clinic.save()

    send(now)

    assert "\n" not in mail.outbox[0].subject
