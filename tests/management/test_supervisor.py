"""What dies is started again, and a stop leaves nothing behind."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from outcomes.management import supervisor
from outcomes.management.supervisor import Child, Supervisor

DIES = [sys.executable, "-c", "raise SystemExit(3)"]
# Starts a grandchild, tells both process ids, and waits.
STAYS = [
    sys.executable,
    "-c",
    "import os, subprocess, sys, time;"
    "grandchild = subprocess.Popen(['sleep', '60']);"
    "open(sys.argv[1], 'w').write(f'{os.getpid()} {grandchild.pid}');"
    "time.sleep(60)",
]
DEAF = [
    sys.executable,
    "-c",
    "import signal, sys, time;"
    "signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    "open(sys.argv[1], 'w').write('0');"
    "time.sleep(60)",
]


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat")
    # Where nobody reaps orphans, a dead one stays listed as a zombie.
    return not status.exists() or status.read_text().rsplit(")", 1)[1].split()[0] != "Z"


def wait_until(condition, seconds: float = 5.0) -> None:
    give_up_at = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up_at, "it did not happen in time"
        time.sleep(0.02)


def when_up(path: Path, act: Callable[[], None]) -> Callable[[], None]:
    """Return a tick that acts once the child has written its file."""

    def tick() -> None:
        if path.exists() and path.read_text():
            act()

    return tick


def send(number: int) -> None:
    os.kill(os.getpid(), number)


def test_a_dead_child_is_started_again_after_a_growing_pause():
    child = Child("web", DIES)
    delays = []
    clock = 0.0
    for _ in range(7):
        child.keep_alive(clock)
        assert child.process is not None
        child.process.wait()
        assert child.keep_alive(clock) is not None
        delays.append(child.start_at - clock)
        assert child.keep_alive(clock) is None
        assert child.process is None
        clock = child.start_at
    assert delays == [1, 2, 4, 8, 16, 30, 30]


def test_a_death_after_a_long_life_counts_as_the_first():
    child = Child("web", DIES)
    child.deaths = 5
    child.keep_alive(0.0)
    assert child.process is not None
    child.process.wait()
    sentence = child.keep_alive(supervisor.HEALTHY_AFTER_SECONDS)
    assert sentence == "web ended with status 3; it starts again in 1 s."


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_leaves_no_orphan(tmp_path, number):
    told = tmp_path / "pids"
    child = Child("web", [*STAYS, str(told)])
    before = signal.getsignal(number)
    Supervisor([child], print).run(when_up(told, lambda: send(number)))
    child_pid, grandchild_pid = map(int, told.read_text().split())
    wait_until(lambda: not is_alive(child_pid) and not is_alive(grandchild_pid))
    assert signal.getsignal(number) is before


def test_a_second_signal_stops_a_deaf_child_at_once(tmp_path):
    told = tmp_path / "ready"
    child = Child("worker", [*DEAF, str(told)])

    def twice() -> None:
        send(signal.SIGINT)
        threading.Timer(0.3, send, [signal.SIGINT]).start()

    began = time.monotonic()
    Supervisor([child], print).run(when_up(told, twice))
    assert child.process is None
    assert time.monotonic() - began < supervisor.GRACE_SECONDS / 2


def test_an_error_stops_the_children_too(tmp_path):
    told = tmp_path / "pids"
    child = Child("web", [*STAYS, str(told)])

    def fail() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        Supervisor([child], print).run(when_up(told, fail))
    child_pid, grandchild_pid = map(int, told.read_text().split())
    wait_until(lambda: not is_alive(child_pid) and not is_alive(grandchild_pid))
