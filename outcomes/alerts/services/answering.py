"""Take an alert and record what is done about it: one alert, one named person at a time."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from django.core.exceptions import ValidationError
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from outcomes.alerts.models import Alert, AlertOutcome, AlertState, ContactWay
from outcomes.alerts.services import events
from outcomes.audit import services as audit
from outcomes.clinics.models import User
from outcomes.delivery import services as delivery

# Outcomes that leave the alert acknowledged but not closed: somebody still has to act.
STILL_OWED = (AlertOutcome.NOT_REACHED,)


@audit.atomic()
def acknowledge(
    *, alert: Alert, user: User, now: datetime, outcome: AlertOutcome | str = "", note: str = ""
) -> Alert:
    """Record that a named person has taken the alert; paging stops.

    With an outcome that is recorded at once, and may close it. Raises ValidationError saying who
    has the alert when somebody was first.
    """
    alert = _locked(alert)
    if alert.state not in (AlertState.OPEN, AlertState.PROVISIONAL):
        raise ValidationError(_taken(alert))
    if outcome:
        _check_outcome(outcome)
    alert.move_to(AlertState.ACKNOWLEDGED)
    alert.acknowledged_by, alert.acknowledged_at = user, now
    alert.opened_at, alert.next_at = alert.opened_at or now, None
    alert.save()
    delivery.cancel_alert_messages(alert_id=alert.pk)
    _note(alert, "acknowledged", user, now, text="" if outcome else note)
    if outcome:
        _record_outcome(alert, user, outcome, note, now)
    return alert


@audit.atomic()
def record_attempt(
    *,
    alert: Alert,
    user: User,
    way: ContactWay | str,
    is_reached: bool,
    note: str,
    now: datetime,
    tried_at: datetime | None = None,
) -> Alert:
    """Record one attempt to reach the patient: how, and whether it did.

    `tried_at` is when it was made, where that was not just now: since the alert was raised.
    """
    alert = _owed(alert)
    if way not in ContactWay.values:
        raise ValidationError({"way": _("Choose how you tried to reach the patient.")})
    data: dict[str, object] = {"way": way, "is_reached": is_reached}
    if tried_at is not None:
        if tried_at > now:
            raise ValidationError({"tried_at": _("This time is still to come.")})
        # A form gives whole minutes.
        if tried_at < alert.raised_at.replace(second=0, microsecond=0):
            raise ValidationError({"tried_at": _("The alert was raised after this time.")})
        data["tried_at"] = tried_at.isoformat()
    _note(alert, "contact_attempted", user, now, data, note)
    return alert


@audit.atomic()
def record_plan(*, alert: Alert, user: User, plan: str, now: datetime) -> Alert:
    """Record what is to happen next, in the person's own words."""
    alert = _owed(alert)
    if not plan.strip():
        raise ValidationError({"plan": _("Write what is to happen next.")})
    _note(alert, "plan", user, now, text=plan)
    return alert


@audit.atomic()
def resolve(
    *, alert: Alert, user: User, outcome: AlertOutcome | str, note: str, now: datetime
) -> Alert:
    """Record what came of an acknowledged alert; close it unless something is still owed."""
    alert = _owed(alert)
    _check_outcome(outcome)
    _record_outcome(alert, user, outcome, note, now)
    return alert


def _locked(alert: Alert) -> Alert:
    # Who has it is not joined: after waiting for a lock PostgreSQL would join the row of before.
    rows = Alert.objects.select_related("clinic")
    return rows.select_for_update(of=("self",)).get(pk=alert.pk)


def _owed(alert: Alert) -> Alert:
    alert = _locked(alert)
    if alert.state == AlertState.RESOLVED:
        raise ValidationError(_("This alert is closed already."))
    if alert.state != AlertState.ACKNOWLEDGED:
        raise ValidationError(_("Acknowledge the alert first: until then it goes on paging."))
    return alert


def _taken(alert: Alert) -> str:
    if alert.acknowledged_by is None or alert.acknowledged_at is None:
        return _("This alert is closed already: the patient changed the answer.")
    at = alert.acknowledged_at.astimezone(ZoneInfo(alert.clinic.time_zone))
    return _("%(name)s has this alert already, since %(at)s.") % {
        "name": alert.acknowledged_by,
        "at": date_format(at, "j M Y, H:i T"),
    }


def _check_outcome(outcome: str) -> None:
    if outcome not in AlertOutcome.values or outcome == AlertOutcome.CHANGED:
        raise ValidationError({"outcome": _("Choose what you found or did.")})


def _record_outcome(alert: Alert, user: User, outcome: str, text: str, now: datetime) -> None:
    alert.outcome = outcome
    alert.save(update_fields=["outcome"])
    _note(alert, "outcome", user, now, {"outcome": str(outcome)}, text)
    if outcome in STILL_OWED:
        return
    alert.move_to(AlertState.RESOLVED)
    alert.resolved_at = now
    alert.save(update_fields=["state", "resolved_at"])
    _note(alert, "closed", user, now)


def _note(
    alert: Alert,
    kind: str,
    user: User,
    now: datetime,
    data: dict[str, object] | None = None,
    text: str = "",
) -> None:
    events.note(alert, kind, user.actor, now, data, text)
