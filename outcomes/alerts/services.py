"""Write alerts: raised with the answer, escalated until a named person acknowledges."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _

from outcomes.alerts.models import (
    IDLE_BEFORE_OPEN,
    THEN_EVERY,
    TIERS,
    Alert,
    AlertEvent,
    AlertOutcome,
    AlertReason,
    AlertRule,
    AlertState,
)
from outcomes.audit import services as audit
from outcomes.audit.models import SYSTEM, Actor
from outcomes.clinics.access import Role
from outcomes.clinics.models import Membership, User
from outcomes.delivery import services as delivery
from outcomes.instruments.models import InstrumentVersion
from outcomes.instruments.scoring import SafetyHit
from outcomes.responses.models import QuestionnaireResponse

log = logging.getLogger(__name__)

# Outcomes that leave the alert acknowledged but not closed: somebody still has to act.
STILL_OWED = (AlertOutcome.NOT_REACHED,)


@transaction.atomic
def install_rules() -> None:
    """Make one rule for every safety question of every instrument in use."""
    for version in InstrumentVersion.objects.filter(is_current=True).select_related("instrument"):
        for item in version.definition.items:
            if item.safety is not None:
                AlertRule.objects.get_or_create(
                    instrument=version.instrument,
                    link_id=item.link_id,
                    at_least=item.safety.at_least,
                )


def raise_provisional(
    *, response: QuestionnaireResponse, hits: Iterable[SafetyHit], now: datetime
) -> None:
    """Hold positive answers of an unfinished form ready to alert once the patient is idle.

    Every further tap restarts the wait. A positive answered otherwise before then is closed, and
    stays readable; one that was only taken back goes on waiting.
    """
    positive = {hit.link_id: hit for hit in hits}
    for alert in _provisional(response):
        if alert.rule is None or alert.rule.link_id in positive:
            continue
        if response.answers.get(alert.rule.link_id) is not None:
            _close_unsent(alert, now)
    for hit in positive.values():
        _raise(response, hit, AlertState.PROVISIONAL, now)


def concerns(response: QuestionnaireResponse, hits: Iterable[SafetyHit]) -> bool:
    """Say whether a submitted form has any alert to raise, open or close."""
    if list(hits):
        return True
    # One that was sent whole was never saved before: nothing can be waiting.
    return response.revision > 1 and Alert.objects.provisional().filter(response=response).exists()


def raise_for(
    *, response: QuestionnaireResponse, hits: Iterable[SafetyHit], now: datetime
) -> list[Alert]:
    """Open an alert for every positive safety answer of a submitted form, with its first messages.

    Runs in the answer's transaction. A positive tapped before and missing from what was submitted
    opens its alert all the same: only another answer to the question takes it back.
    """
    positive = {hit.link_id: hit for hit in hits}
    for alert in _provisional(response):
        if alert.rule is None or alert.rule.link_id in positive:
            continue
        if response.answers.get(alert.rule.link_id) is None:
            _open(alert, now)
        else:
            _close_unsent(alert, now)
    return [_raise(response, hit, AlertState.OPEN, now) for hit in positive.values()]


def _provisional(response: QuestionnaireResponse) -> list[Alert]:
    rows = Alert.objects.provisional().filter(response=response)
    return list(rows.select_related("rule").select_for_update(of=("self",)))


def raise_rule_error(*, response: QuestionnaireResponse, now: datetime) -> Alert:
    """Page a person about an answer whose safety check failed: somebody must read it."""
    known = Alert.objects.filter(response=response, rule=None).first()
    if known is not None:
        return known
    alert = _new_alert(response, None, AlertReason.RULE_ERROR, None, AlertState.OPEN, now)
    alert.save(force_insert=True)
    _note(alert, "raised", SYSTEM, now)
    _page(alert, now)
    return alert


def _raise(
    response: QuestionnaireResponse, hit: SafetyHit, state: AlertState, now: datetime
) -> Alert:
    rule, _created = AlertRule.objects.get_or_create(
        instrument_id=response.instrument_version.instrument_id,
        link_id=hit.link_id,
        at_least=hit.at_least,
    )
    same = Alert.objects.filter(response=response, rule=rule)
    alert = same.select_for_update(of=("self",)).first()
    if alert is None:
        alert = _new_alert(response, rule, AlertReason.ANSWER, hit.value, state, now)
        alert.save(force_insert=True)
        _note(alert, "raised", SYSTEM, now)
    elif alert.state == AlertState.PROVISIONAL:
        alert.value, alert.next_at = hit.value, now + IDLE_BEFORE_OPEN
        alert.save(update_fields=["value", "next_at"])
    elif not _is_news(alert, hit):
        return alert
    elif alert.state == AlertState.OPEN:
        alert.value = hit.value
        alert.save(update_fields=["value"])
        _note(alert, "answer_changed", SYSTEM, now, {"value": hit.value})
        return alert
    else:
        _raise_again(alert, hit, now)
    if state == AlertState.OPEN:
        _open(alert, now)
    return alert


def _is_news(alert: Alert, hit: SafetyHit) -> bool:
    """Say whether a positive answer adds to an alert: a person has not yet seen one so high."""
    if alert.outcome == AlertOutcome.CHANGED:
        return True
    return alert.value is None or hit.value > alert.value


def _raise_again(alert: Alert, hit: SafetyHit, now: datetime) -> None:
    # What a person did about the lower answer stays among the alert's events.
    alert.value, alert.state = hit.value, AlertState.PROVISIONAL
    alert.outcome, alert.resolved_at, alert.opened_at, alert.tier = "", None, None, 0
    alert.acknowledged_by, alert.acknowledged_at = None, None
    alert.next_at = now + IDLE_BEFORE_OPEN
    alert.save()
    _note(alert, "raised_again", SYSTEM, now, {"value": hit.value})


def _new_alert(
    response: QuestionnaireResponse,
    rule: AlertRule | None,
    reason: AlertReason,
    value: int | None,
    state: AlertState,
    now: datetime,
) -> Alert:
    is_open = state == AlertState.OPEN
    return Alert(
        clinic_id=response.clinic_id,
        patient_id=response.patient_id,
        episode_id=response.episode_id,
        response=response,
        rule=rule,
        reason=reason,
        value=value,
        state=state,
        raised_at=now,
        opened_at=now if is_open and rule is None else None,
        next_at=now + (TIERS[1] if is_open else IDLE_BEFORE_OPEN),
    )


def _open(alert: Alert, now: datetime) -> None:
    alert.state, alert.opened_at, alert.next_at = AlertState.OPEN, now, now + TIERS[1]
    alert.tier = 0
    alert.save(update_fields=["state", "opened_at", "next_at", "tier"])
    _note(alert, "opened", SYSTEM, now)
    _page(alert, now)


def _close_unsent(alert: Alert, now: datetime) -> None:
    alert.state, alert.outcome = AlertState.RESOLVED, AlertOutcome.CHANGED
    alert.resolved_at, alert.next_at = now, None
    alert.save(update_fields=["state", "outcome", "resolved_at", "next_at"])
    _note(alert, "answer_changed", SYSTEM, now)


def recipients(alert: Alert) -> list[User]:
    """Return whom the alert's tier tells: the responsible, then all clinicians, then admins too.

    An empty circle is widened until it holds somebody; the last are the installation's operators.
    """
    clinicians = _members(alert, Role.CLINICIAN)
    everybody = list(dict.fromkeys([*clinicians, *_members(alert, Role.CLINIC_ADMIN)]))
    responsible = [
        user for user in alert.episode.clinicians.filter(is_active=True) if user in everybody
    ]
    circles = [responsible, clinicians, everybody]
    found = next((circle for circle in circles[min(alert.tier, 2) :] if circle), everybody)
    return found or list(User.objects.filter(is_superuser=True, is_active=True))


def _members(alert: Alert, role: Role) -> list[User]:
    members = Membership.objects.active().filter(clinic_id=alert.clinic_id, role=role)
    return [member.user for member in members.select_related("user").order_by("user__email")]


def _page(alert: Alert, now: datetime) -> None:
    users = recipients(alert)
    if not users:
        log.error("Alert %s has nobody to tell: give the clinic a member.", alert.pk)
    page = alert.events.filter(kind="paged").count()
    for user in users:
        delivery.queue_alert_message(
            alert_id=alert.pk, clinic_id=alert.clinic_id, user=user, page=page, now=now
        )
    _note(alert, "paged", SYSTEM, now, {"tier": alert.tier, "recipients": len(users)})


@audit.atomic()
def escalate(*, alert: Alert, now: datetime) -> None:
    """Open a waiting alert, or tell the next circle of people of an open one, if it is time."""
    due = Alert.objects.due_at(now).select_for_update(of=("self",))
    alert_now = due.filter(pk=alert.pk).first()
    if alert_now is None:
        return
    alert = alert_now
    if alert.state == AlertState.PROVISIONAL:
        _open(alert, now)
        return
    alert.tier += 1
    assert alert.opened_at is not None
    if alert.tier + 1 < len(TIERS):
        alert.next_at = max(alert.opened_at + TIERS[alert.tier + 1], now)
    else:
        alert.next_at = now + THEN_EVERY
    alert.save(update_fields=["tier", "next_at"])
    _note(alert, "escalated", SYSTEM, now, {"tier": alert.tier})
    _page(alert, now)


@audit.atomic()
def acknowledge(
    *, alert: Alert, user: User, outcome: AlertOutcome | str, note: str, now: datetime
) -> Alert:
    """Record that a named person has taken the alert, with what came of it; paging stops.

    An outcome that leaves something owed keeps it on the staff's list until `resolve`.
    """
    alert = Alert.objects.select_for_update(of=("self",)).get(pk=alert.pk)
    if alert.state not in (AlertState.OPEN, AlertState.PROVISIONAL):
        raise ValidationError(_("This alert was acknowledged already."))
    _check_outcome(outcome)
    alert.acknowledged_by, alert.acknowledged_at = user, now
    alert.opened_at = alert.opened_at or now
    alert.state, alert.next_at, alert.outcome = AlertState.ACKNOWLEDGED, None, outcome
    if outcome not in STILL_OWED:
        alert.state, alert.resolved_at = AlertState.RESOLVED, now
    alert.save()
    delivery.cancel_alert_messages(alert_id=alert.pk)
    _note(alert, "acknowledged", user.actor, now, {"outcome": alert.outcome}, note)
    return alert


@audit.atomic()
def resolve(
    *, alert: Alert, user: User, outcome: AlertOutcome | str, note: str, now: datetime
) -> Alert:
    """Record a further step on an acknowledged alert; close it unless something is still owed."""
    alert = Alert.objects.select_for_update(of=("self",)).get(pk=alert.pk)
    if alert.state != AlertState.ACKNOWLEDGED:
        raise ValidationError(_("Only an acknowledged alert can be followed up."))
    _check_outcome(outcome)
    alert.outcome = outcome
    if outcome not in STILL_OWED:
        alert.state, alert.resolved_at = AlertState.RESOLVED, now
    alert.save()
    _note(alert, "followed_up", user.actor, now, {"outcome": alert.outcome}, note)
    return alert


def _check_outcome(outcome: str) -> None:
    if outcome not in AlertOutcome.values or outcome == AlertOutcome.CHANGED:
        raise ValidationError({"outcome": _("Choose what you found or did.")})


def _note(
    alert: Alert,
    kind: str,
    by: Actor,
    now: datetime,
    data: dict[str, Any] | None = None,
    note: str = "",
) -> None:
    AlertEvent.objects.create(
        clinic_id=alert.clinic_id,
        alert=alert,
        at=now,
        kind=kind,
        actor_label=by.label,
        data=data or {},
        note=note,
    )
    audit.record(
        clinic_id=alert.clinic_id,
        by=by,
        now=now,
        action=f"alert.{kind}",
        object_type="Alert",
        object_id=alert.pk,
        patient_id=alert.patient_id,
        data=data,
    )
