"""Who works where: users, clinics, the roles that join them, and the tokens of machines."""

from __future__ import annotations

import hashlib
from datetime import datetime, time
from typing import Any, ClassVar, Self, TypeVar
from zoneinfo import available_timezones

from django.conf import settings
from django.contrib.auth.base_user import BaseUserManager
from django.contrib.auth.models import AbstractUser
from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext_lazy as _
from uuid_utils.compat import uuid7

from outcomes.audit.models import Actor
from outcomes.clinics import access


def validate_time_zone(value: str) -> None:
    """Refuse a name that is not in the IANA time zone database."""
    if value not in available_timezones():
        raise ValidationError(_("“%(value)s” is not a time zone name."), params={"value": value})


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
    checks_birth_date = models.BooleanField(_("ask for the birth date before a form"), default=True)
    quiet_from = models.TimeField(_("quiet hours from"), default=time(21, 0))
    quiet_until = models.TimeField(_("quiet hours until"), default=time(8, 0))
    is_synthetic = models.BooleanField(default=False, editable=False)
    created_at = models.DateTimeField()

    objects = ClinicQuerySet.as_manager()

    def __str__(self) -> str:
        return self.name


class MembershipQuerySet(models.QuerySet["Membership"]):
    """Memberships, narrowed to the present and to what an actor may see."""

    def active(self) -> Self:
        """Keep memberships that have not ended, of people who may still sign in."""
        return self.filter(ended_at=None, user__is_active=True)

    def visible_to(self, user: User | ApiToken) -> Self:
        """Keep memberships of the actor's own clinics."""
        return self.filter(clinic__in=access.clinic_ids(user))


class Membership(models.Model):
    """A user's role in one clinic."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    clinic = models.ForeignKey(Clinic, models.PROTECT, related_name="memberships")
    user = models.ForeignKey(User, models.PROTECT, related_name="memberships")
    role = models.CharField(_("role"), max_length=20, choices=access.Role.choices)
    started_at = models.DateTimeField()
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
