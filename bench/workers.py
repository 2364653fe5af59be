"""The product's dispatchers as processes, beside a mail server that takes everything."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from socket import create_connection, socket


@contextmanager
def sink() -> Iterator[int]:
    """Run the mail server; yield its port."""
    with socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    server = subprocess.Popen([sys.executable, "-m", "bench.sink", str(port)])
    try:
        for _ in range(200):
            try:
                create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                time.sleep(0.05)
        yield port
    finally:
        server.terminate()
        server.wait(10)


@contextmanager
def dispatchers(port: int, lanes: Sequence[str]) -> Iterator[None]:
    """Run one `manage.py dispatch` for each lane named, until done with them."""
    environment = {
        **os.environ,
        "EMAIL_URL": f"smtp://127.0.0.1:{port}",
        "DJANGO_SETTINGS_MODULE": "config.settings",
    }
    command = [sys.executable, "manage.py", "dispatch", "--lane"]
    running = [subprocess.Popen([*command, lane], env=environment) for lane in lanes]
    try:
        yield
        for process in running:
            if process.poll() is not None:
                raise RuntimeError("A dispatcher ended by itself.")
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.wait(60)
