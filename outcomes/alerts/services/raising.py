"""Raise alerts, in the transaction of the answer."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import datetime

from django.db import transaction

from outcomes.alerts.models import (
    IDLE_BEFORE_OPEN,
    Alert,
    AlertOutcome,
    AlertReason,
    AlertRule,
    AlertState,
)
from outcomes.alerts.services.events import note
from outcomes.alerts.services.paging import open_alert
from outcomes.audit.models import SYSTEM
from outcomes.instruments.models import InstrumentVersion
from outcomes.instruments.scoring import SafetyHit, ScoreResult
from outcomes.instruments.watched import ScaleHit, scale_hits, watched_scale
from outcomes.responses.models import QuestionnaireResponse

Hit = SafetyHit | ScaleHit


@transaction.atomic
def install_rules() -> None:
    """Make one rule for every safety question and watched scale of every instrument in use."""
    for version in InstrumentVersion.objects.filter(is_current=True).select_related("instrument"):
        for item in version.definition.items:
            if item.safety is not None:
                AlertRule.objects.get_or_create(
                    instrument=version.instrument,
                    link_id=item.link_id,
                    scale="",
                    at_least=item.safety.at_least,
                )
        if found := watched_scale(version.definition):
            scale, cutoff = found
            AlertRule.objects.get_or_create(
                instrument=version.instrument,
                link_id="",
                scale=scale.code,
                at_least=math.ceil(cutoff.value),
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


def hits_of(response: QuestionnaireResponse, result: ScoreResult) -> list[Hit]:
    """Return what of a finished form needs a person: safety answers, and watched scores."""
    definition = response.definition
    return [*result.safety, *scale_hits(definition, response.answers, result)]


def concerns(response: QuestionnaireResponse, hits: Iterable[Hit]) -> bool:
    """Say whether a submitted form has any alert to raise, open or close."""
    if list(hits):
        return True
    # One that was sent whole was never saved before: nothing can be waiting.
    return response.revision > 1 and Alert.objects.provisional().filter(response=response).exists()


def raise_for(
    *, response: QuestionnaireResponse, hits: Iterable[Hit], now: datetime
) -> list[Alert]:
    """Open an alert for everything in a submitted form that needs a person, with first messages.

    Runs in the answer's transaction. A positive tapped before and missing from what was submitted
    opens its alert all the same: only another answer to the question takes it back.
    """
    hits = list(hits)
    positive = {hit.link_id for hit in hits if isinstance(hit, SafetyHit)}
    for alert in _provisional(response):
        if alert.rule is None or alert.rule.link_id in positive:
            continue
        if response.answers.get(alert.rule.link_id) is None:
            open_alert(alert, now)
        else:
            _close_unsent(alert, now)
    return [_raise(response, hit, AlertState.OPEN, now) for hit in hits]


def raise_rule_error(*, response: QuestionnaireResponse, now: datetime) -> Alert:
    """Page a person about an answer whose safety check failed: somebody must read it."""
    known = Alert.objects.filter(response=response, rule=None).first()
    if known is not None:
        return known
    alert = _new_alert(response, None, AlertReason.RULE_ERROR, None, now)
    open_alert(alert, now)
    return alert


def _provisional(response: QuestionnaireResponse) -> list[Alert]:
    rows = Alert.objects.provisional().filter(response=response)
    return list(rows.select_related("rule").select_for_update(of=("self",)))


def _raise(response: QuestionnaireResponse, hit: Hit, state: AlertState, now: datetime) -> Alert:
    if isinstance(hit, ScaleHit):
        reason, link_id, scale = AlertReason.MANIA, "", hit.scale
    else:
        reason, link_id, scale = AlertReason.ANSWER, hit.link_id, ""
    rule, _created = AlertRule.objects.get_or_create(
        instrument_id=response.instrument_version.instrument_id,
        link_id=link_id,
        scale=scale,
        at_least=hit.at_least,
    )
    same = Alert.objects.filter(response=response, rule=rule)
    alert = same.select_for_update(of=("self",)).first()
    if alert is None:
        alert = _new_alert(response, rule, reason, hit.value, now)
    elif alert.state == AlertState.PROVISIONAL:
        alert.value, alert.next_at = hit.value, now + IDLE_BEFORE_OPEN
        alert.save(update_fields=["value", "next_at"])
    elif not _is_news(alert, hit):
        return alert
    elif alert.state == AlertState.OPEN:
        alert.value = hit.value
        alert.save(update_fields=["value"])
        note(alert, "answer_changed", SYSTEM, now, {"value": hit.value})
        return alert
    else:
        _raise_again(alert, hit, now)
    if state == AlertState.OPEN:
        open_alert(alert, now)
    return alert


def _is_news(alert: Alert, hit: Hit) -> bool:
    """Say whether a positive answer adds to an alert: a person has not yet seen one so high."""
    if alert.outcome == AlertOutcome.CHANGED:
        return True
    return alert.value is None or hit.value > alert.value


def _raise_again(alert: Alert, hit: Hit, now: datetime) -> None:
    # What a person did about the lower answer stays among the alert's events.
    alert.move_to(AlertState.PROVISIONAL)
    alert.value, alert.outcome, alert.resolved_at = hit.value, "", None
    alert.opened_at, alert.tier = None, 0
    alert.acknowledged_by, alert.acknowledged_at = None, None
    alert.next_at = now + IDLE_BEFORE_OPEN
    alert.save()
    note(alert, "raised_again", SYSTEM, now, {"value": hit.value})


def _new_alert(
    response: QuestionnaireResponse,
    rule: AlertRule | None,
    reason: AlertReason,
    value: int | None,
    now: datetime,
) -> Alert:
    alert = Alert(
        clinic_id=response.clinic_id,
        patient_id=response.patient_id,
        episode_id=response.episode_id,
        response=response,
        rule=rule,
        reason=reason,
        value=value,
        state=AlertState.PROVISIONAL,
        raised_at=now,
        next_at=now + IDLE_BEFORE_OPEN,
    )
    alert.save(force_insert=True)
    note(alert, "raised", SYSTEM, now)
    return alert


def _close_unsent(alert: Alert, now: datetime) -> None:
    alert.move_to(AlertState.RESOLVED)
    alert.outcome, alert.resolved_at, alert.next_at = AlertOutcome.CHANGED, now, None
    alert.save(update_fields=["state", "outcome", "resolved_at", "next_at"])
    note(alert, "answer_changed", SYSTEM, now)
