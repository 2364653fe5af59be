"""`manage.py up` on a fresh database: it serves, it mends itself, it leaves nothing behind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from django.conf import settings

COMMAND = [sys.executable, "manage.py"]


def until(condition: Callable[[], bool], output: Path, seconds: float = 60.0) -> None:
    give_up_at = time.monotonic() + seconds
    while not condition():
        shown = output.read_text()
        assert "Traceback" not in shown, shown
        assert time.monotonic() < give_up_at, shown
        time.sleep(0.1)


def parents() -> dict[int, int]:
    """Return every living process with its parent."""
    found = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = stat.read_text().rsplit(")", 1)[1].split()[:2]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if state != "Z":
            found[int(stat.parent.name)] = int(parent)
    return found


def descendants(pid: int) -> set[int]:
    children = {child for child, parent in parents().items() if parent == pid}
    return children.union(*(descendants(child) for child in children))


@pytest.fixture
def environment(tmp_path) -> dict[str, str]:
    """A fresh installation's environment, on the broker that the tests run with."""
    inherited = {name: os.environ[name] for name in os.environ if name != "DATABASE_URL"}
    return inherited | {"VAR_DIR": str(tmp_path), "DJANGO_SETTINGS_MODULE": "config.settings"}


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def server(environment, port, tmp_path) -> Iterator[subprocess.Popen[bytes]]:
    where = {"cwd": settings.BASE_DIR, "env": environment}
    subprocess.run([*COMMAND, "migrate", "-v0"], check=True, **where)
    with (tmp_path / "output").open("wb") as output:
        process = subprocess.Popen(
            [*COMMAND, "up", "--port", str(port)], stdout=output, stderr=output, **where
        )
        yield process
        process.terminate()  # not kill: it has children to stop
        process.wait()


@pytest.mark.thorough
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="no /proc to look at processes")
def test_it_serves_mends_itself_and_leaves_no_process_behind(server, port, tmp_path):
    output = tmp_path / "output"

    def answers() -> bool:
        try:
            with urlopen(f"http://127.0.0.1:{port}/healthz", timeout=2) as reply:
                return reply.read() == b"ok"
        except (URLError, OSError):
            return False

    def says(line: str) -> bool:
        return line in output.read_text()

    until(answers, output)
    until(lambda: says(f"Outcomes is at http://127.0.0.1:{port} (Ctrl-C stops it)."), output)
    web = min(child for child, parent in parents().items() if parent == server.pid)
    os.kill(web, signal.SIGKILL)
    until(lambda: says("web ended with status -9; it starts again in 1 s."), output)
    until(answers, output)

    family = descendants(server.pid)
    assert len(family) >= 6  # web and its process, two workers with theirs, beat
    server.send_signal(signal.SIGINT)
    assert server.wait(timeout=40) == 0
    until(lambda: not family & parents().keys(), output, seconds=5)
    assert says("Stopped.")
    assert not says("Traceback")
