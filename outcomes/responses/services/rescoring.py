"""Score again what an earlier definition scored; the old scores stay as they were."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef

from outcomes.instruments import batch, scoring
from outcomes.instruments.definition import Definition
from outcomes.instruments.models import InstrumentVersion, definition_of
from outcomes.responses.models import QuestionnaireResponse, Score
from outcomes.responses.services.answers import scores_by


@dataclass(frozen=True, slots=True)
class Outdated:
    """Some responses of one content, with the definition that scores them today."""

    target: Definition
    responses: tuple[QuestionnaireResponse, ...]


@dataclass(frozen=True, slots=True)
class Rescored:
    """One result that the target scores otherwise than it is stored."""

    response_id: UUID
    instrument: str
    scale: str
    before: str
    after: str


def find_outdated(size: int) -> Iterator[Outdated]:
    """Yield, at most `size` at a time, final responses that another scoring version scored.

    A response whose questions or options the current definition does not have stays out: its
    answers mean something else there. So does one imported as a bare number.
    """
    final = QuestionnaireResponse.objects.final().exclude(answers={})
    kinds = final.order_by().values_list(
        "clinic_id", "instrument_version__instrument_id", "content_hash"
    )
    for clinic_id, instrument_id, content_hash in kinds.distinct():
        used = InstrumentVersion.objects.used_by(clinic_id).filter(instrument=instrument_id)
        target_hash = used.values_list("content_hash", flat=True).first()
        if target_hash is None or not _fits(
            definition_of(content_hash), definition_of(target_hash)
        ):
            continue
        target = definition_of(target_hash)
        newest = Score.objects.filter(
            response=OuterRef("pk"), scoring_version=scoring.version_of(target)
        )
        rows = final.filter(clinic=clinic_id, content_hash=content_hash).filter(~Exists(newest))
        last: UUID | None = None
        while True:
            page = rows.order_by("pk") if last is None else rows.filter(pk__gt=last).order_by("pk")
            found = tuple(
                page.only("answers", "clinic", "patient", "episode", "submitted_at")[:size]
            )
            if not found:
                break
            last = found[-1].pk
            yield Outdated(target, found)


def _fits(old: Definition, new: Definition) -> bool:
    return all(values <= new.allowed.get(key, frozenset()) for key, values in old.allowed.items())


@transaction.atomic
def rescore(outdated: Outdated, *, is_dry_run: bool) -> list[Rescored]:
    """Return what differs; unless it is a dry run, store today's scores as the current ones."""
    target, responses = outdated.target, outdated.responses
    scored = batch.score_many(target, batch.as_matrix(target, [row.answers for row in responses]))
    stored = _stored(responses)
    differing = [
        Rescored(response.pk, target.code, code, before, after)
        for row, response in enumerate(responses)
        for code, after in _results(scored, row)
        if (before := stored.get((response.pk, code), "no score")) != after
    ]
    if not is_dry_run:
        _store(target, responses)
    return differing


def _stored(responses: tuple[QuestionnaireResponse, ...]) -> dict[tuple[UUID, str], str]:
    current = Score.objects.filter(response__in=responses, is_current=True)
    rows = current.values_list("response", "scale", "value", "band")
    return {(key, scale): _words(value, band) for key, scale, value, band in rows}


def _results(scored: batch.BatchResult, row: int) -> Iterator[tuple[str, str]]:
    for code, scale in scored.scales.items():
        value, band = scale.values[row], scale.bands[row]
        yield code, _words(float(value), scale.labels[band] if band >= 0 else "")
    for code, levels in scored.levels.items():
        rank = levels.ranks[row]
        yield code, _words(None, levels.labels[rank] if rank >= 0 else "")


def _words(value: float | None, band: str) -> str:
    number = "" if value is None or math.isnan(value) else f"{value:g}"
    return ", ".join(part for part in (number, band) if part) or "no result"


def _store(target: Definition, responses: tuple[QuestionnaireResponse, ...]) -> None:
    Score.objects.filter(response__in=responses, is_current=True).update(is_current=False)
    rows = (
        score
        for response in responses
        for score in scores_by(target, response, scoring.score(target, response.answers))
    )
    Score.objects.bulk_create(rows, batch_size=1000)
