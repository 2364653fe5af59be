"""Write users, clinics, memberships and tokens."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from outcomes.audit import services as audit
from outcomes.audit.models import Actor
from outcomes.clinics.access import Role, Scope
from outcomes.clinics.models import ApiToken, Clinic, Membership, User, hash_secret
from outcomes.clinics.phone import normalise_phone

# A token's last use is kept to the minute: a write per request would tell nobody more.
USE_NOTED_EVERY = timedelta(minutes=1)


@transaction.atomic
def create_clinic(*, slug: str, name: str, by: Actor, now: datetime, **fields: Any) -> Clinic:
    """Create a clinic; the name in messages is its name unless another is given."""
    clinic = Clinic(slug=slug, name=name, created_at=now, **{"display_name": name[:60], **fields})
    clinic.full_clean()
    clinic.save(force_insert=True)
    audit.record(
        clinic_id=clinic.pk,
        by=by,
        now=now,
        action="clinic.created",
        object_type="Clinic",
        object_id=clinic.pk,
    )
    return clinic


@transaction.atomic
def change_clinic(*, clinic: Clinic, changes: dict[str, Any], by: Actor, now: datetime) -> Clinic:
    """Change a clinic's own settings and record which."""
    before = {name: str(getattr(clinic, name)) for name in changes}
    for name, value in changes.items():
        setattr(clinic, name, value)
    clinic.full_clean()
    clinic.save(update_fields=list(changes))
    audit.record(
        clinic_id=clinic.pk,
        by=by,
        now=now,
        action="clinic.changed",
        object_type="Clinic",
        object_id=clinic.pk,
        data={name: [before[name], str(value)] for name, value in changes.items()},
    )
    return clinic


@transaction.atomic
def add_member(
    *, clinic: Clinic, email: str, name: str, role: Role, by: Actor, now: datetime
) -> Membership:
    """Give a person a role in the clinic, making their account when there is none.

    A new account has no usable password: by choosing one the person accepts. Whoever has an
    account and never worked here is invited, and has no role before they accept it. A person who
    had a role here gets the new one instead. Raises ValidationError when that would leave the
    clinic without an admin.
    """
    if role != Role.CLINIC_ADMIN:
        _keep_an_admin(clinic, but=email.lower())
    user = User.objects.filter(email=email.lower()).first()
    accepted_at = None
    if user is None:
        user, accepted_at = User.objects.create_user(email, name=name), now
    membership, created = Membership.objects.update_or_create(
        clinic=clinic,
        user=user,
        defaults={"role": role, "ended_at": None},
        create_defaults={"role": role, "started_at": now, "accepted_at": accepted_at},
    )
    action = "member.added" if created else "member.changed"
    if membership.accepted_at is None:
        action, membership.started_at = "member.invited", now
        membership.save(update_fields=["started_at"])
    _record(membership, action, by, now, role=role)
    return membership


@transaction.atomic
def accept_membership(*, membership: Membership, by: Actor, now: datetime) -> Membership:
    """Take the role one was invited to; raises ValidationError where it is not offered any more."""
    return _answer(membership, "accepted", by, now)


@transaction.atomic
def decline_membership(*, membership: Membership, by: Actor, now: datetime) -> Membership:
    """Refuse the role one was invited to; raises ValidationError as accepting does.

    The clinic's record names the person by the address it wrote to, and by no more.
    """
    return _answer(membership, "declined", replace(by, label=membership.user.email), now)


def _answer(membership: Membership, answer: str, by: Actor, now: datetime) -> Membership:
    column = "accepted_at" if answer == "accepted" else "ended_at"
    # Meanwhile it may have been withdrawn, or answered in another window.
    if not Membership.objects.invited().filter(pk=membership.pk).update(**{column: now}):
        raise ValidationError(_("This invitation is not open any more."))
    membership.refresh_from_db()
    _record(membership, f"member.{answer}", by, now, role=membership.role)
    return membership


@transaction.atomic
def end_membership(*, membership: Membership, by: Actor, now: datetime) -> Membership:
    """End a person's role here, and their tokens; raises ValidationError for the last admin.

    What was not accepted is withdrawn: to come here, the person has to accept.
    """
    _keep_an_admin(membership.clinic, but=membership.user.email)
    action = "member.ended"
    if membership.is_awaited:
        action, membership.accepted_at = "member.withdrawn", None
    membership.ended_at = now
    membership.save(update_fields=["accepted_at", "ended_at"])
    # A token acts for whoever made it.
    ApiToken.objects.valid_at(now).filter(
        clinic_id=membership.clinic_id, created_by_id=membership.user_id
    ).update(revoked_at=now)
    _record(membership, action, by, now)
    return membership


def _record(membership: Membership, action: str, by: Actor, now: datetime, **data: str) -> None:
    audit.record(
        clinic_id=membership.clinic_id,
        by=by,
        now=now,
        action=action,
        object_type="Membership",
        object_id=membership.pk,
        data={**data, "user": str(membership.user_id)},
    )


def _keep_an_admin(clinic: Clinic, but: str) -> None:
    Clinic.objects.select_for_update().get(pk=clinic.pk)  # two admins may end each other
    admins = Membership.objects.active().filter(clinic=clinic, role=Role.CLINIC_ADMIN)
    if admins.filter(user__email=but).exists() and not admins.exclude(user__email=but).exists():
        raise ValidationError({"role": _("The clinic needs at least one clinic admin.")})


@audit.atomic()
def change_phone(*, user: User, phone: str, by: Actor, now: datetime) -> User:
    """Change the number for a person's alerts, in one form; raises ValidationError.

    An empty one is none. It is recorded in every clinic the person works in, without the number.
    """
    try:
        phone = normalise_phone(phone) if phone.strip() else ""
    except ValidationError as error:
        raise ValidationError({"phone": error.messages}) from None
    user = User.objects.select_for_update().get(pk=user.pk)
    if user.phone == phone:
        return user
    user.phone = phone
    user.save(update_fields=["phone"])
    for clinic_id in Membership.objects.active().filter(user=user).values_list("clinic", flat=True):
        audit.record(
            clinic_id=clinic_id,
            by=by,
            now=now,
            action="user.phone_changed",
            object_type="User",
            object_id=user.pk,
        )
    return user


@transaction.atomic
def create_token(
    *,
    clinic: Clinic,
    name: str,
    scopes: Sequence[Scope],
    expires_at: datetime,
    user: User,
    now: datetime,
) -> tuple[ApiToken, str]:
    """Create a token and return it with its secret, which is shown once and stored nowhere."""
    secret = f"outcomes_{secrets.token_urlsafe(32)}"
    token = ApiToken(
        clinic=clinic,
        name=name,
        secret_hash=hash_secret(secret),
        scopes=[str(scope) for scope in scopes],
        created_by=user,
        created_at=now,
        expires_at=expires_at,
    )
    token.full_clean()
    token.save(force_insert=True)
    audit.record(
        clinic_id=clinic.pk,
        by=user.actor,
        now=now,
        action="token.created",
        object_type="ApiToken",
        object_id=token.pk,
        data={"scopes": token.scopes, "expires_at": expires_at.isoformat()},
    )
    return token, secret


@transaction.atomic
def revoke_token(*, token: ApiToken, by: Actor, now: datetime) -> ApiToken:
    """End a token at once."""
    token.revoked_at = now
    token.save(update_fields=["revoked_at"])
    audit.record(
        clinic_id=token.clinic_id,
        by=by,
        now=now,
        action="token.revoked",
        object_type="ApiToken",
        object_id=token.pk,
    )
    return token


def note_token_used(*, token: ApiToken, now: datetime) -> None:
    """Remember when a token was last used, at most once a minute."""
    before = now - USE_NOTED_EVERY
    if token.last_used_at is None or token.last_used_at <= before:
        ApiToken.objects.filter(pk=token.pk).filter(
            Q(last_used_at=None) | Q(last_used_at__lte=before)
        ).update(last_used_at=now)
