"""Bugs planted into the product one at a time: the walk over the boundaries must find each."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from tests.campaign.figure import Figure
from tests.campaign.stage import note, staged

CAUGHT, MISSED, BROKE = 41, 42, 43


@dataclass(frozen=True, slots=True)
class Bug:
    """One bug, and the walk that must find it."""

    name: str
    plant: Callable[[], None]
    scenario: str
    face: str = "keyed"
    pauses: bool = False


def alert_after_commit() -> None:
    """Raise the alert once the answer is committed."""
    from outcomes import workflows
    from outcomes.workflows import answering

    raise_alerts, submit, late = answering._raise_alerts, answering.submit_response, []

    def remember(*arguments: Any) -> list[Any]:
        late.append(arguments)
        return []

    def submit_then_raise(**arguments: Any) -> Any:
        submission = submit(**arguments)
        while late:
            raise_alerts(*late.pop())
        return submission

    answering._raise_alerts = remember
    answering.submit_response = workflows.submit_response = submit_then_raise


def no_lease() -> None:
    """Claim for ever."""
    from outcomes.delivery.models import Message
    from outcomes.delivery.services import outbox

    claim = outbox.claim

    def claim_for_ever(**arguments: Any) -> Any:
        messages = claim(**arguments)
        Message.objects.filter(pk__in=[each.pk for each in messages]).update(lease_until=None)
        return messages

    outbox.claim = claim_for_ever


def no_fence() -> None:
    """Let whoever once had a message record what became of it."""
    from outcomes.delivery.models import Message, MessageState
    from outcomes.delivery.services import outbox

    outbox._owned = lambda message: Message.objects.filter(
        pk=message.pk, state=MessageState.SENDING
    )


def no_key() -> None:
    """Give every attempt a key of its own."""
    from outcomes.delivery.services import outbox

    render = outbox.render
    outbox.render = lambda *arguments: replace(render(*arguments), key=uuid4().hex)


def mark_before_send() -> None:
    """Record a message as sent, then send it."""
    from outcomes.delivery.models import MessageState
    from outcomes.delivery.services.outbox import _Sending

    def mark_then_send(self: Any, message: Any, outgoing: Any) -> None:
        now = self.batch.clock()
        self.batch.settle(message, state=MessageState.SENT, state_reason="", sent_at=now)
        self.batch.write()
        self.batch.provider.send(outgoing)

    _Sending._call = mark_then_send


def escalation_stops() -> None:
    """Tell one wider circle, and nobody after it."""
    from outcomes.alerts import services as alerts
    from outcomes.alerts.models import Alert

    escalate = alerts.escalate

    def escalate_once(*, alert: Any, now: Any) -> None:
        escalate(alert=alert, now=now)
        Alert.objects.filter(pk=alert.pk).update(next_at=None)

    alerts.escalate = escalate_once


def nudge_only() -> None:
    """Send only what this process itself has heard of, as a queue in memory does."""
    from outcomes import workflows
    from outcomes.delivery.models import Lane, Message

    heard: set[Any] = set()
    submit, send_due = workflows.submit_response, workflows.send_due

    def submit_and_nudge(**arguments: Any) -> Any:
        submission = submit(**arguments)
        heard.update(alert.pk for alert in submission.alerts)
        return submission

    def send_heard(**arguments: Any) -> int:
        never = arguments["clock"]() + timedelta(days=3650)
        unheard = Message.objects.filter(lane=Lane.ALERT).unsent().exclude(alert__in=heard)
        unheard.update(not_before=never, lease_until=never)
        return send_due(**arguments)

    workflows.submit_response = submit_and_nudge
    workflows.send_due = send_heard


def quiet_hours_of_one_zone() -> None:
    """Know no quiet hours where the zone is a plain offset."""
    from outcomes.delivery import quiet

    quiet_until = quiet.quiet_until
    quiet.quiet_until = lambda now, zone, *hours: (
        None if zone.startswith("Etc/") else quiet_until(now, zone, *hours)
    )


def acknowledged_by_opening() -> None:
    """Take an alert as acknowledged once somebody has looked at it."""
    from outcomes import workflows
    from outcomes.alerts.models import Alert, AlertState
    from outcomes.clinics.models import User

    view_patient = workflows.view_patient

    def view_and_acknowledge(*, patient: Any, by: Any, now: Any, **rest: Any) -> None:
        view_patient(patient=patient, by=by, now=now, **rest)
        seen = Alert.objects.filter(patient=patient, state=AlertState.OPEN)
        seen.update(
            state=AlertState.ACKNOWLEDGED,
            acknowledged_by=User.objects.get(pk=by.id),
            acknowledged_at=now,
            next_at=None,
        )

    workflows.view_patient = view_and_acknowledge


def reminder_repeated() -> None:
    """Send again whatever may have been sent, by a server that keeps no key."""
    from outcomes.delivery.services.outbox import _Sending

    _Sending._may_repeat = lambda self, message: True


BUGS = (
    Bug("alert after commit", alert_after_commit, "submit"),
    Bug("no lease", no_lease, "invite"),
    Bug("no fence", no_fence, "submit", pauses=True),
    Bug("no key", no_key, "invite"),
    Bug("mark before send", mark_before_send, "invite"),
    Bug("escalation stops", escalation_stops, "escalate"),
    Bug("nudge only", nudge_only, "submit"),
    Bug("quiet hours of one zone", quiet_hours_of_one_zone, "quiet"),
    Bug("acknowledged by opening", acknowledged_by_opening, "opened"),
    Bug("reminder repeated", reminder_repeated, "remind", face="plain"),
)


def play(database: str, *, is_full: bool) -> Iterator[Figure]:
    """Yield the figure of one database."""
    with staged(database, is_quick=True) as stage:
        caught = {bug.name: is_caught(bug, stage.folder) for bug in BUGS}
    missed = [name for name, is_found in caught.items() if not is_found]
    found = len(caught) - len(missed)
    text = f"{found} of {len(caught)} planted bugs caught ({', '.join(missed or caught)})"
    yield Figure("R2", not missed, text if not missed else f"{text} missed")


def is_caught(bug: Bug, folder: Path) -> bool:
    """Plant the bug in a forked process and walk there until something does not hold."""
    from django.db import connections

    connections.close_all()
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        os._exit(_walk_with(bug, folder))
    _pid, status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    if code not in (CAUGHT, MISSED):
        raise RuntimeError(f"The walk with the bug {bug.name!r} broke.")
    return code == CAUGHT


def _walk_with(bug: Bug, folder: Path) -> int:
    from outcomes.delivery.channels.base import Guarantee
    from tests.campaign.boundaries import walk_through
    from tests.campaign.scenarios import by_name

    # Everything a bug does twice would meet what it left behind before.
    own = folder / uuid4().hex
    own.mkdir()
    try:
        bug.plant()
        walk = walk_through(
            own,
            by_name()[bug.scenario],
            Guarantee(bug.face),
            pauses=bug.pauses,
            is_first_enough=True,
            prefix=own.name[:8],
        )
    except BaseException:
        traceback.print_exc()
        return BROKE
    finally:
        sys.stdout.flush()
    note(f"{bug.name}: {(walk.problems or ['not found'])[0]}")
    return CAUGHT if walk.problems else MISSED
