"""A million forms scored at once against numpy adding the same matrix up, and one form alone."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from bench.figures import Figure
from outcomes.instruments.batch import MISSING, score_many
from outcomes.instruments.definition import Definition, load_library
from outcomes.instruments.scoring import score

FORMS = 1_000_000
ROUNDS = 11
SINGLE_ROUNDS = 15
SINGLE_FORMS = 2_000
OPEN_SHARE = 0.02
BATCH_TARGET = 0.1
SINGLE_TARGET = 50e-6

Matrix = NDArray[np.int8]


def measure(now: datetime) -> Iterator[Figure]:
    """Yield forms per second of both, in turns, and the time of one; needs no database."""
    phq9 = load_library()["PHQ-9"]
    random = np.random.default_rng(9)
    whole = random.integers(0, 4, (FORMS, len(phq9.items)), np.int8)
    _must_agree(phq9, whole)
    with_gaps = np.where(random.random(whole.shape) < OPEN_SHARE, np.int8(MISSING), whole)
    yield _batch("PHQ-9, all results, by sum of int8, forms", phq9, whole)
    yield _batch("  with one answer in 50 left open", phq9, with_gaps)
    yield _batch("  stored column by column", phq9, np.asfortranarray(whole))
    yield from _single(phq9, whole[:SINGLE_FORMS])


def _must_agree(phq9: Definition, matrix: Matrix) -> None:
    totals = score_many(phq9, matrix).scales["total"].values
    # The tenth question, on difficulty, is not scored.
    if not np.array_equal(totals, matrix[:, :9].sum(axis=1)):
        raise RuntimeError("score_many and numpy differ in their totals")


def _batch(name: str, phq9: Definition, matrix: Matrix) -> Figure:
    ways: dict[str, Callable[[], object]] = {
        "ours": lambda: score_many(phq9, matrix),
        "numpy": lambda: matrix.sum(axis=1),
    }
    for way in ways.values():
        way()
    taken: dict[str, list[float]] = {which: [] for which in ways}
    for _ in range(ROUNDS):
        for which, way in ways.items():
            begun = time.perf_counter()
            way()
            taken[which].append(time.perf_counter() - begun)
    ours, theirs = (statistics.median(taken[which]) for which in ways)
    ratio = statistics.median(
        numpy / mine for mine, numpy in zip(taken["ours"], taken["numpy"], strict=True)
    )
    return Figure(
        name,
        f"{FORMS / ours / 1e6:,.1f} M/s",
        f"{FORMS / theirs / 1e6:,.1f} M/s",
        ratio,
        f">= {BATCH_TARGET:.2f}",
        ratio >= BATCH_TARGET,
    )


def _single(phq9: Definition, matrix: Matrix) -> Iterator[Figure]:
    link_ids = [item.link_id for item in phq9.items]
    forms = [dict(zip(link_ids, row, strict=True)) for row in matrix.tolist()]
    each = []
    for _ in range(SINGLE_ROUNDS):
        begun = time.perf_counter()
        for form in forms:
            score(phq9, form)
        each.append((time.perf_counter() - begun) / len(forms))
    median = statistics.median(each)
    yield Figure(
        "one PHQ-9 through score(), all results",
        f"{median * 1e6:.1f} µs",
        "",
        None,
        f"<= {SINGLE_TARGET * 1e6:.0f} µs",
        median <= SINGLE_TARGET,
    )
