"""Die, or stand still, exactly once at every boundary of a piece of work.

A boundary is each SQL statement, each commit (before it and after it), and each call of a provider
(before its effect and after it). The work runs in a forked process that really ends (`os._exit`):
its connection drops and nothing of it is tidied up, no `finally`, no rollback of its own.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.db import connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from outcomes.delivery.channels.base import Guarantee, Outgoing, SendError

DIED, BROKE = 86, 87


@dataclass
class Clock:
    """A clock that stands until it is moved."""

    at: datetime

    def __call__(self) -> datetime:
        """Return the time."""
        return self.at

    def move(self, **by: float) -> None:
        """Let time pass."""
        self.at += timedelta(**by)


@dataclass
class Boundaries:
    """Counts the boundaries that the work in this process crosses, and acts at one of them."""

    act_at: int
    act: Callable[[str], None]
    count: int = 0
    is_committing: bool = False

    def cross(self, what: str) -> None:
        """Cross one boundary."""
        self.count += 1
        if self.count == self.act_at:
            self.act(what)

    def watch(self) -> None:
        """Watch the statements and commits of this process from now on."""
        connection.execute_wrappers.append(self._statement)
        commit = BaseDatabaseWrapper._commit

        def watched(database: BaseDatabaseWrapper) -> None:
            self.is_committing = True
            self.cross("before a commit")
            commit(database)
            self.is_committing = False
            self.cross("after a commit")

        BaseDatabaseWrapper._commit = watched

    def _statement(
        self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any
    ) -> Any:
        self.cross(f"before {' '.join(sql.split()[:3])[:40]}")
        return execute(sql, params, many, context)


@dataclass
class Mailbag:
    """A provider whose effects outlive the process that caused them: a line in a file each."""

    path: Path
    guarantee: Guarantee
    cross: Callable[[str], None] = lambda _what: None
    name: str = "mailbag"
    per_second: float = 0.0
    is_down: bool = False
    interrupt: Callable[[], None] = lambda: None

    def send(self, outgoing: Outgoing) -> str:
        """Have the message's effect: once for a key, where keys are kept."""
        self.interrupt()
        if self.is_down:
            raise SendError("provider down", is_retryable=True, is_provider_fault=True)
        self.cross("before the effect")
        if self.guarantee == Guarantee.PLAIN or self.find(outgoing) is None:
            line = json.dumps([outgoing.key, outgoing.to, outgoing.text])
            with self.path.open("a") as file:
                file.write(f"{line}\n")
        self.cross("after the effect")
        return f"ref-{outgoing.key}"

    def find(self, outgoing: Outgoing) -> str | None:
        """Return the reference of what was accepted under this key."""
        return f"ref-{outgoing.key}" if any(k == outgoing.key for k, *_ in self.read()) else None

    def read(self) -> list[list[str]]:
        """Return every effect: key, address, text."""
        if not self.path.exists():
            return []
        return [json.loads(line) for line in self.path.read_text().splitlines()]


@dataclass
class Worker:
    """One forked process that does the work, and what became of it."""

    work: Callable[[Boundaries, Callable[[str], None]], None]
    act_at: int
    pauses: bool = False
    told: list[str] = field(default_factory=list)
    where: str = ""
    _pid: int = 0
    _reads: int = -1
    _wakes: int = -1
    _left: str = ""

    def start(self) -> None:
        """Fork."""
        connections.close_all()
        reads, tells = os.pipe()
        waits, wakes = os.pipe()
        sys.stdout.flush()
        self._pid = os.fork()
        if self._pid == 0:
            os.close(reads)
            os.close(wakes)
            self._be(tells, waits)
        os.close(tells)
        os.close(waits)
        self._reads, self._wakes = reads, wakes

    def _be(self, tells: int, waits: int) -> None:
        def tell(what: str) -> None:
            os.write(tells, f"{what}\n".encode())

        def act(what: str) -> None:
            if not self.pauses:
                tell(f"died {what}")
                os._exit(DIED)
            # Inside a transaction whoever stands still only makes others wait for its locks.
            if connection.in_atomic_block or boundaries.is_committing:
                boundaries.act_at += 1
                return
            tell(f"paused {what}")
            os.read(waits, 1)

        boundaries = Boundaries(self.act_at, act)
        try:
            boundaries.watch()
            self.work(boundaries, tell)
            tell(f"crossed {boundaries.count}")
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(BROKE)

    def wait_until_it_pauses(self) -> bool:
        """Return whether it stands still; False when it has ended."""
        while True:
            line = self._line()
            if not line:
                return False
            if line.startswith("paused "):
                self.where = line.removeprefix("paused ")
                return True
            self._hear(line)

    def wake(self) -> None:
        """Let it go on, and wait for its end."""
        with suppress(BrokenPipeError):
            os.write(self._wakes, b"!")
        self.join()

    def join(self) -> int:
        """Wait for its end; return its status."""
        while line := self._line():
            self._hear(line)
        _pid, status = os.waitpid(self._pid, 0)
        os.close(self._reads)
        os.close(self._wakes)
        code = os.waitstatus_to_exitcode(status)
        if code == BROKE:
            raise RuntimeError(f"The work broke at boundary {self.act_at}.")
        return code

    def _hear(self, line: str) -> None:
        if line.startswith("died "):
            self.where = line.removeprefix("died ")
        else:
            self.told.append(line)

    def _line(self) -> str:
        while "\n" not in self._left:
            piece = os.read(self._reads, 4096).decode()
            if not piece:
                return ""
            self._left += piece
        line, self._left = self._left.split("\n", 1)
        return line
