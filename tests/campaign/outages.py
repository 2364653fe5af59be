"""R3, R10, R13: nothing that is down, hung or repeated keeps an answer from being stored."""

from __future__ import annotations

import json
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from http.client import HTTPConnection
from typing import TYPE_CHECKING
from uuid import uuid4

from tests.campaign.figure import Figure
from tests.campaign.servers import HOST
from tests.campaign.stage import Process, Stage, percentile, staged, wait_until

if TYPE_CHECKING:
    from tests.campaign.world import Person

AT_ONCE = 100
PATIENCE_MS = 300


def play(database: str, *, is_full: bool) -> Iterator[Figure]:
    """Yield the figures of one database."""
    is_server = database == "postgresql"
    with staged(database, rabbitmq=is_server, redis=is_server) as stage:
        from django.db import connection

        from tests.campaign.world import make_people

        senders = [stage.add_dispatcher(lane, "keyed") for lane in ("alert", "alert", "bulk")]
        if is_server:
            senders += stage.add_celery("keyed")
        stage.add_web()
        count = 200 if is_full else 100
        people = make_people(12 * count, datetime.now(UTC), positives=1)
        connection.close()
        stage.wait_for_web()
        shares = iter([people[start : start + count] for start in range(0, len(people), count)])
        yield _submitted_at_once(stage, next(shares)[0])
        _warm_up(stage, next(shares))
        if is_server:
            yield from _without_broker_or_cache(stage, shares, is_full=is_full)
        yield from _reaches_a_human(stage, senders, shares)


# -- R13 -----------------------------------------------------------------------------------------


def _submitted_at_once(stage: Stage, person: Person) -> Figure:
    from outcomes.responses.models import QuestionnaireResponse, Score
    from tests.campaign.world import ITEM_9

    together = threading.Barrier(AT_ONCE)

    def submit(_number: int) -> tuple[int, bytes]:
        together.wait()
        return ask(stage, person, person.body)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        replies = list(pool.map(submit, range(AT_ONCE)))
    changed = {**person.answers, "1": (person.answers["1"] + 1) % 4}
    other = {"answers": changed, "submission_id": str(uuid4()), "language": "en"}
    status, _content = ask(stage, person, json.dumps(other).encode())
    stored = list(QuestionnaireResponse.objects.filter(assignment=person.assignment_id))
    alerts = stored[0].alerts.count() if stored else 0
    scores = Score.objects.filter(response__in=stored)
    is_once = scores.count() == scores.values("scale").distinct().count()
    is_same = len(set(replies)) == 1 and replies[0][0] == 200
    is_first = len(stored) == 1 and stored[0].answers == person.answers
    return Figure(
        "R13",
        is_same
        and is_first
        and is_once
        and status == 409
        and alerts == (person.answers[ITEM_9] > 0),
        f"{AT_ONCE} parallel submits, {len(stored)} response, {len(set(replies))} distinct reply, "
        f"{alerts} alert; another body: {status}, first {'kept' if is_first else 'lost'}",
    )


def ask(stage: Stage, person: Person, body: bytes) -> tuple[int, bytes]:
    """Submit once over a connection of its own; status 0 when there was no reply."""
    http = HTTPConnection(HOST, stage.web_ports[0], timeout=60)
    path = f"/api/v1/answering/{person.assignment_id}/submit/"
    try:
        http.request("POST", path, body, person.headers)
        reply = http.getresponse()
        return reply.status, reply.read()
    except OSError:
        return 0, b""
    finally:
        http.close()


def _warm_up(stage: Stage, people: Sequence[Person]) -> None:
    _submit_all(stage, people)


# -- R10 -----------------------------------------------------------------------------------------


def _without_broker_or_cache(
    stage: Stage, shares: Iterator[Sequence[Person]], *, is_full: bool
) -> Iterator[Figure]:
    from tests.campaign import checks

    rabbitmq, redis = stage.rabbitmq, stage.redis
    assert rabbitmq is not None
    assert redis is not None

    def nothing() -> None:
        pass

    troubles: list[tuple[str, Callable[[], None], Callable[[], None]]] = [
        ("all up", nothing, nothing),
        ("broker hung", rabbitmq.hang, rabbitmq.resume),
        ("cache hung", redis.hang, redis.resume),
        ("cache flushed", redis.flush, nothing),
        ("cache down", redis.stop, redis.start),
        ("broker down", rabbitmq.stop, rabbitmq.start),
    ]
    said, is_held, limit = [], True, float(PATIENCE_MS)
    for name, begin, end in troubles:
        people = next(shares)
        begin()
        statuses, seconds = _submit_all(stage, people)
        end()
        p99, failed = 1000 * percentile(seconds, 0.99), sum(each != 200 for each in statuses)
        said.append(f"{name} p99 {p99:.0f} ms" + (f" {failed} failed" if failed else ""))
        if name == "all up" and not is_full:
            # Beside other work: a slow machine is not a fault of the product.
            limit = max(limit, 2 * p99)
        is_held = is_held and not failed and p99 <= limit
    doubled = checks.doubled()
    text = f"{', '.join(said)} (limit {limit:.0f} ms); {doubled} doubled"
    yield Figure("R10", is_held and not doubled, text)


def _submit_all(stage: Stage, people: Sequence[Person]) -> tuple[list[int], list[float]]:
    """Submit one form after another over one connection, as quickly as they are answered."""
    statuses, seconds = [], []
    for person in people:
        begun = time.monotonic()
        status, _content = ask(stage, person, person.body)
        seconds.append(time.monotonic() - begun)
        statuses.append(status)
    return statuses, seconds


# -- R3 ------------------------------------------------------------------------------------------


def _reaches_a_human(
    stage: Stage, senders: Sequence[Process], shares: Iterator[Sequence[Person]]
) -> Iterator[Figure]:
    calm = _delays(stage, next(shares), since=None)
    said, is_held = [_said("calm", calm, 30)], _is_within(calm, 30)
    if stage.rabbitmq is not None:
        stage.rabbitmq.stop()
        down = _delays(stage, next(shares), since=None)
        stage.rabbitmq.start()
        said.append(_said("broker down", down, 90))
        is_held = is_held and _is_within(down, 90)
    if stage.postgresql is not None:
        for each in senders:
            each.send(signal.SIGSTOP)
        people = next(shares)
        _submit_all(stage, people)
        stage.postgresql.crash()
        for each in senders:
            each.send(signal.SIGCONT)
        time.sleep(3)
        since = time.time()
        stage.postgresql.start()
        back = _delays(stage, [], since=since)
        said.append(_said("after the database's return", back, 60))
        is_held = is_held and len(back) >= len(people) and _is_within(back, 60)
    yield Figure("R3", is_held, "submit to provider: " + ", ".join(said))


def _is_within(delays: Sequence[float], seconds: float) -> bool:
    return bool(delays) and percentile(list(delays), 0.99) <= seconds


def _said(name: str, delays: Sequence[float], most: float) -> str:
    p99 = f"{percentile(list(delays), 0.99):.1f}" if delays else "none"
    return f"{name} p99 {p99} s (at most {most}) of {len(delays)}"


def _delays(stage: Stage, people: Sequence[Person], since: float | None) -> list[float]:
    """Submit positive forms; return the seconds until each alert's first page was handed over.

    Counted from `since`, or else from the moment the answer was stored.
    """
    from tests.campaign import checks

    begun = time.time() if since is None else since
    _submit_all(stage, people)
    try:
        wait_until(lambda: checks.waiting("alert") == 0, 150, "every page is sent")
    except TimeoutError:
        return [150.0]
    found = checks.delays(stage.outside)
    return [
        (at - since) if since is not None else at - stored for stored, at in found if at >= begun
    ]
