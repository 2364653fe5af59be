"""Keep a few child processes alive, and stop them all without leaving an orphan."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from types import FrameType

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# Longer than any provider call, so that a worker finishes the message in its hands.
GRACE_SECONDS = 30.0
LONGEST_BACKOFF_SECONDS = 30.0
# A child that lived this long had started well: its next death is a first one again.
HEALTHY_AFTER_SECONDS = 60.0
TICK_SECONDS = 0.1


@dataclass
class Child:
    """One command in a session of its own, so that a terminal's Ctrl-C does not reach it."""

    name: str
    command: Sequence[str]
    cwd: str | os.PathLike[str] | None = None
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)
    deaths: int = field(default=0, init=False)
    started_at: float = field(default=0.0, init=False)
    start_at: float = field(default=0.0, init=False)

    def keep_alive(self, now: float) -> str | None:
        """Start the command when it is due; return one sentence if it was found dead."""
        if self.process is None:
            if now >= self.start_at:
                self._start(now)
            return None
        status = self.process.poll()
        if status is None:
            return None
        self.kill()
        self.deaths = 1 if now - self.started_at >= HEALTHY_AFTER_SECONDS else self.deaths + 1
        delay = min(2.0 ** (self.deaths - 1), LONGEST_BACKOFF_SECONDS)
        self.start_at = now + delay
        return f"{self.name} ended with status {status}; it starts again in {delay:.0f} s."

    def _start(self, now: float) -> None:
        self.process = subprocess.Popen(  # noqa: S603 - our own command line, no shell
            self.command, cwd=self.cwd, stdin=subprocess.DEVNULL, start_new_session=True
        )
        self.started_at = now

    def ask_to_stop(self) -> None:
        """Ask the command itself; it stops its own children (Celery hangs if they are asked)."""
        if self.process is not None:
            self.process.terminate()

    def has_stopped(self) -> bool:
        """Tell whether the command has ended."""
        return self.process is None or self.process.poll() is not None

    def kill(self) -> None:
        """End whatever is left of the session."""
        if self.process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None


class Supervisor:
    """Run children until a stop signal comes; a second one stops them at once."""

    def __init__(self, children: Sequence[Child], say: Callable[[str], None]) -> None:
        """Take the children, and a function that shows one line to the person."""
        self.children = children
        self.say = say
        self.stops_asked = 0

    def run(self, tick: Callable[[], None]) -> None:
        """Keep every child alive, calling `tick` after each look, then stop them all."""
        kept = {number: signal.signal(number, self._on_signal) for number in STOP_SIGNALS}
        try:
            while not self.stops_asked:
                for child in self.children:
                    sentence = child.keep_alive(time.monotonic())
                    if sentence:
                        self.say(sentence)
                tick()
                time.sleep(TICK_SECONDS)
        finally:
            self._stop()
            for number, handler in kept.items():
                signal.signal(number, handler)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self.stops_asked += 1

    def _stop(self) -> None:
        for child in self.children:
            child.ask_to_stop()
        give_up_at = time.monotonic() + GRACE_SECONDS
        while not all(child.has_stopped() for child in self.children):
            if self.stops_asked > 1 or time.monotonic() > give_up_at:
                break
            time.sleep(TICK_SECONDS)
        for child in self.children:
            child.kill()
