"""Any history of a clinic, in any order: nothing lost, nothing doubled, nobody left unpaged.

Hypothesis makes up the histories and shortens what breaks. The campaign runs many long ones.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import connection, transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from outcomes import workflows
from outcomes.alerts import services as alerts
from outcomes.alerts.models import Alert, AlertOutcome, AlertState
from outcomes.audit import services as audit
from outcomes.audit.models import SYSTEM, Actor
from outcomes.care.models import Channel, Contact, SessionStatus, TreatmentSession
from outcomes.clinics.access import Role
from outcomes.delivery import channels, quiet
from outcomes.delivery import services as delivery
from outcomes.delivery.channels.base import Guarantee, Outgoing, SendError
from outcomes.delivery.models import Lane, Message, MessageState, ProviderEventKind
from outcomes.responses.models import Mode, QuestionnaireResponse, ResponseStatus
from outcomes.responses.services import AlreadySubmitted
from outcomes.scheduling.models import UNDER_WAY, Assignment
from tests.campaign.figure import Figure, is_full
from tests.conftest import NOW, make_clinic, make_enrolment, make_member

SAFETY = {"PHQ-9": "9"}
ITEMS = {"PHQ-9": 9, "GAD-7": 7}
pick = st.integers(min_value=0, max_value=999)
played: Counter[str] = Counter()


class Crash(BaseException):
    """The process dies here: nothing catches this."""


class Provider:
    """A keyed provider that looks, at each effect, whether it may happen."""

    name = "machine"
    guarantee = Guarantee.KEYED
    per_second = 0.0

    def __init__(self, machine: Clinic) -> None:
        self.machine = machine
        self.is_down = False
        self.effects: list[tuple[str, datetime]] = []
        self.wrong: list[str] = []

    def send(self, outgoing: Outgoing) -> str:
        if self.is_down:
            raise SendError("down", is_retryable=True, is_provider_fault=True)
        message = Message.objects.select_related("patient__clinic", "alert").get(pk=outgoing.key)
        now = self.machine.now
        if outgoing.key not in {key for key, _at in self.effects}:
            self.effects.append((outgoing.key, now))
            self._judge(message, now)
        return f"ref-{outgoing.key}"

    def find(self, outgoing: Outgoing) -> str | None:
        return None

    def _judge(self, message: Message, now: datetime) -> None:
        if message.alert is not None:
            if message.alert.acknowledged_by_id is not None:
                self.wrong.append("paged after the acknowledgement")
            return
        patient = message.patient
        if patient is None:
            return
        clinic = patient.clinic
        if quiet.quiet_until(now, patient.time_zone, clinic.quiet_from, clinic.quiet_until):
            self.wrong.append("sent in quiet hours")
        if Contact.objects.get(patient=patient, channel=message.channel).suppressed_at:
            self.wrong.append("sent to who had said STOP, or bounced")
        if message.link is None or not message.link.invitation.has_open_assignments():
            self.wrong.append("asked for what was answered")


class Clinic(RuleBasedStateMachine):
    """One clinic with two patients, lived through by chance."""

    def __init__(self) -> None:
        super().__init__()
        self.atomic = transaction.atomic()
        self.atomic.__enter__()
        self.now = NOW
        self.answered: dict[object, tuple[str, dict[str, int]]] = {}
        self.tapped: dict[object, dict[str, int]] = {}
        self.backup: tuple[str, Any, datetime] | None = None
        self.provider = Provider(self)
        channels.providers()[Channel.EMAIL] = self.provider  # type: ignore[assignment]

    @initialize()
    def open(self) -> None:
        clinic = make_clinic("machine")
        self.user = make_member(clinic, Role.CLINICIAN, "Clara")
        self.clinic = clinic
        self.enrolments = [make_enrolment(clinic, self.user, name) for name in ("Robin", "Kim")]

    def teardown(self) -> None:
        played["histories"] += 1
        try:
            if hasattr(self, "clinic"):
                self.come_to_rest()
        finally:
            transaction.set_rollback(True)
            self.atomic.__exit__(None, None, None)

    def come_to_rest(self) -> None:
        """With the provider back, everything that is owed is done within minutes."""
        self.provider.is_down = False
        for _ in range(12):
            self.now += timedelta(minutes=5)
            self.sweep()
            self.send_all()
        reached = {key for key, _at in self.provider.effects}
        for alert in Alert.objects.open():
            keys = {str(key) for key in alert.messages.values_list("pk", flat=True)}
            assert keys & reached, "an open alert has paged nobody"
        overdue = Message.objects.filter(lane=Lane.ALERT, kind="alert").unsent()
        assert not overdue.filter(not_before__lt=self.now - timedelta(minutes=10)).exists()
        assert not list(audit.find_breaks(self.clinic.pk)), "the audit record has a break"

    # -- What happens ------------------------------------------------------------------------

    def sweep(self) -> None:
        workflows.replan_due(now=self.now)
        workflows.invite_due(now=self.now)
        workflows.escalate_due(now=self.now)
        workflows.expire_assignments(now=self.now)

    def send_all(self) -> None:
        for lane in Lane.values:
            workflows.send_due(lane=lane, clock=lambda: self.now)

    @rule(minutes=st.sampled_from([1, 12, 61, 300, 1440]))
    def tick(self, minutes: int) -> None:
        """Time passes, and the sweeps go round."""
        self.now += timedelta(minutes=minutes)
        self.sweep()

    @rule()
    def deliver(self) -> None:
        """Dispatchers send what is due."""
        self.send_all()

    def _open(self, choice: int) -> Assignment | None:
        rows = Assignment.objects.select_related("instrument").answerable_at(self.now)
        found = list(rows.filter(state__in=UNDER_WAY).order_by("pk"))
        return found[choice % len(found)] if found else None

    def _answers(self, assignment: Assignment, value: int) -> dict[str, int]:
        return {str(item): value for item in range(1, ITEMS[assignment.instrument.code] + 1)}

    def _actor(self, assignment: Assignment) -> Actor:
        return Actor(kind="patient", id=str(assignment.patient_id), label="Patient")

    @rule(choice=pick, value=st.integers(min_value=0, max_value=3))
    def autosave(self, choice: int, value: int) -> None:
        """A patient taps one answer."""
        assignment = self._open(choice)
        if assignment is None:
            return
        item = str(ITEMS[assignment.instrument.code])
        item = SAFETY.get(assignment.instrument.code, item)
        workflows.save_answers(
            assignment_id=assignment.pk,
            answers={item: value},
            language="en",
            mode=Mode.LINK,
            by=self._actor(assignment),
            now=self.now,
        )
        self.tapped.setdefault(assignment.pk, {})[item] = value

    @rule(choice=pick, value=st.integers(min_value=0, max_value=3))
    def submit(self, choice: int, value: int) -> None:
        """A patient sends a form."""
        assignment = self._open(choice)
        if assignment is not None:
            self._submit(assignment, value)

    def _submit(self, assignment: Assignment, value: int) -> None:
        answers, key = self._answers(assignment, value), f"form-{assignment.pk.hex[-12:]}"
        workflows.submit_response(
            assignment_id=assignment.pk,
            answers=answers,
            submission_id=key,
            language="en",
            mode=Mode.LINK,
            by=self._actor(assignment),
            now=self.now,
        )
        self.answered[assignment.pk] = (key, answers)
        self.tapped.pop(assignment.pk, None)

    @precondition(lambda self: self.answered)
    @rule(choice=pick, is_same=st.booleans())
    def resubmit(self, choice: int, is_same: bool) -> None:
        """A phone sends a form again, the same or another."""
        keys = sorted(self.answered, key=str)
        assignment = Assignment.objects.select_related("instrument").get(
            pk=keys[choice % len(keys)]
        )
        key, answers = self.answered[assignment.pk]
        sent = answers if is_same else {**answers, "1": (answers["1"] + 1) % 4}
        asked: dict[str, Any] = {
            "assignment_id": assignment.pk,
            "answers": sent,
            "submission_id": key if is_same else "another",
            "language": "en",
            "mode": Mode.LINK,
            "by": self._actor(assignment),
            "now": self.now,
        }
        if is_same:
            assert workflows.submit_response(**asked).is_repeat
        else:
            with pytest.raises((workflows.SubmissionConflict, AlreadySubmitted)):
                workflows.submit_response(**asked)

    @rule(choice=pick, days=st.integers(min_value=-3, max_value=9), what=st.integers(0, 2))
    def edit_sessions(self, choice: int, days: int, what: int) -> None:
        """Staff add, move or cancel a session."""
        course = self.enrolments[choice % 2].course
        at = self.now + timedelta(days=days)
        by = self.user.actor
        planned = TreatmentSession.objects.filter(course=course, status=SessionStatus.PLANNED)
        session = planned.order_by("planned_at").first()
        # Staff are told of what cannot be; then nothing of it is kept.
        try:
            with transaction.atomic():
                if what == 0 or session is None:
                    record = {"planned_at": at, "status": SessionStatus.PLANNED}
                    workflows.record_session(
                        course=course, record=record, by=by, now=self.now, is_confirmed=True
                    )
                elif what == 1:
                    workflows.move_session(
                        session=session,
                        planned_at=at,
                        reason="moved",
                        by=by,
                        now=self.now,
                        is_confirmed=True,
                    )
                else:
                    workflows.cancel_session(session=session, reason="ill", by=by, now=self.now)
        except ValidationError:
            pass

    @rule(choice=pick, kind=st.sampled_from(["delivered", "deferred", "bounced", "complained"]))
    def webhook(self, choice: int, kind: str) -> None:
        """The provider reports, and reports the same again."""
        sent = list(Message.objects.exclude(patient=None).exclude(sent_at=None).order_by("pk"))
        if not sent:
            return
        message = sent[choice % len(sent)]
        for _ in range(2):
            self._report(message, ProviderEventKind(kind), f"{kind}-{message.pk}")

    @rule(choice=pick, is_stop=st.booleans())
    def stop(self, choice: int, is_stop: bool) -> None:
        """A patient says STOP, or START."""
        sent = list(Message.objects.exclude(patient=None).exclude(sent_at=None).order_by("pk"))
        if sent:
            kind = ProviderEventKind.STOPPED if is_stop else ProviderEventKind.STARTED
            self._report(sent[choice % len(sent)], kind, f"{kind}-{self.now.isoformat()}")

    def _report(self, message: Message, kind: ProviderEventKind, key: str) -> None:
        contact = Contact.objects.get(patient=message.patient, channel=message.channel)
        report = delivery.Report(
            provider=self.provider.name,
            event_key=key,
            kind=kind,
            channel=Channel.EMAIL,
            happened_at=self.now,
            message_id=message.pk,
            to=contact.value,
        )
        workflows.take_report(report=report, now=self.now)

    @rule()
    def fail_or_mend(self) -> None:
        """The provider goes down, or comes back."""
        self.provider.is_down = not self.provider.is_down

    @rule(choice=pick)
    def acknowledge(self, choice: int) -> None:
        """A named person takes an alert."""
        found = list(Alert.objects.open().order_by("pk"))
        if found:
            alerts.acknowledge(
                alert=found[choice % len(found)],
                user=self.user,
                outcome=AlertOutcome.SPOKE_SAFE,
                note="",
                now=self.now,
            )

    @rule(choice=pick, at=st.integers(min_value=1, max_value=60), what=st.integers(0, 3))
    def crash(self, choice: int, at: int, what: int) -> None:
        """A process dies at some statement of its work."""
        assignment = self._open(choice)
        works: list[Callable[[], None]] = [self.send_all, self.sweep]
        if assignment is not None:
            works.append(lambda: self._submit(assignment, choice % 4))
        try:
            with dying_at(at):
                works[what % len(works)]()
        except Crash:
            played["crashes"] += 1
        self.now += timedelta(minutes=1)

    @rule()
    def back_up(self) -> None:
        """The database is copied."""
        state = copy.deepcopy((self.answered, self.tapped))
        self.backup = (transaction.savepoint(), state, self.now)

    @precondition(lambda self: self.backup)
    @rule(wait=st.sampled_from([3, 90]))
    def restore(self, wait: int) -> None:
        """The database is lost; the copy stands in, and is reconciled."""
        assert self.backup is not None
        sid, state, taken_at = self.backup
        self.backup = None
        transaction.savepoint_rollback(sid)
        self.answered, self.tapped = state
        lost_at, known = self.now, len(self.provider.effects)
        self.now += timedelta(minutes=wait)
        workflows.reconcile(backup_taken_at=taken_at, sent_until=lost_at, by=SYSTEM, now=self.now)
        delivery.keep_mark()
        played["restores"] += 1
        keys = [key for key, _at in self.provider.effects]
        self.send_all()
        # Keyed effects are counted once; a second message for the same link would be another key.
        again = [key for key, _at in self.provider.effects[known:]]
        assert not set(again) & set(keys)

    # -- What must hold ------------------------------------------------------------------------

    @invariant()
    def nothing_forbidden_was_sent(self) -> None:
        assert not self.provider.wrong, self.provider.wrong

    @invariant()
    def what_was_saved_is_there(self) -> None:
        current = QuestionnaireResponse.objects.exclude(status=ResponseStatus.CORRECTED)
        stored = {row.assignment_id: row for row in current}
        assert len(stored) == current.count(), "one form was stored twice"
        for key, (_submission, answers) in self.answered.items():
            assert stored[key].status == ResponseStatus.FINAL
            assert answers.items() <= stored[key].answers.items()
        for key, answers in self.tapped.items():
            if key in stored and stored[key].status == ResponseStatus.IN_PROGRESS:
                assert answers.items() <= stored[key].answers.items()
            assert key in stored
        completed = Assignment.objects.filter(state="completed").values_list("pk", flat=True)
        assert set(self.answered) <= set(completed), "a completed form is open again"

    @invariant()
    def every_positive_has_its_alert(self) -> None:
        final = QuestionnaireResponse.objects.filter(status=ResponseStatus.FINAL)
        final = final.filter(assignment__instrument__code="PHQ-9")
        positive = {row.pk for row in final if row.answers.get("9")}
        paging = Alert.objects.exclude(state=AlertState.PROVISIONAL).exclude(opened_at=None)
        found = Counter(paging.filter(response__in=positive).values_list("response", flat=True))
        assert found == Counter(positive)

    @invariant()
    def no_open_alert_has_stopped(self) -> None:
        assert not Alert.objects.open().filter(next_at=None).exists()
        for alert in Alert.objects.open():
            assert alert.messages.exists(), "an open alert pages nobody"

    @invariant()
    def what_is_recorded_as_sent_was_sent(self) -> None:
        reached = {key for key, _at in self.provider.effects}
        sent = Message.objects.filter(state=MessageState.SENT)
        assert {str(key) for key in sent.values_list("pk", flat=True)} <= reached


@contextmanager
def dying_at(statement: int) -> Iterator[None]:
    """Raise Crash instead of the n-th statement."""
    left = statement

    def count(execute: Callable[..., Any], *arguments: Any) -> Any:
        nonlocal left
        left -= 1
        if left == 0:
            raise Crash
        return execute(*arguments)

    with connection.execute_wrapper(count):
        yield


@pytest.mark.thorough
@pytest.mark.django_db
def test_no_history_loses_or_doubles_anything(
    tmp_path: Path, settings: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.VAR_DIR = tmp_path
    channels.providers.cache_clear()
    is_held = False
    try:
        run_state_machine_as_test(Clinic, settings=sizes())
        is_held = True
    finally:
        channels.providers.cache_clear()
        text = (
            f"state machine: {'0' if is_held else 'at least 1'} of {played['histories']} histories "
            f"broken, with {played['crashes']} crashes and {played['restores']} restores"
        )
        with capsys.disabled():
            print("\n" + Figure("R2", is_held, text).line())


def sizes() -> settings:
    full = is_full()
    return settings(
        max_examples=150 if full else 25,
        stateful_step_count=40 if full else 25,
        derandomize=not full,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
