"""Links: the database alone opens nothing."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest
from pytest_django import Settings

from outcomes.audit.models import SYSTEM, AuditEvent
from outcomes.delivery import services as delivery
from outcomes.delivery.links import hash_token, token_of
from outcomes.delivery.models import Invitation, Link
from outcomes.scheduling.models import Assignment
from outcomes.workflows import Enrolment


@pytest.fixture
def invitation(enrolment: Enrolment, now: datetime) -> Invitation:
    assignments = list(Assignment.objects.filter(rule_code="baseline"))
    return delivery.create_invitation(patient=enrolment.patient, assignments=assignments, now=now)


@pytest.fixture
def link(invitation: Invitation, now: datetime) -> Link:
    return delivery.create_link(invitation=invitation, now=now)


def test_a_token_has_256_bits_and_is_the_same_every_time(link: Link) -> None:
    token = token_of(link.pk, link.nonce)

    assert len(token) == 43
    assert token == token_of(link.pk, link.nonce)
    assert delivery.find_link(token) == link


def test_the_row_holds_only_the_tokens_hash(link: Link) -> None:
    token = token_of(link.pk, link.nonce)

    assert token not in str(Link.objects.values().get())
    assert link.token_hash == hash_token(token)


def test_without_the_key_a_stolen_row_gives_another_token(link: Link, settings: Settings) -> None:
    token = token_of(link.pk, link.nonce)
    settings.LINK_KEY = "a thief's guess"

    assert token_of(link.pk, link.nonce) != token


def test_two_links_of_one_invitation_differ(
    invitation: Invitation, link: Link, now: datetime
) -> None:
    other = delivery.create_link(invitation=invitation, now=now)

    assert delivery.address_of(link) != delivery.address_of(other)


def test_a_link_lives_until_its_invitation_closes(link: Link, now: datetime) -> None:
    closes = link.invitation.closes_at

    assert delivery.is_live(link, now)
    assert delivery.is_live(link, closes - timedelta(seconds=1))
    assert not delivery.is_live(link, closes)


def test_a_revoked_invitation_ends_every_link(link: Link, now: datetime) -> None:
    delivery.revoke_invitation(invitation=link.invitation, reason="x", by=SYSTEM, now=now)
    link.invitation.refresh_from_db()

    assert not delivery.is_live(link, now)


def test_the_right_birth_date_confirms(invitation: Invitation, now: datetime) -> None:
    assert delivery.check_birth_date(
        sent=invitation, birth_date=date(1980, 5, 17), by=SYSTEM, now=now
    )
    invitation.refresh_from_db()
    assert invitation.confirmed_at == now


def test_five_wrong_birth_dates_lock_even_the_right_one(
    invitation: Invitation, now: datetime
) -> None:
    def check(birth_date: date) -> bool:
        return delivery.check_birth_date(sent=invitation, birth_date=birth_date, by=SYSTEM, now=now)

    for _ in range(delivery.MAX_CHECKS):
        assert not check(date(1980, 5, 18))

    assert not check(date(1980, 5, 17))
    assert AuditEvent.objects.filter(action="invitation.locked").count() == 1
