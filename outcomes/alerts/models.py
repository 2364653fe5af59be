"""Answers that need a person, and what that person did."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Self

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from uuid_utils.compat import uuid7

from outcomes.clinics.models import ClinicRow, ClinicRowQuerySet, User

# Minutes after raising at which the next circle of people is told; then every hour.
TIERS = (timedelta(0), timedelta(minutes=15), timedelta(minutes=30), timedelta(minutes=60))
THEN_EVERY = timedelta(hours=1)
# A positive answer in an unfinished form alerts after this long without another tap.
IDLE_BEFORE_OPEN = timedelta(minutes=10)


class AlertRule(models.Model):
    """Which answer of which instrument needs a person; taken from the instrument itself."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    instrument = models.ForeignKey("outcomes.Instrument", models.PROTECT, related_name="+")
    link_id = models.CharField(max_length=40)
    at_least = models.SmallIntegerField()

    objects = models.Manager["AlertRule"]()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["instrument", "link_id", "at_least"], name="alert_rule_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.instrument} item {self.link_id} ≥ {self.at_least}"


class AlertState(models.TextChoices):
    """Where an alert stands."""

    PROVISIONAL = "provisional", _("In an unfinished form")
    OPEN = "open", _("Open")
    ACKNOWLEDGED = "acknowledged", _("Acknowledged")
    RESOLVED = "resolved", _("Closed")


class AlertReason(models.TextChoices):
    """Why the alert exists."""

    ANSWER = "answer", _("Answer to a safety question")
    RULE_ERROR = "rule_error", _("The safety check of this answer failed; read the answer")


class AlertOutcome(models.TextChoices):
    """What the person who acknowledged it found or did."""

    SPOKE_SAFE = "spoke_safe", _("Spoke with the patient; no further step needed now")
    SPOKE_PLAN = "spoke_plan", _("Spoke with the patient; safety plan agreed or reviewed")
    NOT_REACHED = "not_reached", _("Tried to reach the patient; will try again")
    EMERGENCY = "emergency", _("Emergency services or crisis team involved")
    KNOWN = "known", _("Known and already being cared for")
    ENTERED_IN_ERROR = "entered_in_error", _("Answer given in error, as confirmed by the patient")
    CHANGED = "changed", _("Patient changed the answer before submitting")


class AlertQuerySet(ClinicRowQuerySet["Alert"]):
    """Alerts by what is still owed."""

    def open(self) -> Self:
        """Keep alerts no named person has acknowledged."""
        return self.filter(state=AlertState.OPEN)

    def provisional(self) -> Self:
        """Keep alerts of unfinished forms, which have paged nobody yet."""
        return self.filter(state=AlertState.PROVISIONAL)

    def due_at(self, now: datetime) -> Self:
        """Keep alerts whose next step, opening or escalating, is due."""
        return self.filter(state__in=(AlertState.PROVISIONAL, AlertState.OPEN), next_at__lte=now)

    def unresolved(self) -> Self:
        """Keep alerts that are open, or acknowledged without a closing outcome."""
        return self.filter(state__in=(AlertState.OPEN, AlertState.ACKNOWLEDGED))


class Alert(ClinicRow):
    """An answer that needs a person. Only a named person's acknowledgement stops escalation."""

    patient = models.ForeignKey("outcomes.Patient", models.CASCADE, related_name="alerts")
    episode = models.ForeignKey("outcomes.EpisodeOfCare", models.CASCADE, related_name="alerts")
    response = models.ForeignKey(
        "outcomes.QuestionnaireResponse", models.CASCADE, related_name="alerts"
    )
    rule = models.ForeignKey(AlertRule, models.PROTECT, null=True, related_name="+")
    reason = models.CharField(max_length=12, choices=AlertReason.choices)
    value = models.SmallIntegerField(null=True)
    state = models.CharField(max_length=12, choices=AlertState.choices)
    tier = models.PositiveSmallIntegerField(default=0)
    raised_at = models.DateTimeField()
    opened_at = models.DateTimeField(null=True, blank=True)
    next_at = models.DateTimeField(null=True, blank=True)
    acknowledged_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    acknowledged_at = models.DateTimeField(null=True, blank=True)
    outcome = models.CharField(max_length=20, choices=AlertOutcome.choices, blank=True)
    resolved_at = models.DateTimeField(null=True, blank=True)

    objects = AlertQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["response", "rule"], name="alert_once_per_rule"),
            models.UniqueConstraint(
                fields=["response"], condition=Q(rule=None), name="alert_once_per_rule_error"
            ),
            models.CheckConstraint(
                condition=~Q(state="acknowledged")
                | Q(acknowledged_by__isnull=False, acknowledged_at__isnull=False),
                name="alert_acknowledged_by_a_person",
            ),
            models.CheckConstraint(
                condition=~Q(state="resolved")
                | Q(opened_at=None)
                | Q(acknowledged_by__isnull=False),
                name="alert_that_paged_closed_by_a_person",
            ),
        ]
        indexes = [
            models.Index(
                fields=["next_at"],
                condition=Q(state__in=["provisional", "open"]),
                name="alert_to_escalate",
            ),
            models.Index(fields=["clinic", "state"]),
        ]

    def __str__(self) -> str:
        return f"Alert {self.state}"


class AlertEvent(ClinicRow):
    """One thing that happened to an alert: raised, opened, escalated, acknowledged, closed."""

    alert = models.ForeignKey(Alert, models.CASCADE, related_name="events")
    at = models.DateTimeField()
    kind = models.CharField(max_length=20)
    actor_label = models.CharField(max_length=254)
    data: models.JSONField[Any, dict[str, Any]] = models.JSONField(default=dict)
    note = models.TextField(blank=True)

    objects = ClinicRowQuerySet["AlertEvent"].as_manager()

    class Meta:
        ordering = ["at", "id"]

    def __str__(self) -> str:
        return self.kind
