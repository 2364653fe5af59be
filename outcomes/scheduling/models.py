"""What is due when: schedules as data, and the assignments they give."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Self
from uuid import UUID

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _
from uuid_utils.compat import uuid7

from outcomes.clinics.models import Clinic, ClinicRow, ClinicRowQuerySet


class ScheduleQuerySet(models.QuerySet["Schedule"]):
    """Schedules, narrowed to those a clinic may follow."""

    def usable_by(self, clinic_id: UUID) -> Self:
        """Keep what ships with the product and what the clinic wrote itself."""
        return self.filter(Q(clinic=None) | Q(clinic=clinic_id))

    def versions_of(self, schedule: Schedule) -> Self:
        """Keep every version of one schedule."""
        return self.filter(clinic=schedule.clinic_id, code=schedule.code)

    def current(self) -> Self:
        """Keep the versions that new courses may follow."""
        return self.filter(is_current=True)


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

    objects = ScheduleQuerySet.as_manager()

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


class ScheduleDraft(ClinicRow):
    """A schedule that a clinic is writing: in force nowhere until it is published as a version.

    `content` is the document as `definition.parse_schedule` reads it, without code and version; it
    may still hold faults. `revision` counts the changes, so that nobody overwrites another's.
    """

    code = models.CharField(max_length=60)
    content: models.JSONField[Any, dict[str, Any]] = models.JSONField()
    revision = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField()
    changed_at = models.DateTimeField()

    objects = ClinicRowQuerySet["ScheduleDraft"].as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["clinic", "code"], name="schedule_draft_once_per_code"),
        ]

    def __str__(self) -> str:
        return f"{self.content.get('name', self.code)} (draft)"


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


NOT_BEGUN = (AssignmentState.PLANNED, AssignmentState.OPEN)
UNDER_WAY = (AssignmentState.OPEN, AssignmentState.STARTED)
ANSWERABLE = (AssignmentState.PLANNED, *UNDER_WAY)
# What planning never moves or withdraws: the patient has met it.
FIXED = (*UNDER_WAY, AssignmentState.COMPLETED, AssignmentState.EXPIRED)


# A form filled in on paper is entered for so long after its time.
PAPER_TAKEN_FOR = timedelta(days=30)


class AssignmentQuerySet(ClinicRowQuerySet["Assignment"]):
    """Assignments by what can be done with them at a moment."""

    def planned(self) -> Self:
        """Keep what no patient has been asked yet."""
        return self.filter(state=AssignmentState.PLANNED)

    def to_ask_at(self, now: datetime) -> Self:
        """Keep what is open, not asked yet, and planned from the course's present facts."""
        return self.planned().filter(opens_at__lte=now, closes_at__gt=now, course__needs_plan=False)

    def under_way(self) -> Self:
        """Keep what was asked and is neither answered nor closed."""
        return self.filter(state__in=UNDER_WAY)

    def answerable_at(self, now: datetime) -> Self:
        """Keep what a patient may answer at this moment."""
        return self.answerable_after(now).filter(opens_at__lte=now)

    def answerable_after(self, now: datetime) -> Self:
        """Keep what a patient may answer now or later, as things stand."""
        return self.filter(state__in=ANSWERABLE, closes_at__gt=now)

    def enterable_at(self, now: datetime) -> Self:
        """Keep what staff may enter from paper: what can be answered, or was missed lately."""
        missed = Q(state=AssignmentState.EXPIRED, closes_at__gt=now - PAPER_TAKEN_FOR)
        answerable = self.answerable_at(now).values("pk")
        return self.filter(missed | Q(pk__in=answerable))


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
    # No schedule asks it, but an answer to this one.
    follows = models.ForeignKey(
        "self", models.CASCADE, null=True, blank=True, related_name="follow_ups"
    )
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
                fields=["course", "rule", "occurrence", "anchor_session", "instrument"],
                condition=~Q(anchor_session=None),
                name="assignment_once_per_session",
            ),
            models.UniqueConstraint(
                fields=["course", "rule", "occurrence", "instrument"],
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
            models.Index(
                fields=["clinic", "-asked_at", "-id"],
                condition=Q(asked_at__isnull=False),
                name="assignment_asked",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.rule_code} #{self.occurrence}"

    def is_answerable_at(self, now: datetime) -> bool:
        """Say whether the patient may answer it at this moment, as `answerable_at` keeps it."""
        return self.state in ANSWERABLE and self.opens_at <= now < self.closes_at
