"""Inviting somebody on the page of members, and what they see of it."""

from __future__ import annotations

from html import unescape

import pytest
from django.test import Client
from django.urls import reverse
from django.utils.html import strip_tags

from outcomes.alerts.models import Alert
from outcomes.clinics.access import Role
from outcomes.clinics.models import Clinic, Membership, User
from tests.clinic_site.conftest import World
from tests.conftest import NOW, make_clinic, make_member, signed_in

WORDS = "North Clinic has invited you as: Clinician"


@pytest.fixture
def invited(world: World, as_admin: Client, stranger: User) -> Membership:
    """A clinician of another clinic, whose address the admin has entered."""
    entry = {"email": stranger.email.upper(), "name": "Sammy", "role": "clinician"}
    as_admin.post(world.url("members"), entry)
    return Membership.objects.get(clinic=world.clinic, user=stranger)


@pytest.fixture
def as_stranger(stranger: User) -> Client:
    """The browser of the clinician of the other clinic."""
    return signed_in(stranger)


def answer(client: Client, member: Membership, word: str, *, follow: bool = True):
    return client.post(reverse(f"clinic_site:membership_{word}", args=[member.pk]), follow=follow)


def text_of(client: Client, url: str) -> str:
    return unescape(client.get(url, follow=True).content.decode())


def test_the_admin_learns_nothing_about_an_account_elsewhere(
    world: World, as_admin: Client, stranger: User
) -> None:
    pages = []
    for email in (stranger.email, "new@north.example"):
        entry = {"email": email, "name": "Sammy", "role": "clinician"}
        as_admin.post(world.url("members"), entry)
        # The page, its own address and what “Sent messages” says of the mail, with one name for it.
        member = Membership.objects.get(clinic=world.clinic, user__email=email)
        own = reverse("clinic_site:member", args=["north", member.pk])
        mail = member.user.messages.get(kind="membership")
        urls = [world.url("members"), own, f"{world.url('messages')}?kind=membership"]
        urls.append(reverse("clinic_site:message", args=["north", mail.pk]))
        texts = [text_of(as_admin, url) for url in urls]
        assert f"We have sent {email} an invitation." in texts[0]
        assert "invited on 2 Feb 2026, 09:00, not accepted yet" in strip_tags(texts[0])
        assert not any(stranger.name in text.split() for text in texts)
        assert not any(f">{stranger.name}<" in text or "Sammy<" in text for text in texts)
        pages.append(strip_tags(texts[1]).replace(email, ""))
        member.delete()
    first, second = pages
    assert first == second


def test_who_is_invited_is_asked_after_signing_in(invited: Membership, as_stranger: Client) -> None:
    for url in (reverse("clinic_site:home"), reverse("clinic_site:my_account")):
        html = text_of(as_stranger, url)
        assert WORDS in html
        assert reverse("clinic_site:membership_accept", args=[invited.pk]) in html
        assert reverse("clinic_site:membership_decline", args=[invited.pk]) in html
    # Robin's alert is the inviting clinic's.
    assert Alert.objects.visible_to(invited.user).count() == 0
    assert "Robin" not in text_of(as_stranger, "/")


def test_who_works_nowhere_is_asked_too(invited: Membership, as_stranger: Client) -> None:
    Membership.objects.exclude(pk=invited.pk).filter(user=invited.user).update(ended_at=NOW)
    html = text_of(as_stranger, "/")
    assert WORDS in html
    assert "You have no role in a clinic" not in html


def test_accepting_leads_to_the_clinic(
    world: World, invited: Membership, as_stranger: Client
) -> None:
    page = answer(as_stranger, invited, "accept")
    assert page.redirect_chain[-1][0] == world.url("caseload")
    assert "You work in North Clinic now." in page.content.decode()
    assert as_stranger.get(world.url("patient")).status_code == 200
    assert WORDS not in text_of(as_stranger, "/")


def test_declining_leads_back_to_the_own_clinic(
    world: World, invited: Membership, as_stranger: Client, as_admin: Client
) -> None:
    page = answer(as_stranger, invited, "decline")
    assert page.redirect_chain[-1][0] == reverse("clinic_site:caseload", args=["south"])
    assert "You have declined the invitation of North Clinic." in page.content.decode()
    assert as_stranger.get(world.url("caseload")).status_code == 404
    assert "not accepted yet" not in text_of(as_admin, world.url("members"))


@pytest.mark.parametrize("word", ["accept", "decline"])
def test_only_the_person_invited_answers(
    invited: Membership, as_admin: Client, as_stranger: Client, word: str
) -> None:
    assert answer(as_admin, invited, word).status_code == 404
    url = reverse(f"clinic_site:membership_{word}", args=[invited.pk])
    assert as_stranger.get(url).status_code == 405
    page = Client().post(url)
    assert page["Location"].startswith(reverse("account_login"))
    invited.refresh_from_db()
    assert (invited.accepted_at, invited.ended_at) == (None, None)


@pytest.mark.parametrize("word", ["accept", "decline"])
def test_an_invitation_withdrawn_meanwhile_says_so(
    invited: Membership, as_admin: Client, as_stranger: Client, word: str
) -> None:
    own = reverse("clinic_site:member", args=["north", invited.pk])
    assert "Withdraw the invitation" in text_of(as_admin, own)
    page = as_admin.post(f"{own}end/", follow=True)
    assert "sam@south.example has no role here any more." in page.content.decode()
    assert WORDS not in text_of(as_stranger, "/")
    page = answer(as_stranger, invited, word)
    assert "This invitation is not open any more." in page.content.decode()
    assert not Membership.objects.active().filter(pk=invited.pk).exists()


def test_an_admin_changes_the_role_but_not_the_number_of_who_is_invited(
    invited: Membership, as_admin: Client, as_stranger: Client, stranger: User
) -> None:
    User.objects.filter(pk=stranger.pk).update(phone="+12025550188")
    own = reverse("clinic_site:member", args=["north", invited.pk])
    assert "+12025550188" not in text_of(as_admin, own)
    assert as_admin.post(f"{own}phone/", {"phone": ""}).status_code == 403
    as_admin.post(own, {"role": "care_team"})
    assert "North Clinic has invited you as: Care team (read only)" in text_of(as_stranger, "/")


def test_an_admin_of_two_clinics_answers_each_by_itself(
    world: World, invited: Membership, as_stranger: Client, stranger: User
) -> None:
    third: Clinic = make_clinic("west")
    boss = signed_in(make_member(third, Role.CLINIC_ADMIN, "Bo"))
    entry = {"email": stranger.email, "name": "S", "role": "clinic_admin"}
    boss.post(reverse("clinic_site:members", args=["west"]), entry)
    answer(as_stranger, Membership.objects.get(clinic=third, user=stranger), "accept")
    assert as_stranger.get(reverse("clinic_site:members", args=["west"])).status_code == 200
    assert as_stranger.get(world.url("caseload")).status_code == 404
    assert WORDS in text_of(as_stranger, "/")
