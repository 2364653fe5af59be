"""The address of a patient's own page: who gets one, when it changes, and when it opens nothing."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest
from django.core import mail

from outcomes import workflows
from outcomes.audit.models import SYSTEM, AuditEvent
from outcomes.care import services as care
from outcomes.care.models import Channel, Patient
from outcomes.delivery import own_visit
from outcomes.delivery import services as delivery
from outcomes.delivery.models import Invitation, Link, Message, OwnPage
from outcomes.delivery.own_visit import Visit
from tests.chance import without_chance

BORN = date(1980, 5, 17)


@pytest.fixture
def page(patient: Patient, now: datetime) -> OwnPage:
    """The patient's own page, whose address the first invitation tells."""
    assert workflows.invite_due(now=now) == 1
    return OwnPage.objects.get()


def token_of(page: OwnPage) -> str:
    return delivery.own_path_of(page).strip("/").split("/")[-1]


def actions() -> list[str]:
    found = AuditEvent.objects.filter(action__startswith="own_page.").order_by("number")
    return list(found.values_list("action", flat=True))


def test_a_patient_has_one_address_however_often_they_are_asked(page, patient, now):
    delivery.ensure_own_pages(patients=[patient], now=now)
    assert OwnPage.objects.count() == 1
    assert delivery.find_own_page(token_of(page)) == page


def test_the_database_alone_makes_no_address(page, settings):
    token = token_of(page)
    assert token not in str(list(OwnPage.objects.values()))
    settings.LINK_KEY = "another key"
    assert token_of(page) != token


def test_an_invitation_by_mail_tells_it_and_a_reminder_does_not(page, now):
    workflows.send_due(lane="bulk", clock=lambda: now, through=["email"])
    body = str(mail.outbox[0].body)
    assert body.count(delivery.own_path_of(page)) == 1
    assert token_of(page) in str(mail.outbox[0].alternatives[0][0])
    for word in ("PHQ", "GAD", "Robin", "1980", "questionnaire", "trend"):
        assert word not in without_chance(body)
    at = Message.objects.filter(kind="reminder").earliest("not_before").not_before
    workflows.send_due(lane="bulk", clock=lambda: at, through=["email"])
    assert len(mail.outbox) == 2
    assert "/own/" not in str(mail.outbox[1].body)


def test_a_text_message_never_tells_it(page, patient, now):
    from outcomes.delivery.rendering import render

    message = Message.objects.filter(kind="invitation").get()
    message.channel = Channel.SMS
    assert "/own/" not in render(message, "+12025550123").text


def test_a_page_revoked_stands_in_no_mail_until_it_is_allowed_again(page, patient, now):
    old = token_of(page)
    delivery.revoke_own_page(page=page, by=SYSTEM, now=now)
    patient = Patient.objects.get()
    assert not delivery.is_own_page_live(OwnPage.objects.get())
    assert delivery.own_address_of(patient) == ""
    delivery.allow_own_page(page=OwnPage.objects.get(), by=SYSTEM, now=now)
    assert delivery.is_own_page_live(OwnPage.objects.get())
    assert delivery.find_own_page(old) is None
    assert actions() == ["own_page.revoked", "own_page.renewed"]


def change_address(patient: Patient, now: datetime) -> None:
    workflows.change_contact(
        patient=patient, channel=Channel.EMAIL, value="new@patient.example", by=SYSTEM, now=now
    )


def go_astray(patient: Patient, now: datetime) -> None:
    invitation = Invitation.objects.get()
    workflows.decline_invitation(invitation=invitation, by=SYSTEM, now=now)


def discharge(patient: Patient, now: datetime) -> None:
    workflows.close_episode(episode=patient.episodes.get(), by=SYSTEM, now=now)


@pytest.mark.parametrize("event", [change_address, go_astray, discharge])
def test_what_went_out_before_opens_nothing_any_more(page, patient, now, event):
    old = token_of(page)
    ticket = own_visit.make_ticket(Visit(page, is_checked=True), now)
    link = Link.objects.order_by("pk")[0]
    assert own_visit.find_visit(ticket, now)
    assert delivery.own_path_beside(link) == delivery.own_path_of(page)

    event(patient, now + timedelta(minutes=1))

    assert delivery.find_own_page(old) is None
    assert own_visit.find_visit(ticket, now) is None
    assert delivery.own_path_beside(Link.objects.get(pk=link.pk)) == ""


def test_an_address_that_staff_revoked_stays_so_when_the_contact_changes(page, patient, now):
    delivery.revoke_own_page(page=page, by=SYSTEM, now=now)
    change_address(patient, now)
    assert not delivery.is_own_page_live(OwnPage.objects.get())


def test_it_is_dead_after_discharge_and_an_earlier_one_stays_dead_in_a_new_treatment(
    page, patient, clinician, now
):
    old = token_of(page)
    discharge(patient, now)
    assert not delivery.is_own_page_live(OwnPage.objects.get())
    care.open_episode(
        patient=patient,
        indication="trd",
        clinicians=[clinician],
        started_on=now.date(),
        by=SYSTEM,
        now=now,
    )
    assert delivery.is_own_page_live(OwnPage.objects.get())
    assert delivery.find_own_page(old) is None


def test_five_wrong_dates_lock_it_and_a_corrected_date_unlocks_it(page, patient, now):
    def tries(born: date) -> bool:
        return delivery.check_birth_date(sent=page, birth_date=born, by=SYSTEM, now=now)

    assert [tries(date(1980, 5, 18)) for _ in range(5)] == [False] * 5
    assert not tries(BORN)
    assert actions() == ["own_page.check_failed"] * 5 + ["own_page.locked"]
    assert delivery.own_address_of(Patient.objects.get()) == ""
    workflows.change_patient(
        patient=patient, changes={"birth_date": date(1980, 5, 18)}, by=SYSTEM, now=now
    )
    assert tries(date(1980, 5, 18))
    assert actions()[-2:] == ["own_page.unlocked", "own_page.opened"]


def test_a_ticket_lasts_thirty_minutes_and_cannot_be_made_up(page, now):
    ticket = own_visit.make_ticket(Visit(page, is_checked=True), now)
    assert own_visit.find_visit(ticket, now + timedelta(minutes=30))
    assert own_visit.find_visit(ticket, now + timedelta(minutes=31)) is None
    for made_up in ("", "x", ticket[:-1], ticket[::-1]):
        assert own_visit.find_visit(made_up, now) is None
