"""Who works where: users, clinics, the roles that join them, and the tokens of machines."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, time
from functools import cache, reduce
from itertools import pairwise
from operator import or_
from typing import Any, ClassVar, Self, TypeVar
from zoneinfo import available_timezones

from django.conf import settings
from django.contrib.auth.base_user import BaseUserManager
from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX
from django.contrib.auth.models import AbstractUser
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from uuid_utils.compat import uuid7

from outcomes.audit.models import Actor
from outcomes.clinics import access


@cache
def time_zone_names() -> frozenset[str]:
    """Return the names in the IANA time zone database, which takes reading a folder of files."""
    return frozenset(available_timezones())


def validate_time_zone(value: str) -> None:
    """Refuse a name that is not in the IANA time zone database."""
    if value not in time_zone_names():
        raise ValidationError(_("“%(value)s” is not a time zone name."), params={"value": value})


def default_alert_minutes() -> list[int]:
    """Return when the wider circles are told of an alert nobody has acknowledged."""
    return [15, 30, 60]


def validate_alert_minutes(value: object) -> None:
    """Refuse escalation times that are not three whole minutes, rising, within an hour each."""
    good = (
        isinstance(value, list)
        and len(value) == 3
        and all(type(minute) is int for minute in value)
        and 0 < value[0] < value[1] < value[2] <= 180
        and all(later - earlier <= 60 for earlier, later in pairwise([0, *value]))
    )
    if not good:
        raise ValidationError(
            _("Give three rising numbers of minutes, none more than 60 after the one before.")
        )


class LossKind(models.TextChoices):
    """By what response counts as lost; `review.durability` says exactly how."""

    CUTOFF = (
        "cutoff",
        _(
            "back at the published cut-off or above, with at least so many per cent of the best"
            " gain lost"
        ),
    )
    IMPROVEMENT = "improvement", _("less than so many per cent better than the baseline")
    POINTS = "points", _("at least so many points worse than the best score")
    PERCENT = (
        "percent",
        _("worse than the best score by at least so many per cent of the baseline"),
    )


# The least and the most that each kind of rule takes, in per cent or points.
LOSS_BOUNDS = {
    LossKind.CUTOFF: (0, 100),
    LossKind.IMPROVEMENT: (1, 50),
    LossKind.POINTS: (1, 100),
    LossKind.PERCENT: (1, 100),
}


def _loss_within_bounds() -> Q:
    kinds = (Q(loss_kind=kind, loss_amount__range=span) for kind, span in LOSS_BOUNDS.items())
    return reduce(or_, kinds)


class UserManager(BaseUserManager["User"]):
    """Make users whose name for signing in is their e-mail address."""

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> User:
        """Create a user; without a password nobody can sign in as them."""
        user = self.model(email=self.normalize_email(email).lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> User:
        """Create an operator of the installation. It opens no clinic: memberships do."""
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)


class User(AbstractUser):
    """A person who works in one or more clinics."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    username = None  # type: ignore[assignment]
    first_name = None  # type: ignore[assignment]
    last_name = None  # type: ignore[assignment]
    email = models.EmailField(_("e-mail address"), unique=True)
    name = models.CharField(_("name"), max_length=150)
    phone = models.CharField(
        _("telephone for alerts"),
        max_length=20,
        blank=True,
        help_text=_("With country code. Alerts go here as text messages, beside e-mail."),
    )

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = ["name"]
    objects: ClassVar[UserManager] = UserManager()  # type: ignore[assignment]

    def __str__(self) -> str:
        return self.name or self.email

    def get_full_name(self) -> str:
        """Return the name as the person gave it."""
        return self.name

    def get_short_name(self) -> str:
        """Return the name as the person gave it."""
        return self.name

    @property
    def actor(self) -> Actor:
        """Name this person in the audit record."""
        return Actor(kind="user", id=str(self.pk), label=f"{self.name} <{self.email}>")


@dataclass(frozen=True, slots=True)
class CrisisWords:
    """A clinic's crisis text, and the language it is in."""

    text: str
    language: str


class ClinicQuerySet(models.QuerySet["Clinic"]):
    """Clinics, narrowed to those an actor may enter."""

    def visible_to(self, user: User | ApiToken) -> Self:
        """Keep the clinics this user is an active member of, or this token belongs to."""
        return self.filter(pk__in=access.clinic_ids(user))


class Clinic(models.Model):
    """A place that treats patients and answers for its own words to them."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    slug = models.SlugField(unique=True)
    name = models.CharField(_("name"), max_length=120)
    display_name = models.CharField(
        _("name in messages"),
        max_length=60,
        help_text=_("Shown to patients in messages. Keep it neutral: phones are shared."),
    )
    time_zone = models.CharField(
        _("time zone"), max_length=64, default="UTC", validators=[validate_time_zone]
    )
    language = models.CharField(
        _("language"), max_length=10, choices=settings.LANGUAGES, default="en"
    )
    phone = models.CharField(_("telephone for patients"), max_length=40, blank=True)
    crisis_text = models.TextField(
        _("crisis text"),
        help_text=_("What a patient in crisis should do, with local numbers, in your own words."),
    )
    # The same in other languages, by language; none of them is empty.
    crisis_texts: models.JSONField[Any, dict[str, str]] = models.JSONField(default=dict, blank=True)
    checks_birth_date = models.BooleanField(_("ask for the birth date before a form"), default=True)
    asks_screener = models.BooleanField(
        _("after a positive safety answer ask the C-SSRS screener at once"),
        default=False,
        help_text=_(
            "At the end of the same questions; its own answers alert as any others. It needs the"
            " wording, which a clinic enters itself under Questionnaires."
        ),
    )
    watches_mania = models.BooleanField(
        _("watch for mania in bipolar depression"),
        default=True,
        help_text=_(
            "Schedules ask the ASRM, where your clinic has its wording; a score at or above its"
            " published cut-off alerts. Switched off, no schedule asks it; what was asked before"
            " can be answered, and alerts as before."
        ),
    )
    quiet_from = models.TimeField(_("quiet hours from"), default=time(21, 0))
    quiet_until = models.TimeField(_("quiet hours until"), default=time(8, 0))
    messages_per_day = models.PositiveSmallIntegerField(
        _("most messages to one patient in a day"),
        default=3,
        validators=[MinValueValidator(1), MaxValueValidator(20)],
        help_text=_("Invitations and reminders together, on the patient's calendar."),
    )
    alert_minutes: models.JSONField[Any, list[int]] = models.JSONField(
        _("minutes until the next people are told of an alert"),
        default=default_alert_minutes,
        validators=[validate_alert_minutes],
    )
    shows_visits = models.BooleanField(
        _("show patients the day of their next visit"),
        default=False,
        help_text=_("On their own page: the next session planned here."),
    )
    shows_answers = models.BooleanField(
        _("show patients their past answers"),
        default=False,
        help_text=_("On their own page, after their date of birth: the words they chose."),
    )
    shows_trend = models.BooleanField(
        _("show patients their totals over time"),
        default=False,
        help_text=_(
            "On their own page, and once they have sent a questionnaire: each total and the highest"
            " possible one, with the day; no judgement of it."
        ),
    )
    takes_words = models.BooleanField(
        _("patients can add words of their own before they send"),
        default=True,
        help_text=_(
            "One field, which may stay empty, where patients look over their answers; not on a"
            " single daily question. People read it: the product interprets nothing in it, and no"
            " alert comes from it."
        ),
    )
    # The code of the questionnaire whose scores stand in the caseload.
    main_instrument = models.CharField(max_length=40, default="PHQ-9")
    loss_kind = models.CharField(
        _("response counts as lost where it is not met and the score is"),
        max_length=12,
        choices=LossKind.choices,
        default=LossKind.CUTOFF,
        help_text=_(
            "Your clinic's own convention, not validated for ketamine. It is told on the patient's"
            " page, in the caseload and on the summary."
        ),
    )
    loss_amount = models.PositiveSmallIntegerField(
        _("so many per cent or points"),
        default=50,
        help_text=_(
            "With the cut-off, 0 asks for nothing but the cut-off. Points are those of the"
            " questionnaire of the caseload, and tell of no other."
        ),
    )
    loss_in_a_row = models.PositiveSmallIntegerField(
        _("assessments in a row that must show it"),
        default=2,
        validators=[MinValueValidator(1), MaxValueValidator(2)],
        help_text=_("1, or 2: the second confirms the first, or a clinician does."),
    )
    is_synthetic = models.BooleanField(default=False, editable=False)
    created_at = models.DateTimeField()

    objects = ClinicQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=_loss_within_bounds(),
                name="clinic_loss_amount",
                violation_error_message=_("This rule of loss of response takes another number."),
            ),
            models.CheckConstraint(
                condition=Q(loss_in_a_row__range=(1, 2)), name="clinic_loss_in_a_row"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def crisis_words(self, language: str) -> CrisisWords:
        """Return the crisis text in this language, else in the clinic's own."""
        text = self.crisis_texts.get(language)
        return CrisisWords(text, language) if text else CrisisWords(self.crisis_text, self.language)


class MembershipQuerySet(models.QuerySet["Membership"]):
    """Memberships, narrowed to the present and to what an actor may see."""

    def active(self) -> Self:
        """Keep accepted memberships that have not ended, of people who may still sign in."""
        return self.current().exclude(accepted_at=None)

    def invited(self) -> Self:
        """Keep what people may still accept: until they do, it gives them nothing."""
        return self.current().filter(accepted_at=None)

    def awaited(self) -> Self:
        """Keep what was not accepted, by a word or, of a new account, by choosing a password."""
        no_password = Q(user__password__startswith=UNUSABLE_PASSWORD_PREFIX)
        return self.current().filter(no_password | Q(accepted_at=None))

    def current(self) -> Self:
        """Keep what has not ended, accepted or not, of people who may still sign in."""
        return self.filter(ended_at=None, user__is_active=True)

    def visible_to(self, user: User | ApiToken) -> Self:
        """Keep memberships of the actor's own clinics."""
        return self.filter(clinic__in=access.clinic_ids(user))


class Membership(models.Model):
    """A user's role in one clinic.

    `started_at`: when they were invited last, or began at once. Before `accepted_at` there is an
    invitation only: no access, no alert, nobody who counts.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    clinic = models.ForeignKey(Clinic, models.PROTECT, related_name="memberships")
    user = models.ForeignKey(User, models.PROTECT, related_name="memberships")
    role = models.CharField(_("role"), max_length=20, choices=access.Role.choices)
    started_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    objects = MembershipQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["clinic", "user"], name="membership_once_per_clinic"),
        ]

    def __str__(self) -> str:
        return f"{self.user}, {self.get_role_display()}"

    def allows(self, permission: access.Permission) -> bool:
        """Say whether the role carries this permission."""
        return permission in access.ROLE_PERMISSIONS[access.Role(self.role)]

    @property
    def is_awaited(self) -> bool:
        """Say whether the person has not accepted: a new account does by choosing a password.

        Both look the same to an admin, who learns of nobody's account in another clinic.
        """
        return self.accepted_at is None or not self.user.has_usable_password()

    @property
    def name_here(self) -> str:
        """Return what the clinic may know the person by: before they accept, their address."""
        return self.user.email if self.is_awaited else str(self.user)

    @property
    def is_sole(self) -> bool:
        """Say whether this clinic alone is concerned by who the person is and how to reach them.

        Not so for somebody who has not accepted, works elsewhere too, or runs the installation: an
        admin may invite anybody by their address.
        """
        others = Membership.objects.active().filter(user=self.user_id).exclude(pk=self.pk)
        return not (self.is_awaited or self.user.is_superuser or others.exists())


Row = TypeVar("Row", bound="ClinicRow")


class ClinicRowQuerySet(models.QuerySet[Row]):
    """Rows that carry a clinic, narrowed to what an actor may see."""

    def visible_to(self, user: User | ApiToken) -> Self:
        """Keep the rows of the clinics this actor may enter."""
        return self.filter(clinic__in=access.clinic_ids(user))


class ClinicRow(models.Model):
    """What every clinical row has: a key that may leave the house, and its clinic."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    clinic = models.ForeignKey(Clinic, models.PROTECT, related_name="+")

    class Meta:
        abstract = True


class ApiTokenQuerySet(models.QuerySet["ApiToken"]):
    """Tokens, found by secret or narrowed to an actor's clinics."""

    def visible_to(self, user: User | ApiToken) -> Self:
        """Keep tokens of the actor's own clinics."""
        return self.filter(clinic__in=access.clinic_ids(user))

    def valid_at(self, now: datetime) -> Self:
        """Keep tokens that are neither expired nor revoked."""
        return self.filter(revoked_at=None, expires_at__gt=now)

    def with_secret(self, secret: str) -> Self:
        """Keep the token with this secret, found by its hash."""
        return self.filter(secret_hash=hash_secret(secret))


def hash_secret(secret: str) -> str:
    """Return the SHA-256 of a token's secret; a 256-bit random secret needs no salt."""
    return hashlib.sha256(secret.encode()).hexdigest()


class ApiToken(ClinicRow):
    """A machine's key to one clinic, with scopes and an end."""

    name = models.CharField(_("name"), max_length=80)
    secret_hash = models.CharField(max_length=64, unique=True, editable=False)
    scopes = models.JSONField(_("scopes"), default=list)
    created_by = models.ForeignKey(User, models.PROTECT, related_name="+")
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(_("expires"))
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)

    objects = ApiTokenQuerySet.as_manager()

    # What Django and DRF ask of whoever signs a request.
    is_authenticated = True
    is_active = True
    is_anonymous = False

    def __str__(self) -> str:
        return self.name

    def allows(self, scope: access.Scope) -> bool:
        """Say whether the token carries this scope."""
        return scope in self.scopes

    @property
    def actor(self) -> Actor:
        """Name this token in the audit record."""
        return Actor(kind="token", id=str(self.pk), label=self.name)
