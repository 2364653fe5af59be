"""Start the whole product: web, dispatcher, two workers and beat."""

from __future__ import annotations

import errno
import os
import socket
import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPException
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connection, connections
from django.db.migrations.executor import MigrationExecutor

from config import broker
from config.celery import app as celery
from outcomes.management.lock import alone
from outcomes.management.supervisor import Child, Supervisor

HOST = "127.0.0.1"
# Each thread keeps its own database connection.
WEB_THREADS = min(8, 2 * (os.cpu_count() or 1) + 1)


class Command(BaseCommand):
    """Serve on one port until Ctrl-C, restarting what dies."""

    help = "Start the web server, the workers and beat; Ctrl-C stops them all."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the port."""
        parser.add_argument("--port", default="8000", help="Port on 127.0.0.1 (8000).")
        parser.add_argument(
            "--setup", action="store_true", help="Bring the database up to date first."
        )

    def handle(self, *args: Any, port: str, setup: bool, **options: Any) -> None:
        """Check what can be checked at once, then run until told to stop."""
        number = free_port(port)
        with alone(settings.VAR_DIR):
            # Links in mail lead to this server, unless the environment names another address.
            settings.BASE_URL = os.environ.setdefault("BASE_URL", f"http://{HOST}:{number}")
            if setup:
                call_command("setup", "--no-log-ins", stdout=self.stdout)
            require_migrated()
            self._serve(number)
        self._say("Stopped.")

    def _serve(self, number: int) -> None:
        greeter = Greeter(number, settings.BASE_URL, self._say)
        if broker.is_folder(settings.CELERY_BROKER_URL):
            broker.empty_folder(settings.BROKER_FOLDER)
            with celery.connection_for_write() as doorbell:
                broker.bind_queues(doorbell, settings.CELERY_TASK_QUEUES)
        connections.close_all()
        Supervisor(list(children(number)), self._say).run(greeter.greet_when_ready)

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()


class Greeter:
    """Print, once the web answers, where it is and who may log in."""

    def __init__(self, port: int, base_url: str, say: Any) -> None:
        """Take the port to ask, the address to print and where to print it."""
        self.port = port
        self.base_url = base_url
        self.say = say
        self.is_done = False

    def greet_when_ready(self) -> None:
        """Print the greeting the first time the web answers."""
        if self.is_done or not answers(self.port):
            return
        self.is_done = True
        self.say(f"\nOutcomes is at {self.base_url} (Ctrl-C stops it).")
        for line in demo_lines(self.base_url):
            self.say(line)


def demo_lines(base_url: str) -> list[str]:
    """Describe the demo clinic, if there is one: its log-ins and one link to answer now."""
    from outcomes.management.demo import demo_summary

    try:
        return demo_summary(base_url)
    finally:
        connections.close_all()


def free_port(text: str) -> int:
    """Return the port as a number, or refuse with one line when nothing can listen there."""
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise CommandError(f"{text!r} is not a port: give a number from 1 to 65535.")
    port = int(text)
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            why = "taken" if error.errno == errno.EADDRINUSE else "not allowed here"
            raise CommandError(f"Port {port} is {why}: make run PORT=8123 uses another.") from error
    return port


def require_migrated() -> None:
    """Refuse to serve a database whose tables are older than the code."""
    executor = MigrationExecutor(connection)
    missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if missing:
        raise CommandError(f"The database lacks {len(missing)} migrations: run `make setup`.")


def answers(port: int) -> bool:
    """Tell whether the web process answers, whatever it says."""
    http = HTTPConnection(HOST, port, timeout=1)
    try:
        http.request("GET", "/healthz")
        return http.getresponse().status < 500
    except (OSError, HTTPException):
        return False
    finally:
        http.close()


def children(port: int) -> Iterator[Child]:
    """Describe the processes; each lane has its own worker, so bulk mail never delays an alert."""
    web = [
        *("granian", "--interface", "wsgi", "--host", HOST, "--port", str(port), "--http", "1"),
        *("--no-ws", "--blocking-threads", str(WEB_THREADS)),
        *("--log-level", "warning", "config.wsgi:application"),
    ]
    yield _child("web", web)
    yield _child("dispatcher", ["manage", "dispatch"])
    yield _child("alert worker", _worker("alerts", broker.ALERT_QUEUE))
    yield _child("bulk worker", _worker("bulk", broker.BULK_QUEUE))
    beat = ["beat", "--scheduler", "celery.beat:Scheduler", "--loglevel", "WARNING"]
    yield _child("beat", ["celery", "--quiet", "-A", "config", *beat])


def _worker(name: str, queue: str) -> list[str]:
    return [
        *("celery", "--quiet", "-A", "config", "worker", "--queues", queue),
        *("--hostname", f"{name}@%h", "--concurrency", "1", "--loglevel", "WARNING"),
        *("--without-gossip", "--without-mingle", "--without-heartbeat"),
    ]


def _child(name: str, module: list[str]) -> Child:
    # Celery warns root about pickle, which this installation refuses.
    quiet = "ignore:You're running the worker with superuser privileges"
    command = [sys.executable, "-W", quiet, "-m", *module]
    return Child(name, command, cwd=settings.BASE_DIR)
