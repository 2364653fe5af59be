"""PostgreSQL, RabbitMQ and Redis of the campaign's own, to be crashed, hung, purged and flushed."""

from __future__ import annotations

import os
import pwd
import random
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from socket import create_connection, socket
from typing import Self

import psycopg
import redis
from kombu import Connection

HOST = "127.0.0.1"
QUIET = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


class Missing(Exception):
    """A program that a part needs is not on this machine."""


def find_program(name: str, folders: Sequence[str] = ()) -> str:
    """Return the path of a program; raises Missing."""
    for folder in folders:
        for found in sorted(Path("/").glob(f"{folder.strip('/')}/{name}"), reverse=True):
            return str(found)
    if found_on_path := shutil.which(name):
        return found_on_path
    raise Missing(f"{name} is not on this machine")


def free_port() -> int:
    """Return a port on which nothing listens now, nor on the one above it.

    It lies below those that the system lends to outgoing connections: one of them could take it
    while the server is down.
    """
    for port in random.sample(range(20_000, 30_000, 2), 100):
        with suppress(OSError), socket() as mine, socket() as above:
            mine.bind((HOST, port))
            above.bind((HOST, port + 1))
            return port
    raise RuntimeError("No port is free between 20,000 and 30,000.")


def wait_until_it_listens(port: int, seconds: float = 60) -> None:
    """Return once something listens on the port."""
    give_up_at = time.monotonic() + seconds
    while time.monotonic() < give_up_at:
        with suppress(OSError), create_connection((HOST, port), timeout=1):
            return
        time.sleep(0.05)
    raise RuntimeError(f"Nothing listens on port {port} after {seconds:.0f} s.")


class Server:
    """One server in a folder and a session of its own, gone with everything at the end."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix=f"outcomes-{type(self).__name__.lower()}-"))
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.remove()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()

    def start(self) -> None:
        """Start it, and return once it answers."""
        raise NotImplementedError

    def run(self, command: Sequence[str], **environment: str) -> None:
        """Run the server's command in a session of its own until it listens."""
        for is_last in (False, True):
            self.process = subprocess.Popen(
                command, env={**os.environ, **environment}, start_new_session=True, **QUIET
            )
            try:
                wait_until_it_listens(self.port)
                return
            except RuntimeError:
                # A node that was killed may find its own traces still registered.
                self.stop()
                if is_last:
                    raise

    def tell(self, number: signal.Signals) -> None:
        """Send a signal to the server and everything it started."""
        assert self.process is not None
        for pid in _tree(self.process.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def hang(self) -> None:
        """Keep its connections open, and answer nothing."""
        self.tell(signal.SIGSTOP)

    def resume(self) -> None:
        """Go on after `hang`."""
        self.tell(signal.SIGCONT)

    def stop(self) -> None:
        """End it at once."""
        if self.process is not None:
            self.tell(signal.SIGKILL)
            self.process.wait()
            self.process = None

    def remove(self) -> None:
        """End it and delete its folder."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


def _tree(root: int) -> list[int]:
    """Return a process and all it started, the youngest first."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            pid, rest = stat.read_text().split(" (", 1)
            parent = int(rest.rsplit(") ", 1)[1].split()[1])
            children.setdefault(parent, []).append(int(pid))
    found, at = [root], 0
    while at < len(found):
        found += children.get(found[at], [])
        at += 1
    return found[::-1]


class PostgreSQL(Server):
    """A cluster as PostgreSQL makes it: what is committed is on the disk."""

    def __init__(self) -> None:
        self.bin = Path(find_program("initdb", ["usr/lib/postgresql/*/bin"])).parent
        super().__init__()
        self.data = self.folder / "data"

    @property
    def url(self) -> str:
        """Return the address of its database."""
        return f"postgres://postgres@{HOST}:{self.port}/postgres"

    def start(self) -> None:
        """Start it; the first time, make the cluster."""
        if not self.data.exists():
            if os.getuid() == 0:
                shutil.chown(self.folder, "postgres", "postgres")
            self._call(
                "initdb", "-D", str(self.data), "-A", "trust", "-U", "postgres", "-E", "UTF8"
            )
            (self.data / "postgresql.auto.conf").write_text(
                f"port = {self.port}\nlisten_addresses = '{HOST}'\n"
                f"unix_socket_directories = '{self.folder}'\nmax_connections = 120\n"
            )
        self._call("pg_ctl", "-D", str(self.data), "-w", "-t", "60", "start")

    def crash(self) -> None:
        """Stop at once, without writing anything out: the next start recovers from the log."""
        self._call("pg_ctl", "-D", str(self.data), "-m", "immediate", "-w", "stop")

    def stop(self) -> None:
        """End it if it runs."""
        with suppress(subprocess.CalledProcessError):
            self.crash()

    def version(self) -> str:
        """Return what it calls itself."""
        with psycopg.connect(self.url) as connection:
            found = connection.execute("SHOW server_version").fetchone()
        return f"PostgreSQL {found[0].split()[0] if found else '?'}"

    def _call(self, name: str, *arguments: str) -> None:
        # It refuses to run as root.
        who = {}
        if os.getuid() == 0:
            account = pwd.getpwnam("postgres")
            who = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
        subprocess.run(
            [str(self.bin / name), *arguments], cwd=self.folder, check=True, **QUIET, **who
        )


class RabbitMQ(Server):
    """A node of its own name, ports and folder."""

    def __init__(self) -> None:
        self.program = find_program("rabbitmq-server", ["usr/lib/rabbitmq/bin"])
        super().__init__()

    @property
    def url(self) -> str:
        """Return the broker's address."""
        return f"amqp://guest:guest@{HOST}:{self.port}//"

    def start(self) -> None:
        """Start the node and wait until it takes messages."""
        plugins = self.folder / "plugins"
        plugins.write_text("[].")
        (self.folder / "rabbitmq.conf").write_text(
            f"listeners.tcp.1 = {HOST}:{self.port}\nloopback_users = none\nlog.console = false\n"
        )
        self.run(
            [self.program],
            HOME=str(self.folder),
            RABBITMQ_NODENAME=f"campaign{self.port}@localhost",
            RABBITMQ_CONFIG_FILE=str(self.folder / "rabbitmq.conf"),
            RABBITMQ_DIST_PORT=str(self.port + 1),
            RABBITMQ_MNESIA_BASE=str(self.folder / "data"),
            RABBITMQ_LOG_BASE=str(self.folder / "log"),
            RABBITMQ_ENABLED_PLUGINS_FILE=str(plugins),
            RABBITMQ_CONF_ENV_FILE=str(self.folder / "none"),
            ERL_CRASH_DUMP=str(self.folder / "crash.dump"),
        )
        with Connection(self.url, connect_timeout=5) as connection:
            connection.ensure_connection(max_retries=30, interval_start=0.5, interval_max=1)

    def purge(self, names: Sequence[str]) -> None:
        """Throw away every message that waits."""
        with Connection(self.url, connect_timeout=5) as connection:
            for name in names:
                with suppress(connection.channel_errors):
                    connection.channel().queue_purge(name)


class Redis(Server):
    """A server that writes nothing to disk."""

    def __init__(self) -> None:
        self.program = find_program("redis-server")
        super().__init__()

    @property
    def cache_url(self) -> str:
        """Return the address as a cache."""
        return f"rediscache://{HOST}:{self.port}/1"

    @property
    def broker_url(self) -> str:
        """Return the address as a broker."""
        return f"redis://{HOST}:{self.port}/0"

    def start(self) -> None:
        """Start it."""
        arguments = ("--bind", HOST, "--save", "", "--appendonly", "no", "--dir", str(self.folder))
        self.run([self.program, "--port", str(self.port), *arguments])

    def flush(self) -> None:
        """Throw away everything that it holds."""
        with redis.Redis(HOST, self.port, socket_timeout=5) as client:
            client.flushall()
