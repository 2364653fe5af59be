"""A broker that hangs or breaks holds beat up for seconds, not for ever; then it rings again."""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from urllib.parse import urlsplit

import pytest
from celery.beat import ScheduleEntry, Scheduler, SchedulingError
from django.conf import settings

from config import broker
from config.celery import app as product_app
from tests.broker.test_doorbell import app_on

ANSWER_TIMEOUT = 1
# A try and its one repetition, each with what the client's library adds by itself.
LIMIT_SECONDS = 15.0


class Wire:
    """A TCP port that leads to a server, can fall silent, and can be cut."""

    def __init__(self, host: str, port: int) -> None:
        self.target = host, port
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.flows = threading.Event()
        self.flows.set()
        self.ends: list[socket.socket] = []
        self._start(self._accept)

    def _start(self, work: Callable[..., None], *args: object) -> None:
        threading.Thread(target=work, args=args, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                self._start(self._connect, self.listener.accept()[0])

    def _connect(self, near: socket.socket) -> None:
        self.ends.append(near)
        self.flows.wait()
        far = socket.create_connection(self.target)
        self.ends.append(far)
        self._start(self._pump, near, far)
        self._start(self._pump, far, near)

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                self.flows.wait()
                sink.sendall(data)

    def cut(self) -> None:
        """Break every connection; new ones are taken."""
        ends, self.ends = self.ends, []
        for end in ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def close(self) -> None:
        self.flows.set()
        self.listener.close()
        self.cut()


@pytest.fixture
def real_broker() -> str:
    if broker.is_folder(settings.CELERY_BROKER_URL):
        pytest.skip("no real broker: set CELERY_BROKER_URL to RabbitMQ or Redis")
    return settings.CELERY_BROKER_URL


@pytest.fixture
def wire(real_broker) -> Iterator[Wire]:
    parts = urlsplit(real_broker)
    wire = Wire(parts.hostname or "127.0.0.1", parts.port or 0)
    yield wire
    wire.close()


@pytest.fixture
def beat(real_broker, wire, monkeypatch, tmp_path) -> Iterator[Scheduler]:
    """Beat's own scheduler, connected through the wire, quicker to give up than in use."""
    # Celery lets this variable win over every app's own settings.
    monkeypatch.delenv("CELERY_BROKER_URL", raising=False)
    monkeypatch.setattr(broker, "ANSWER_TIMEOUT", ANSWER_TIMEOUT)
    parts = urlsplit(real_broker)
    place = parts.netloc.rpartition("@")
    netloc = f"{place[0]}{place[1]}127.0.0.1:{wire.port}"
    app = app_on(parts._replace(netloc=netloc).geturl(), tmp_path)
    with app.connection_for_write() as connection:
        broker.bind_queues(connection, app.conf.task_queues)
    scheduler = Scheduler(app=app, lazy=True)
    yield scheduler
    wire.flows.set()
    scheduler.close()
    app.close()
    product_app.set_current()


def ring(beat: Scheduler) -> tuple[bool, float]:
    """Have beat ring once; return whether it was confirmed, and the seconds that took."""
    options = {"queue": f"test.{broker.BULK_QUEUE}", "confirm_timeout": ANSWER_TIMEOUT}
    entry = ScheduleEntry("ring", "tests.ring", schedule=10.0, options=options, app=beat.app)
    started = time.monotonic()
    try:
        beat.apply_async(entry, producer=beat.producer, advance=False)
        is_confirmed = True
    except SchedulingError:
        is_confirmed = False
    return is_confirmed, time.monotonic() - started


@pytest.mark.broker
def test_beat_gives_up_on_a_silent_broker_and_rings_again_when_it_speaks(beat, wire):
    assert ring(beat)[0]
    wire.flows.clear()
    is_confirmed, seconds = ring(beat)
    assert not is_confirmed
    assert seconds < LIMIT_SECONDS
    wire.flows.set()
    assert ring(beat)[0] or ring(beat)[0]


@pytest.mark.broker
def test_beat_connects_anew_when_the_connection_broke(beat, wire):
    assert ring(beat)[0]
    wire.cut()
    assert ring(beat)[0] or ring(beat)[0]


def test_every_sweep_waits_only_so_long_for_its_confirmation():
    timeouts = {
        entry["options"]["confirm_timeout"] for entry in product_app.conf.beat_schedule.values()
    }
    assert timeouts == {broker.ANSWER_TIMEOUT}


@pytest.mark.parametrize("scheme", ["amqp", "redis"])
def test_no_wait_for_the_broker_is_without_an_end(scheme, tmp_path):
    options = broker.transport_options(f"{scheme}://127.0.0.1", tmp_path)
    waits = {name: value for name, value in options.items() if name.endswith("_timeout")}
    waits.pop("visibility_timeout", None)
    assert len(waits) == 2
    assert all(0 < value <= broker.ANSWER_TIMEOUT for value in waits.values())


def test_nothing_is_published_while_a_request_waits():
    """Only beat rings: no code of the product does, so no broker can hold a patient up."""
    rings = re.compile(r"\.(delay|apply_async|send_task|signature)\(")
    found = [
        f"{path.name}: {line}"
        for folder in ("outcomes", "config")
        for path in (settings.BASE_DIR / folder).rglob("*.py")
        for line in path.read_text().splitlines()
        if rings.search(line)
    ]
    assert found == []
