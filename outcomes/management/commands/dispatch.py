"""Send what is due, and do all else that runs with nobody watching."""

from __future__ import annotations

import signal
import threading
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from outcomes.delivery.models import Lane
from outcomes.management import dispatching


class Command(BaseCommand):
    """Go round one lane or both until stopped. Any number of these, on any hosts, is safe."""

    help = "Plan, invite, escalate and send, by asking the database; Ctrl-C or SIGTERM stops it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the lanes."""
        parser.add_argument(
            "--lane",
            action="append",
            choices=Lane.values,
            help="alert or bulk; both unless given. A process for each keeps them apart.",
        )

        parser.add_argument(
            "--senders",
            type=int,
            choices=range(1, 33),
            metavar="N",
            default=dispatching.SENDERS,
            help="Threads that send, for each lane and channel: 1 to 32 (2). Each keeps a "
            "connection to the database and one to the provider.",
        )

    def handle(self, *args: Any, lane: list[str] | None, senders: int, **options: Any) -> None:
        """Run until told to stop; end with an error when a loop broke down."""
        stop = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stop.set())
        if not dispatching.run(list(dispatching.loops_of(lane or Lane.values, senders)), stop):
            raise CommandError("A loop broke down: start the dispatcher again.")
