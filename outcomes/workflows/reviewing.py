"""Reviewing: what a clinician says of answers, having looked at them."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from outcomes.audit import services as audit
from outcomes.clinics.models import User
from outcomes.responses import services as responses
from outcomes.responses.models import QuestionnaireResponse
from outcomes.review import trajectory
from outcomes.review.clinic_rule import loss_to_confirm


def mark_episode_seen(*, episode_id: UUID, until: datetime, by_user: User, now: datetime) -> int:
    """Note that a user has seen an episode's answers stored until then; return how many were new.

    It acknowledges no alert.
    """
    rows = QuestionnaireResponse.objects.unseen().filter(episode=episode_id, stored_at__lte=until)
    keys = list(rows.values_list("pk", flat=True))
    return responses.mark_seen(responses=keys, by_user=by_user, now=now)


@audit.atomic()
def confirm_loss(*, response: QuestionnaireResponse, by_user: User, now: datetime) -> None:
    """Note that a clinician confirms, by this one filling-in, that response is lost.

    Raises ValidationError where its score is not the last one, or shows no loss by the clinic's
    rule that waits to be confirmed. One confirmed already stays as it is.
    """
    episode = response.episode
    waiting = [
        loss_to_confirm(measure, episode.clinic)
        for measure in trajectory.build(episode, now).measures
    ]
    is_waiting = any(score is not None and score.response_id == response.pk for score in waiting)
    if response.loss_confirmed_at is None and not is_waiting:
        raise ValidationError(
            _("This score shows no loss of response to be confirmed: perhaps a newer one has come.")
        )
    responses.set_loss_confirmed(response=response, is_confirmed=True, by_user=by_user, now=now)


def take_back_loss(*, response: QuestionnaireResponse, by_user: User, now: datetime) -> None:
    """Note that the loss of response is not confirmed after all; the audit record keeps both."""
    responses.set_loss_confirmed(response=response, is_confirmed=False, by_user=by_user, now=now)
