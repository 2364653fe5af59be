"""One row per patient: how the score changed between two measurements, by a stated rule.

In memory, for a rule of Jacobson and Truax needs the whole sample before it can judge anybody.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from outcomes.audit.models import Actor
from outcomes.care.models import EpisodeOfCare, Patient
from outcomes.clinics.models import Clinic
from outcomes.exports import cells
from outcomes.exports.cells import guard, line
from outcomes.exports.columns import PATIENT, Described, column, utc
from outcomes.exports.services import recorded
from outcomes.instruments.definition import Definition, Scale
from outcomes.instruments.models import InstrumentVersion
from outcomes.responses.models import Mode, QuestionnaireResponse, Score
from outcomes.review.classifying import (
    CATEGORIES,
    CUTOFF_C,
    MINIMAL_DIFFERENCE,
    RELIABLE_CHANGE,
    ChangeRule,
    RuleRefused,
    Yardstick,
)
from outcomes.review.measurements import Measured, Measurements, Moment
from outcomes.scheduling.models import UNDER_WAY, Assignment, AssignmentState

UNANSWERED = (*UNDER_WAY, AssignmentState.EXPIRED)


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: which questionnaire and scale, from which measurement to which, by what."""

    definition: Definition
    scale: Scale
    first: int
    last: int
    rule: ChangeRule


@dataclass(frozen=True, slots=True)
class Row:
    """One patient: both measurements, and the class of change or why there is none."""

    patient: Patient
    episode: EpisodeOfCare
    numbered_by: str
    first: Measured
    last: Measured
    change: str
    reason: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What came out: a row per patient, and the rule as the sample made it."""

    question: Question
    yardstick: Yardstick
    rows: tuple[Row, ...]

    @property
    def counts(self) -> Mapping[str, int]:
        """Return how many patients are in each class, and under "" those in none."""
        found = Counter(row.change for row in self.rows)
        return {name: found[name] for name in (*CATEGORIES, "")}


CHANGE = Described(
    "change",
    "One row per patient who has, or was asked for, the questionnaire; `manage.py export change`.",
    (
        *(one for one in PATIENT if one.name != "indication"),
        column("instrument", cells.TEXT, "the questionnaire's code"),
        column("scale", cells.TEXT, "the scale of the questionnaire"),
        utc("from_at", "when the first of the two was measured"),
        column("from_value", cells.NUMBER, "its score"),
        utc("to_at", "when the last of the two was measured"),
        column("to_value", cells.NUMBER, "its score"),
        column("difference", cells.NUMBER, "to_value - from_value"),
        column(
            "change",
            cells.CODE,
            "the class by the rule; empty where a measurement is missing",
            values={
                "recovered": "improved, worse than the cut-off before and better than it after",
                "improved": "better by what the rule asks",
                "unchanged": "neither better nor worse by what the rule asks",
                "deteriorated": "worse by what the rule asks",
                "harmed": "deteriorated, not worse than the cut-off before and not better after",
            },
        ),
        column("reason", cells.TEXT, "why there is no class"),
        column(
            "numbered_by",
            cells.CODE,
            "where the numbers of the measurements come from",
            values={
                "source": "the imported source numbers them",
                "order": "counted in order of time: every asking, answered, open or missed, every "
                "filling-in nobody asked for, and every moment at which anything was imported",
            },
        ),
        column("from_number", cells.INTEGER, "the number of the first measurement"),
        column("to_number", cells.INTEGER, "the number of the last measurement"),
        column(
            "rule",
            cells.TEXT,
            "the rule as it was asked for",
            values={
                "mid=POINTS": MINIMAL_DIFFERENCE,
                "jt,reliability=R": RELIABLE_CHANGE,
                "cutoff=c,functional=MEAN/SD": CUTOFF_C,
            },
        ),
        column("threshold", cells.NUMBER, "the change it takes, in points"),
        column("cutoff", cells.NUMBER, "cut-off c, where the rule has one"),
        column("sample_n", cells.INTEGER, "patients with both measurements: the sample"),
        column("sample_mean", cells.NUMBER, "the sample's mean at the first measurement"),
        column("sample_sd", cells.NUMBER, "the sample's standard deviation (n - 1) there"),
    ),
)


def ask(
    *, clinic: Clinic, instrument: str, scale: str, first: int, last: int, rule: ChangeRule
) -> Question:
    """Return what is asked of a clinic's scores; raises RuleRefused with one sentence."""
    versions = InstrumentVersion.objects.used_by(clinic.pk).select_related("instrument")
    known = {version.instrument.code: version for version in versions}
    if instrument not in known:
        raise RuleRefused(f"--instrument: there is no instrument “{instrument}”.")
    definition = known[instrument].definition
    wanted = scale or definition.charted[0]
    found = definition.scale(wanted)
    if found is None:
        has = ", ".join(one.code for one in definition.scales) or "none"
        raise RuleRefused(f"--scale: {instrument} has no scale “{wanted}”; it has {has}.")
    if first >= last:
        raise RuleRefused(f"--to {last}: is not after --from {first}.")
    return Question(definition, found, first, last, rule)


def answer(clinic: Clinic, question: Question) -> Answer:
    """Return the class of each patient's change; raises RuleRefused where no sample bears it.

    Of a patient with several episodes the latest counts that has the questionnaire.
    """
    by_episode = _measurements(clinic.pk, question)
    found = [
        (patient, episode, by_episode[episode.pk])
        for patient, episode in _latest(clinic.pk, by_episode)
    ]
    pairs = [(m.get(question.first), m.get(question.last)) for _, _, m in found]
    firsts = [
        one.value for one, other in pairs if one.value is not None and other.value is not None
    ]
    yardstick = question.rule.applied_to(firsts, question.definition.direction)
    rows = []
    for (patient, episode, measurements), (one, other) in zip(found, pairs, strict=True):
        change = ""
        if one.value is not None and other.value is not None:
            change = yardstick.classify(one.value, other.value, question.definition.direction)
        reason = " ".join(filter(None, (one.reason, other.reason)))
        rows.append(Row(patient, episode, measurements.numbered_by, one, other, change, reason))
    return Answer(question, yardstick, tuple(rows))


def export(
    answered: Answer, *, clinic: Clinic, by: Actor, now: datetime
) -> Generator[bytes, None, None]:
    """Yield the answer as CSV (UTF-8, header first), and record that it left."""
    asked = answered.question
    data: dict[str, object] = {
        "table": CHANGE.name,
        "format": "csv",
        "instrument": asked.definition.code,
        "scale": asked.scale.code,
        "from": asked.first,
        "to": asked.last,
        "rule": asked.rule.text,
    }
    return recorded(_lines(answered), data, clinic=clinic, by=by, now=now)


def _lines(answered: Answer) -> Generator[bytes, None, None]:
    yield line([one.name for one in CHANGE.columns]).encode()
    for row in answered.rows:
        yield line(_cells(row, answered)).encode()


def _measurements(clinic_id: UUID, question: Question) -> dict[UUID, Measurements]:
    """Return the measurements by episode: of every episode that has the questionnaire."""
    code = question.definition.code
    own: dict[UUID, list[Moment]] = defaultdict(list)
    scores = Score.objects.current().filter(
        clinic_id=clinic_id, instrument_code=code, scale=question.scale.code
    )
    columns = ("episode_id", "at", "value", "missing_reason", "response__measurement_number")
    for episode_id, at, value, why, number in scores.values_list(*columns):
        own[episode_id].append(Moment(at, number, value, f"no score ({why})" if why else ""))
    unanswered = Assignment.objects.filter(
        clinic_id=clinic_id, instrument__code=code, state__in=UNANSWERED
    )
    for episode_id, due_at, state in unanswered.values_list("episode_id", "due_at", "state"):
        is_over = state == AssignmentState.EXPIRED
        why = f"{code} was asked and not answered" if is_over else f"{code} is not answered yet"
        own[episode_id].append(Moment(due_at, None, None, why))
    other: dict[UUID, list[Moment]] = defaultdict(list)
    imported = QuestionnaireResponse.objects.final().filter(clinic_id=clinic_id, mode=Mode.IMPORT)
    for episode_id, at, number in imported.values_list(
        "episode_id", "submitted_at", "measurement_number"
    ):
        assert at is not None  # a final one has its time
        other[episode_id].append(Moment(at, number, None, f"{code} was not measured"))
    return {
        episode_id: Measurements(moments, other[episode_id]) for episode_id, moments in own.items()
    }


def _latest(
    clinic_id: UUID, found: Mapping[UUID, object]
) -> Iterator[tuple[Patient, EpisodeOfCare]]:
    """Yield each patient with the latest of the episodes found, in the order of every export."""
    episodes = EpisodeOfCare.objects.filter(clinic_id=clinic_id).order_by(
        "patient_id", "started_on", "pk"
    )
    needed = ("patient__record_number", "patient__is_synthetic")
    latest = {
        episode.patient_id: episode
        for episode in episodes.select_related("patient").only("patient", *needed)
        if episode.pk in found
    }
    for episode in latest.values():
        yield episode.patient, episode


def _cells(row: Row, answered: Answer) -> list[str]:
    asked, yardstick = answered.question, answered.yardstick
    difference = None
    if row.first.value is not None and row.last.value is not None:
        difference = row.last.value - row.first.value
    return [
        str(row.patient.pk),
        guard(row.patient.record_number),
        "true" if row.patient.is_synthetic else "false",
        str(row.episode.pk),
        guard(asked.definition.code),
        guard(asked.scale.code),
        _time(row.first.at),
        _number(row.first.value),
        _time(row.last.at),
        _number(row.last.value),
        _number(difference),
        row.change,
        guard(row.reason),
        row.numbered_by,
        str(asked.first),
        str(asked.last),
        guard(asked.rule.text),
        _number(yardstick.threshold),
        _number(yardstick.cutoff),
        str(yardstick.n),
        _number(yardstick.mean),
        _number(yardstick.sd),
    ]


def _number(value: float | None) -> str:
    """Write a number with at most six decimals."""
    return "" if value is None else f"{value:.6f}".rstrip("0").rstrip(".")


def _time(at: datetime | None) -> str:
    return "" if at is None else f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
