"""Who may see what."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.core.exceptions import ValidationError

from outcomes.audit.models import SYSTEM
from outcomes.care.models import Patient
from outcomes.clinics import services as clinics
from outcomes.clinics.access import ROLE_PERMISSIONS, Permission, Role, Scope
from outcomes.clinics.models import ApiToken, Clinic, Membership, User
from outcomes.workflows import Enrolment
from tests.conftest import make_member_here_too


def test_a_member_sees_the_patients_of_the_own_clinic_only(
    enrolment: Enrolment, other_enrolment: Enrolment, clinician: User
) -> None:
    assert list(Patient.objects.visible_to(clinician)) == [enrolment.patient]


def test_a_membership_that_ended_shows_nothing(
    enrolment: Enrolment, clinician: User, now: datetime
) -> None:
    membership = Membership.objects.get(user=clinician)
    clinics.end_membership(membership=membership, by=SYSTEM, now=now)

    assert not Patient.objects.visible_to(clinician).exists()


def test_a_deactivated_user_sees_nothing(enrolment: Enrolment, clinician: User) -> None:
    clinician.is_active = False
    clinician.save()

    assert not Patient.objects.visible_to(clinician).exists()


def test_an_operator_without_membership_sees_no_patient(enrolment: Enrolment) -> None:
    operator = User.objects.create_superuser("root@example.org", "x", name="Root")

    assert not Patient.objects.visible_to(operator).exists()


def test_one_person_may_work_in_two_clinics(
    enrolment: Enrolment,
    other_enrolment: Enrolment,
    other_clinic: Clinic,
    clinician: User,
) -> None:
    make_member_here_too(other_clinic, clinician, Role.CARE_TEAM)

    assert Patient.objects.visible_to(clinician).count() == 2
    assert Clinic.objects.visible_to(clinician).count() == 2


def test_the_care_team_may_only_read() -> None:
    assert ROLE_PERMISSIONS[Role.CARE_TEAM] == {Permission.VIEW_PATIENTS}


def test_a_clinician_neither_manages_the_clinic_nor_moves_data() -> None:
    denied = set(Permission) - ROLE_PERMISSIONS[Role.CLINICIAN]

    assert denied == {Permission.MANAGE_CLINIC, Permission.MOVE_DATA}


@pytest.fixture
def token(clinic: Clinic, admin: User, now: datetime) -> tuple[ApiToken, str]:
    return clinics.create_token(
        clinic=clinic,
        name="Booking system",
        scopes=[Scope.SESSIONS_WRITE],
        expires_at=now + timedelta(days=30),
        user=admin,
        now=now,
    )


def test_a_token_is_found_by_its_secret_and_stored_only_as_a_hash(
    token: tuple[ApiToken, str], now: datetime
) -> None:
    row, secret = token

    assert ApiToken.objects.valid_at(now).with_secret(secret).get() == row
    assert secret not in str(vars(row))


def test_an_expired_or_revoked_token_is_not_valid(
    token: tuple[ApiToken, str], admin: User, now: datetime
) -> None:
    row, secret = token
    found = ApiToken.objects.with_secret(secret)

    assert not found.valid_at(now + timedelta(days=31)).exists()
    clinics.revoke_token(token=row, by=admin.actor, now=now)
    assert not found.valid_at(now).exists()


def test_a_token_sees_its_own_clinic_only(
    token: tuple[ApiToken, str], enrolment: Enrolment, other_enrolment: Enrolment
) -> None:
    assert list(Patient.objects.visible_to(token[0])) == [enrolment.patient]


def test_changing_a_clinic_records_what_was_before(
    clinic: Clinic, admin: User, now: datetime
) -> None:
    from outcomes.audit.models import AuditEvent

    clinics.change_clinic(
        clinic=clinic, changes={"display_name": "The Lane"}, by=admin.actor, now=now
    )

    event = AuditEvent.objects.get(action="clinic.changed")
    assert event.data == {"display_name": ["North", "The Lane"]}


def test_a_clinic_keeps_one_admin(clinic: Clinic, admin: User, now: datetime) -> None:
    membership = Membership.objects.get(user=admin)

    with pytest.raises(ValidationError, match="at least one clinic admin"):
        clinics.end_membership(membership=membership, by=SYSTEM, now=now)
    with pytest.raises(ValidationError, match="at least one clinic admin"):
        clinics.add_member(
            clinic=clinic, email=admin.email, name="", role=Role.CARE_TEAM, by=SYSTEM, now=now
        )

    membership.refresh_from_db()
    assert (membership.role, membership.ended_at) == (Role.CLINIC_ADMIN, None)
