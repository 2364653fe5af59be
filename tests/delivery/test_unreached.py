"""A channel that does not reach a patient is stopped at once; staff are told, the other is used."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest
from django.core.exceptions import ValidationError

from outcomes import workflows
from outcomes.audit.models import SYSTEM, AuditEvent
from outcomes.care import services as care
from outcomes.care.models import Channel, Contact, Patient, Suppression
from outcomes.clinics.models import User
from outcomes.delivery import channels
from outcomes.delivery import services as delivery
from outcomes.delivery.models import Invitation, Message, OwnPage, Unreached
from outcomes.review import reach
from tests.conftest import signed_in

NUMBER = "+12025550123"


@pytest.fixture(autouse=True)
def _both_channels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channels, "in_use", lambda: (Channel.EMAIL, Channel.SMS))


def add_number(patient: Patient, now: datetime) -> None:
    care.set_contact(patient=patient, channel=Channel.SMS, value=NUMBER, by=SYSTEM, now=now)
    care.record_consent(patient=patient, channel=Channel.SMS, is_given=True, by=SYSTEM, now=now)


@pytest.fixture
def invited(patient: Patient, now: datetime) -> Patient:
    """A patient who may be reached by both channels, with an invitation waiting by e-mail."""
    add_number(patient, now)
    assert workflows.invite_due(now=now)
    return patient


def stop(patient: Patient, now: datetime, reason: str = "hard_bounce", channel: str = "email"):
    delivery.stop_channel(patient=patient, channel=channel, reason=reason, now=now)


def queue(patient: Patient) -> list[tuple[str, str, str]]:
    rows = Message.objects.filter(patient=patient).order_by("channel", "kind", "not_before")
    return list(rows.values_list("channel", "kind", "state"))


def test_what_waits_moves_to_the_other_channel(invited: Patient, now: datetime) -> None:
    stop(invited, now)

    assert queue(invited) == [
        ("email", "invitation", "cancelled"),
        ("email", "reminder", "cancelled"),
        ("email", "reminder", "cancelled"),
        ("sms", "invitation", "pending"),
        ("sms", "reminder", "pending"),
        ("sms", "reminder", "pending"),
    ]
    links = set(Message.objects.values_list("link", flat=True))
    assert len(links) == 6


def test_stopping_twice_is_stopping_once(invited: Patient, now: datetime) -> None:
    stop(invited, now)
    before = (queue(invited), AuditEvent.objects.count())
    stop(invited, now + timedelta(minutes=1))

    assert (queue(invited), AuditEvent.objects.count()) == before
    assert Unreached.objects.count() == 1


def test_staff_are_told_at_once_and_settle_it(
    invited: Patient, clinician: User, now: datetime
) -> None:
    stop(invited, now)
    row = Unreached.objects.open().get()
    assert (row.channel, row.reason, row.raised_at) == ("email", "hard_bounce", now)

    delivery.settle_unreached(unreached=row, by_user=clinician, note=" Called her. ", now=now)

    row.refresh_from_db()
    assert (row.settled_by, row.note) == (clinician, "Called her.")
    again = delivery.settle_unreached(unreached=row, by_user=clinician, note="Again", now=now)
    assert again.note == "Called her."
    actions = AuditEvent.objects.filter(object_type="Unreached").values_list("action", flat=True)
    assert sorted(actions) == ["unreached.raised", "unreached.settled"]


def test_a_note_too_long_is_refused_and_nothing_is_settled(
    invited: Patient, clinician: User, now: datetime
) -> None:
    stop(invited, now)
    row = Unreached.objects.get()
    with pytest.raises(ValidationError, match="200"):
        delivery.settle_unreached(unreached=row, by_user=clinician, note="x" * 201, now=now)
    assert Unreached.objects.open().count() == 1


def test_what_arrived_before_an_opt_out_is_not_said_again(invited: Patient, now: datetime) -> None:
    Message.objects.filter(kind="invitation").update(state="sent", sent_at=now)

    stop(invited, now, Suppression.OPTED_OUT)

    assert ("sms", "invitation", "pending") not in queue(invited)
    assert queue(invited).count(("sms", "reminder", "pending")) == 2


def test_what_was_sent_into_the_void_is_said_again(invited: Patient, now: datetime) -> None:
    Message.objects.filter(kind="invitation").update(state="sent", sent_at=now)

    stop(invited, now, Suppression.HARD_BOUNCE)

    assert ("sms", "invitation", "pending") in queue(invited)


def test_nothing_moves_to_a_channel_without_consent(
    patient: Patient, clinician: User, now: datetime
) -> None:
    care.set_contact(patient=patient, channel=Channel.SMS, value=NUMBER, by=SYSTEM, now=now)
    workflows.invite_due(now=now)

    stop(patient, now)

    assert {channel for channel, _kind, _state in queue(patient)} == {"email"}
    assert reach.problems([patient.pk]) == {
        patient.pk: "No consented contact that works: the address or number does not exist"
    }


def test_when_both_channels_fail_nothing_is_left_waiting(invited: Patient, now: datetime) -> None:
    stop(invited, now)
    stop(invited, now, channel="sms")

    assert {state for _channel, _kind, state in queue(invited)} == {"cancelled"}
    assert Unreached.objects.open().count() == 2


def test_the_preferred_channel_is_used_first(patient: Patient, now: datetime) -> None:
    add_number(patient, now)
    both = (Channel.EMAIL, Channel.SMS)
    chosen = []
    for preferred in ("", "sms", "email"):
        patient.preferred_channel = preferred
        contact = care.reachable_contact(patient, both)
        assert contact is not None
        chosen.append(contact.channel)
    assert chosen == ["email", "sms", "email"]

    patient.preferred_channel = "sms"
    stop(patient, now, channel="sms")
    contact = care.reachable_contact(patient, both)
    assert contact is not None
    assert contact.channel == "email"


def test_the_patients_own_word_goes_before_a_bounce(invited: Patient, now: datetime) -> None:
    for reason, kept in (
        ("hard_bounce", "hard_bounce"),
        ("opted_out", "opted_out"),
        ("hard_bounce", "opted_out"),
    ):
        stop(invited, now, reason)
        assert Contact.objects.get(channel="email").suppressed_reason == kept


def test_a_contact_set_anew_is_used_again_and_the_task_is_settled(
    invited: Patient, clinician: User, now: datetime
) -> None:
    stop(invited, now)
    workflows.change_contact(
        patient=invited,
        channel=Channel.EMAIL,
        value="new@patient.example",
        by=clinician.actor,
        now=now,
    )

    assert Contact.objects.get(channel="email").suppressed_at is None
    row = Unreached.objects.get()
    assert (row.settled_by, row.note) == (clinician, "contact changed")


def test_the_same_address_set_again_undoes_a_bounce_but_no_opt_out(
    invited: Patient, clinician: User, now: datetime
) -> None:
    same = {"channel": Channel.EMAIL, "value": "robin@patient.example", "by": clinician.actor}
    stop(invited, now)
    workflows.change_contact(patient=invited, now=now, **same)
    assert Contact.objects.get(channel="email").suppressed_at is None

    stop(invited, now, "opted_out")
    workflows.change_contact(patient=invited, now=now, **same)
    assert Contact.objects.get(channel="email").suppressed_reason == "opted_out"


def test_a_new_consent_takes_an_opt_out_back(
    invited: Patient, clinician: User, now: datetime
) -> None:
    stop(invited, now, "opted_out")
    assert "opted_out" in Unreached.objects.open().values_list("reason", flat=True)

    workflows.decide_consent(
        patient=invited, channel=Channel.EMAIL, is_given=True, by=clinician.actor, now=now
    )

    assert Contact.objects.get(channel="email").suppressed_at is None
    assert not Unreached.objects.open().exists()


def test_a_refused_message_goes_by_the_other_channel_and_the_contact_stays(
    invited: Patient, now: datetime
) -> None:
    Message.objects.filter(kind="invitation").update(state="failed")
    message = Message.objects.get(kind="invitation")
    delivery.raise_refused(message=message, now=now)
    delivery.raise_refused(message=message, now=now)

    assert queue(invited).count(("sms", "invitation", "pending")) == 1
    assert Unreached.objects.open().get().reason == "refused"
    assert Contact.objects.get(channel="email").suppressed_at is None


def test_a_message_moves_at_most_four_times(invited: Patient, now: datetime) -> None:
    message = Message.objects.get(kind="invitation")
    for channel in ("sms", "email", "sms", "email"):
        moved = delivery.queue_again(message=message, channel=channel, now=now)
        assert moved is not None
        message = moved
    assert len(message.dedupe) <= 120
    assert delivery.queue_again(message=message, channel="sms", now=now) is None


def test_nothing_is_stopped_when_the_audit_record_fails(
    invited: Patient, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise RuntimeError

    before = queue(invited)
    with monkeypatch.context() as patched:
        patched.setattr("outcomes.audit.services._append", fail)
        with pytest.raises(RuntimeError):
            stop(invited, now)

    assert queue(invited) == before
    assert not Unreached.objects.exists()
    assert Contact.objects.get(channel="email").suppressed_at is None


def test_reach_states_why_nothing_is_sent(patient: Patient, now: datetime) -> None:
    stop(patient, now, "opted_out")

    words = "No consented contact that works: the patient replied STOP or unsubscribed"
    assert reach.problems([patient.pk]) == {patient.pk: words}
    one = reach.problem_of(patient, patient.contacts.all(), patient.consents.order_by("at"))
    assert one == words


def test_saving_the_contact_page_does_not_undo_an_opt_out_but_a_new_consent_does(
    invited: Patient, clinician: User, now: datetime
) -> None:
    stop(invited, now, "opted_out")
    path = f"/c/{invited.clinic.slug}/patients/{invited.pk}/contact/"
    same = {"email-value": "robin@patient.example", "sms-value": NUMBER, "sms-is_given": "on"}
    client = signed_in(clinician)
    assert client.post(path, same).status_code == 302
    assert Contact.objects.get(channel="email").suppressed_reason == "opted_out"

    assert client.post(path, {**same, "email-is_given": "on"}).status_code == 302
    assert Contact.objects.get(channel="email").suppressed_at is None


# -- Five wrong birth dates ----------------------------------------------------------------------

WRONG, RIGHT = date(1980, 5, 18), date(1980, 5, 17)


def guess(sent: Invitation | OwnPage, now: datetime, times: int = 5, born: date = WRONG) -> None:
    for _ in range(times):
        delivery.check_birth_date(sent=sent, birth_date=born, by=SYSTEM, now=now)


def tasks() -> list[tuple[str, str]]:
    return sorted(Unreached.objects.open().values_list("reason", "channel"))


def test_a_locked_link_and_a_locked_page_are_tasks_for_staff(
    invited: Patient, clinician: User, now: datetime
) -> None:
    invitation, page = Invitation.objects.get(), OwnPage.objects.get()
    guess(invitation, now, times=4)
    assert tasks() == []
    guess(invitation, now, times=3)
    guess(page, now)
    assert tasks() == [("locked_link", "email"), ("locked_page", "")]
    listed = signed_in(clinician).get(f"/c/{invited.clinic.slug}/unreached/").content.decode()
    assert "The date of birth was wrong five times: the link is locked" in listed
    assert "The date of birth was wrong five times: the own page is locked" in listed


def test_a_lock_without_its_task_is_no_lock(
    invited: Patient, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    invitation = Invitation.objects.get()
    guess(invitation, now, times=4)

    def fail(**_row: object) -> None:
        raise RuntimeError("no task")

    monkeypatch.setattr("outcomes.delivery.services.checking.raise_locked", fail)
    with pytest.raises(RuntimeError):
        guess(invitation, now, times=1)
    invitation.refresh_from_db()
    assert (invitation.failed_checks, invitation.locked_at) == (4, None)


def test_a_corrected_birth_date_settles_both(invited: Patient, now: datetime) -> None:
    guess(Invitation.objects.get(), now)
    guess(OwnPage.objects.get(), now)
    changes = {"birth_date": WRONG}
    workflows.change_patient(patient=invited, changes=changes, by=SYSTEM, now=now)
    assert tasks() == []
    assert set(Unreached.objects.values_list("note", flat=True)) == {"date of birth corrected"}


def test_a_new_address_settles_the_locked_page_alone(invited: Patient, now: datetime) -> None:
    guess(Invitation.objects.get(), now)
    guess(OwnPage.objects.get(), now)
    delivery.allow_own_page(page=OwnPage.objects.get(), by=SYSTEM, now=now)
    assert tasks() == [("locked_link", "email")]


def test_the_right_date_in_time_raises_nothing(invited: Patient, now: datetime) -> None:
    guess(OwnPage.objects.get(), now, times=4)
    guess(OwnPage.objects.get(), now, times=1, born=RIGHT)
    guess(OwnPage.objects.get(), now, times=4)
    assert tasks() == []
