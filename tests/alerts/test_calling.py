"""A patient asks to be called: one task, told to whom an alert would be, settled by a person."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from outcomes import workflows
from outcomes.alerts import services as alerts
from outcomes.alerts.models import Alert, AlertState, CallRequest
from outcomes.audit import services as audit
from outcomes.audit.models import SYSTEM, AuditEvent
from outcomes.clinics.models import User
from outcomes.delivery import channels
from outcomes.delivery.models import Invitation, Lane, Message
from outcomes.delivery.services import path_of
from outcomes.scheduling.models import Assignment
from tests.alerts.conftest import raise_alert, told


@pytest.fixture
def invitation(phq9: Assignment) -> Invitation:
    """The patient's invitation."""
    return phq9.invitations.get()


def ask(invitation: Invitation, now: datetime) -> CallRequest:
    return alerts.ask_to_be_called(invitation=invitation, by=SYSTEM, now=now)


def test_it_tells_whom_an_alert_would_tell(
    phq9: Assignment, invitation: Invitation, clinician: User, now: datetime
) -> None:
    call = ask(invitation, now)
    raise_alert(phq9, now)

    assert told("notice") == told("alert") == [(clinician.name, "email")]
    message = Message.objects.select_related("clinic").get(kind="notice")
    assert (message.lane, message.topic) == (Lane.ALERT, "call_me")
    assert path_of(message) == "/c/north/alerts/"
    assert (call.patient, call.asked_at) == (invitation.patient, now)
    assert AuditEvent.objects.get(action="call.asked").patient_id == call.patient_id


def test_it_goes_by_text_message_too_where_an_alert_would(
    invitation: Invitation, clinician: User, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channels, "in_use", lambda: ("email", "sms"))
    User.objects.filter(pk=clinician.pk).update(phone="+12025550177")
    ask(invitation, now)

    assert told("notice") == [("Clara", "email"), ("Clara", "sms")]


def test_the_mail_names_nobody(
    invitation: Invitation, now: datetime, mailoutbox: list[object]
) -> None:
    ask(invitation, now)
    workflows.send_due(lane=Lane.ALERT, clock=lambda: now)

    (mail,) = mailoutbox
    assert mail.subject == "North: somebody asks to be called"
    assert "A patient asks to be called." in mail.body
    assert "Robin" not in mail.body


def test_asking_again_makes_nothing_new_until_it_is_settled(
    invitation: Invitation, clinician: User, now: datetime
) -> None:
    first = ask(invitation, now)
    assert ask(invitation, now + timedelta(minutes=1)) == first
    assert len(told("notice")) == 1

    alerts.settle_call(call=first, by_user=clinician, note="Telephoned.", now=now)
    second = ask(invitation, now + timedelta(hours=1))

    assert second != first
    assert len(told("notice")) == 2


def test_settling_says_who_and_how_and_acknowledges_no_alert(
    phq9: Assignment, invitation: Invitation, clinician: User, now: datetime
) -> None:
    call = ask(invitation, now)
    raise_alert(phq9, now)
    for note in ("Telephoned.", "Once more."):
        call = alerts.settle_call(call=call, by_user=clinician, note=note, now=now)

    assert (call.settled_by, call.note) == (clinician, "Telephoned.")
    assert AuditEvent.objects.filter(action="call.settled").count() == 1
    assert Alert.objects.get().state == AlertState.OPEN


def test_without_its_audit_row_nothing_is_asked(
    invitation: Invitation, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object) -> None:
        raise RuntimeError("no audit")

    monkeypatch.setattr(audit, "_append", fail)
    with pytest.raises(RuntimeError):
        ask(invitation, now)

    assert not CallRequest.objects.exists()
    assert told("notice") == []
