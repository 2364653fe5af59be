"""Reaching a person: invitations, the links to them, and the outbox of messages."""

from __future__ import annotations

from datetime import datetime
from typing import Self
from uuid import uuid4

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from uuid_utils.compat import uuid7

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
    # Set when staff will telephone instead: nothing more is sent for it.
    to_call_at = models.DateTimeField(null=True, blank=True)
    to_call_by = models.ForeignKey(User, models.PROTECT, null=True, blank=True, related_name="+")

    # About how long it takes to answer; sitting.note_minutes looks it up for many at once.
    minutes: int | None = None

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


class OwnPage(ClinicRow):
    """The address of a patient's own page, one for each patient. Only its token's hash is stored.

    `renewed_at`: since when the address is another one; what went out before opens nothing.
    """

    patient = models.OneToOneField("outcomes.Patient", models.CASCADE, related_name="own_page")
    nonce = models.CharField(max_length=43)
    token_hash = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField()
    renewed_at = models.DateTimeField(null=True, blank=True)
    opened_at = models.DateTimeField(null=True, blank=True)
    failed_checks = models.PositiveSmallIntegerField(default=0)
    locked_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    objects = ClinicRowQuerySet["OwnPage"].as_manager()

    def __str__(self) -> str:
        return f"Own page of {self.created_at:%Y-%m-%d}"


class Lane(models.TextChoices):
    """Alerts never wait behind invitations."""

    ALERT = "alert", _("Alert")
    BULK = "bulk", _("Bulk")


class MessageKind(models.TextChoices):
    """What a message is for; it names the template."""

    INVITATION = "invitation", _("Invitation")
    REMINDER = "reminder", _("Reminder")
    ALERT = "alert", _("Safety alert")
    TEST = "test", _("Test of the alert path")
    NOTICE = "notice", _("Notice to staff")
    MEMBERSHIP = "membership", _("Invitation to work here")


class Topic(models.TextChoices):
    """What a notice tells: a fact about the installation or about sending, nothing clinical."""

    UNREACHED = "unreached", _("A patient cannot be reached")
    NO_RECIPIENT = "no_recipient", _("An alert has nobody reachable to tell")
    SET_ASIDE = "set_aside", _("A message was set aside after repeated crashes")
    PAGE_FAILED = "page_failed", _("An alert did not reach one of its recipients")
    CALL_ME = "call_me", _("A patient asks to be called")


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

    def claimable(self, lane: str, channel: str, now: datetime) -> Self:
        """Keep what is due in this lane, or was left behind by a dispatcher that died."""
        # The bound on not_before holds for both, so that the index alone finds the first of them.
        return self.filter(lane=lane, channel=channel, not_before__lte=now).filter(
            Q(state=MessageState.PENDING) | Q(state=MessageState.SENDING, lease_until__lt=now)
        )

    def unsent(self) -> Self:
        """Keep what no provider is known to have taken."""
        states = (MessageState.PENDING, MessageState.SENDING)
        return self.filter(state__in=states, sent_at=None)


class Message(ClinicRow):
    """One e-mail or text message in the outbox. It holds keys, never the text.

    `begun_at`: the provider is being called. `sent_at`: it took the message; while the state is
    still `sending`, that is all that is left to record. `is_ambiguous`: an earlier call may have
    had its effect without being recorded.
    """

    kind = models.CharField(max_length=12, choices=MessageKind.choices)
    lane = models.CharField(max_length=6, choices=Lane.choices)
    channel = models.CharField(max_length=10)
    dedupe = models.CharField(max_length=120, unique=True)
    patient = models.ForeignKey(
        "outcomes.Patient", models.CASCADE, null=True, blank=True, related_name="messages"
    )
    user = models.ForeignKey(User, models.PROTECT, null=True, blank=True, related_name="messages")
    topic = models.CharField(max_length=16, choices=Topic.choices, blank=True)
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
    begun_at = models.DateTimeField(null=True, blank=True)
    is_ambiguous = models.BooleanField(default=False)
    resends = models.PositiveSmallIntegerField(default=0)
    provider = models.CharField(max_length=30, blank=True)
    provider_ref = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True, blank=True)
    delivered_at = models.DateTimeField(null=True, blank=True)
    bounced_at = models.DateTimeField(null=True, blank=True)

    objects = MessageQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(patient=None) ^ Q(user=None), name="message_has_one_recipient"
            ),
        ]
        indexes = [
            models.Index(
                fields=["lane", "channel", "not_before"],
                condition=Q(state__in=["pending", "sending"]),
                name="message_outbox",
            ),
            models.Index(
                fields=["bounced_at"],
                condition=Q(lane="alert", bounced_at__isnull=False),
                name="message_alert_bounced",
            ),
            models.Index(fields=["clinic", "-created_at"], name="message_by_clinic"),
            models.Index(
                fields=["patient", "sent_at"],
                condition=Q(sent_at__isnull=False),
                name="message_sent_to_patient",
            ),
            models.Index(
                fields=["provider", "provider_ref"],
                condition=~Q(provider_ref=""),
                name="message_by_provider_ref",
            ),
            models.Index(
                fields=["clinic"],
                condition=Q(state="quarantined"),
                name="message_set_aside",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} by {self.channel}"


class ProviderEventKind(models.TextChoices):
    """What a provider may tell about a message, or a phone about itself."""

    DELIVERED = "delivered", _("Delivered")
    DEFERRED = "deferred", _("Deferred")
    BOUNCED = "bounced", _("Bounced")
    FAILED = "failed", _("Failed")
    COMPLAINED = "complained", _("Marked as spam")
    STOPPED = "stopped", _("Opted out")
    STARTED = "started", _("Opted in again")
    HELP = "help", _("Asked for help")
    OTHER = "other", _("Other")


class ProviderEvent(models.Model):
    """One thing a provider reported, kept once however often it is reported. Never its text."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    provider = models.CharField(max_length=30)
    event_key = models.CharField(max_length=200)
    kind = models.CharField(max_length=12, choices=ProviderEventKind.choices)
    message = models.ForeignKey(
        Message, models.CASCADE, null=True, blank=True, related_name="provider_events"
    )
    reason = models.CharField(max_length=60, blank=True)
    happened_at = models.DateTimeField()
    received_at = models.DateTimeField()

    objects = models.Manager["ProviderEvent"]()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["provider", "event_key"], name="provider_event_once"),
        ]

    def __str__(self) -> str:
        return f"{self.provider}: {self.kind}"


class ProviderGate(models.Model):
    """What all dispatchers know of one provider: its breaker and its allowance per second."""

    name = models.CharField(max_length=30, primary_key=True)
    failures = models.PositiveIntegerField(default=0)
    closed_until = models.DateTimeField(null=True, blank=True)
    allowance = models.FloatField(default=0)
    counted_at = models.DateTimeField(null=True, blank=True)

    objects = models.Manager["ProviderGate"]()

    def __str__(self) -> str:
        return self.name


class DispatcherLoop(models.Model):
    """When a dispatcher last went through a lane to its end."""

    lane = models.CharField(max_length=6, choices=Lane.choices, primary_key=True)
    finished_at = models.DateTimeField()

    objects = models.Manager["DispatcherLoop"]()

    def __str__(self) -> str:
        return self.lane


class DispatchMark(models.Model):
    """Until when this database's messages were sent: one row. Its twin is a file outside.

    `database` names the data; a copy or a restored backup keeps it (delivery.services.restored).
    """

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    database = models.UUIDField(default=uuid4, editable=False)
    sent_until = models.DateTimeField()
    reconciled_at = models.DateTimeField(null=True, blank=True)

    objects = models.Manager["DispatchMark"]()

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(id=1), name="dispatch_mark_one_row")]

    def __str__(self) -> str:
        return f"Sent until {self.sent_until:%Y-%m-%d %H:%M}"


class UnreachedReason(models.TextChoices):
    """Why a patient's channel does not reach them, or what it brought does not open."""

    HARD_BOUNCE = "hard_bounce", _("The address or number does not exist")
    OPTED_OUT = "opted_out", _("The patient replied STOP or unsubscribed")
    COMPLAINT = "complaint", _("The patient marked a message as spam")
    REFUSED = "refused", _("The provider refused the message for good")
    LOCKED_LINK = "locked_link", _("The date of birth was wrong five times: the link is locked")
    LOCKED_PAGE = "locked_page", _("The date of birth was wrong five times: the own page is locked")


class UnreachedQuerySet(ClinicRowQuerySet["Unreached"]):
    """Patients to be reached otherwise."""

    def open(self) -> Self:
        """Keep what no member of staff has dealt with."""
        return self.filter(settled_at=None)


class Unreached(ClinicRow):
    """A patient whom one channel does not reach: for staff to settle.

    The channel is empty where a page is locked, or a link that was handed over.
    """

    patient = models.ForeignKey("outcomes.Patient", models.CASCADE, related_name="unreached")
    channel = models.CharField(max_length=10, blank=True)
    reason = models.CharField(max_length=12, choices=UnreachedReason.choices)
    raised_at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True, blank=True)
    settled_by = models.ForeignKey(User, models.PROTECT, null=True, blank=True, related_name="+")
    note = models.CharField(max_length=200, blank=True)

    objects = UnreachedQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["patient", "channel", "reason"],
                condition=Q(settled_at=None),
                name="unreached_once_while_open",
            ),
        ]
        indexes = [models.Index(fields=["clinic", "settled_at"])]

    def __str__(self) -> str:
        return f"{self.channel}: {self.reason}"


class HandOver(ClinicRow):
    """A six-digit code that opens one invitation on a tablet in the clinic, once, for minutes.

    Only a keyed hash of the code is stored, and none once the code is used or ended.
    """

    invitation = models.ForeignKey(Invitation, models.CASCADE, related_name="hand_overs")
    link = models.OneToOneField(Link, models.CASCADE, related_name="hand_over")
    code_hash = models.CharField(max_length=64, db_index=True)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True)

    objects = ClinicRowQuerySet["HandOver"].as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["code_hash"], condition=~Q(code_hash=""), name="hand_over_code_once"
            ),
        ]

    def __str__(self) -> str:
        return f"Hand-over of {self.created_at:%Y-%m-%d %H:%M}"


class RememberedDeviceQuerySet(ClinicRowQuerySet["RememberedDevice"]):
    """Remembered phones that still open links."""

    def remembered(self) -> Self:
        """Keep what nobody has forgotten, while its course lasts."""
        return self.filter(revoked_at=None, course__ended_at=None)


class RememberedDevice(ClinicRow):
    """A phone that opens a patient's links without the check, for one course of treatment.

    Its cookie holds a secret; only the secret's hash is stored.
    """

    patient = models.ForeignKey("outcomes.Patient", models.CASCADE, related_name="devices")
    course = models.ForeignKey("outcomes.Course", models.CASCADE, related_name="devices")
    secret_hash = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    objects = RememberedDeviceQuerySet.as_manager()

    def __str__(self) -> str:
        return f"Phone remembered on {self.created_at:%Y-%m-%d}"


class CodeTries(models.Model):
    """How often a code was tried in one span of minutes: from one address, or by all together.

    It stands in the database because a six-digit code must not depend on a cache. `source` is a
    keyed hash, empty for the whole installation.
    """

    span = models.PositiveBigIntegerField()
    source = models.CharField(max_length=64, blank=True)
    count = models.PositiveIntegerField(default=0)

    objects = models.Manager["CodeTries"]()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["span", "source"], name="code_tries_once"),
        ]

    def __str__(self) -> str:
        return f"{self.count} tries"
