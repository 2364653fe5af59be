"""Where one part plays: servers of its own, the provider, and the product's real processes."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from tests.campaign.servers import HOST, PostgreSQL, RabbitMQ, Redis, free_port

if TYPE_CHECKING:
    from tests.campaign.sink import Outside, Sink

DATABASES = ("postgresql", "sqlite")
ROOT = Path(__file__).resolve().parents[2]
BEGINS_WITHIN = 3.0
QUIET_ROOT = "ignore:You're running the worker with superuser privileges"


@dataclass
class Process:
    """One process of the product, in a session of its own."""

    name: str
    arguments: list[str]
    environment: dict[str, str]
    popen: subprocess.Popen[bytes] | None = None
    log: Path | None = None
    port: int | None = None
    started_at: float = 0.0

    def start(self) -> None:
        """Start it."""
        assert self.log is not None
        self.started_at = time.monotonic()
        with self.log.open("ab") as log:
            self.popen = subprocess.Popen(
                [sys.executable, "-W", QUIET_ROOT, "-m", *self.arguments],
                cwd=ROOT,
                env={**os.environ, **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def send(self, number: signal.Signals) -> None:
        """Send a signal to its whole session."""
        if self.popen is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.popen.pid, number)

    def kill(self) -> None:
        """SIGKILL it and all it started."""
        if self.popen is not None:
            self.send(signal.SIGKILL)
            self.popen.wait()
            self.popen = None

    def is_at_work(self) -> bool:
        """Say whether it serves, or has had the time to begin its work."""
        from outcomes.management.commands.up import answers

        if self.port is not None:
            return answers(self.port)
        return time.monotonic() - self.started_at > BEGINS_WITHIN

    def has_died(self) -> bool:
        """Say whether it ended by itself."""
        return self.popen is not None and self.popen.poll() is not None


@dataclass
class Stage:
    """The servers that were asked for, and the processes that were started on them."""

    database: str
    postgresql: PostgreSQL | None
    rabbitmq: RabbitMQ | None
    redis: Redis | None
    folder: Path
    sink: Sink
    processes: list[Process] = field(default_factory=list)
    web_ports: list[int] = field(default_factory=list)

    def add(self, name: str, arguments: list[str], **environment: str) -> Process:
        """Start one process and keep it."""
        process = Process(name, arguments, environment, log=self.folder / f"{name}.log")
        process.start()
        self.processes.append(process)
        return process

    def add_web(self) -> Process:
        """Start one web server, as `manage.py up` does, on a port of its own."""
        from outcomes.management.commands.up import children

        port = free_port()
        self.web_ports.append(port)
        command = list(next(iter(children(port))).command)
        web = self.add(f"web-{len(self.web_ports)}", command[command.index("-m") + 1 :])
        web.port = port
        return web

    @property
    def outside(self) -> Outside:
        """Return what reached people."""
        return self.sink.outside

    def _provider(self, face: str) -> dict[str, str]:
        return {"CAMPAIGN_FACE": face, "CAMPAIGN_PROVIDER_PORT": str(self.sink.http_port)}

    def add_dispatcher(self, lane: str, face: str, **environment: str) -> Process:
        """Start one dispatcher of a lane that sends e-mail by this face of the provider."""
        known = {**self._provider(face), **environment}
        number = sum(each.name.startswith("dispatcher") for each in self.processes) + 1
        arguments = ["tests.campaign.worker", "dispatch", "--lane", lane]
        return self.add(f"dispatcher-{number}-{lane}", arguments, **known)

    def add_celery(self, face: str) -> list[Process]:
        """Start the Celery workers of both lanes and one beat."""
        from config import broker

        known = self._provider(face)
        made = []
        for name, queue in (("alerts", broker.ALERT_QUEUE), ("bulk", broker.BULK_QUEUE)):
            arguments = [
                *("tests.campaign.worker", "celery", "worker", "--queues", queue),
                *("--hostname", f"{name}@%h", "--concurrency", "1", "--loglevel", "WARNING"),
                *("--without-gossip", "--without-mingle", "--without-heartbeat"),
            ]
            made.append(self.add(f"celery-{name}", arguments, **known))
        beat = ["celery", "--quiet", "-A", "config", "beat"]
        beat += ["--scheduler", "celery.beat:Scheduler", "--loglevel", "WARNING"]
        beat += ["--schedule", str(self.folder / "beat")]
        made.append(self.add("beat", beat))
        return made

    def wait_for_web(self, seconds: float = 90) -> None:
        """Return once every web server answers."""
        from outcomes.management.commands.up import answers

        for port in self.web_ports:
            wait_until(lambda port=port: answers(port), seconds, "the web server answers")

    def logs(self) -> str:
        """Return the last lines that the processes wrote."""
        return "\n".join(
            f"-- {path.name}\n" + "\n".join(path.read_text(errors="replace").splitlines()[-8:])
            for path in sorted(self.folder.glob("*.log"))
            if path.stat().st_size
        )


def wait_until(is_so: Callable[[], bool], seconds: float, what: str) -> float:
    """Wait until something is so; return after how many seconds. Raises TimeoutError."""
    from django.db import Error, connection

    begun = time.monotonic()
    while True:
        try:
            if is_so():
                return time.monotonic() - begun
        except Error:  # the database was away
            connection.close()
        if time.monotonic() - begun > seconds:
            raise TimeoutError(f"Not within {seconds:.0f} s: {what}.")
        time.sleep(0.1)


@contextmanager
def staged(
    database: str, *, rabbitmq: bool = False, redis: bool = False, is_quick: bool = False
) -> Iterator[Stage]:
    """Start the servers, point the environment at them, set the product up; clean all up at last.

    Once in a process: Django reads its settings once. `is_quick`: everything in memory, and no
    provider, for a part in which only processes of its own die. Raises Missing.
    """
    with ExitStack() as stack:
        if is_quick and Path("/dev/shm").is_dir():
            tempfile.tempdir = "/dev/shm"
        folder, smtp_port = Path(tempfile.mkdtemp(prefix="outcomes-campaign-")), free_port()
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        postgresql = stack.enter_context(PostgreSQL()) if database == "postgresql" else None
        rabbit = stack.enter_context(RabbitMQ()) if rabbitmq else None
        cache = stack.enter_context(Redis()) if redis else None
        os.environ.update(
            VAR_DIR=str(folder),
            DATABASE_URL=postgresql.url if postgresql else f"sqlite:///{folder}/campaign.sqlite3",
            DJANGO_SETTINGS_MODULE="config.settings",
            LOG_LEVEL="ERROR",
            EMAIL_URL=f"smtp://{HOST}:{smtp_port}",
        )
        for name in ("CACHE_URL", "CELERY_BROKER_URL", "PRODUCTION"):
            os.environ.pop(name, None)
        if cache:
            os.environ["CACHE_URL"] = cache.cache_url
        if rabbit:
            os.environ["CELERY_BROKER_URL"] = rabbit.url
        _set_up()
        from tests.campaign.sink import Sink

        sink = Sink(smtp_port)
        if not is_quick:
            stack.enter_context(sink)
        stage = Stage(database, postgresql, rabbit, cache, folder, sink)
        stack.callback(_end, stage)
        yield stage


def _set_up() -> None:
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)
    call_command("createcachetable", verbosity=0)
    call_command("install_library", stdout=StringIO())


def _end(stage: Stage) -> None:
    from django.db import connections

    for process in stage.processes:
        process.kill()
    for server in (stage.rabbitmq, stage.redis):
        if server is not None:
            server.resume()
    connections.close_all()


@dataclass
class Killer:
    """Kills one of the processes that are at work, at a random moment; starts it again; goes on.

    One web server is left alone while no other one serves.
    """

    victims: list[Process]
    between: tuple[float, float]
    kills: int = 0
    before_kill: Callable[[Process], None] = lambda _process: None
    is_due: Callable[[int], bool] = lambda _kills: True
    _over: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Killer:
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        random = Random(19)
        while not self._over.wait(random.uniform(*self.between)):
            if not self.is_due(self.kills):
                continue
            at_work = [each for each in self.victims if each.is_at_work()]
            web = [each for each in at_work if each.port is not None]
            if len(web) == 1 and any(each.port for each in self.victims if each not in web):
                at_work.remove(web[0])
            if not at_work:
                continue
            victim = random.choice(at_work)
            self.before_kill(victim)
            victim.kill()
            victim.start()
            self.kills += 1


def note(line: str) -> None:
    """Tell whoever watches how far a part is; not a figure."""
    print(f"  {time.strftime('%H:%M:%S')} {line}", file=sys.stderr, flush=True)


def percentile(values: list[float], share: float) -> float:
    """Return the value that this share of the values does not exceed; 0 of none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0
