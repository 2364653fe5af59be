"""The dispatcher against providers of every kind: what is in doubt, down, slow, or poisonous."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from django.db import OperationalError

from outcomes import workflows
from outcomes.audit.models import AuditEvent
from outcomes.care.models import Channel, Contact
from outcomes.clinics.models import Clinic, User
from outcomes.delivery import services as delivery
from outcomes.delivery.channels.base import Guarantee, Outgoing, SendError
from outcomes.delivery.models import (
    DispatcherLoop,
    Message,
    MessageState,
    ProviderGate,
    Unreached,
)
from outcomes.delivery.services import outbox
from outcomes.responses.models import Mode
from outcomes.scheduling.models import Assignment
from outcomes.workflows import Enrolment
from tests.conftest import make_enrolment


@dataclass
class Recorder:
    """A provider that keeps what it accepted, and fails as it is told to."""

    guarantee: Guarantee = Guarantee.PLAIN
    name: str = "recorder"
    per_second: float = 0.0
    accepted: list[Outgoing] = field(default_factory=list)
    faults: list[Exception | None] = field(default_factory=list)
    hides_reply: bool = False
    calls: int = 0

    def send(self, outgoing: Outgoing) -> str:
        self.calls += 1
        fault = self.faults.pop(0) if self.faults else None
        if fault is not None and not self.hides_reply:
            raise fault
        is_repeat = any(mail.key == outgoing.key for mail in self.accepted)
        if not (is_repeat and self.guarantee is Guarantee.KEYED):
            self.accepted.append(outgoing)
        if fault is not None:
            raise fault
        return f"ref-{outgoing.key}"

    def find(self, outgoing: Outgoing) -> str | None:
        known = any(mail.text == outgoing.text for mail in self.accepted)
        return f"ref-{outgoing.key}" if known else None


def lost_reply() -> SendError:
    return SendError("no reply", is_retryable=True, is_ambiguous=True, is_provider_fault=True)


def outage() -> SendError:
    return SendError("down", is_retryable=True, is_provider_fault=True)


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Callable[[Recorder], Recorder]:
    """Let a provider stand for the mail server."""

    def put(provider: Recorder) -> Recorder:
        monkeypatch.setattr(outbox, "providers", lambda: {Channel.EMAIL: provider})
        return provider

    return put


@pytest.fixture
def invited(enrolment: Enrolment, now: datetime) -> Message:
    """The first message of the patient's invitation, waiting in the outbox."""
    assert workflows.invite_due(now=now)
    return Message.objects.get(kind="invitation")


def send(now: datetime, lane: str = "bulk") -> int:
    return delivery.send_batch(lane=lane, channel="email", clock=lambda: now)


def reminder_of(message: Message, now: datetime) -> Message:
    """Turn the message into a reminder that is due."""
    Message.objects.filter(pk=message.pk).update(kind="reminder")
    return Message.objects.get(pk=message.pk)


# -- In doubt ------------------------------------------------------------------------------------


@pytest.mark.parametrize("guarantee", [Guarantee.KEYED, Guarantee.SEARCHABLE])
def test_a_message_whose_reply_was_lost_has_one_effect(
    invited: Message, now: datetime, use: Callable[[Recorder], Recorder], guarantee: Guarantee
) -> None:
    provider = use(Recorder(guarantee, faults=[lost_reply(), lost_reply()], hides_reply=True))

    for minutes in (0, 10, 20):
        send(now + timedelta(minutes=minutes))

    invited.refresh_from_db()
    assert (invited.state, len(provider.accepted)) == (MessageState.SENT, 1)


def test_a_searchable_provider_that_never_had_it_is_sent_it(
    invited: Message, now: datetime, use: Callable[[Recorder], Recorder]
) -> None:
    provider = use(Recorder(Guarantee.SEARCHABLE, faults=[lost_reply()]))

    send(now)
    send(now + timedelta(minutes=10))

    invited.refresh_from_db()
    assert (invited.state, len(provider.accepted)) == (MessageState.SENT, 1)


def test_a_mail_server_gets_an_invitation_in_doubt_once_more_and_never_again(
    invited: Message, now: datetime, use: Callable[[Recorder], Recorder]
) -> None:
    provider = use(Recorder(faults=[lost_reply(), lost_reply()], hides_reply=True))

    for minutes in (0, 10, 20, 30):
        send(now + timedelta(minutes=minutes))

    invited.refresh_from_db()
    assert len(provider.accepted) == 2
    assert provider.accepted[0] == provider.accepted[1]
    assert (invited.state, invited.state_reason) == ("failed", outbox.NOT_REPEATED)
    assert Unreached.objects.open().filter(patient=invited.patient).exists()


def test_a_mail_server_gets_a_reminder_in_doubt_no_more(
    invited: Message, now: datetime, use: Callable[[Recorder], Recorder]
) -> None:
    reminder = reminder_of(invited, now)
    provider = use(Recorder(faults=[lost_reply()], hides_reply=True))

    send(now)
    send(now + timedelta(minutes=10))

    reminder.refresh_from_db()
    assert (reminder.state, len(provider.accepted)) == (MessageState.CANCELLED, 1)


def test_a_dispatcher_that_died_in_the_call_leaves_one_message_in_doubt(
    clinic: Clinic, clinician: User, now: datetime, use: Callable[[Recorder], Recorder]
) -> None:
    for name in ("Robin", "Kim", "Alex"):
        make_enrolment(clinic, clinician, name)
    workflows.invite_due(now=now)
    use(Recorder(faults=[None, KeyboardInterrupt()]))  # type: ignore[list-item]

    with pytest.raises(KeyboardInterrupt):
        send(now)
    claimed = delivery.claim(lane="bulk", channel="email", size=5, now=now + timedelta(seconds=50))
    assert len(claimed) == 1
    use(Recorder())
    for seconds in (50, 100, 150, 200):
        send(now + timedelta(seconds=seconds))

    states = Message.objects.filter(kind="invitation")
    assert {message.state for message in states} == {"sent"}
    assert states.filter(is_ambiguous=True).count() == 1


def test_what_went_out_before_a_dispatcher_died_is_recorded_and_not_sent_again(
    clinic: Clinic, clinician: User, now: datetime, use: Callable[[Recorder], Recorder]
) -> None:
    for name in ("Robin", "Kim", "Alex"):
        make_enrolment(clinic, clinician, name)
    workflows.invite_due(now=now)
    use(Recorder(faults=[None, None, KeyboardInterrupt()]))  # type: ignore[list-item]
    with pytest.raises(KeyboardInterrupt):
        send(now)
    invitations = Message.objects.filter(kind="invitation")
    noted = invitations.filter(state=MessageState.SENDING, sent_at=now, provider="recorder")
    assert noted.count() == 2
    assert set(invitations.unsent()) == set(invitations.filter(sent_at=None))

    provider = use(Recorder())
    for seconds in (50, 100, 150):
        send(now + timedelta(seconds=seconds))

    assert provider.calls == 1
    assert set(invitations.values_list("state", "crashes")) == {("sent", 0), ("sent", 1)}
    events = AuditEvent.objects.filter(action="message.sent").values_list("object_id", flat=True)
    assert sorted(events) == sorted(str(message.pk) for message in invitations)


def test_what_was_claimed_and_not_begun_is_not_in_doubt(invited: Message, now: datetime) -> None:
    delivery.claim(lane="bulk", channel="email", size=1, now=now)
    delivery.claim(lane="bulk", channel="email", size=1, now=now + timedelta(minutes=1))

    invited.refresh_from_db()
    assert (invited.is_ambiguous, invited.crashes) == (False, 1)


def test_a_database_that_is_away_after_the_call_costs_no_second_mail(
    invited: Message,
    now: datetime,
    use: Callable[[Recorder], Recorder],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    provider = use(Recorder())
    write, away = outbox.Batch.write, [True]

    def fail_once(self: outbox.Batch, begin: Message | None = None) -> bool:
        if begin is None and self.waiting and away:
            away.pop()
            raise OperationalError("gone")
        return write(self, begin)

    def patiently(step: Callable[[], bool]) -> bool:
        # As outside a test's transaction: try again.
        try:
            return step()
        except OperationalError:
            return step()

    monkeypatch.setattr(outbox.Batch, "write", fail_once)
    monkeypatch.setattr(outbox, "_patiently", patiently)
    send(now)

    invited.refresh_from_db()
    assert (invited.state, len(provider.accepted), away) == (MessageState.SENT, 1, [])


# -- Recheck -------------------------------------------------------------------------------------


def test_a_message_cancelled_after_it_was_claimed_is_not_sent(
    invited: Message, now: datetime, use: Callable[[Recorder], Recorder]
) -> None:
    provider = use(Recorder())
    claimed = delivery.claim(lane="bulk", channel="email", size=1, now=now)
    Message.objects.update(state=MessageState.CANCELLED)

    outbox._Sending(claimed, outbox.Batch(provider, lambda: now), is_troubled=False).run()

    assert provider.calls == 0


def test_a_patient_gets_no_more_messages_in_a_day_than_the_clinic_allows(
    invited: Message, clinic: Clinic, now: datetime, use: Callable[[Recorder], Recorder]
) -> None:
    provider = use(Recorder())
    Clinic.objects.filter(pk=clinic.pk).update(messages_per_day=1)
    Message.objects.filter(kind="reminder").update(not_before=now)

    send(now)

    assert len(provider.accepted) == 1
    held = Message.objects.filter(kind="reminder")
    assert {message.state_reason for message in held} == {"messages of the day"}
    next_morning = datetime(2026, 2, 3, 8, tzinfo=UTC)
    assert {message.not_before for message in held} == {next_morning}


def test_a_stopped_contact_gets_nothing(
    invited: Message, now: datetime, use: Callable[[Recorder], Recorder]
) -> None:
    provider = use(Recorder())
    Contact.objects.update(suppressed_at=now, suppressed_reason="opted_out")

    send(now)

    invited.refresh_from_db()
    assert (invited.state, invited.state_reason) == ("cancelled", "contact stopped")
    assert provider.calls == 0


def test_a_message_taken_back_while_the_provider_had_it_was_sent_all_the_same(
    invited: Message, now: datetime, use: Callable[[Recorder], Recorder]
) -> None:
    provider = use(Recorder())
    accept = provider.send

    def send_while_taken_back(outgoing: Outgoing) -> str:
        Message.objects.update(state=MessageState.CANCELLED, state_reason="answered")
        return accept(outgoing)

    provider.send = send_while_taken_back  # type: ignore[method-assign]
    send(now)

    invited.refresh_from_db()
    assert (invited.state, invited.sent_at) == (MessageState.SENT, now)


def test_after_an_outage_a_person_is_paged_once_and_not_for_every_step_of_it(
    clinic: Clinic,
    enrolment: Enrolment,
    clinician: User,
    now: datetime,
    use: Callable[[Recorder], Recorder],
) -> None:
    item = Assignment.objects.filter(instrument__code="PHQ-9").first()
    assert item is not None
    answers = dict.fromkeys(map(str, range(1, 10)), 1)
    workflows.submit_response(
        assignment_id=item.pk,
        answers=answers,
        submission_id="s",
        language="en",
        mode=Mode.LINK,
        by=clinician.actor,
        now=now,
    )
    for minutes in (15, 30, 60):
        workflows.escalate_due(now=now + timedelta(minutes=minutes))
    provider = use(Recorder())

    send(now + timedelta(minutes=90), lane="alert")

    told = Counter(mail.to for mail in provider.accepted)
    assert told[clinician.email] == 1
    assert set(told.values()) == {1}
    workflows.escalate_due(now=now + timedelta(minutes=120))
    send(now + timedelta(minutes=121), lane="alert")
    assert Counter(mail.to for mail in provider.accepted)[clinician.email] == 2


def test_who_no_longer_works_here_is_told_nothing(
    clinic: Clinic, clinician: User, now: datetime, use: Callable[[Recorder], Recorder]
) -> None:
    provider = use(Recorder())
    delivery.queue_tests(clinic_id=clinic.pk, user=clinician, now=now)
    clinic.memberships.filter(user=clinician).update(ended_at=now)

    send(now, lane="alert")

    assert provider.calls == 0
    message = Message.objects.get(kind="test", user=clinician)
    assert (message.state, message.state_reason) == ("cancelled", "no longer works here")


def test_of_tests_that_waited_only_the_newest_is_sent(
    clinic: Clinic, clinician: User, now: datetime, use: Callable[[Recorder], Recorder]
) -> None:
    provider = use(Recorder())
    for days in range(3):
        delivery.queue_tests(clinic_id=clinic.pk, user=clinician, now=now - timedelta(days=days))

    send(now, lane="alert")

    assert [mail.to for mail in provider.accepted] == [clinician.email]


# -- Failing providers ---------------------------------------------------------------------------


@pytest.fixture
def ten(clinic: Clinic, clinician: User, now: datetime) -> Iterator[list[Message]]:
    """Ten patients' invitations, all due."""
    for number in range(10):
        make_enrolment(clinic, clinician, f"Robin{number}")
    workflows.invite_due(now=now)
    return list(Message.objects.filter(kind="invitation"))


def test_three_faults_close_the_gate_and_the_rest_is_given_back(
    ten: list[Message], now: datetime, use: Callable[[Recorder], Recorder]
) -> None:
    provider = use(Recorder(faults=[outage() for _ in range(10)]))

    send(now)

    assert provider.calls == 3
    untouched = Message.objects.filter(kind="invitation", state="pending", attempts=0)
    assert (untouched.count(), send(now)) == (7, 0)


def test_one_probe_tries_again_and_a_success_opens_the_gate(
    ten: list[Message], now: datetime, use: Callable[[Recorder], Recorder]
) -> None:
    provider = use(Recorder(faults=[outage() for _ in range(4)]))
    send(now)

    later = now + timedelta(seconds=6)
    assert (send(later), send(later)) == (1, 0)  # the probe fails
    even_later = later + timedelta(seconds=61)
    assert send(even_later) == 1  # the probe succeeds
    gate = ProviderGate.objects.get()
    assert (gate.failures, gate.closed_until) == (0, None)
    for minutes in range(1, 8):
        send(even_later + timedelta(minutes=minutes))
    assert len(provider.accepted) == 10


def test_a_provider_is_handed_no_more_in_a_second_than_it_allows(
    ten: list[Message], now: datetime, use: Callable[[Recorder], Recorder]
) -> None:
    provider = use(Recorder(per_second=4))

    assert [send(now), send(now), send(now + timedelta(seconds=0.5))] == [4, 0, 2]
    assert provider.calls == 6


def test_alerts_do_not_wait_for_a_provider_s_allowance(
    ten: list[Message], now: datetime, use: Callable[[Recorder], Recorder]
) -> None:
    provider = use(Recorder(per_second=4))
    send(now)
    user = ten[0].clinic.memberships.get(user__name="Clara").user
    delivery.queue_tests(clinic_id=ten[0].clinic_id, user=user, now=now)

    assert send(now, lane="alert") == 1
    assert provider.accepted[-1].to == user.email


def test_a_message_that_breaks_the_code_does_not_hold_up_the_others(
    ten: list[Message],
    now: datetime,
    use: Callable[[Recorder], Recorder],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    provider, poison, render = use(Recorder()), ten[0].pk, outbox.render

    def break_on_one(message: Message, to: str) -> Outgoing:
        if message.pk == poison:
            raise ValueError
        return render(message, to)

    monkeypatch.setattr(outbox, "render", break_on_one)
    for minutes in (0, 6, 12, 18, 24, 30):
        send(now + timedelta(minutes=minutes))

    assert len(provider.accepted) == 9
    message = Message.objects.get(pk=poison)
    assert (message.state, message.crashes) == ("quarantined", 5)
    assert message.state_reason == "ValueError"


def test_admins_are_told_once_of_a_message_set_aside(
    invited: Message, admin: User, now: datetime
) -> None:
    for attempt in range(7):
        delivery.claim(
            lane="bulk", channel="email", size=1, now=now + attempt * timedelta(minutes=1)
        )

    notices = Message.objects.filter(kind="notice", topic="set_aside")
    assert [notice.user for notice in notices] == [admin]


def test_a_short_lease_gives_the_rest_back(
    ten: list[Message], now: datetime, use: Callable[[Recorder], Recorder]
) -> None:
    provider, moments = use(Recorder()), iter(range(0, 1000, 5))

    # Every look at the clock takes five seconds, as with a provider that is slow.
    delivery.send_batch(
        lane="bulk", channel="email", clock=lambda: now + timedelta(seconds=next(moments))
    )

    assert 0 < provider.calls < 10
    back = Message.objects.filter(kind="invitation", state="pending", attempts=0)
    assert back.count() == 10 - provider.calls


# -- What is written -----------------------------------------------------------------------------


def test_what_is_sent_is_audited_in_the_same_transaction(
    invited: Message,
    now: datetime,
    use: Callable[[Recorder], Recorder],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    use(Recorder())

    send(now)

    event = AuditEvent.objects.get(action="message.sent")
    assert event.object_id == str(invited.pk)


def test_a_channel_that_is_switched_off_fails_the_message_and_tells_staff(
    invited: Message, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "providers", dict)

    send(now)

    invited.refresh_from_db()
    assert (invited.state, invited.state_reason) == ("failed", "channel is switched off")
    assert Unreached.objects.open().count() == 1


def test_a_dispatcher_says_that_it_went_through_its_lane(now: datetime, db: None) -> None:
    workflows.send_due(lane="alert", clock=lambda: now)
    workflows.send_due(lane="alert", clock=lambda: now + timedelta(seconds=2))
    assert DispatcherLoop.objects.get(lane="alert").finished_at == now

    workflows.send_due(lane="alert", clock=lambda: now + timedelta(seconds=9))
    assert DispatcherLoop.objects.get().finished_at == now + timedelta(seconds=9)
