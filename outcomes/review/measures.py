"""One scale of one instrument: its panel, and the published rules applied to its last score."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from outcomes.instruments.definition import Definition, Rule, Scale
from outcomes.instruments.models import definition_of
from outcomes.instruments.watched import watched_scale
from outcomes.responses.models import Mode
from outcomes.review import change
from outcomes.review.change import Baseline, Change, ReliableChange, ScorePoint, Verdict
from outcomes.review.charts import Band, Blank, Comparison, Panel, Point, Window
from outcomes.review.gathered import Light, StoredScore

# How a remission rule compares a score with its value.
COMPARES: dict[Comparison, Callable[[float, float], bool]] = {
    "below": operator.lt,
    "at_most": operator.le,
    "at_least": operator.ge,
}


@dataclass(frozen=True, slots=True)
class Measure:
    """One scale of one instrument: what the chart draws, and the facts beside it."""

    definition: Definition
    scale: Scale
    panel: Panel
    baseline: Baseline
    latest: Point | None
    change: Change | None
    response: Verdict | None
    remission: Verdict | None
    reliable: ReliableChange | None
    entries: tuple[tuple[StoredScore, Point | None], ...]  #: in order of time

    @property
    def scored(self) -> list[StoredScore]:
        """Return what is stored of each of the panel's points."""
        return [score for score, point in self.entries if point is not None]

    @property
    def confirmed(self) -> set[int]:
        """Return the places in `scored` by which a clinician has confirmed a loss of response."""
        return {place for place, row in enumerate(self.scored) if row.loss_confirmed_at}

    @property
    def newer_blank(self) -> Blank | None:
        """Return the last filling-in where it came to no value: newer than the latest score."""
        blank = self.panel.blanks[-1] if self.panel.blanks else None
        is_newer = blank is not None and (self.latest is None or blank.at > self.latest.at)
        return blank if is_newer else None

    @property
    def colour(self) -> str:
        """Return towards what the score has moved; "none" within measurement error."""
        if self.change is None or self.change.towards == "same":
            return "none"
        is_error = self.reliable is not None and self.reliable.outcome == "no_reliable_change"
        return "none" if is_error else self.change.towards


def panel_name(definition: Definition, scale: Scale) -> str:
    """Return the instrument's code, with the scale's title where it charts several."""
    return definition.code if len(definition.charted) == 1 else f"{definition.code} {scale.title}"


def measure_of(
    scores: Sequence[StoredScore],
    windows: tuple[Window, ...],
    treated_from: datetime | None,
    safety: Mapping[UUID, str],
    zone: ZoneInfo,
) -> Measure:
    """Return what one scale's scores, in order of time, come to by the published rules."""
    definition = definition_of(scores[-1].content_hash)
    scale = definition.scale(scores[-1].scale)
    assert scale is not None  # what is charted is a scale
    entries = tuple((score, _point(score, safety)) for score in scores)
    points = tuple(point for _score, point in entries if point is not None)
    blanks = tuple(
        Blank(score.at, score.missing_reason, score.is_late)
        for score, point in entries
        if point is None
    )
    baseline = change.baseline(points, treated_from)
    panel = replace(panel_of(definition, scale, points, windows, baseline), blanks=blanks)
    latest = points[-1] if points else None
    start = baseline.point
    after = latest if start is not None and latest is not None and latest is not start else None
    is_treated = treated_from is not None and latest is not None and latest.at >= treated_from
    return Measure(
        definition=definition,
        scale=scale,
        panel=panel,
        baseline=baseline,
        latest=latest,
        change=change_of(definition, scale, start, after),
        response=_response(definition, scale, start, after),
        remission=remission_of(scale, latest if is_treated else None),
        reliable=_reliable(definition, scale, start, after),
        entries=entries,
    )


def _point(score: StoredScore, safety: Mapping[UUID, str]) -> Point | None:
    if score.value is None:
        return None
    return Point(
        at=score.at,
        value=score.value,
        prorated=score.is_prorated,
        band=score.band,
        safety=safety.get(score.response_id, ""),
        late=score.is_late,
        imported=score.mode == Mode.IMPORT,
    )


def panel_of(
    definition: Definition,
    scale: Scale,
    points: tuple[Point, ...],
    windows: tuple[Window, ...],
    baseline: Baseline,
) -> Panel:
    """Return the panel of a scale, with its lines where their rules apply."""
    start = baseline.point
    watched = watched_scale(definition)
    cutoff = watched[1].value if watched and watched[0].code == scale.code else None
    # On a watched scale the cut-off is the line: remission there is the same value turned round.
    remission = _remission_rule(scale) if cutoff is None else None
    return Panel(
        code=panel_name(definition, scale),
        title=definition.title,
        low=scale.low,
        high=scale.high,
        direction=definition.direction,
        bands=tuple(Band(band.low, band.high, band.label) for band in scale.bands),
        points=points,
        windows=windows,
        baseline=start,
        baseline_reason=baseline.reason,
        response_line=_response_line(definition, scale, start),
        remission_line=remission[1].value if remission else None,
        remission_kind=remission[0] if remission else "below",
        cutoff_line=cutoff,
        reliable_half_width=(
            scale.reliable_change.value if scale.reliable_change and start else None
        ),
    )


def _response_line(definition: Definition, scale: Scale, start: ScorePoint | None) -> float | None:
    if start is None or scale.response is None:
        return None
    return change.response_value(
        start.value,
        definition.direction,
        share=scale.response.value / 100,
        baseline_min=_baseline_min(scale),
    )


def _baseline_min(scale: Scale) -> float:
    return scale.baseline_min.value if scale.baseline_min else 0.0


def change_of(
    definition: Definition, scale: Scale, start: ScorePoint | None, point: ScorePoint | None
) -> Change | None:
    """Return the change from `start`; None where a score is missing, or `point` is not later."""
    if start is None or point is None or point.at <= start.at:
        return None
    low = _baseline_min(scale)
    return change.change_from(start.value, point.value, definition.direction, baseline_min=low)


def _response(
    definition: Definition, scale: Scale, start: ScorePoint | None, point: ScorePoint | None
) -> Verdict | None:
    rule = scale.response
    if start is None or point is None or rule is None:
        return None
    return change.is_response(
        start.value,
        point.value,
        definition.direction,
        share=rule.value / 100,
        baseline_min=_baseline_min(scale),
        rule=change.Rule(rule.meaning, rule.citation, rule.verified),
    )


def _remission_rule(scale: Scale) -> tuple[Comparison, Rule] | None:
    """Return the scale's remission rule and its kind; None unless it compares with a value."""
    rule = scale.remission
    if rule is None:
        return None
    return next(((kind, rule) for kind in COMPARES if kind == rule.kind), None)


def remission_of(scale: Scale, point: ScorePoint | None) -> Verdict | None:
    """Say whether the scale's own remission rule holds for a score."""
    found = _remission_rule(scale)
    if point is None or found is None:
        return None
    kind, rule = found
    met = COMPARES[kind](point.value, rule.value)
    return Verdict(met, "", change.Rule(rule.meaning, rule.citation, rule.verified))


def _reliable(
    definition: Definition, scale: Scale, start: ScorePoint | None, point: ScorePoint | None
) -> ReliableChange | None:
    rule = scale.reliable_change
    if start is None or point is None or rule is None:
        return None
    return change.reliable_change(
        start.value,
        point.value,
        rule.value,
        definition.direction,
        rule=change.Rule(rule.meaning, rule.citation, rule.verified),
    )


def light_measure_of(light: Light, windows: tuple[Window, ...], zone: ZoneInfo) -> Measure:
    """Return a light layer: its scores as they are, without baseline and rules."""
    definition = definition_of(light.content_hash)
    scale = definition.scale(light.scale)
    assert scale is not None  # what is charted is a scale
    points = light.points
    panel = Panel(
        code=definition.code,
        title=definition.title,
        low=scale.low,
        high=scale.high,
        direction=definition.direction,
        points=points,
        windows=windows,
        is_light=True,
    )
    return Measure(
        definition=definition,
        scale=scale,
        panel=panel,
        baseline=Baseline(None, None, ""),
        latest=points[-1],
        change=None,
        response=None,
        remission=None,
        reliable=None,
        entries=(),
    )
