"""The rivals of the product's autosave and submit: plain Django views that write the same rows.

No middleware, no log-in, no checks, no services: JSON in, rows in one transaction, JSON out.
"""

from __future__ import annotations

import json
from datetime import timedelta
from functools import cache
from typing import Any
from uuid import UUID, uuid4

from django.db import transaction
from django.http import HttpRequest, JsonResponse
from django.urls import path
from django.utils import timezone

from outcomes.alerts.models import Alert, AlertEvent, AlertRule
from outcomes.audit.models import AuditChain, AuditEvent
from outcomes.care.models import Course
from outcomes.delivery.models import Invitation, Message
from outcomes.instruments.models import InstrumentVersion
from outcomes.responses.models import QuestionnaireResponse, Score
from outcomes.scheduling.models import Assignment

BANDS = ((20, "severe"), (15, "moderately severe"), (10, "moderate"), (5, "mild"))


@cache
def version() -> InstrumentVersion:
    """Return the questionnaire that the bench sends."""
    return InstrumentVersion.objects.shipped().of_code("PHQ-9").get()


def submit(request: HttpRequest, assignment_id: UUID) -> JsonResponse:
    """Write everything that a finished PHQ-9 leaves behind."""
    answers = json.loads(request.body)["answers"]
    now = timezone.now()
    with transaction.atomic():
        assignment = Assignment.objects.get(pk=assignment_id)
        response = QuestionnaireResponse.objects.create(
            clinic_id=assignment.clinic_id,
            patient_id=assignment.patient_id,
            episode_id=assignment.episode_id,
            assignment=assignment,
            instrument_version=version(),
            content_hash=version().content_hash,
            status="final",
            mode="link",
            language="en",
            answers=answers,
            answered_at=dict.fromkeys(answers, now.isoformat()),
            revision=1,
            started_at=now,
            submitted_at=now,
            stored_at=now,
            submission_id=str(uuid4()),
        )
        total = sum(answers[str(item)] for item in range(1, 10))
        symptoms = sum(answers[str(item)] >= (1 if item == 9 else 2) for item in range(1, 10))
        results = (
            ("total", total, next((band for low, band in BANDS if total >= low), "none-minimal")),
            ("syndrome", None, "major depressive syndrome" if symptoms >= 5 else "neither"),
        )
        Score.objects.bulk_create(
            Score(
                clinic_id=assignment.clinic_id,
                response=response,
                patient_id=assignment.patient_id,
                episode_id=assignment.episode_id,
                instrument_code="PHQ-9",
                scale=scale,
                value=value,
                band=band,
                scoring_version="1",
                at=now,
            )
            for scale, value, band in results
        )
        actions = ["response.submitted"]
        if answers["9"] >= 1:
            raise_alert(response, answers["9"], now)
            actions += ["alert.raised", "alert.opened", "alert.paged"]
        Assignment.objects.filter(pk=assignment.pk).update(state="completed", completed_at=now)
        Course.objects.filter(pk=assignment.course_id).update(needs_plan=True)
        Invitation.objects.filter(assignments=assignment).update(completed_at=now)
        Message.objects.filter(link__invitation__assignments=assignment).update(state="cancelled")
        for action in actions:
            record(response, action, now)
    return JsonResponse({"submitted": True, "submitted_at": now.isoformat()})


def save(request: HttpRequest, assignment_id: UUID) -> JsonResponse:
    """Write everything that one tap in a PHQ-9 leaves behind."""
    answers = json.loads(request.body)["answers"]
    now = timezone.now()
    with transaction.atomic():
        assignment = Assignment.objects.select_for_update().get(pk=assignment_id)
        response = QuestionnaireResponse.objects.filter(assignment=assignment).first()
        is_first = response is None
        if response is None:
            response = QuestionnaireResponse(
                clinic_id=assignment.clinic_id,
                patient_id=assignment.patient_id,
                episode_id=assignment.episode_id,
                assignment=assignment,
                instrument_version=version(),
                content_hash=version().content_hash,
                status="in_progress",
                mode="link",
                language="en",
                started_at=now,
                stored_at=now,
                submission_id=f"assignment:{assignment.pk}",
            )
        response.revision += 1
        response.answers |= answers
        response.answered_at |= dict.fromkeys(answers, now.isoformat())
        response.changed_in |= dict.fromkeys(answers, response.revision)
        response.save(force_insert=is_first)
        if is_first:
            Assignment.objects.filter(pk=assignment.pk).update(state="started")
            record(response, "response.started", now)
        if response.answers.get("9"):
            hold_alert(response, now)
    return JsonResponse({"revision": response.revision, "saved": list(answers), "safety": False})


def hold_alert(response: QuestionnaireResponse, now: Any) -> None:
    """Write an alert that waits until the patient is idle, or have it wait anew."""
    next_at = now + timedelta(minutes=10)
    waiting = Alert.objects.filter(response=response, state="provisional")
    if waiting.update(next_at=next_at):
        return
    alert = Alert.objects.create(
        clinic_id=response.clinic_id,
        patient_id=response.patient_id,
        episode_id=response.episode_id,
        response=response,
        rule=AlertRule.objects.get(instrument=version().instrument_id, link_id="9"),
        reason="answer",
        value=response.answers["9"],
        state="provisional",
        raised_at=now,
        next_at=next_at,
    )
    AlertEvent.objects.create(
        clinic_id=response.clinic_id, alert=alert, at=now, kind="raised", actor_label="Outcomes"
    )
    record(response, "alert.raised", now)


def raise_alert(response: QuestionnaireResponse, value: int, now: Any) -> None:
    """Write an alert, its history and its first message."""
    alert = Alert.objects.create(
        clinic_id=response.clinic_id,
        patient_id=response.patient_id,
        episode_id=response.episode_id,
        response=response,
        rule=AlertRule.objects.get(instrument=version().instrument_id, link_id="9"),
        reason="answer",
        value=value,
        state="open",
        raised_at=now,
        opened_at=now,
        next_at=now + timedelta(minutes=15),
    )
    for kind in ("raised", "opened", "paged"):
        AlertEvent.objects.create(
            clinic_id=response.clinic_id, alert=alert, at=now, kind=kind, actor_label="Outcomes"
        )
    for user in response.episode.clinicians.all():
        Message.objects.create(
            clinic_id=response.clinic_id,
            kind="alert",
            lane="alert",
            channel="email",
            dedupe=f"alert:{alert.pk}:0:{user.pk}",
            user=user,
            alert=alert,
            not_before=now,
            created_at=now,
        )


def record(response: QuestionnaireResponse, action: str, now: Any) -> None:
    """Write the audit event and move the end of the clinic's chain."""
    chain = AuditChain.objects.select_for_update().get(pk=response.clinic_id)
    event = AuditEvent(
        clinic_id=response.clinic_id,
        number=chain.number + 1,
        at=now,
        actor_kind="patient",
        actor_id=str(response.patient_id),
        actor_label="Patient",
        action=action,
        object_type="QuestionnaireResponse",
        object_id=str(response.pk),
        patient_id=response.patient_id,
        previous_hash=chain.hash,
    )
    event.hash = event.computed_hash()
    event.save(force_insert=True)
    AuditChain.objects.filter(pk=chain.pk).update(number=event.number, hash=event.hash)


def health(request: HttpRequest) -> JsonResponse:
    """Say that the server is up."""
    return JsonResponse({})


urlpatterns = [
    path("healthz", health),
    path("bare/<uuid:assignment_id>/", submit),
    path("bare/<uuid:assignment_id>/answers/", save),
]
