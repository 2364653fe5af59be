"""R1, R2: everything is killed at random moments while patients answer.

Web servers, dispatchers and Celery workers die by SIGKILL; the database crashes; the broker is
stopped, hung and purged, and the cache flushed.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from tests.campaign.faults import Faults
from tests.campaign.figure import Figure
from tests.campaign.stage import Killer, Stage, note, staged, wait_until

DOWN_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Size:
    """How much is done."""

    saves: int
    kills: int
    crashes: int
    between: tuple[float, float]


SHORT = Size(saves=300, kills=15, crashes=1, between=(0.5, 1.5))
FULL = Size(saves=10_000, kills=300, crashes=5, between=(0.2, 1.5))


def play(database: str, *, is_full: bool) -> Iterator[Figure]:
    """Yield the figures of one database."""
    size = FULL if is_full else SHORT
    is_server = database == "postgresql"
    with staged(database, rabbitmq=is_server, redis=is_server) as stage:
        from django.db import connection

        from tests.campaign import checks
        from tests.campaign.phones import Phones
        from tests.campaign.world import make_people

        stage.outside.faults = Faults(before=0.05, hidden=0.05)
        victims = [stage.add_web(), stage.add_web()]
        for lane in ("alert", "alert", "bulk"):
            victims.append(stage.add_dispatcher(lane, "keyed"))
        if is_server:
            victims += stage.add_celery("keyed")
        people = make_people(size.saves, datetime.now(UTC))
        connection.close()
        stage.wait_for_web()
        phones = Phones(stage.web_ports, leaves_unfinished=0.1, pause=0.02)
        over = threading.Event()
        load = threading.Thread(target=phones.fill_in, args=(people,), kwargs={"until": over})
        load.start()
        crashes = 0

        def is_due(kills: int) -> bool:
            # Spread over the whole load.
            return kills * size.saves < (len(phones.told) + 1) * size.kills

        with Killer(victims, size.between, is_due=is_due) as killer:
            troubles = _troubles(stage) if is_server else []
            step = 0
            while load.is_alive() and not (
                len(phones.told) >= size.saves
                and killer.kills >= size.kills
                and crashes >= (size.crashes if is_server else 0)
            ):
                time.sleep(0.25)
                if int(time.monotonic() * 4) % 40 == 0:
                    note(f"{len(phones.told)} told, {killer.kills} kills, {crashes} crashes")
                if not troubles:
                    continue
                if step < len(troubles) * size.crashes and _is_time(
                    step, len(troubles) * size.crashes, killer.kills, size.kills
                ):
                    trouble = troubles[step % len(troubles)]
                    trouble()
                    crashes += trouble.__name__ == "crash"
                    step += 1
        over.set()
        load.join()
        _heal(stage)
        note(f"{len(phones.told)} told, {killer.kills} kills, {crashes} crashes")
        try:
            took = wait_until(lambda: not checks.waiting("alert"), 150, "every page is sent")
        except TimeoutError:
            took = 150.0
            note(stage.logs())
        told = len(phones.told)
        lost, twice = checks.missing(phones.told), checks.doubled()
        yield Figure(
            "R1",
            not lost
            and not twice
            and not phones.untold
            and not phones.refused
            and told >= size.saves
            and killer.kills >= size.kills,
            f"{lost} of {told:,} missing, {twice} doubled, {killer.kills} kills, "
            f"{crashes} database crashes, {phones.untold + len(phones.refused)} never told",
        )
        positives, alerts, match = checks.alerts_beside_positives()
        yield Figure(
            "R2", match, f"{positives:,} positive answers, {alerts:,} alerts, {killer.kills} kills"
        )
        unpaged, doubles = checks.unpaged(stage.outside), stage.outside.duplicates()
        yield Figure(
            "R6",
            not unpaged and not doubles,
            f"pages by a keyed provider: {unpaged} of {alerts:,} alerts lost, {doubles} duplicate "
            f"effects, {stage.outside.hidden} replies hidden, done {took:.0f} s after",
        )
        for problem in phones.refused[:3]:
            print(problem)
        connection.close()


def _is_time(step: int, steps: int, kills: int, wanted: int) -> bool:
    return kills >= wanted * (step + 1) / (steps + 1)


def _troubles(stage: Stage) -> list[Callable[[], None]]:
    assert stage.postgresql is not None
    assert stage.rabbitmq is not None
    assert stage.redis is not None
    postgresql, rabbitmq, redis = stage.postgresql, stage.rabbitmq, stage.redis

    def crash() -> None:
        postgresql.crash()
        time.sleep(DOWN_SECONDS)
        postgresql.start()

    def hang() -> None:
        rabbitmq.hang()
        time.sleep(DOWN_SECONDS)
        rabbitmq.resume()

    def purge() -> None:
        from config import broker

        rabbitmq.purge((broker.ALERT_QUEUE, broker.BULK_QUEUE))

    def stop() -> None:
        rabbitmq.stop()
        time.sleep(DOWN_SECONDS)
        rabbitmq.start()

    return [crash, hang, redis.flush, purge, stop]


def _heal(stage: Stage) -> None:
    for process in stage.processes:
        if process.has_died():
            process.kill()
            process.start()
