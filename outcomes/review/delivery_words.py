"""Why something did not happen, in words: each sentence states a fact that is on record."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from outcomes.care.models import Channel
from outcomes.delivery.models import NOT_FOR_ME, Invitation, Message, MessageState
from outcomes.delivery.recheck import PAUSED
from outcomes.delivery.services.restored import MAY_HAVE_BEEN_SENT, PAGED_ANEW
from outcomes.scheduling.models import AssignmentState

# What a message that did not go out, or an invitation that was revoked, says of itself.
REASONS = {
    "address refused": gettext_lazy("the mail server refused the address"),
    "answered": gettext_lazy("answered before"),
    "channel is switched off": gettext_lazy("this channel is switched off here"),
    "channel stopped": gettext_lazy("the channel does not reach the patient"),
    "consent withdrawn": gettext_lazy("consent withdrawn"),
    "contact changed": gettext_lazy("the address or number was changed"),
    "contact stopped": gettext_lazy("opted out, bounced or marked as spam"),
    "crashed repeatedly": gettext_lazy("set aside after repeated crashes"),
    "episode closed": gettext_lazy("the episode was closed"),
    "given up": gettext_lazy("given up by staff"),
    "invitation over": gettext_lazy("accepted, declined or withdrawn before"),
    "link locked": gettext_lazy("date of birth wrong five times"),
    "link revoked": gettext_lazy("link revoked"),
    "messages of the day": gettext_lazy("most messages of a day reached"),
    "no consent": gettext_lazy("no consent"),
    "no contact": gettext_lazy("no address or number"),
    NOT_FOR_ME: gettext_lazy("it reached somebody else"),
    "nothing left to answer": gettext_lazy("nothing left to answer"),
    PAUSED: gettext_lazy("paused by the patient"),
    "quiet hours": gettext_lazy("quiet hours"),
    "revoked by staff": gettext_lazy("revoked by staff"),
    "to be telephoned": gettext_lazy("will be telephoned"),
    "the patient's hour": gettext_lazy("the patient's own hour"),
    "too late": gettext_lazy("too late"),
    MAY_HAVE_BEEN_SENT: gettext_lazy("the database was restored: it may have been sent"),
    PAGED_ANEW: gettext_lazy("the database was restored: sent anew"),
}
# Reasons of a message that waits for an hour, not for a provider.
WAITS_FOR_TIME = ("quiet hours", "messages of the day", "the patient's hour", PAUSED)


def words_of(reason: str) -> str:
    """Return a stored reason in words; a provider's own short code stays as it is."""
    return str(REASONS.get(reason, reason))


def channel_words(channel: str) -> str:
    """Return a channel's name."""
    return str(Channel(channel).label) if channel in Channel.values else channel


def why_not_sent(message: Message, zone: str, now: datetime) -> str:
    """Return why a message has not gone out; empty for one that has.

    `zone` is the patient's, on whose clock quiet hours are.
    """
    reason = words_of(message.state_reason)
    match message.state:
        case MessageState.SENT:
            return ""
        case MessageState.QUARANTINED:
            return _("set aside after repeated crashes")
        case MessageState.FAILED:
            return _("failed: %(reason)s") % {"reason": reason} if reason else _("failed")
        case MessageState.CANCELLED:
            return reason or _("not sent")
        case MessageState.SENDING:
            return _("being sent")
    if message.not_before > now and (not reason or message.state_reason in WAITS_FOR_TIME):
        clock = _clock(message.not_before, zone, now)
        return _("%(reason)s until %(clock)s") % {"reason": reason or _("waiting"), "clock": clock}
    if message.attempts:
        return _("waiting for the provider: %(reason)s") % {"reason": reason or _("trying again")}
    return _("waiting to be sent")


def _clock(at: datetime, zone: str, now: datetime) -> str:
    local, today = at.astimezone(ZoneInfo(zone)), now.astimezone(ZoneInfo(zone)).date()
    return f"{local:%H:%M}" if local.date() == today else date_format(local, "j M Y, H:i")


def delivered_words(message: Message) -> str:
    """Return what the provider said about a message that went out, where it said nothing at all."""
    if message.bounced_at is not None:
        return _("bounced")
    return "" if message.delivered_at else _("not reported")


def why_over(invitation: Invitation, now: datetime) -> str:
    """Return why an invitation opens nothing, or will not be sent; empty where nothing holds."""
    if invitation.revoked_at is not None:
        return words_of(invitation.revoked_reason or "link revoked")
    if invitation.locked_at is not None:
        return _("date of birth wrong five times")
    if invitation.to_call_at is not None and invitation.completed_at is None:
        return _("will be telephoned")
    return ""


def state_words(state: str, is_late: bool) -> str:
    """Return where an asked questionnaire stands."""
    if state == AssignmentState.COMPLETED:
        return _("answered late") if is_late else _("answered")
    return {
        AssignmentState.OPEN: _("open"),
        AssignmentState.STARTED: _("begun, not finished"),
        AssignmentState.EXPIRED: _("missed"),
        AssignmentState.CANCELLED: _("withdrawn"),
        AssignmentState.SUPERSEDED: _("withdrawn"),
    }.get(AssignmentState(state), _("planned"))
