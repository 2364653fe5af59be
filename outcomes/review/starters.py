"""A clinic's comparable starters: how others stood before the same session, never a target."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from django.core.cache import cache
from django.db.models import Min
from django.db.models.functions import Coalesce

from outcomes.care.models import HELD, EpisodeOfCare, TreatmentSession
from outcomes.instruments.definition import Scale
from outcomes.responses.models import Score
from outcomes.review import change
from outcomes.review.change import ScorePoint
from outcomes.review.charts.data import QuartilePoint
from outcomes.review.comparing import quartiles_at, scores_before
from outcomes.review.measures import Measure

# The sessions that a beginning has; and of a large clinic the newest starters only.
SESSIONS = 12
STARTERS = 2000
KEPT_FOR = 15 * 60  # seconds

Before = Mapping[UUID, Sequence[float | None]]


def with_band(measure: Measure, episode: EpisodeOfCare, held: Sequence[datetime]) -> Measure:
    """Return the measure with its panel's clinic band: the quartiles before each held session.

    Comparable are the clinic's other episodes whose baseline, by the same questionnaire, lies in
    the same published band. Without a baseline, or where fewer than 20 were answered, there is no
    band.
    """
    start = measure.baseline.point
    label = _band(measure.scale, start.value) if start else ""
    if not label or measure.panel.is_light:
        return measure
    code, scale = measure.definition.code, measure.scale
    others = [
        values
        for other, values in _starters(episode.clinic_id, code, scale, label).items()
        if other != episode.pk
    ]
    told = [(at, quartiles_at(others, step)) for step, at in enumerate(held[:SESSIONS])]
    band = tuple(QuartilePoint(at, row.q1, row.median, row.q3, row.n) for at, row in told if row)
    return replace(measure, panel=replace(measure.panel, clinic_band=band))


def _band(scale: Scale, value: float) -> str:
    return next((band.label for band in scale.bands if band.low <= value <= band.high), "")


def _starters(clinic_id: UUID, code: str, scale: Scale, label: str) -> Before:
    """Return, by episode, the scores before each of the first sessions of comparable starters."""
    key = f"starters:{clinic_id}:{code}:{scale.code}"
    kept: Mapping[str, Before] | None = cache.get(key)
    if kept is None:
        kept = _read(clinic_id, code, scale)
        cache.set(key, kept, KEPT_FOR)
    return kept.get(label, {})


def _read(clinic_id: UUID, code: str, scale: Scale) -> Mapping[str, Before]:
    at = Coalesce("started_at", "planned_at")
    held = TreatmentSession.objects.filter(clinic=clinic_id, status__in=HELD)
    newest = held.values("episode").annotate(first=Min(at)).order_by("-first")
    episodes = list(newest.values_list("episode", flat=True)[:STARTERS])
    sessions: dict[UUID, list[datetime]] = defaultdict(list)
    for episode, held_at in held.filter(episode__in=episodes).values_list("episode", at):
        sessions[episode].append(held_at)
    points: dict[UUID, list[ScorePoint]] = defaultdict(list)
    rows = Score.objects.current().filter(
        episode__in=episodes, instrument_code=code, scale=scale.code
    )
    for episode, scored_at, value in rows.values_list("episode", "at", "value"):
        if value is not None:
            points[episode].append(ScorePoint(scored_at, value))
    by_band: dict[str, dict[UUID, Sequence[float | None]]] = defaultdict(dict)
    for episode, starts in sessions.items():
        first = sorted(starts)[:SESSIONS]
        baseline = change.baseline(points[episode], first[0]).point
        label = _band(scale, baseline.value) if baseline else ""
        if label:
            by_band[label][episode] = scores_before(first, points[episode])
    return dict(by_band)
