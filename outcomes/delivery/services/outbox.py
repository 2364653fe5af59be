"""Send the outbox: claim with lease and fence, recheck, call the provider, record by fence.

The rows are the queue. A dispatcher claims a few messages under a lease, and before each call to
the provider it writes that the call begins, and of the call before it that it went well: so a death
leaves one message in doubt, not all it had claimed. What was sent is recorded, with its audit
events, once for the whole batch. The provider is called outside any transaction. Whoever holds the
newest fence owns a row; a dispatcher that was paused and wakes up finds its fence outdated and
records nothing.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import reduce
from operator import or_
from typing import Any

from django.db import InterfaceError, OperationalError, connection, transaction
from django.db.models import Case, F, IntegerField, Q, QuerySet, Value, When

from outcomes.audit import services as audit
from outcomes.audit.models import SYSTEM
from outcomes.care.models import Suppression
from outcomes.clinics.access import Role
from outcomes.clinics.models import Membership, User
from outcomes.delivery.channels import providers
from outcomes.delivery.channels.base import Guarantee, Outgoing, Provider, SendError
from outcomes.delivery.models import DispatcherLoop, Lane, Message, MessageKind, MessageState, Topic
from outcomes.delivery.recheck import Facts, Go, Stop, Wait
from outcomes.delivery.rendering import render
from outcomes.delivery.services import gates
from outcomes.delivery.services.alerts import queue_notice
from outcomes.delivery.services.unreached import raise_refused, stop_channel
from outcomes.delivery.sitting import note_minutes

log = logging.getLogger(__name__)

LEASE = timedelta(seconds=45)
#: What is left of a lease must outlast one call of a provider.
LONGEST_CALL = timedelta(seconds=25)
BATCH = 20
#: How often a dispatcher that goes round and round writes that it does.
NOTE_EVERY = timedelta(seconds=5)
MAX_CRASHES = 5
BACKOFF_BASE_SECONDS = 5.0
BACKOFF_CAP_SECONDS = 300.0
NOT_REPEATED = "may have been sent; not repeated"

Clock = Callable[[], datetime]


def due(*, lane: str, channel: str, now: datetime) -> QuerySet[Message]:
    """Return what may be claimed, in the order of the index alone: many may be due at once."""
    return Message.objects.claimable(lane, channel, now).order_by("not_before")


@transaction.atomic
def claim(*, lane: str, channel: str, size: int, now: datetime) -> list[Message]:
    """Take up to `size` of the lane's oldest due messages, each with a new fence and a lease.

    What a dead dispatcher left is taken one at a time, so that one poisonous message brings down
    nothing but itself: after five crashes a bulk message is set aside, an alert never.
    """
    rows = due(lane=lane, channel=channel, now=now).select_for_update(
        of=("self",), skip_locked=connection.features.has_select_for_update_skip_locked
    )
    found = list(rows.only("clinic", "state", "sent_at", "crashes", "lane")[:size])
    left_behind = [row for row in found if row.state == MessageState.SENDING and not row.sent_at]
    if left_behind:
        found = _set_aside(left_behind[:1], now)
    mine = Message.objects.filter(pk__in=[row.pk for row in found])
    crashed = Q(state=MessageState.SENDING, sent_at=None)
    mine.update(
        crashes=F("crashes")
        + Case(When(crashed, then=Value(1)), default=Value(0), output_field=IntegerField()),
        is_ambiguous=Case(
            When(crashed & Q(begun_at__isnull=False), then=Value(True)), default=F("is_ambiguous")
        ),
        begun_at=None,
        fence=F("fence") + 1,
        lease_until=now + LEASE,
        state=MessageState.SENDING,
    )
    related = ("clinic", "patient__own_page", "user", "alert", "link__invitation")
    return list(mine.select_related(*related).order_by("not_before", "id"))


def _set_aside(rows: Sequence[Message], now: datetime) -> list[Message]:
    """Return the rows that may be tried once more; set the others aside."""
    good = []
    for row in rows:
        if row.lane == Lane.ALERT or row.crashes + 1 < MAX_CRASHES:
            good.append(row)
            continue
        row.state, row.state_reason = MessageState.QUARANTINED, "crashed repeatedly"
        row.crashes, row.lease_until = row.crashes + 1, None
        row.save(update_fields=["state", "state_reason", "crashes", "lease_until"])
        _tell_set_aside(row, now)
    return good


def _tell_set_aside(message: Message, now: datetime) -> None:
    """Tell the clinic's admins and the operators that a message was given up."""
    log.error("Message %s was set aside after %s crashes.", message.pk, MAX_CRASHES)
    admins = Membership.objects.active().filter(clinic=message.clinic_id, role=Role.CLINIC_ADMIN)
    is_told = Q(pk__in=admins.values("user")) | Q(is_superuser=True)
    users = User.objects.filter(is_told, is_active=True)
    queue_notice(
        topic=Topic.SET_ASIDE,
        clinic_id=message.clinic_id,
        users=users,
        key=f"{message.pk}:{message.crashes}",
        now=now,
    )


@dataclass(frozen=True, slots=True)
class Settlement:
    """What became of one claimed message."""

    message: Message
    columns: dict[str, Any]
    gone: str = ""  #: why the patient's channel is to be stopped
    is_refused: bool = False  #: this message must find another way

    @property
    def is_sent(self) -> bool:
        """Whether a provider took the message."""
        return bool(self.columns["state"] == MessageState.SENT)


@dataclass(slots=True)
class Batch:
    """Messages that this dispatcher has claimed, and what it still has to write of them."""

    provider: Provider
    clock: Clock
    waiting: list[Settlement] = field(default_factory=list)
    noted: list[Settlement] = field(default_factory=list)  #: as sent, and still to be recorded

    def settle(self, message: Message, **columns: Any) -> None:
        """Keep what became of a message until the next write."""
        self.waiting.append(Settlement(message, {"lease_until": None, **columns}))

    def write(self, begin: Message | None = None) -> bool:
        """Record what became of messages or, in the same transaction, that the next call begins.

        Before a call, of what was sent only the fact is noted, for nobody to send it again: the
        clinic's audit chain is locked once for a batch, not once for a message.
        False where the message to begin is no longer ours, or was cancelled.
        """
        if begin is None:
            self._record()
            return True
        noted = []
        with audit.atomic():
            for settlement in self.waiting:
                if settlement.is_sent and _note_sent(settlement):
                    noted.append(settlement)
                else:
                    _record(settlement, self.clock())
            columns = {"begun_at": self.clock(), "attempts": F("attempts") + 1}
            is_begun: bool = _owned(begin).update(**columns) == 1
        self.noted += noted
        self.waiting = []
        return is_begun

    def _record(self) -> None:
        if not self.waiting and not self.noted:
            return
        with audit.atomic():
            _record_noted(self.noted, self.clock())
            for settlement in self.waiting:
                _record(settlement, self.clock())
        self.waiting, self.noted = [], []


def _owned(message: Message) -> Any:
    return Message.objects.filter(pk=message.pk, fence=message.fence, state=MessageState.SENDING)


def _note_sent(settlement: Settlement) -> bool:
    """Write that a message was sent; False if it was taken back meanwhile, or is no longer ours."""
    columns = ("provider", "provider_ref", "resends", "sent_at")
    sent = {name: settlement.columns[name] for name in columns}
    return bool(_owned(settlement.message).update(**sent) == 1)


def _record_noted(noted: Sequence[Settlement], now: datetime) -> None:
    """Record those of the messages noted as sent that nobody newer has recorded."""
    if not noted:
        return
    ours = reduce(or_, (Q(pk=each.message.pk, fence=each.message.fence) for each in noted))
    rows = Message.objects.filter(ours, state=MessageState.SENDING).select_for_update()
    keys = set(rows.values_list("pk", flat=True))
    Message.objects.filter(pk__in=keys).update(
        state=MessageState.SENT, state_reason="", lease_until=None
    )
    for settlement in noted:
        if settlement.message.pk in keys:
            _audit(settlement, now)


def _record(settlement: Settlement, now: datetime) -> None:
    """Write what became of a claimed message, unless somebody newer owns it."""
    message, state = settlement.message, settlement.columns["state"]
    is_written = _owned(message).update(**settlement.columns) == 1
    if not is_written and settlement.is_sent:
        # Taken back while the provider had it: it went out all the same.
        taken_back = Message.objects.filter(
            pk=message.pk, fence=message.fence, state=MessageState.CANCELLED, sent_at=None
        )
        is_written = taken_back.update(**settlement.columns) == 1
    if not is_written:
        return
    if state == MessageState.QUARANTINED:
        message.crashes = settlement.columns["crashes"]
        _tell_set_aside(message, now)
    if state in (MessageState.SENT, MessageState.FAILED):
        _audit(settlement, now)
    if message.patient is None:
        return
    if settlement.gone:
        stop_channel(
            patient=message.patient, channel=message.channel, reason=settlement.gone, now=now
        )
    elif settlement.is_refused:
        raise_refused(message=message, now=now)


def _audit(settlement: Settlement, now: datetime) -> None:
    message = settlement.message
    audit.record(
        clinic_id=message.clinic_id,
        by=SYSTEM,
        now=now,
        action=f"message.{settlement.columns['state']}",
        object_type="Message",
        object_id=message.pk,
        patient_id=message.patient_id,
        data={"kind": message.kind, "channel": message.channel},
    )


def send_batch(*, lane: str, channel: str, clock: Clock, size: int = BATCH) -> int:
    """Send up to `size` of the lane's due messages by this channel; return how many were handled.

    Each is sent at the time that `clock` then gives.
    """
    now = clock()
    if not Message.objects.claimable(lane, channel, now).exists():
        return 0
    provider = providers().get(channel)
    if provider is None:
        messages = claim(lane=lane, channel=channel, size=size, now=now)
        _refuse_channel(messages, clock)
        return len(messages)
    admission = gates.admit(provider, lane=lane, size=size, now=now)
    if admission.size == 0:
        return 0
    messages = claim(lane=lane, channel=channel, size=admission.size, now=now)
    if messages:
        _Sending(messages, Batch(provider, clock), is_troubled=admission.is_troubled).run()
    return len(messages)


def note_loop(*, lane: str, now: datetime) -> None:
    """Remember that a dispatcher went through this lane to its end."""
    fresh = DispatcherLoop.objects.filter(lane=lane, finished_at__gt=now - NOTE_EVERY)
    if not fresh.exists():
        DispatcherLoop.objects.update_or_create(lane=lane, defaults={"finished_at": now})


def _refuse_channel(messages: Sequence[Message], clock: Clock) -> None:
    """Say that this installation has no way out by the channel; an alert waits for one."""
    with audit.atomic():
        for message in messages:
            columns: dict[str, Any] = {"state": MessageState.FAILED}
            if message.lane == Lane.ALERT:
                columns = {
                    "state": MessageState.PENDING,
                    "not_before": clock() + timedelta(seconds=BACKOFF_CAP_SECONDS),
                }
            columns |= {"state_reason": "channel is switched off", "lease_until": None}
            refused = message.lane == Lane.BULK
            _record(Settlement(message, columns, is_refused=refused), clock())


class _Sending:
    """Take one claimed batch to its end."""

    def __init__(self, messages: Sequence[Message], batch: Batch, *, is_troubled: bool) -> None:
        self.messages = list(messages)
        self.batch = batch
        self.is_troubled = is_troubled
        self.facts = Facts(self.messages, batch.clock())
        note_minutes([message.link.invitation for message in messages if message.link])
        self.is_halted = False

    def run(self) -> None:
        """Send, hold back or cancel each message, and write what became of it."""
        for position, message in enumerate(self.messages):
            lease_left = (message.lease_until or self.batch.clock()) - self.batch.clock()
            if self.is_halted or lease_left < LONGEST_CALL:
                self._release(self.messages[position:])
                break
            self._take(message)
        _patiently(self.batch.write)

    def _take(self, message: Message) -> None:
        if message.sent_at is not None:
            # Whoever sent it died before it was recorded.
            self.batch.noted.append(Settlement(message, {"state": MessageState.SENT}))
            return
        now = self.batch.clock()
        # A message that breaks the code must not hold up those behind it.
        try:
            decision = self.facts.decide(message, now)
            outgoing = render(message, decision.to) if isinstance(decision, Go) else None
        except Exception as error:
            self._settle_crash(message, error)
            return
        match decision:
            case Wait():
                self.batch.settle(
                    message,
                    state=MessageState.PENDING,
                    state_reason=decision.reason,
                    not_before=decision.until,
                )
            case Stop():
                self.batch.settle(
                    message, state=MessageState.CANCELLED, state_reason=decision.reason
                )
        if outgoing is not None and self._may_repeat(message):
            begun = _patiently(lambda: self.batch.write(begin=message))
            if begun:
                self._call(message, outgoing)

    def _may_repeat(self, message: Message) -> bool:
        """Say whether a message in doubt may be sent again where nobody can tell if it was.

        A page to staff always is; an invitation once; a reminder never.
        """
        is_certain = not message.is_ambiguous or self.batch.provider.guarantee != Guarantee.PLAIN
        if is_certain or message.lane == Lane.ALERT:
            return True
        if message.kind == MessageKind.INVITATION and message.resends == 0:
            message.resends = 1
            return True
        columns = {"state_reason": NOT_REPEATED, "lease_until": None}
        if message.kind == MessageKind.REMINDER:
            self.batch.settle(message, state=MessageState.CANCELLED, **columns)
        else:
            columns["state"] = MessageState.FAILED
            self.batch.waiting.append(Settlement(message, columns, is_refused=True))
        return False

    def _call(self, message: Message, outgoing: Outgoing) -> None:
        """Call the provider, and keep what came of it."""
        provider = self.batch.provider
        try:
            reference = None
            if message.is_ambiguous and provider.guarantee == Guarantee.SEARCHABLE:
                reference = provider.find(outgoing)
            reference = provider.send(outgoing) if reference is None else reference
        except SendError as error:
            self._settle_error(message, error)
            return
        except Exception as error:
            self._settle_crash(message, error, is_ambiguous=True)
            return
        if self.is_troubled:
            gates.note_success(provider)
            self.is_troubled = False
        self.facts.note_sent(message, self.batch.clock())
        self.batch.settle(
            message,
            state=MessageState.SENT,
            state_reason="",
            provider=provider.name,
            provider_ref=reference,
            resends=message.resends,
            sent_at=self.batch.clock(),
        )

    def _settle_error(self, message: Message, error: SendError) -> None:
        now = self.batch.clock()
        if error.is_provider_fault:
            self.is_troubled = True
            self.is_halted = gates.note_fault(self.batch.provider, now=now)
        columns: dict[str, Any] = {
            "state_reason": error.reason,
            "provider": self.batch.provider.name,
            "resends": message.resends,
            "lease_until": None,
        }
        if error.is_retryable or message.lane == Lane.ALERT:
            columns |= {
                "state": MessageState.PENDING,
                "not_before": now + backoff(message.attempts + 1),
                "is_ambiguous": message.is_ambiguous or error.is_ambiguous,
            }
            if error.is_recipient_gone:
                columns["bounced_at"] = now
            self.batch.waiting.append(Settlement(message, columns))
            return
        columns["state"] = MessageState.FAILED
        gone = ""
        if error.is_recipient_gone:
            columns["bounced_at"] = now
            is_opt_out = error.reason == "opted out"
            gone = Suppression.OPTED_OUT if is_opt_out else Suppression.HARD_BOUNCE
        self.batch.waiting.append(Settlement(message, columns, gone, is_refused=True))

    def _settle_crash(
        self, message: Message, error: Exception, *, is_ambiguous: bool = False
    ) -> None:
        # Only the kind of error: its text may hold an address.
        kind = type(error).__name__
        log.error("Message %s failed: %s", message.pk, kind)
        crashes = message.crashes + 1
        is_over = message.lane == Lane.BULK and crashes >= MAX_CRASHES
        self.batch.settle(
            message,
            state=MessageState.QUARANTINED if is_over else MessageState.PENDING,
            state_reason=kind,
            crashes=crashes,
            is_ambiguous=message.is_ambiguous or is_ambiguous,
            resends=message.resends,
            not_before=self.batch.clock() + backoff(message.attempts + 1),
        )

    def _release(self, rest: Sequence[Message]) -> None:
        """Give back what was claimed and not begun."""
        for message in rest:
            self.batch.settle(message, state=MessageState.PENDING)


def _patiently(write: Callable[[], bool]) -> bool:
    """Write, trying again for as long as a lease may last.

    What was sent shall not be sent again only because the database was away for a moment.
    """
    give_up_at = time.monotonic() + LEASE.total_seconds()
    while True:
        try:
            return write()
        except (InterfaceError, OperationalError):
            if connection.in_atomic_block or time.monotonic() > give_up_at:
                raise
            connection.close()
            time.sleep(0.5)


def backoff(attempts: int) -> timedelta:
    """Return a random wait: full jitter under a doubling ceiling of at most five minutes."""
    ceiling = min(BACKOFF_CAP_SECONDS, BACKOFF_BASE_SECONDS * 2 ** min(attempts, 10))
    return timedelta(seconds=random.uniform(1, ceiling))  # noqa: S311 - spreads load, no secret
