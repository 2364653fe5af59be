"""What patients see of themselves: what is coming, and what they answered; no judgement of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby
from zoneinfo import ZoneInfo

from django.db.models import Prefetch

from outcomes.care.models import Patient, SessionStatus, TreatmentSession
from outcomes.delivery import sitting
from outcomes.instruments.definition import Definition, Number, Wording
from outcomes.responses.models import QuestionnaireResponse, Score
from outcomes.scheduling.models import Assignment

# Days shown ahead; what lies beyond may yet change with every visit.
DAYS_AHEAD = 6


@dataclass(frozen=True, slots=True)
class Ahead:
    """A day on which the clinic plans to ask, and about how many minutes it takes."""

    on: date
    minutes: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """What the patient can answer now, and until when."""

    minutes: int
    closes_at: datetime


@dataclass(frozen=True, slots=True)
class Given:
    """One question with the answer given; both empty where the words are not in the house.

    `value` is None where the question was left open.
    """

    link_id: str
    question: str
    answer: str
    value: int | None


@dataclass(frozen=True, slots=True)
class Total:
    """One score, and the range it can have; None where too few questions were answered."""

    title: str
    value: float | None
    lowest: Number
    highest: Number


@dataclass(frozen=True, slots=True)
class Past:
    """One questionnaire as the patient sent it."""

    response: QuestionnaireResponse
    at: datetime
    title: str
    language: str
    totals: tuple[Total, ...]
    answers: tuple[Given, ...]


def coming(patient: Patient, now: datetime) -> list[Ahead]:
    """Return the next days on which the clinic plans to ask, on the patient's calendar.

    What closes before a pause ends is not asked, and what opens in it is asked at its end.
    """
    starts = max(now, patient.paused_until or now)
    zone = ZoneInfo(patient.time_zone)
    planned = Assignment.objects.planned().filter(patient=patient, closes_at__gt=starts)

    def day_of(row: Assignment) -> date:
        return max(row.opens_at, starts).astimezone(zone).date()

    days = groupby(sorted(planned, key=day_of), day_of)
    return [
        Ahead(day, sitting.expected_minutes(rows))
        for (day, rows), _ in zip(days, range(DAYS_AHEAD), strict=False)
    ]


def waiting(patient: Patient, now: datetime) -> Waiting | None:
    """Return what was asked and can be answered now; None if nothing can."""
    rows = Assignment.objects.filter(patient=patient).under_way().answerable_at(now)
    asked = list(rows)
    if not asked:
        return None
    return Waiting(sitting.expected_minutes(asked), min(row.closes_at for row in asked))


def next_visit(patient: Patient, now: datetime) -> datetime | None:
    """Return when the patient's next planned session is."""
    sessions = TreatmentSession.objects.filter(
        episode__patient=patient,
        episode__ended_on=None,
        status=SessionStatus.PLANNED,
        planned_at__gt=now,
    )
    return sessions.order_by("planned_at").values_list("planned_at", flat=True).first()


def past(patient: Patient) -> list[Past]:
    """Return everything the patient sent, newest first, in the words they saw."""
    scores = Prefetch("scores", Score.objects.current().order_by("pk"))
    responses = (
        QuestionnaireResponse.objects.final()
        .filter(patient=patient)
        .select_related("instrument_version")
        .prefetch_related(scores)
        .order_by("-submitted_at", "pk")
    )
    return [_past(response) for response in responses]


def _past(response: QuestionnaireResponse) -> Past:
    definition = response.instrument_version.definition
    words = _wording_of(definition, response.language)
    assert response.submitted_at is not None
    return Past(
        response=response,
        at=response.submitted_at,
        title=words.title if words else definition.title,
        language=words.language if words else "en",
        totals=tuple(_totals(definition, response)),
        answers=tuple(_answers(definition, words, response)),
    )


def _wording_of(definition: Definition, language: str) -> Wording | None:
    return sitting.wording_for(definition, language) if definition.languages else None


def _totals(definition: Definition, response: QuestionnaireResponse) -> Iterator[Total]:
    """Yield the scores that stand for the whole; neither a band nor a result in words is one."""
    stored = {score.scale: score for score in response.scores.all()}
    for code in definition.charted:
        scale = definition.scale(code)
        if scale is not None and code in stored:
            yield Total(scale.title, stored[code].value, scale.low, scale.high)


def _answers(
    definition: Definition, words: Wording | None, response: QuestionnaireResponse
) -> Iterator[Given]:
    for item in definition.items:
        key = item.link_id
        if key not in response.answers:
            continue  # an earlier answer ruled it out
        value = response.answers[key]
        question = words.items[key] if words else ""
        answer = words.options[key][value] if words and value is not None else ""
        yield Given(key, question, answer, value)
