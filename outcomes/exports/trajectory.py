"""One episode's scores as a file: the numbers of the chart and of the table under it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import chain
from zoneinfo import ZoneInfo

from outcomes.audit import services as audit
from outcomes.audit.models import Actor
from outcomes.care.models import EpisodeOfCare, TreatmentSession
from outcomes.clinics.models import Clinic
from outcomes.exports.cells import line_of
from outcomes.review import trajectory
from outcomes.review.clinic_rule import clinic_rules
from outcomes.review.durability import tell
from outcomes.review.gathered import StoredScore
from outcomes.review.measures import Measure
from outcomes.review.trajectory import Row

COLUMNS = (
    "answered_at",
    "time_zone",
    "instrument",
    "scale",
    "score",
    "band",
    "change_from_baseline",
    "percent_change",
    "response",
    "course",
    "session_number",
    "drug",
    "route",
    "dose_amount",
    "dose_unit",
    "hours_since_session",
    "reaches_past_session",
    "is_late",
    "is_prorated",
    "is_imported",
    "safety_answer",
    "missing_reason",
)


@audit.atomic()
def export_trajectory(*, episode: EpisodeOfCare, by: Actor, now: datetime) -> bytes:
    """Return every score of an episode as CSV (UTF-8, header first, oldest first), and record it.

    Instants stand in the patient's own time with its offset, changes in points (negative = fell),
    hours as elapsed ones. `response` is `met` at the score that first met it and `lost` at the one
    by which it was first lost, by the clinic's rule. Beside the number of the last session held
    before a score stands what was given in it, as recorded. What is missing is an empty cell;
    nothing is carried forward. Daily checks, which the chart shows as a light layer, stand among
    the others.
    """
    audit.record(
        clinic_id=episode.clinic_id,
        by=by,
        now=now,
        action="export.trajectory",
        object_type="EpisodeOfCare",
        object_id=episode.pk,
        patient_id=episode.patient_id,
        data={"format": "csv"},
    )
    return "".join(_lines(episode, now)).encode()


def _lines(episode: EpisodeOfCare, now: datetime) -> Iterator[str]:
    yield line_of(*COLUMNS)
    built = trajectory.build(episode, now)
    zone = ZoneInfo(episode.patient.time_zone)
    light = [
        (point.at, _cells(point.at, zone, measure.definition.code, measure.scale.code, point.value))
        for measure in built.measures
        if measure.panel.is_light
        for point in measure.panel.points
    ]
    turns = dict(chain.from_iterable(_turns(episode.clinic, row) for row in built.measures))
    scores = [(row.score.at, _score(row, zone, turns)) for row in built.rows()]
    for _at, cells in sorted([*light, *scores], key=lambda timed: timed[0]):
        yield line_of(*cells)


def _turns(clinic: Clinic, measure: Measure) -> Iterator[tuple[StoredScore, str]]:
    """Yield the scores at which response was first met and first lost."""
    rules = clinic_rules(clinic, measure.definition, measure.scale)
    if rules is None:
        return
    scored = measure.scored
    story = tell(measure.baseline.point, measure.panel.points, rules, measure.confirmed)
    for place, turn in ((story.responded, "met"), (story.first_lost, "lost")):
        if place is not None:
            yield scored[place], turn


def _cells(at: datetime, zone: ZoneInfo, *others: object) -> list[object]:
    known = [at.astimezone(zone).isoformat(timespec="seconds"), zone.key, *others]
    return known + [None] * (len(COLUMNS) - len(known))


def _score(row: Row, zone: ZoneInfo, turns: Mapping[StoredScore, str]) -> list[object]:
    score, change = row.score, row.change
    return _cells(
        score.at,
        zone,
        score.instrument_code,
        score.scale,
        score.value,
        score.band,
        change.absolute if change else None,
        round(change.percent, 1) if change and change.percent is not None else None,
        turns.get(score, ""),
        *_given(row.session),
        None if row.hours_since_session is None else round(row.hours_since_session, 2),
        "yes" if row.reaches_past_session else "no",
        "yes" if score.is_late else "no",
        "yes" if score.is_prorated else "no",
        "yes" if row.point and row.point.imported else "no",
        row.point.safety if row.point else "",
        score.missing_reason,
    )


def _given(session: TreatmentSession | None) -> tuple[object, ...]:
    if session is None:
        return (None,) * 6
    dose = session.dose_amount
    amount = None if dose is None else f"{dose.normalize():f}"
    given = (session.drug, session.route, amount, session.dose_unit)
    return session.course.kind, session.number, *given
