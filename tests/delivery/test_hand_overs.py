"""A tablet's code: six digits, once, for ten minutes, and not to be guessed."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction

from outcomes import workflows
from outcomes.audit.models import AuditEvent
from outcomes.delivery import services as delivery
from outcomes.delivery.models import CodeTries, HandOver, Invitation, Link, Message
from outcomes.delivery.services import hand_overs
from outcomes.scheduling.models import Assignment, AssignmentState

TEN_MINUTES = timedelta(minutes=10)


@pytest.fixture
def handed(enrolment, clinician, now):
    made = workflows.hand_over_tablet(patient=enrolment.patient, by=clinician.actor, now=now)
    assert made is not None
    return made


def test_it_opens_what_the_patient_can_answer_now(handed, patient, now):
    found = delivery.find_by_code(handed.code, now)
    assert found.invitation.patient == patient
    assert found.invitation.assignments.count() == 2
    assert set(Assignment.objects.under_way().values_list("state", flat=True)) == {"open"}
    assert Message.objects.count() == 0


def test_there_is_no_code_when_nothing_can_be_answered(enrolment, clinician, now):
    Assignment.objects.update(state=AssignmentState.CANCELLED)
    assert (
        workflows.hand_over_tablet(patient=enrolment.patient, by=clinician.actor, now=now) is None
    )
    assert not HandOver.objects.exists()
    assert not Invitation.objects.exists()


def test_only_a_keyed_hash_is_stored(handed, settings, now):
    stored = str(HandOver.objects.values().get()) + str(AuditEvent.objects.values())
    assert handed.code not in stored
    settings.LINK_KEY = "another key"
    assert delivery.find_by_code(handed.code, now) is None


def test_it_ends_after_ten_minutes(handed, now):
    late = now + TEN_MINUTES
    assert delivery.find_by_code(handed.code, late - timedelta(seconds=1)) is not None
    assert delivery.find_by_code(handed.code, late) is None
    token = handed.address.rstrip("/").split("/")[-1]
    assert delivery.find_by_token(token, late - timedelta(seconds=1)) is not None
    assert delivery.find_by_token(token, late) is None


def test_it_is_used_once(handed, patient, clinician, now):
    first = delivery.find_by_code(handed.code, now)
    second = delivery.find_by_code(handed.code, now)
    assert workflows.open_tablet(hand_over=first, by=clinician.actor, now=now)
    assert not workflows.open_tablet(hand_over=second, by=clinician.actor, now=now)
    assert delivery.find_by_code(handed.code, now) is None
    assert AuditEvent.objects.filter(action="tablet.opened").count() == 1


def test_an_expired_one_cannot_be_used_even_if_it_was_found_in_time(handed, clinician, now):
    found = delivery.find_by_code(handed.code, now)
    late = now + TEN_MINUTES
    assert not workflows.open_tablet(hand_over=found, by=clinician.actor, now=late)


def test_a_new_code_ends_the_older_and_what_it_opened(handed, patient, clinician, now):
    opened = delivery.find_by_code(handed.code, now)
    workflows.open_tablet(hand_over=opened, by=clinician.actor, now=now)
    again = workflows.hand_over_tablet(patient=patient, by=clinician.actor, now=now)
    assert Link.objects.get(pk=opened.link_id).revoked_at == now
    third = workflows.hand_over_tablet(patient=patient, by=clinician.actor, now=now)
    assert delivery.find_by_code(again.code, now) is None
    assert delivery.find_by_code(third.code, now) is not None
    # One request, however often the tablet is handed over.
    assert Invitation.objects.count() == 1


def test_a_new_code_after_five_wrong_birth_dates_is_a_new_request(handed, patient, clinician, now):
    Invitation.objects.update(locked_at=now)
    again = workflows.hand_over_tablet(patient=patient, by=clinician.actor, now=now)
    assert delivery.find_by_code(again.code, now).invitation.locked_at is None


def test_two_live_codes_are_never_the_same(handed, monkeypatch, other_enrolment, stranger, now):
    drawn = iter([int(handed.code), int(handed.code), 7])
    monkeypatch.setattr(hand_overs.secrets, "randbelow", lambda _below: next(drawn))
    other = workflows.hand_over_tablet(patient=other_enrolment.patient, by=stranger.actor, now=now)
    assert other.code == "000007"
    mine = delivery.find_by_code(handed.code, now)
    with pytest.raises(IntegrityError), transaction.atomic():
        HandOver.objects.filter(invitation__patient=other_enrolment.patient).update(
            code_hash=mine.code_hash
        )


def test_a_code_that_is_over_may_be_drawn_again(
    handed, monkeypatch, other_enrolment, stranger, now
):
    monkeypatch.setattr(hand_overs.secrets, "randbelow", lambda _below: int(handed.code))
    later = now + TEN_MINUTES
    other = workflows.hand_over_tablet(
        patient=other_enrolment.patient, by=stranger.actor, now=later
    )
    found = delivery.find_by_code(other.code, later)
    assert found.invitation.patient == other_enrolment.patient


def test_its_link_opens_nothing_by_itself(handed):
    token = handed.address.rstrip("/").split("/")[-1]
    assert "/tablet/" in handed.address
    assert delivery.find_link(token) is None


def test_it_dies_with_its_invitation(handed, patient, clinician, now):
    delivery.revoke_for_patient(patient=patient, reason="test", by=clinician.actor, now=now)
    assert delivery.find_by_code(handed.code, now) is None


def test_tries_are_counted_for_one_source_and_for_all(db, now):
    one = [delivery.may_try_code(source="192.0.2.1", now=now) for _ in range(12)]
    assert one == [True] * 10 + [False] * 2
    # The refused tries of one do not use up what all have.
    assert CodeTries.objects.get(source="").count == 10
    many = [delivery.may_try_code(source=f"192.0.2.{n}", now=now) for n in range(2, 102)]
    assert many == [True] * 90 + [False] * 10
    assert delivery.may_try_code(source="192.0.2.1", now=now + TEN_MINUTES)
    assert CodeTries.objects.count() == 2
    assert "192.0.2" not in str(list(CodeTries.objects.values()))


def test_strangers_who_guess_do_not_close_a_known_tablet(db, now):
    for n in range(101):
        delivery.may_try_code(source=f"192.0.2.{n}", now=now)
    assert not delivery.may_try_code(source="198.51.100.1", now=now)
    known = [delivery.may_try_code(source="device", now=now, is_known=True) for _ in range(12)]
    assert known == [True] * 10 + [False] * 2
    delivery.forget_try(source="device", now=now, is_known=True)
    # What the others have used up stays used up.
    assert not delivery.may_try_code(source="198.51.100.1", now=now)


def test_a_right_code_is_no_miss(db, now):
    for _ in range(30):
        assert delivery.may_try_code(source="192.0.2.1", now=now)
        delivery.forget_try(source="192.0.2.1", now=now)


def test_handing_over_is_audited_in_the_same_transaction(enrolment, clinician, now, monkeypatch):
    def fail(**_fields):
        raise RuntimeError("no audit")

    monkeypatch.setattr("outcomes.audit.services.record", fail)
    with pytest.raises(RuntimeError):
        workflows.hand_over_tablet(patient=enrolment.patient, by=clinician.actor, now=now)
    assert not HandOver.objects.exists()
    assert not Invitation.objects.exists()
