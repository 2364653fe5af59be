"""What a patient is told when all is sent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from outcomes.alerts.models import CallRequest
from outcomes.care.models import EpisodeOfCare
from outcomes.delivery.models import Invitation
from outcomes.delivery.sitting import wording_for
from outcomes.instruments.definition import Number
from outcomes.responses import services as responses
from outcomes.responses.models import QuestionnaireResponse, Score
from outcomes.scheduling.models import Assignment

TOTALS_SHOWN = 12


@dataclass(frozen=True, slots=True)
class Trend:
    """The last totals of one questionnaire, oldest first, and the highest possible one.

    A total is None where too few questions were answered.
    """

    title: str
    language: str
    highest: Number
    totals: tuple[tuple[date, float | None], ...]


@dataclass(frozen=True, slots=True)
class Farewell:
    """Who will look, whether the crisis text belongs here, and what comes next, if anything."""

    who: tuple[str, ...]
    shows_help: bool
    is_call_asked: bool
    next_on: date | None
    trends: tuple[Trend, ...]


def build(invitation: Invitation, now: datetime) -> Farewell:
    """Read what to say after an invitation's questions are answered; no answer is shown again."""
    final = QuestionnaireResponse.objects.final().filter(assignment__invitations=invitation)
    answered = list(final.select_related("instrument_version"))
    return Farewell(
        who=_who_looks(invitation),
        shows_help=any(responses.safety_of(response) for response in answered),
        is_call_asked=CallRequest.objects.open().filter(invitation=invitation).exists(),
        next_on=_next_on(invitation, now),
        trends=tuple(_trends(invitation, answered)),
    )


def _who_looks(invitation: Invitation) -> tuple[str, ...]:
    episodes = EpisodeOfCare.objects.filter(assignments__invitations=invitation)
    people = {
        person.name: person
        for episode in episodes.distinct().prefetch_related("clinicians")
        for person in episode.clinicians.all()
        if person.is_active and person.name
    }
    return tuple(sorted(people))


def _next_on(invitation: Invitation, now: datetime) -> date | None:
    planned = Assignment.objects.planned().filter(patient=invitation.patient, opens_at__gt=now)
    opens_at = planned.order_by("opens_at").values_list("opens_at", flat=True).first()
    zone = ZoneInfo(invitation.patient.time_zone)
    return opens_at.astimezone(zone).date() if opens_at else None


def _trends(invitation: Invitation, answered: Iterable[QuestionnaireResponse]) -> Iterator[Trend]:
    """Yield the totals of what was just sent, where the clinic shows them to its patients."""
    if not invitation.clinic.shows_trend:
        return
    zone = ZoneInfo(invitation.patient.time_zone)
    for response in answered:
        definition = response.instrument_version.definition
        scale = definition.scale(definition.charted[0]) if definition.charted else None
        if scale is None:
            continue
        scores = Score.objects.current().filter(
            patient=invitation.patient, instrument_code=definition.code, scale=scale.code
        )
        newest = scores.order_by("-at", "-pk").values_list("at", "value")[:TOTALS_SHOWN]
        totals = tuple((at.astimezone(zone).date(), value) for at, value in reversed(newest))
        words = wording_for(definition, response.language)
        yield Trend(words.title, words.language, scale.high, totals)
