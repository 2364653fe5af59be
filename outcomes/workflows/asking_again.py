"""Asking again: what staff do about an invitation or a message."""

from __future__ import annotations

from datetime import datetime

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from outcomes.audit import services as audit
from outcomes.audit.models import Actor
from outcomes.care import services as care
from outcomes.care.models import (
    Channel,
    Patient,
)
from outcomes.clinics.models import User
from outcomes.delivery import channels, quiet
from outcomes.delivery import services as delivery
from outcomes.delivery.models import (
    Invitation,
    Message,
)
from outcomes.scheduling import services as scheduling
from outcomes.scheduling.models import Assignment
from outcomes.workflows.asking import can_check, invite
from outcomes.workflows.recording import record


@audit.atomic()
def resend_invitation(
    *,
    invitation: Invitation,
    channel: Channel | str,
    by: Actor,
    now: datetime,
    is_confirmed: bool = False,
) -> Message:
    """Write to the patient once more about the same invitation, with a link of its own.

    Raises ValidationError with the reason why not. `is_confirmed`: although it was sent just now.
    """
    invitation = delivery.lock_invitation(invitation)
    if refusal := _why_not_again(invitation, channel, now):
        raise ValidationError(refusal)
    if delivery.last_message_within(invitation, now) is not None and not is_confirmed:
        words = _("A message about this goes out now or went out within the hour.")
        raise ValidationError({"is_confirmed": words})
    message = delivery.send_again(invitation=invitation, channel=channel, now=now)
    record(invitation, "invitation.sent_again", by, now, data={"channel": str(channel)})
    return message


def _why_not_again(invitation: Invitation, channel: Channel | str, now: datetime) -> str:
    """Return why nothing is sent about an invitation by this channel; empty when it may be."""
    patient = invitation.patient
    if invitation.locked_at is not None:
        return _("The date of birth was wrong five times: look at the patient's details first.")
    is_over = invitation.revoked_at or invitation.completed_at or invitation.closes_at <= now
    if is_over or not invitation.assignments.under_way().answerable_at(now).exists():
        return _("Nothing of it can be answered any more.")
    contact = care.reachable_contact(patient, [channel] if channel in channels.in_use() else [])
    if contact is None:
        return _("The patient cannot be written to by this channel: see contact and consent.")
    if patient.is_paused(now):
        return str(PAUSED)
    if delivery.is_astray(contact):
        return _("A message to this address or number reached somebody else: save it anew first.")
    if _is_quiet_until(invitation.closes_at, patient, now):
        return str(QUIET_TOO_LONG)
    return "" if can_check(patient) else _("There is no date of birth to check: enter it first.")


PAUSED = gettext_lazy("The patient has paused messages: see their contact and consent.")

QUIET_TOO_LONG = gettext_lazy(
    "The quiet hours last until after the questions close: no message would leave."
)


def _is_quiet_until(closes_at: datetime, patient: Patient, now: datetime) -> bool:
    """Say whether the quiet hours hold whatever is queued now until its questions are closed."""
    clinic = patient.clinic
    until = quiet.quiet_until(now, patient.time_zone, clinic.quiet_from, clinic.quiet_until)
    return until is not None and until >= closes_at


@audit.atomic()
def take_back_invitation(
    *, invitation: Invitation, reason: str, by: Actor, now: datetime
) -> Invitation:
    """End an invitation's links and messages; what it asks stays open and can be asked again."""
    invitation = delivery.lock_invitation(invitation)
    if invitation.revoked_at or invitation.completed_at:
        raise ValidationError(_("It is over already."))
    words = "revoked by staff"
    delivery.revoke_invitation(invitation=invitation, reason=words, by=by, now=now)
    record(invitation, "invitation.taken_back", by, now, reason=reason)
    return invitation


@audit.atomic()
def call_instead(*, invitation: Invitation, by_user: User, now: datetime) -> Invitation:
    """Note that staff telephone the patient: nothing more is sent, links that are out stay open."""
    invitation = delivery.lock_invitation(invitation)
    if invitation.revoked_at or invitation.completed_at or invitation.closes_at <= now:
        raise ValidationError(_("It is over already."))
    delivery.call_instead(invitation=invitation, by_user=by_user, now=now)
    record(invitation, "invitation.to_call", by_user.actor, now)
    return invitation


@audit.atomic()
def ask_again(*, patient: Patient, by: Actor, now: datetime) -> Invitation:
    """Ask a patient what is open to them now, in a new invitation.

    Raises ValidationError when nothing is, when a live invitation asks it already, or when the
    quiet hours outlast the questions.
    """
    care.lock_patients([patient.pk])
    due = list(Assignment.objects.filter(patient=patient).answerable_at(now))
    if not due:
        raise ValidationError(_("There is nothing to answer now."))
    live = Invitation.objects.filter(patient=patient, locked_at=None).live_at(now)
    if live.filter(links__message__isnull=False).exists():
        raise ValidationError(_("An invitation is open already: send that one again."))
    if patient.is_paused(now):
        raise ValidationError(str(PAUSED))
    if _is_quiet_until(max(each.closes_at for each in due), patient, now):
        raise ValidationError(str(QUIET_TOO_LONG))
    scheduling.open_due(assignments=due, now=now)
    invitation = invite(patient=patient, assignments=due, reminders_of=due, now=now)
    record(invitation, "invitation.asked_again", by, now)
    return invitation


@audit.atomic()
def try_message_again(*, message: Message, by: Actor, now: datetime) -> None:
    """Let a message that was set aside be sent; raises ValidationError if it is not set aside."""
    if not delivery.try_again(message=message, now=now):
        raise ValidationError(_("This message is no longer set aside."))
    record(message, "message.tried_again", by, now)


@audit.atomic()
def give_message_up(*, message: Message, reason: str, by: Actor, now: datetime) -> None:
    """Send a message that was set aside never; raises ValidationError if it is not set aside."""
    if not delivery.give_up(message=message):
        raise ValidationError(_("This message is no longer set aside."))
    record(message, "message.given_up", by, now, reason)
