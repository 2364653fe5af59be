"""How Outcomes talks to its broker: RabbitMQ, Redis, or a folder when there is no server.

The broker is only a doorbell: the database says what must happen (docs/design.md, law 1),
so losing every message in it costs nothing but latency.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from kombu import Connection, Exchange, Queue

EXCHANGE = "outcomes"
ALERT_QUEUE = "outcomes.alert.v2"
BULK_QUEUE = "outcomes.bulk.v2"
# On RabbitMQ: confirmed by a majority; a message that keeps killing workers is given up; rings that
# nobody heard for a minute are worth nothing, and do not pile up while workers are stopped.
QUORUM = {
    "x-queue-type": "quorum",
    "x-delivery-limit": 5,
    "x-message-ttl": 60_000,
    "x-max-length": 1000,
}
# A broker that takes connections and says nothing holds nobody up for longer (seconds).
CONNECT_TIMEOUT = 2
ANSWER_TIMEOUT = 4
FOLDER_PARTS = ("queue", "processed", "control")


def is_folder(url: str) -> bool:
    """Tell whether this broker is a folder and needs no server."""
    return url.startswith("filesystem:")


def queues(url: str) -> list[Queue]:
    """Declare the two lanes; on RabbitMQ they are quorum queues.

    RabbitMQ never changes a queue's arguments: raise the version in the name to change one.
    """
    arguments = dict(QUORUM) if url.startswith(("amqp", "pyamqp")) else None
    exchange = Exchange(EXCHANGE, type="direct")
    return [
        Queue(name, exchange, routing_key=name, queue_arguments=arguments)
        for name in (ALERT_QUEUE, BULK_QUEUE)
    ]


def transport_options(url: str, folder: Path) -> dict[str, Any]:
    """Give the broker's own options; `folder` holds the messages when there is no server."""
    if is_folder(url):
        queue, processed, control = (folder / part for part in FOLDER_PARTS)
        return {
            "data_folder_in": str(queue),
            "data_folder_out": str(queue),
            # without a folder of its own, a message passes through the shared temp folder
            "store_processed": True,
            "processed_folder": str(processed),
            "control_folder": str(control),
            "polling_interval": 0.1,
        }
    if url.startswith(("redis", "rediss")):
        # the default throttle makes redelivery wait 100 s more
        return {
            "visibility_timeout": 900,
            "unacked_restore_throttle": 1,
            "socket_connect_timeout": CONNECT_TIMEOUT,
            "socket_timeout": ANSWER_TIMEOUT,
            "health_check_interval": 10,
        }
    return {
        "confirm_publish": True,
        "read_timeout": ANSWER_TIMEOUT,
        "write_timeout": ANSWER_TIMEOUT,
    }


def empty_folder(folder: Path) -> None:
    """Make the broker's folder private and empty, as it must be before any worker starts."""
    for part in (folder, *(folder / name for name in FOLDER_PARTS)):
        part.mkdir(mode=0o700, parents=True, exist_ok=True)
        part.chmod(0o700)
    for path in folder.glob("*/*"):
        path.unlink(missing_ok=True)


def bind_queues(connection: Connection, found: Iterable[Queue]) -> None:
    """Declare the queues before any worker does.

    Two workers that bind at once read each other's half-written table in a broker that is a folder.
    """
    with connection.channel() as channel:
        for queue in found:
            queue(channel).declare()


def prune_folder(folder: Path, *, before: float) -> int:
    """Delete messages written before `before` (POSIX seconds) and return how many."""
    pruned = 0
    for part in ("queue", "processed"):
        for path in (folder / part).glob("*.msg"):
            try:
                old = path.stat().st_mtime < before
            except FileNotFoundError:  # a worker took it meanwhile
                continue
            if old:
                path.unlink(missing_ok=True)
                pruned += 1
    return pruned
