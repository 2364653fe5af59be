"""R6, R7, R8: what is lost or comes twice when dispatchers die, hang, or meet a poison."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from tests.campaign.faults import Faults
from tests.campaign.figure import Figure
from tests.campaign.stage import Killer, Process, Stage, note, percentile, staged, wait_until

RECLAIMED_WITHIN = 60
POISON_COSTS = 5.0


@dataclass(frozen=True, slots=True)
class Size:
    """How much is done."""

    messages: int
    kills: int
    good: int


SHORT = Size(messages=150, kills=4, good=150)
FULL = Size(messages=1500, kills=40, good=1000)


def play(database: str, *, is_full: bool) -> Iterator[Figure]:
    """Yield the figures of one database."""
    size = FULL if is_full else SHORT
    with staged(database) as stage:
        runs = _Runs(stage)
        yield runs.killed("keyed", size, Faults(before=0.05, hidden=0.05))
        yield runs.killed("plain", size, Faults(before=0.05, hidden=0.03))
        yield runs.undisturbed("plain", size.messages)
        yield runs.taken_over(size.messages)
        yield runs.poisoned(size.good)


class _Runs:
    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.number = 0

    def _begin(self, count: int, faults: Faults) -> list[str]:
        """Put so many invitations into the outbox; return their keys."""
        from outcomes.delivery.models import Message, ProviderGate
        from tests.campaign.sink import Outside
        from tests.campaign.world import make_people

        self.number += 1
        fresh = Outside(faults=faults)
        self.stage.outside.__dict__.update(fresh.__dict__)
        ProviderGate.objects.all().delete()
        now, prefix = datetime.now(UTC), f"sending-{self.number}"
        make_people(count, now, prefix=prefix, is_invited=True)
        rows = Message.objects.filter(created_at=now, kind="invitation")
        return [str(key) for key in rows.values_list("pk", flat=True)]

    def _dispatchers(self, face: str, count: int = 3) -> list[Process]:
        return [self.stage.add_dispatcher("bulk", face) for _ in range(count)]

    def _end(self, keys: list[str], dispatchers: list[Process], seconds: float = 200) -> int:
        """Wait until all is settled; return how many messages reached nobody."""
        from tests.campaign import checks

        try:
            wait_until(lambda: checks.waiting("bulk") == 0, seconds, "every message is settled")
        except TimeoutError as late:
            note(str(late))
        for each in dispatchers:
            each.kill()
            self.stage.processes.remove(each)
        return len(set(keys) - set(self.stage.outside.seen()))

    def killed(self, face: str, size: Size, faults: Faults) -> Figure:
        """Kill dispatchers at random while they send through a provider that fails."""
        from outcomes.delivery.models import Message

        keys = self._begin(size.messages, faults)
        dispatchers = self._dispatchers(face)
        outside, doubtful = self.stage.outside, set()

        def look(victim: Process) -> None:
            # Stopped first, so that each call it began and did not record can be counted, once.
            victim.send(signal.SIGSTOP)
            time.sleep(0.1)
            begun = Message.objects.filter(state="sending", sent_at=None).exclude(begun_at=None)
            seen = outside.seen()
            calls = begun.values_list("pk", "attempts")
            doubtful.update(call for call in calls if str(call[0]) in seen)

        with Killer(dispatchers, (0.3, 1.0), before_kill=look) as killer:
            wait_until(lambda: killer.kills >= size.kills, 240, "all kills are done")
        lost, doubles = self._end(keys, dispatchers), outside.duplicates()
        allowed = 0 if face == "keyed" else outside.hidden + len(doubtful)
        text = (
            f"{face} provider, {len(keys):,} invitations, {killer.kills} kills, "
            f"{outside.hidden} replies hidden: {lost} lost, {doubles} duplicate effects"
        )
        if face != "keyed":
            text += f" (at most {allowed}: the ambiguous sends)"
        return Figure("R6", not lost and doubles <= allowed, text)

    def undisturbed(self, face: str, count: int) -> Figure:
        """Send through a provider that does not fail."""
        keys = self._begin(count, Faults())
        lost = self._end(keys, self._dispatchers(face))
        doubles = self.stage.outside.duplicates()
        text = f"{face} provider without a fault: {lost} of {count:,} lost, {doubles} came twice"
        return Figure("R6", not lost and not doubles, text)

    def taken_over(self, count: int) -> Figure:
        """Kill one dispatcher and stop another while they send; a third takes over."""
        from outcomes.delivery.models import Message

        keys = self._begin(count, Faults())
        dead, frozen = self._dispatchers("keyed", 2)
        outside = self.stage.outside
        wait_until(lambda: len(outside.effects) > 10, 120, "the dispatchers are at work")
        dead.kill()
        where = " amid a transaction" if self._stop_amid_transaction(frozen) else ""
        held = Message.objects.filter(state="sending").count()
        begun = time.time()
        third = self._dispatchers("keyed", 1)
        lost = self._end(keys, [*third], seconds=120)
        last = max((each.at for each in outside.effects), default=begun) - begun
        before = _rows(keys)
        frozen.send(signal.SIGCONT)
        time.sleep(5)
        after = _rows(keys)
        # What stood still within its transaction had the row all the time, and nobody took it over.
        stale = sum(
            before[key] != after[key] for key in before if before[key][1] != "sending"
        ) + sum(before[key][2] > after[key][2] for key in before)
        for each in (dead, frozen):
            each.kill()
            self.stage.processes.remove(each)
        doubles = outside.duplicates()
        text = (
            f"{held} messages held by a dispatcher killed and one stopped{where} sent after "
            f"{last:.0f} s (at most {RECLAIMED_WITHIN}), {lost} lost, {doubles} came twice, "
            f"{stale} stale writes accepted"
        )
        is_held = held > 0 and last <= RECLAIMED_WITHIN and not (lost or doubles or stale)
        return Figure("R7", is_held, text)

    def _stop_amid_transaction(self, dispatcher: Process) -> bool:
        """Stop the only dispatcher at work, if it can be while it keeps rows locked.

        False where the database does not tell, or the moment was not met in a hundred tries.
        """
        for _ in range(100):
            dispatcher.send(signal.SIGSTOP)
            time.sleep(0.02)  # what it asked for last is done by then
            if not self.stage.postgresql or _is_any_amid_transaction():
                break
            dispatcher.send(signal.SIGCONT)
            time.sleep(0.003)
        else:
            dispatcher.send(signal.SIGSTOP)
            return False
        return self.stage.postgresql is not None

    def poisoned(self, count: int) -> Figure:
        """Send good messages without and with one in front that breaks the code."""
        plain, _poison = self._timed(count, is_poisoned=False)
        poisoned, poison = self._timed(count, is_poisoned=True)
        more = percentile(poisoned, 0.99) - percentile(plain, 0.99)
        text = (
            f"1 poison and {count:,} good: p99 of the good {percentile(poisoned, 0.99):.1f} s, "
            f"{more:+.1f} s (at most +{POISON_COSTS:.0f}); the poison is {poison}"
        )
        is_all = len(poisoned) == len(plain) == count
        return Figure("R8", is_all and more <= POISON_COSTS, text)

    def _timed(self, count: int, *, is_poisoned: bool) -> tuple[list[float], str]:
        """Return the seconds until each good message was handed over, and the poison's state."""
        from outcomes.care.models import Contact
        from outcomes.delivery.models import Message

        keys = self._begin(count + is_poisoned, Faults())
        first = Message.objects.filter(pk__in=keys).order_by("pk").first()
        assert first is not None
        if is_poisoned:
            # No key opens its address, so nothing can be done with it.
            Contact.objects.filter(patient=first.patient).update(value_sealed="spoilt")
            Message.objects.filter(pk=first.pk).update(not_before=datetime(2026, 1, 1, tzinfo=UTC))
        dispatchers = self._dispatchers("keyed", 2)
        outside = self.stage.outside
        wait_until(lambda: bool(outside.effects), 120, "the dispatchers are at work")
        begun = outside.effects[0].at
        wait_until(lambda: len(outside.effects) >= count, 300, "the good ones are sent")
        first.refresh_from_db()
        for each in dispatchers:
            each.kill()
            self.stage.processes.remove(each)
        Message.objects.filter(pk=first.pk).unsent().delete()
        return [each.at - begun for each in outside.effects], first.state


def _is_any_amid_transaction() -> bool:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND state = 'idle in transaction' AND backend_xid IS NOT NULL"
        )
        row = cursor.fetchone()
    return bool(row and row[0])


def _rows(keys: list[str]) -> dict[str, tuple[object, ...]]:
    from outcomes.delivery.models import Message

    rows = Message.objects.filter(pk__in=keys)
    return {str(row[0]): row for row in rows.values_list("pk", "state", "fence", "provider_ref")}
