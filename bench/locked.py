"""SQLite under several processes at once: how often one is told "database is locked".

Each process does one kind of the product's transactions, with the product's settings or with the
defaults of Django and SQLite beside them. An error is counted where a statement raises it, also
where the product would catch it and try again.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from bench.figures import Figure

KINDS = ("submit", "autosave", "send", "sweep")
PROCESSES_OF_A_KIND = 2
TRANSACTIONS = 4000
PRODUCT, DEFAULTS = "config.settings", "bench.default_sqlite"
WORKER = ["-m", "bench.locking"]


def measure(now: datetime) -> Iterator[Figure]:
    """Yield how many of the same transactions met a lock: the product's settings, the defaults."""
    ours, theirs = (play(settings, TRANSACTIONS) for settings in (PRODUCT, DEFAULTS))
    yield Figure(
        f"SQLite, {len(KINDS) * PROCESSES_OF_A_KIND} processes, transactions told it is locked",
        f"{ours['locked']:,} of {ours['done']:,}",
        f"{theirs['locked']:,} of {theirs['done']:,}",
        None,
        "0",
        ours["locked"] == 0 and ours["failed"] == 0,
    )


def play(settings: str, transactions: int) -> Counter[str]:
    """Let the processes loose on a file of their own; return what was done, locked and failed."""
    with tempfile.TemporaryDirectory(prefix="outcomes-locked-") as folder:
        environment = {
            **os.environ,
            "DATABASE_URL": f"sqlite:///{Path(folder) / 'one.sqlite3'}",
            "VAR_DIR": folder,
            "DJANGO_SETTINGS_MODULE": settings,
            "LOG_LEVEL": "CRITICAL",
        }
        each = transactions // (len(KINDS) * PROCESSES_OF_A_KIND)
        # What is done to the database beforehand is the same on both sides.
        _run(environment | {"DJANGO_SETTINGS_MODULE": PRODUCT}, "prepare", 0, each).communicate()
        workers = [
            _run(environment, kind, number, each)
            for kind in KINDS
            for number in range(PROCESSES_OF_A_KIND)
        ]
        tally: Counter[str] = Counter()
        for worker in workers:
            out, _ = worker.communicate()
            if worker.returncode:
                raise RuntimeError(f"A process of the race ended with {worker.returncode}.")
            tally.update(json.loads(out))
    return tally


def _run(environment: dict[str, str], *arguments: Any) -> subprocess.Popen[str]:
    command = [sys.executable, *WORKER, *map(str, arguments)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
