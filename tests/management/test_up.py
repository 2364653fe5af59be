"""`manage.py up` says in one line why it cannot start."""

from __future__ import annotations

import socket

import pytest
from django.core.management import CommandError, call_command

from config import broker
from outcomes.management.commands import up


@pytest.mark.parametrize("text", ["", "http", "-1", "0", "65536", "8000.5"])
def test_what_is_no_port_is_named(text):
    with pytest.raises(CommandError, match="is not a port: give a number from 1 to 65535"):
        up.free_port(text)


def test_a_taken_port_gets_one_line_that_says_what_to_do():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(CommandError) as refusal:
            call_command("up", port=str(port))
    assert str(refusal.value) == f"Port {port} is taken: make run PORT=8123 uses another."


def test_a_free_port_is_taken_as_a_number():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    assert up.free_port(str(port)) == port


def test_each_lane_has_a_worker_of_its_own_beside_the_dispatcher():
    commands = {child.name: list(child.command) for child in up.children(8000)}
    assert list(commands) == ["web", "dispatcher", "alert worker", "bulk worker", "beat"]
    for name, queue in (("alert worker", broker.ALERT_QUEUE), ("bulk worker", broker.BULK_QUEUE)):
        command = commands[name]
        assert command[command.index("--queues") + 1] == queue


@pytest.mark.django_db
def test_it_serves_only_a_database_that_has_its_tables():
    up.require_migrated()
