"""R2, R6, R7: die once, and stand still once, at every boundary of what must not break."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

from tests.campaign.figure import Figure
from tests.campaign.stage import note, staged

EVERY = timedelta(hours=4)
AT_MOST = 400


@dataclass
class Walk:
    """What one scenario came to, over all its boundaries."""

    name: str
    boundaries: int = 0
    problems: list[str] = field(default_factory=list)


def play(database: str, *, is_full: bool) -> Iterator[Figure]:
    """Yield the figures of one database."""
    with staged(database, is_quick=True) as stage:
        deaths = list(walk_all(stage.folder, is_full=is_full))
        problems = [problem for walk in deaths for problem in walk.problems]
        crossed = sum(walk.boundaries for walk in deaths)
        for problem in problems[:10]:
            print(problem)
        ways = ", ".join(f"{walk.name} {walk.boundaries}" for walk in deaths)
        text = f"{crossed} of {crossed} crash boundaries, {len(problems)} broken ({ways})"
        yield Figure("R2", crossed > 0 and not problems, text)
        pauses = list(walk_all(stage.folder, is_full=is_full, pauses=True))
        stale = [problem for walk in pauses for problem in walk.problems]
        for problem in stale[:10]:
            print(problem)
        paused = sum(walk.boundaries for walk in pauses)
        text = (
            f"{len(stale)} stale writes accepted from a dispatcher stopped at {paused} boundaries"
        )
        yield Figure("R7", paused > 0 and not stale, text)


def walk_all(folder: Path, *, is_full: bool, pauses: bool = False) -> Iterator[Walk]:
    """Walk through every scenario with every kind of provider that it makes sense with."""
    from django.db import connection

    from outcomes.delivery.channels.base import Guarantee
    from tests.campaign.scenarios import SCENARIOS

    for scenario in SCENARIOS:
        faces = list(Guarantee) if is_full else scenario.short_faces
        is_core = scenario.name in ("submit", "invite")
        if pauses:
            faces = [Guarantee.KEYED] if is_core else []
        elif connection.vendor == "postgresql" and not is_full and not is_core:
            faces = []  # in ten minutes: all of them on SQLite, the core on both
        for face in faces:
            walk = walk_through(folder, scenario, face, pauses=pauses)
            note(f"{walk.name}: {walk.boundaries} boundaries, {len(walk.problems)} problems")
            yield walk


_numbers = count()


def walk_through(
    folder: Path,
    scenario_class: type,
    face: object,
    *,
    pauses: bool = False,
    is_first_enough: bool = False,
    prefix: str = "walk",
) -> Walk:
    """Interrupt a scenario at its first boundary, then its second, until it runs through."""
    from tests.campaign.boundary import Worker
    from tests.campaign.world import make_people

    walk = Walk(f"{scenario_class.name}/{face.value}")
    begins = datetime(2026, 3, 2, tzinfo=UTC) + next(_numbers) * timedelta(days=200)
    people: list[object] = []
    for act_at in count(1):
        now = begins + act_at * EVERY
        if not people:
            slug = f"{prefix}-{next(_numbers)}"
            people = make_people(20, now, prefix=slug, positives=1, every=EVERY)
        mailbag = _mailbag(folder / f"effects-{next(_numbers)}", face)
        scenario = scenario_class(people.pop(0), now, mailbag)
        scenario.prepare()
        worker = Worker(scenario.work, act_at, pauses=pauses)
        worker.start()
        is_interrupted = _pause(worker, scenario, walk) if pauses else worker.join() != 0
        scenario.told = worker.told
        if is_interrupted and not pauses:
            scenario.finish()
            _note_problems(walk, scenario, act_at, worker.where)
        if not is_interrupted:
            # It ran through: that too must come out right.
            scenario.finish()
            _note_problems(walk, scenario, act_at, "the end")
            return walk
        walk.boundaries += 1
        if (walk.problems and is_first_enough) or act_at > AT_MOST:
            return walk
    return walk


def _note_problems(walk: Walk, scenario: object, act_at: int, where: str) -> None:
    walk.problems += [
        f"{walk.name}, boundary {act_at} ({where}): {problem}" for problem in scenario.problems()
    ]
    scenario.tidy()


def _mailbag(path: Path, face: object) -> object:
    from tests.campaign.boundary import Mailbag

    return Mailbag(path, face)


def _pause(worker: object, scenario: object, walk: Walk) -> bool:
    """Let a rival take over while the worker stands still; wake it amid the rival's call."""
    from outcomes.delivery.models import Message, MessageState
    from tests.campaign.boundary import Clock, Mailbag

    if not worker.wait_until_it_pauses():
        worker.join()
        return False
    is_awake = False

    def wake() -> None:
        nonlocal is_awake
        if is_awake:
            return
        is_awake = True
        held = list(Message.objects.filter(state=MessageState.SENDING).values_list("pk", "fence"))
        worker.wake()
        for key, fence in held:
            row = Message.objects.get(pk=key)
            if (row.fence, row.state) != (fence, MessageState.SENDING):
                walk.problems.append(
                    f"{walk.name}, stopped at {worker.where}: made a message {row.state} "
                    "that another dispatcher holds"
                )

    clock = Clock(scenario.now + timedelta(seconds=50))
    rival = Mailbag(scenario.mailbag.path, scenario.mailbag.guarantee, interrupt=wake)
    scenario.send(clock, rival)
    if not is_awake:
        worker.wake()
    scenario.told = worker.told
    scenario.finish()
    _note_problems(walk, scenario, worker.act_at, f"stopped {worker.where}")
    return True
