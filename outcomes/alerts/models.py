"""Answers that need a person, and what that person did."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Self

from django.db import models
from django.db.models import Exists, F, OuterRef, Q
from django.utils.translation import gettext_lazy as _
from uuid_utils.compat import uuid7

from outcomes.alerts.cover import Line
from outcomes.clinics.access import ROLE_PERMISSIONS, Permission, Role
from outcomes.clinics.models import ClinicRow, ClinicRowQuerySet, Membership, User

# The roles whose members are told of alerts and may take them.
ANSWERING = tuple(role for role in Role if Permission.ANSWER_ALERTS in ROLE_PERMISSIONS[role])
# A positive answer in an unfinished form alerts after this long without another tap.
IDLE_BEFORE_OPEN = timedelta(minutes=10)
# Each recipient is tested this often, and has so long to confirm; then the confirmation lapses.
TEST_EVERY = timedelta(days=30)
CONFIRM_WITHIN = timedelta(days=7)
LAPSES_AFTER = TEST_EVERY + CONFIRM_WITHIN


class AlertRule(models.Model):
    """Which answer, or which score, of which instrument needs a person.

    About an item (`link_id`) or a scale (`scale`), never both; the threshold is the instrument's.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    instrument = models.ForeignKey("outcomes.Instrument", models.PROTECT, related_name="+")
    link_id = models.CharField(max_length=40, blank=True)
    scale = models.CharField(max_length=40, blank=True)
    at_least = models.SmallIntegerField()

    objects = models.Manager["AlertRule"]()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["instrument", "link_id", "scale", "at_least"], name="alert_rule_once"
            ),
            models.CheckConstraint(
                condition=Q(link_id="", scale__gt="") | Q(link_id__gt="", scale=""),
                name="alert_rule_item_or_scale",
            ),
        ]

    def __str__(self) -> str:
        about = f"scale {self.scale}" if self.scale else f"item {self.link_id}"
        return f"{self.instrument} {about} ≥ {self.at_least}"


class AlertState(models.TextChoices):
    """Where an alert stands."""

    PROVISIONAL = "provisional", _("In an unfinished form")
    OPEN = "open", _("Open")
    ACKNOWLEDGED = "acknowledged", _("Acknowledged")
    RESOLVED = "resolved", _("Closed")


UNCLOSED = (AlertState.PROVISIONAL, AlertState.OPEN, AlertState.ACKNOWLEDGED)


# Where an alert may go from where it stands. A worse answer raises one again that was taken.
MOVES = {
    AlertState.PROVISIONAL: {AlertState.OPEN, AlertState.ACKNOWLEDGED, AlertState.RESOLVED},
    AlertState.OPEN: {AlertState.ACKNOWLEDGED},
    AlertState.ACKNOWLEDGED: {AlertState.RESOLVED, AlertState.PROVISIONAL},
    AlertState.RESOLVED: {AlertState.PROVISIONAL},
}


class AlertReason(models.TextChoices):
    """Why the alert exists."""

    ANSWER = "answer", _("Answer to a safety question")
    MANIA = "mania", _("Mania scale at or above its published cut-off")
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


class ContactWay(models.TextChoices):
    """How somebody tried to reach the patient about an alert."""

    TELEPHONE = "telephone", _("Telephone")
    TEXT = "text", _("Text message")
    EMAIL = "email", _("E-mail")
    THIRD_PARTY = "third_party", _("Through somebody else")


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
            models.CheckConstraint(
                condition=~Q(state="resolved") | ~Q(outcome=""), name="alert_closed_with_outcome"
            ),
        ]
        indexes = [
            models.Index(
                fields=["next_at"],
                condition=Q(state__in=["provisional", "open"]),
                name="alert_to_escalate",
            ),
            models.Index(fields=["clinic", "state"]),
            models.Index(
                fields=["clinic", "-resolved_at"],
                condition=Q(state="resolved"),
                name="alert_closed_last",
            ),
        ]

    def __str__(self) -> str:
        return f"Alert {self.state}"

    def move_to(self, state: AlertState) -> None:
        """Change the state, unsaved; raises ValueError for a move that no alert makes."""
        if state not in MOVES[AlertState(self.state)]:
            raise ValueError(f"An alert does not go from {self.state} to {state}.")
        self.state = state


class AlertEvent(ClinicRow):
    """One thing that happened to an alert, who did it and when; never changed.

    Raised, opened, paged, escalated, acknowledged, contact attempted, outcome, plan, closed.
    """

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


class CallRequestQuerySet(ClinicRowQuerySet["CallRequest"]):
    """Wishes to be called, by whether they are settled."""

    def open(self) -> Self:
        """Keep what no member of staff has settled."""
        return self.filter(settled_at=None)


class CallRequest(ClinicRow):
    """A patient asks to be called: for staff to settle, and never in place of an alert."""

    patient = models.ForeignKey("outcomes.Patient", models.CASCADE, related_name="call_requests")
    invitation = models.ForeignKey("outcomes.Invitation", models.CASCADE, related_name="+")
    asked_at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True, blank=True)
    settled_by = models.ForeignKey(User, models.PROTECT, null=True, blank=True, related_name="+")
    note = models.CharField(max_length=200, blank=True)

    objects = CallRequestQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["invitation"],
                condition=Q(settled_at=None),
                name="call_request_once_while_open",
            ),
        ]
        indexes = [
            models.Index(
                fields=["clinic"], condition=Q(settled_at=None), name="call_request_to_settle"
            ),
        ]

    def __str__(self) -> str:
        return f"Call asked for on {self.asked_at:%Y-%m-%d}"


class CoverQuerySet(ClinicRowQuerySet["Cover"]):
    """Who is on call when."""

    def answering(self) -> Self:
        """Keep the lines of people who may still answer the clinic's alerts."""
        members = Membership.objects.active().filter(role__in=ANSWERING)
        return self.filter(Exists(members.filter(clinic=OuterRef("clinic"), user=OuterRef("user"))))


class Cover(ClinicRow):
    """When one person answers the clinic's alerts: hours of a weekday, or dates (a holiday).

    On the clinic's clock. A weekly line has `weekday` (0 is Monday); a dated one `starts_on` and
    `ends_on`, both included, and goes before the weekly ones. Hours may cross midnight; equal ones
    mean the whole day. Cover changes who is paged, never whether an alert stays open.
    """

    user = models.ForeignKey(User, models.CASCADE, related_name="+")
    weekday = models.PositiveSmallIntegerField(null=True, blank=True)
    starts_on = models.DateField(null=True, blank=True)
    ends_on = models.DateField(null=True, blank=True)
    starts = models.TimeField()
    ends = models.TimeField()

    objects = CoverQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(weekday__isnull=False, weekday__lte=6, starts_on=None, ends_on=None)
                | Q(
                    weekday=None,
                    starts_on__isnull=False,
                    ends_on__isnull=False,
                    ends_on__gte=models.F("starts_on"),
                ),
                name="cover_weekly_or_dated",
            ),
        ]

    def __str__(self) -> str:
        return f"Cover by {self.user_id}"

    @property
    def line(self) -> Line:
        """Return the line as the calendar reads it."""
        return Line(
            person=self.user_id,
            starts=self.starts,
            ends=self.ends,
            weekday=self.weekday,
            starts_on=self.starts_on,
            ends_on=self.ends_on,
        )


class Failure(models.TextChoices):
    """Why alerts are known not to reach somebody."""

    UNCONFIRMED = "unconfirmed", _("A test was not confirmed within 7 days")
    BOUNCED = "bounced", _("A message came back: the address or number does not work")
    STUCK = "stuck", _("Messages do not leave")


class RecipientQuerySet(ClinicRowQuerySet["Recipient"]):
    """Recipients by whether alerts are known to reach them."""

    def reachable_at(self, now: datetime) -> Self:
        """Keep who has confirmed a test lately and whom nothing has failed to reach since.

        The people of a synthetic clinic do not exist and are sent no tests: theirs never lapse.
        """
        fresh = Q(confirmed_at__gte=now - LAPSES_AFTER)
        seeded = Q(confirmed_at__isnull=False, clinic__is_synthetic=True)
        held = Q(failed_at=None) | Q(failed_at__lt=F("confirmed_at"))
        return self.filter(fresh | seeded).filter(held)


class Recipient(ClinicRow):
    """Whether alerts reach one member of staff, as test alerts have shown.

    A test is sent at set-up and every 30 days; only the person's own confirmation, after signing
    in, counts. A page that bounced counts against it until the next confirmation.
    """

    user = models.ForeignKey(User, models.CASCADE, related_name="+")
    tested_at = models.DateTimeField(null=True, blank=True)
    confirmed_at = models.DateTimeField(null=True, blank=True)
    failed_at = models.DateTimeField(null=True, blank=True)
    failed_reason = models.CharField(max_length=60, blank=True)

    objects = RecipientQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["clinic", "user"], name="recipient_once_per_clinic"),
        ]

    def __str__(self) -> str:
        return f"Recipient {self.user_id}"

    @property
    def has_failed(self) -> bool:
        """Say whether something failed to reach the person since they last confirmed."""
        if self.failed_at is None:
            return False
        return self.confirmed_at is None or self.failed_at >= self.confirmed_at
