"""The outside monitor hears of this installation while alerts go out in time, and else nothing."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from outcomes import workflows
from outcomes.alerts import services as alerts
from outcomes.delivery.models import DispatcherLoop, Lane, Message
from outcomes.scheduling.models import Assignment
from tests.alerts.conftest import raise_alert

PATH = "/ping/s3cret"


class Monitor(ThreadingHTTPServer):
    """A monitor as such services are: any GET of its address counts as a sign of life."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Ping)
        self.asked: list[str] = []
        self.status = 200


class Ping(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, Monitor)
        self.server.asked.append(self.path)
        self.send_response(self.server.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args: object) -> None:
        """Keep the test's output clean."""


@pytest.fixture
def monitor(settings) -> Iterator[Monitor]:
    server = Monitor()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    settings.DEAD_MAN_URL = f"http://127.0.0.1:{server.server_port}{PATH}"
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def dispatcher(db, now: datetime) -> None:
    DispatcherLoop.objects.create(lane=Lane.ALERT, finished_at=now)


def test_it_is_told_at_most_once_a_minute(monitor, dispatcher, now: datetime) -> None:
    for seconds in range(0, 60, 5):
        workflows.report_alive(now=now + timedelta(seconds=seconds))
    assert monitor.asked == [PATH]
    DispatcherLoop.objects.update(finished_at=now + timedelta(seconds=60))
    assert workflows.report_alive(now=now + timedelta(seconds=60))
    assert monitor.asked == [PATH, PATH]


def test_it_is_not_told_without_an_address(db, dispatcher, now: datetime, settings) -> None:
    settings.DEAD_MAN_URL = ""
    assert not workflows.report_alive(now=now)


def test_silence_when_no_dispatcher_goes_round(monitor, dispatcher, now: datetime) -> None:
    assert not workflows.report_alive(now=now + timedelta(seconds=61))
    DispatcherLoop.objects.all().delete()
    assert not workflows.report_alive(now=now)
    assert monitor.asked == []


def test_silence_while_a_page_waits(monitor, phq9: Assignment, dispatcher, now: datetime) -> None:
    raise_alert(phq9, now)
    DispatcherLoop.objects.update(finished_at=now + timedelta(seconds=61))
    assert alerts.is_healthy(now + timedelta(seconds=60))
    assert not workflows.report_alive(now=now + timedelta(seconds=61))
    # An address that is gone is its recipient's failure, not the installation's.
    Message.objects.filter(kind="alert").update(bounced_at=now)
    assert workflows.report_alive(now=now + timedelta(seconds=61))


def test_silence_while_retries_do_not_help(
    monitor, phq9: Assignment, dispatcher, now: datetime
) -> None:
    raise_alert(phq9, now)
    later = now + timedelta(minutes=14, seconds=30)
    DispatcherLoop.objects.update(finished_at=later)
    Message.objects.filter(kind="alert").update(attempts=9, not_before=now + timedelta(hours=1))
    assert alerts.is_healthy(later)
    assert not alerts.is_healthy(later + timedelta(seconds=31))


def test_silence_while_an_alert_waits_for_its_next_step(
    monitor, phq9: Assignment, dispatcher, now: datetime
) -> None:
    raise_alert(phq9, now)
    Message.objects.filter(kind="alert").update(state="sent", sent_at=now)
    due = now + timedelta(minutes=15)
    DispatcherLoop.objects.update(finished_at=due + timedelta(seconds=61))
    assert alerts.is_healthy(due + timedelta(seconds=59))
    assert not workflows.report_alive(now=due + timedelta(seconds=61))
    workflows.escalate_due(now=due + timedelta(seconds=61))
    assert workflows.report_alive(now=due + timedelta(seconds=61))


def test_a_monitor_that_fails_disturbs_nothing_and_is_asked_again(
    monitor: Monitor, dispatcher: None, now: datetime, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    monitor.status = 500
    assert not workflows.report_alive(now=now)
    assert not workflows.report_alive(now=now + timedelta(seconds=1))
    assert monitor.asked == [PATH]
    monitor.status = 200
    DispatcherLoop.objects.update(finished_at=now + timedelta(seconds=60))
    assert workflows.report_alive(now=now + timedelta(seconds=60))
    assert "s3cret" not in caplog.text


def test_a_monitor_that_is_away_disturbs_nothing(
    dispatcher: None, now: datetime, settings, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        settings.DEAD_MAN_URL = f"http://127.0.0.1:{unused.getsockname()[1]}{PATH}"
        assert not workflows.report_alive(now=now)
    assert "ConnectError" in caplog.text
    assert "s3cret" not in caplog.text
