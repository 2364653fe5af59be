"""The dispatcher's loops: they go on after an error, and stop when told to."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import OperationalError

from config.celery import app
from outcomes import tasks
from outcomes.delivery.models import Lane
from outcomes.management import dispatching
from outcomes.management.dispatching import Loop


def run_until_told(step: Callable[[threading.Event], int]) -> bool:
    """Run one loop whose step may set the event, and return whether it ended well."""
    stop = threading.Event()
    return dispatching.run([Loop("test", lambda: step(stop), 0.01)], stop)


def test_a_loop_goes_on_after_an_error(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(dispatching, "FIRST_REST", 0.01)
    seen: list[int] = []

    def step(stop: threading.Event) -> int:
        seen.append(1)
        if len(seen) == 1:
            raise OperationalError("connection to robin@patient.example lost")
        stop.set()
        return 0

    assert run_until_told(step)
    assert len(seen) == 2
    assert "OperationalError" in caplog.text
    assert "robin" not in caplog.text


def test_a_loop_does_not_wait_while_there_is_work() -> None:
    seen: list[int] = []

    def step(stop: threading.Event) -> int:
        seen.append(1)
        if len(seen) == 500:
            stop.set()
        return 1

    stop = threading.Event()
    loop = Loop("busy", lambda: step(stop), pause=3600)

    assert dispatching.run([loop], stop)
    assert len(seen) == 500


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_loop_that_breaks_down_ends_the_dispatcher() -> None:
    def step(stop: threading.Event) -> int:
        raise SystemExit

    assert not run_until_told(step)


def test_each_channel_has_senders_of_its_own_so_that_none_waits_for_a_provider_that_hangs() -> None:
    names = [loop.name for loop in dispatching.loops_of(["alert"], senders=3)]

    assert names[:4] == [*(f"send alert by email {n}" for n in range(3)), "send alert by sms"]


@pytest.mark.parametrize("number", ["0", "33", "many"])
def test_a_number_of_senders_that_cannot_be_is_refused(number: str) -> None:
    with pytest.raises(CommandError, match=f"argument --senders: invalid .*{number}"):
        call_command("dispatch", "--senders", number)


def test_the_lanes_are_kept_apart() -> None:
    alert = {loop.name for loop in dispatching.loops_of(["alert"])}
    bulk = {loop.name for loop in dispatching.loops_of(["bulk"])}

    assert not alert & bulk
    assert alert | bulk == {loop.name for loop in dispatching.loops_of(["alert", "bulk"])}


@pytest.mark.parametrize("lane", Lane)
def test_every_sweep_is_a_loop_of_its_lane_and_a_task_that_beat_rings_for(lane: Lane) -> None:
    app.loader.import_default_modules()
    loops = {loop.name: loop.pause for loop in dispatching.loops_of([lane])}
    rung = {entry["task"] for entry in app.conf.beat_schedule.values()}
    sweeps = [sweep for sweep in tasks.SWEEPS if sweep.lane == lane]

    assert {name for name in loops if not name.startswith("send ")} == {s.name for s in sweeps}
    for sweep in sweeps:
        task = f"outcomes.tasks.{sweep.look.__name__}"
        assert loops[sweep.name] == sweep.pause
        assert task in rung
        assert app.amqp.router.route({}, task)["queue"].name == f"outcomes.{lane}.v2"


def test_nothing_that_is_swept_is_forgotten() -> None:
    assert {sweep.name for sweep in tasks.SWEEPS} == {
        "escalate alerts",
        "test recipients",
        "report alive",
        "plan due",
        "invite due",
        "expire assignments",
        "keep up caseloads",
    }


def test_a_lane_that_does_not_exist_is_refused() -> None:
    with pytest.raises(CommandError, match="invalid choice: 'fast'"):
        call_command("dispatch", "--lane", "fast")
