"""A ring reaches a worker, on whatever broker the settings name."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest
from celery import Celery
from celery.contrib.testing.worker import start_worker
from django.conf import settings
from kombu import Queue

from config import broker
from config.celery import app as product_app


def app_on(url: str, folder) -> Celery:
    """Return an app that is set like the product's, with queues of its own on this broker."""
    app = Celery("doorbell", set_as_current=False)
    app.config_from_object("django.conf:settings", namespace="CELERY")
    app.conf.update(
        broker_url=url,
        broker_transport_options=broker.transport_options(url, folder),
        task_queues=[
            Queue(
                f"test.{queue.name}",
                queue.exchange,
                routing_key=f"test.{queue.name}",
                queue_arguments=queue.queue_arguments,
            )
            for queue in broker.queues(url)
        ],
        task_routes={},
        task_default_queue=f"test.{broker.BULK_QUEUE}",
        task_default_routing_key=f"test.{broker.BULK_QUEUE}",
    )
    return app


@pytest.fixture
def rings(tmp_path) -> Iterator[Callable[[str], list[str]]]:
    """Ring each lane once on this broker and return what arrived."""

    def ring(url: str) -> list[str]:
        broker.empty_folder(tmp_path)
        app = app_on(url, tmp_path)
        arrived: list[str] = []
        both = threading.Event()

        @app.task(name="tests.ring", shared=False)
        def heard(lane: str) -> None:
            arrived.append(lane)
            if len(arrived) == 2:
                both.set()

        with app.connection_for_write() as connection:
            for queue in app.conf.task_queues:
                bound = queue(connection.default_channel)
                bound.declare()
                bound.purge()
        for queue in app.conf.task_queues:
            heard.apply_async([queue.name], queue=queue.name)
        with start_worker(app, pool="solo", perform_ping_check=False, shutdown_timeout=30):
            both.wait(timeout=20)
        return sorted(arrived)

    yield ring
    product_app.set_current()  # a worker in this process makes its own app the current one


BOTH = [f"test.{broker.ALERT_QUEUE}", f"test.{broker.BULK_QUEUE}"]


def test_a_ring_reaches_a_worker_through_a_folder(rings, monkeypatch):
    # Celery lets this variable win over every app's own settings.
    monkeypatch.delenv("CELERY_BROKER_URL", raising=False)
    assert rings("filesystem://localhost//") == BOTH


@pytest.mark.broker
def test_a_ring_reaches_a_worker_through_the_real_broker(rings):
    if broker.is_folder(settings.CELERY_BROKER_URL):
        pytest.skip("no real broker: set CELERY_BROKER_URL to RabbitMQ or Redis")
    assert rings(settings.CELERY_BROKER_URL) == BOTH
