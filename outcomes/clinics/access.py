"""Who may do what: roles to permissions, scopes of tokens, and the policy every view declares."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar
from uuid import UUID

from django.db import models
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from outcomes.clinics.models import ApiToken, Membership, User


class Role(models.TextChoices):
    """What a person is in a clinic."""

    CLINICIAN = "clinician", _("Clinician")
    CARE_TEAM = "care_team", _("Care team (read only)")
    CLINIC_ADMIN = "clinic_admin", _("Clinic admin")


class Permission(models.TextChoices):
    """One thing a role may allow."""

    VIEW_PATIENTS = "view_patients"
    ENROL_PATIENTS = "enrol_patients"
    RECORD_SESSIONS = "record_sessions"
    ANSWER_ALERTS = "answer_alerts"
    MANAGE_CLINIC = "manage_clinic"
    MOVE_DATA = "move_data"  # import and export


class Scope(models.TextChoices):
    """One thing a token may do."""

    PATIENTS_READ = "patients:read", _("Read patients")
    PATIENTS_WRITE = "patients:write", _("Enrol patients")
    SESSIONS_READ = "sessions:read", _("Read sessions")
    SESSIONS_WRITE = "sessions:write", _("Record, move and read sessions")
    ASSIGNMENTS_READ = "assignments:read", _("Read assignments")
    SCORES_READ = "scores:read", _("Read scores")
    ALERTS_READ = "alerts:read", _("Read alerts")


ROLE_PERMISSIONS: dict[Role, frozenset[Permission]] = {
    Role.CARE_TEAM: frozenset({Permission.VIEW_PATIENTS}),
    Role.CLINICIAN: frozenset(
        {
            Permission.VIEW_PATIENTS,
            Permission.ENROL_PATIENTS,
            Permission.RECORD_SESSIONS,
            Permission.ANSWER_ALERTS,
        }
    ),
    Role.CLINIC_ADMIN: frozenset(Permission),
}


class Audience(models.TextChoices):
    """Who a view is for, before any permission is looked at."""

    PUBLIC = "public"  # anybody
    PATIENT_LINK = "patient_link"  # whoever holds a live link; the view checks the link
    SIGNED_IN = "signed_in"  # any member of staff
    CLINIC = "clinic"  # a member of the clinic named in the URL, with the permission
    TOKEN = "token"  # noqa: S105 - an API client; the view names scope and permission
    PROVIDER = "provider"  # a provider of e-mail or text messages; the view checks its signature
    OPERATOR = "operator"  # the installation's monitoring; the view checks its token


@dataclass(frozen=True, slots=True)
class Policy:
    """What a view declares: its audience and, inside a clinic, the permission it needs."""

    audience: Audience
    permission: Permission | None = None


View = TypeVar("View", bound=Callable[..., object])


def declare(audience: Audience, permission: Permission | None = None) -> Callable[[View], View]:
    """Declare a view's policy. A view without one fails the start-up check and is refused."""

    def mark(view: View) -> View:
        view.access_policy = Policy(audience, permission)  # type: ignore[attr-defined]
        return view

    return mark


def clinic_ids(user: User | ApiToken) -> models.QuerySet[Membership, UUID] | list[UUID]:
    """Return the keys of the clinics this actor may enter, as a subquery or a list."""
    from outcomes.clinics import models as clinics  # the models name the roles above

    if isinstance(user, clinics.ApiToken):
        return [user.clinic_id]
    if not user.is_authenticated:
        return []
    memberships = clinics.Membership.objects.active().filter(user_id=user.pk)
    return memberships.values_list("clinic_id", flat=True)
