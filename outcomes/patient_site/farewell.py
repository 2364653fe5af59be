"""What a patient is told when all is sent."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from outcomes.care.models import EpisodeOfCare
from outcomes.delivery.models import Invitation
from outcomes.responses import services as responses
from outcomes.responses.models import QuestionnaireResponse
from outcomes.scheduling.models import Assignment


@dataclass(frozen=True, slots=True)
class Farewell:
    """Who will look, whether the crisis text belongs here, and the next day planned, if any."""

    who: tuple[str, ...]
    shows_help: bool
    next_on: date | None


def build(invitation: Invitation, now: datetime) -> Farewell:
    """Read what to say after an invitation's questions are answered; no answer is shown again."""
    final = QuestionnaireResponse.objects.final().filter(assignment__invitations=invitation)
    answered = list(final.select_related("instrument_version"))
    return Farewell(
        who=_who_looks(invitation),
        shows_help=any(responses.safety_of(response) for response in answered),
        next_on=_next_on(invitation, now),
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
