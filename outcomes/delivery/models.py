"""Reaching a person: invitations, the links to them, and the outbox of messages."""

from __future__ import annotations

from datetime import datetime
from typing import Self

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from outcomes.clinics.models import ClinicRow, ClinicRowQuerySet, User
from outcomes.scheduling.models import UNDER_WAY, Assignment

# Why an invitation was revoked when a stranger said that it is not for them.
NOT_FOR_ME = "not for me"


class InvitationQuerySet(ClinicRowQuerySet["Invitation"]):
    """Invitations by whether they can still be used."""

    def live_at(self, now: datetime) -> Self:
        """Keep invitations that are neither withdrawn, finished nor closed."""
        return self.filter(revoked_at=None, completed_at=None, closes_at__gt=now)

    def gone_astray(self) -> Self:
        """Keep invitations that reached somebody else, or whose birth date was wrong too often."""
        return self.filter(Q(revoked_reason=NOT_FOR_ME) | Q(locked_at__isnull=False))


class Invitation(ClinicRow):
    """One live request to a patient, covering one or more assignments."""

    patient = models.ForeignKey("outcomes.Patient", models.CASCADE, related_name="invitations")
    assignments = models.ManyToManyField(Assignment, related_name="invitations")
    opens_at = models.DateTimeField()
    closes_at = models.DateTimeField()
    created_at = models.DateTimeField()
    confirmed_at = models.DateTimeField(null=True, blank=True)
    failed_checks = models.PositiveSmallIntegerField(default=0)
    locked_at = models.DateTimeField(null=True, blank=True)
    completed_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    revoked_reason = models.CharField(max_length=60, blank=True)

    objects = InvitationQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["patient", "closes_at"])]

    def __str__(self) -> str:
        return f"Invitation of {self.created_at:%Y-%m-%d}"

    def has_open_assignments(self) -> bool:
        """Say whether anything it covers can still be answered."""
        return self.assignments.filter(state__in=UNDER_WAY).exists()


class Link(ClinicRow):
    """One address that opens an invitation. Only the hash of its token is stored."""

    invitation = models.ForeignKey(Invitation, models.CASCADE, related_name="links")
    nonce = models.CharField(max_length=43)
    token_hash = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField()
    opened_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    objects = ClinicRowQuerySet["Link"].as_manager()

    def __str__(self) -> str:
        return f"Link of {self.created_at:%Y-%m-%d}"


class Lane(models.TextChoices):
    """Alerts never wait behind invitations."""

    ALERT = "alert", _("Alert")
    BULK = "bulk", _("Bulk")


class MessageKind(models.TextChoices):
    """What a message is for; it names the template."""

    INVITATION = "invitation", _("Invitation")
    REMINDER = "reminder", _("Reminder")
    ALERT = "alert", _("Safety alert")


class MessageState(models.TextChoices):
    """Where a message stands."""

    PENDING = "pending", _("Waiting")
    SENDING = "sending", _("Being sent")
    SENT = "sent", _("Sent")
    CANCELLED = "cancelled", _("Not sent")
    FAILED = "failed", _("Failed")
    QUARANTINED = "quarantined", _("Set aside after repeated crashes")


class MessageQuerySet(ClinicRowQuerySet["Message"]):
    """Messages by what a dispatcher may do with them."""

    def claimable(self, lane: str, now: datetime) -> Self:
        """Keep what is due in this lane, or was left behind by a dispatcher that died."""
        return self.filter(lane=lane).filter(
            Q(state=MessageState.PENDING, not_before__lte=now)
            | Q(state=MessageState.SENDING, lease_until__lt=now)
        )

    def unsent(self) -> Self:
        """Keep what has not been handed to a provider."""
        return self.filter(state__in=(MessageState.PENDING, MessageState.SENDING))


class Message(ClinicRow):
    """One e-mail or text message in the outbox. It holds keys, never the text."""

    kind = models.CharField(max_length=12, choices=MessageKind.choices)
    lane = models.CharField(max_length=6, choices=Lane.choices)
    channel = models.CharField(max_length=10)
    dedupe = models.CharField(max_length=120, unique=True)
    patient = models.ForeignKey(
        "outcomes.Patient", models.CASCADE, null=True, blank=True, related_name="messages"
    )
    user = models.ForeignKey(User, models.PROTECT, null=True, blank=True, related_name="+")
    link = models.OneToOneField(
        Link, models.SET_NULL, null=True, blank=True, related_name="message"
    )
    alert = models.ForeignKey(
        "outcomes.Alert", models.CASCADE, null=True, blank=True, related_name="messages"
    )
    state = models.CharField(
        max_length=12, choices=MessageState.choices, default=MessageState.PENDING
    )
    state_reason = models.CharField(max_length=120, blank=True)
    attempts = models.PositiveIntegerField(default=0)
    crashes = models.PositiveIntegerField(default=0)
    not_before = models.DateTimeField()
    expires_at = models.DateTimeField(null=True, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    fence = models.PositiveIntegerField(default=0)
    provider_ref = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True, blank=True)

    objects = MessageQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(patient=None) ^ Q(user=None), name="message_has_one_recipient"
            ),
        ]
        indexes = [
            models.Index(
                fields=["lane", "not_before"],
                condition=Q(state__in=["pending", "sending"]),
                name="message_outbox",
            ),
            models.Index(fields=["clinic", "-created_at"], name="message_by_clinic"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} by {self.channel}"
