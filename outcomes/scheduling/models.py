"""What is due when: schedules as data, and the assignments they give."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Self

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _
from uuid_utils.compat import uuid7

from outcomes.clinics.models import Clinic, ClinicRow, ClinicRowQuerySet


class Schedule(models.Model):
    """One version of a measurement plan. Never edited: a change is a new version.

    Without a clinic it ships with the product and serves every clinic.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    clinic = models.ForeignKey(Clinic, models.PROTECT, null=True, blank=True, related_name="+")
    code = models.CharField(max_length=60)
    version = models.PositiveIntegerField()
    name = models.CharField(max_length=120)
    description = models.TextField(blank=True)
    spacing_days: models.JSONField[Any, dict[str, int]] = models.JSONField(default=dict)
    is_current = models.BooleanField(default=True)
    created_at = models.DateTimeField()

    objects = models.Manager["Schedule"]()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["code", "version"],
                condition=Q(clinic=None),
                name="schedule_version_once",
            ),
            models.UniqueConstraint(
                fields=["clinic", "code", "version"],
                condition=~Q(clinic=None),
                name="schedule_version_once_per_clinic",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} (version {self.version})"


class ScheduleRule(models.Model):
    """One line of a schedule: which instruments, anchored where, open how long."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    schedule = models.ForeignKey(Schedule, models.CASCADE, related_name="rules")
    code = models.CharField(max_length=60)
    position = models.PositiveSmallIntegerField()
    content: models.JSONField[Any, dict[str, Any]] = models.JSONField()

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(fields=["schedule", "code"], name="rule_code_once"),
        ]

    def __str__(self) -> str:
        return self.code


class AssignmentState(models.TextChoices):
    """Where an assignment stands. Completed is final."""

    PLANNED = "planned", _("Planned")
    OPEN = "open", _("Asked")
    STARTED = "started", _("Started")
    COMPLETED = "completed", _("Answered")
    EXPIRED = "expired", _("Missed")
    CANCELLED = "cancelled", _("Cancelled")
    SUPERSEDED = "superseded", _("Superseded")


UNDER_WAY = (AssignmentState.OPEN, AssignmentState.STARTED)
# What planning never moves or withdraws: the patient has met it.
FIXED = (*UNDER_WAY, AssignmentState.COMPLETED, AssignmentState.EXPIRED)


class AssignmentQuerySet(ClinicRowQuerySet["Assignment"]):
    """Assignments by what can be done with them at a moment."""

    def planned(self) -> Self:
        """Keep what no patient has been asked yet."""
        return self.filter(state=AssignmentState.PLANNED)

    def under_way(self) -> Self:
        """Keep what was asked and is neither answered nor closed."""
        return self.filter(state__in=UNDER_WAY)

    def answerable_at(self, now: datetime) -> Self:
        """Keep what a patient may answer at this moment."""
        return self.answerable_after(now).filter(opens_at__lte=now)

    def answerable_after(self, now: datetime) -> Self:
        """Keep what a patient may answer now or later, as things stand."""
        return self.filter(state__in=(AssignmentState.PLANNED, *UNDER_WAY), closes_at__gt=now)

    def overdue_on(self, now: datetime) -> Self:
        """Keep what is past its due time and still unanswered."""
        return self.under_way().filter(due_at__lt=now)


class Assignment(ClinicRow):
    """This questionnaire, for this patient: opens, is due, closes."""

    patient = models.ForeignKey("outcomes.Patient", models.CASCADE, related_name="assignments")
    episode = models.ForeignKey(
        "outcomes.EpisodeOfCare", models.CASCADE, related_name="assignments"
    )
    course = models.ForeignKey("outcomes.Course", models.CASCADE, related_name="assignments")
    rule = models.ForeignKey(ScheduleRule, models.PROTECT, related_name="+")
    rule_code = models.CharField(max_length=60)
    occurrence = models.PositiveSmallIntegerField(default=0)
    anchor_session = models.ForeignKey(
        "outcomes.TreatmentSession", models.SET_NULL, null=True, related_name="+"
    )
    instrument = models.ForeignKey("outcomes.Instrument", models.PROTECT, related_name="+")
    state = models.CharField(
        max_length=12, choices=AssignmentState.choices, default=AssignmentState.PLANNED
    )
    opens_at = models.DateTimeField()
    due_at = models.DateTimeField()
    closes_at = models.DateTimeField()
    reminders_at: models.JSONField[Any, list[str]] = models.JSONField(default=list)
    asked_at = models.DateTimeField(null=True, blank=True)
    completed_at = models.DateTimeField(null=True, blank=True)

    objects = AssignmentQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["course", "rule_code", "occurrence", "anchor_session", "instrument"],
                condition=~Q(anchor_session=None),
                name="assignment_once_per_session",
            ),
            models.UniqueConstraint(
                fields=["course", "rule_code", "occurrence", "instrument"],
                condition=Q(anchor_session=None),
                name="assignment_once_per_course",
            ),
            models.CheckConstraint(
                condition=Q(opens_at__lt=F("closes_at")) & Q(due_at__lte=F("closes_at")),
                name="assignment_window_in_order",
            ),
        ]
        indexes = [
            models.Index(
                fields=["opens_at"], condition=Q(state="planned"), name="assignment_to_open"
            ),
            models.Index(
                fields=["closes_at"],
                condition=Q(state__in=["planned", "open", "started"]),
                name="assignment_to_close",
            ),
            models.Index(fields=["episode", "due_at"]),
        ]

    def __str__(self) -> str:
        return f"{self.rule_code} #{self.occurrence}"
