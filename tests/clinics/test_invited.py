"""Who has an account elsewhere: invited, and nobody here before they accept."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from importlib import import_module

import pytest
from django.apps import apps
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.mail import EmailMultiAlternatives

from outcomes import workflows
from outcomes.alerts import services as alerts
from outcomes.audit.models import SYSTEM, AuditEvent
from outcomes.care.models import Patient
from outcomes.clinics import services as clinics
from outcomes.clinics.access import Role
from outcomes.clinics.models import Clinic, Membership, User
from outcomes.delivery import services as delivery
from outcomes.delivery.models import Message
from outcomes.management.commands.simulate import add_admin
from outcomes.workflows import Enrolment
from tests.conftest import PASSWORD

DAY = timedelta(days=1)
Invite = Callable[..., Membership]


@pytest.fixture
def invite(clinic: Clinic, stranger: User, admin: User, now: datetime) -> Invite:
    """Let the admin enter an address, by default that of a clinician of the other clinic."""

    def enter(
        email: str = stranger.email, role: Role = Role.CLINICIAN, at: datetime = now
    ) -> Membership:
        return workflows.add_member(
            clinic=clinic, email=email, name="As typed", role=role, by=admin.actor, now=at
        )

    return enter


@pytest.fixture
def invited(invite: Invite) -> Membership:
    """The other clinic's clinician, who has not answered."""
    return invite()


def actions(user: User) -> list[str]:
    events = AuditEvent.objects.filter(object_type="Membership", data__user=str(user.pk))
    return list(events.order_by("at", "number").values_list("action", flat=True))


def accept(member: Membership, now: datetime) -> Membership:
    return workflows.accept_membership(membership=member, by=member.user.actor, now=now)


def is_told(user: User, kind: str) -> bool:
    return Message.objects.filter(kind=kind, user=user).exists()


def test_an_invited_person_has_nothing_and_counts_as_nobody(
    enrolment: Enrolment, clinic: Clinic, invited: Membership, stranger: User, now: datetime
) -> None:
    assert not Patient.objects.visible_to(stranger).exists()
    assert clinic not in Clinic.objects.visible_to(stranger)
    assert not clinic.memberships.active().filter(user=stranger).exists()
    assert stranger not in [row.user for row in alerts.members_of(clinic, now)]
    assert not is_told(stranger, "test")
    with pytest.raises(ValidationError, match="may answer alerts"):
        alerts.send_test(clinic=clinic, user=stranger, by=SYSTEM, now=now)
    workflows.test_recipients(now=now + 31 * DAY)
    tests = Message.objects.filter(kind="test", user=stranger)
    assert set(tests.values_list("clinic__slug", flat=True)) == {"south"}


def test_an_invited_admin_is_no_admin(
    clinic: Clinic, invite: Invite, admin: User, now: datetime
) -> None:
    invite(role=Role.CLINIC_ADMIN)
    with pytest.raises(ValidationError, match="at least one clinic admin"):
        clinics.end_membership(membership=clinic.memberships.get(user=admin), by=SYSTEM, now=now)


def test_an_invited_admin_is_told_of_nothing_that_went_wrong(
    enrolment: Enrolment, invite: Invite, admin: User, now: datetime
) -> None:
    invite(role=Role.CLINIC_ADMIN)
    workflows.invite_patient(patient=enrolment.patient, now=now)
    for minutes in range(7):
        at = now + timedelta(minutes=minutes)
        delivery.claim(lane="bulk", channel="email", size=1, now=at)
    notices = Message.objects.filter(kind="notice", topic="set_aside")
    assert [notice.user for notice in notices] == [admin]


def test_who_accepts_works_here_and_is_tested(
    enrolment: Enrolment, clinic: Clinic, invited: Membership, stranger: User, now: datetime
) -> None:
    accept(invited, now + DAY)

    assert Patient.objects.visible_to(stranger).get() == enrolment.patient
    assert stranger in [row.user for row in alerts.members_of(clinic, now)]
    assert Message.objects.get(kind="test", user=stranger).clinic == clinic
    assert actions(stranger) == ["member.added", "member.invited", "member.accepted"]
    event = AuditEvent.objects.get(action="member.accepted")
    assert (event.clinic_id, event.actor_label) == (clinic.pk, "Sam <sam@south.example>")


def test_who_declines_stays_away_and_may_be_asked_again(
    clinic: Clinic, invite: Invite, invited: Membership, stranger: User, now: datetime
) -> None:
    clinics.decline_membership(membership=invited, by=stranger.actor, now=now)

    assert not Membership.objects.invited().exists()
    with pytest.raises(ValidationError, match="not open any more"):
        accept(invited, now)
    # The clinic knows the address it wrote to, and learns no name.
    assert AuditEvent.objects.get(action="member.declined").actor_label == stranger.email

    again = invite(at=now + DAY)

    assert again == Membership.objects.invited().get()
    assert again.started_at == now + DAY
    assert actions(stranger)[1:] == ["member.invited", "member.declined", "member.invited"]


def test_what_is_withdrawn_cannot_be_accepted(
    invited: Membership, stranger: User, admin: User, now: datetime
) -> None:
    clinics.end_membership(
        membership=Membership.objects.get(pk=invited.pk), by=admin.actor, now=now
    )
    for answer in (workflows.accept_membership, clinics.decline_membership):
        with pytest.raises(ValidationError, match="not open any more"):
            answer(membership=invited, by=stranger.actor, now=now)
    assert actions(stranger) == ["member.added", "member.invited", "member.withdrawn"]


def test_an_invitation_is_accepted_once(invited: Membership, stranger: User, now: datetime) -> None:
    accept(invited, now)
    with pytest.raises(ValidationError, match="not open any more"):
        clinics.decline_membership(membership=invited, by=stranger.actor, now=now)
    assert Membership.objects.active().filter(user=stranger).count() == 2


def test_a_new_role_before_the_answer_is_the_one_accepted(
    invite: Invite, invited: Membership, now: datetime
) -> None:
    invite(role=Role.CARE_TEAM)
    assert accept(invited, now).role == Role.CARE_TEAM
    assert invite(role=Role.CLINICIAN).accepted_at == now


def test_who_worked_here_before_comes_back_at_once(
    clinic: Clinic, invite: Invite, clinician: User, now: datetime
) -> None:
    clinics.end_membership(membership=clinic.memberships.get(user=clinician), by=SYSTEM, now=now)
    invite(clinician.email, at=now + DAY)
    assert clinic.memberships.active().filter(user=clinician).exists()
    assert not is_told(clinician, "membership")


def test_a_new_account_accepts_by_choosing_a_password(invite: Invite, now: datetime) -> None:
    member = invite("new@north.example")

    assert member in Membership.objects.active()
    assert (member.is_awaited, member.name_here) == (True, "new@north.example")
    assert is_told(member.user, "test")
    member.user.set_password(PASSWORD)
    assert (member.is_awaited, member.name_here) == (False, "As typed")


def test_a_new_account_that_was_withdrawn_has_to_accept(
    clinic: Clinic, invite: Invite, admin: User, now: datetime
) -> None:
    member = invite("new@north.example")
    clinics.end_membership(membership=member, by=admin.actor, now=now)
    # Meanwhile another clinic may have become theirs.
    member.user.set_password(PASSWORD)
    member.user.save()

    invite("new@north.example", at=now + DAY)

    assert Membership.objects.invited().get() == member
    assert actions(member.user) == ["member.added", "member.withdrawn", "member.invited"]


def test_no_admin_sees_the_number_of_who_has_not_accepted(
    invited: Membership, stranger: User, now: datetime
) -> None:
    elsewhere = Membership.objects.active().get(user=stranger)
    assert (elsewhere.is_sole, invited.is_sole) == (True, False)
    clinics.end_membership(membership=elsewhere, by=SYSTEM, now=now)
    assert not invited.is_sole


def test_an_operator_may_make_anybody_the_admin_of_a_new_clinic(
    clinic: Clinic, other_clinic: Clinic
) -> None:
    for each in (clinic, other_clinic):
        user = add_admin(each, "ada@outcomes.example")
    assert Membership.objects.active().filter(user=user, role=Role.CLINIC_ADMIN).count() == 2


# -- The mail ------------------------------------------------------------------------------------


@pytest.mark.parametrize("email", ["sam@south.example", "new@north.example"])
def test_the_mail_names_the_clinic_and_is_the_same_for_everybody(
    invite: Invite, now: datetime, mailoutbox: list[EmailMultiAlternatives], email: str
) -> None:
    invite(email, role=Role.CARE_TEAM)
    workflows.send_due(lane="alert", clock=lambda: now)

    (mail,) = mailoutbox
    assert mail.to == [email]
    assert mail.subject == "North Clinic has invited you"
    assert " ".join(str(mail.body).split()) == (
        "North Clinic has invited you to work there in Outcomes. "
        f"Sign in to accept or to decline: {settings.BASE_URL}/ "
        "If you have no password yet, choose one first through “Forgot your password?” on that "
        "page. If you know nothing of this, you need not do anything."
    )


def test_inviting_again_mails_once_a_day(invite: Invite, stranger: User, now: datetime) -> None:
    for hours in (0, 1, 23, 25, 26):
        invite(at=now + timedelta(hours=hours))
    sent = Message.objects.filter(kind="membership", user=stranger)
    assert [row.created_at - now for row in sent.order_by("created_at")] == [
        timedelta(),
        timedelta(hours=25),
    ]


def test_an_invitation_that_is_over_is_mailed_to_nobody(
    invite: Invite, invited: Membership, stranger: User, now: datetime
) -> None:
    clinics.decline_membership(membership=invited, by=stranger.actor, now=now)
    workflows.send_due(lane="alert", clock=lambda: now)
    mail = Message.objects.get(kind="membership")
    assert (mail.state, mail.state_reason) == ("cancelled", "invitation over")
    # One that never left holds the next one back from nobody.
    invite(at=now + timedelta(hours=1))
    assert Message.objects.filter(kind="membership").count() == 2


# -- Before and after the column -----------------------------------------------------------------


def test_who_worked_somewhere_before_the_upgrade_goes_on(clinic: Clinic, now: datetime) -> None:
    migration = import_module("outcomes.migrations.0010_membership_accepted")
    Membership.objects.update(accepted_at=None)
    migration.accept(apps, None)
    assert set(clinic.memberships.values_list("accepted_at", flat=True)) == {now}
    assert clinic.memberships.active().count() == 2


def test_going_back_makes_no_member_of_who_was_invited(invited: Membership) -> None:
    here = list(Membership.objects.active())
    import_module("outcomes.migrations.0010_membership_accepted").withdraw(apps, None)
    assert list(Membership.objects.filter(ended_at=None)) == here
