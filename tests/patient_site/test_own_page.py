"""A patient's own page: whom it lets in, what it shows, what it changes, and what it gives away."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass
from datetime import datetime, time, timedelta

import pytest
from django.test import Client

from outcomes import workflows
from outcomes.audit.models import SYSTEM, AuditEvent
from outcomes.care import services as care
from outcomes.care.models import Channel, Consent, Patient
from outcomes.clinics.models import Clinic
from outcomes.delivery import own_visit
from outcomes.delivery import services as delivery
from outcomes.delivery import sitting as tickets
from outcomes.delivery.models import Link, OwnPage
from outcomes.delivery.own_visit import Visit
from outcomes.patient_site import throttle
from outcomes.patient_site.guards import DEVICE_COOKIE
from outcomes.scheduling.models import Assignment
from tests.chance import without_chance
from tests.conftest import NOW
from tests.patient_site.conftest import BIRTH_DATE, WRONG_DATE
from tests.patient_site.test_link import everything_stored, press_every_button

INSIDE = ["/own/", "/own/wishes/", "/own/pause/", "/own/stop/", "/own/past/"]
SENT = ["/own/wishes/", "/own/pause/", "/own/resume/", "/own/stop/", "/own/data/"]


@dataclass
class Holder:
    """A browser in the hand of whoever holds the address of a patient's own page."""

    client: Client
    page: OwnPage

    @property
    def path(self) -> str:
        """Return the address as the mail tells it."""
        return delivery.own_path_of(self.page)

    def read(self, path: str = "/own/") -> str:
        """Return a page's text."""
        return self.client.get(path).content.decode()


@pytest.fixture
def holder(invitation) -> Holder:
    """Somebody with the address, before the door."""
    return Holder(Client(), OwnPage.objects.get(patient=invitation.patient))


@pytest.fixture
def herself(holder: Holder) -> Holder:
    """The patient, past the door."""
    assert holder.client.post(holder.path, BIRTH_DATE).headers["Location"] == "/own/"
    return holder


def show(clinic: Clinic, *names: str) -> None:
    Clinic.objects.filter(pk=clinic.pk).update(**dict.fromkeys(names, True))


# -- The door ------------------------------------------------------------------------------------


def test_the_door_says_what_is_behind_it_and_names_nobody(holder, patient, clinician):
    page = holder.read(holder.path)
    assert "Here you see when North plans to ask you" in page
    for word in (patient.given_name, patient.family_name, "1980", "PHQ", clinician.name):
        assert word not in without_chance(page)


def test_opening_the_door_changes_nothing(holder):
    before = everything_stored()
    assert holder.client.get(holder.path).status_code == 200
    assert holder.client.head(holder.path).status_code == 200
    assert everything_stored() == before
    assert own_visit.COOKIE not in holder.client.cookies


@pytest.mark.parametrize("checks_birth_date", [True, False])
def test_a_scanner_that_presses_every_button_changes_and_sees_nothing(
    holder, clinic, checks_birth_date
):
    Clinic.objects.filter(pk=clinic.pk).update(checks_birth_date=checks_birth_date)
    before = everything_stored()
    seen = "".join(press_every_button(Client(), holder.path))
    assert everything_stored() == before
    assert "What is coming" not in seen
    reply = holder.client.post(holder.path, {**BIRTH_DATE, "is_mine": "on"})
    assert reply.headers["Location"] == "/own/"


def test_the_right_person_is_let_in_for_half_an_hour(herself, clock):
    assert "What is coming" in herself.read()
    assert AuditEvent.objects.get(action="own_page.opened").actor_kind == "patient"
    clock.move_to(NOW + timedelta(minutes=31))
    assert herself.client.get("/own/").status_code == 403


def test_five_wrong_dates_lock_it(holder):
    for left in ("4 more times", "3 more times", "2 more times", "once more"):
        assert left in holder.client.post(holder.path, WRONG_DATE).content.decode()
    assert holder.client.post(holder.path, WRONG_DATE).status_code == 403
    assert Client().post(holder.path, BIRTH_DATE).status_code == 403
    assert own_visit.COOKIE not in holder.client.cookies


def unknown(holder: Holder) -> str:
    return "/own/nobody-was-ever-sent-this-address-0123/"


def revoked(holder: Holder) -> str:
    delivery.revoke_own_page(page=holder.page, by=SYSTEM, now=NOW)
    return holder.path


def renewed(holder: Holder) -> str:
    path = holder.path
    delivery.renew_own_page(patient=holder.page.patient, reason="test", by=SYSTEM, now=NOW)
    return path


def discharged(holder: Holder) -> str:
    episode = holder.page.patient.episodes.get()
    path = holder.path
    workflows.close_episode(episode=episode, by=SYSTEM, now=NOW)
    return path


@pytest.mark.parametrize("make", [unknown, revoked, renewed, discharged])
def test_unknown_revoked_and_ended_addresses_look_like_any_link_that_is_over(holder, make):
    reference = Client().get("/a/x/")
    path = make(holder)
    for call in (Client().get, Client().post):
        reply = call(path)
        assert (reply.status_code, reply.content) == (404, reference.content)
        assert reply.headers == reference.headers
        assert not reply.cookies


def test_misses_are_throttled_with_those_of_links(holder):
    for number in range(throttle.MISSES):
        assert Client().get(f"/own/x{number}/" if number % 2 else "/a/x/").status_code == 404
    assert Client().get("/own/y/").status_code == 429
    assert Client().get(holder.path).status_code == 200


def test_it_does_not_open_on_a_tablet_of_the_clinic(herself):
    herself.client.cookies[DEVICE_COOKIE] = "a tablet"
    assert b"Not on this tablet" in herself.client.get(herself.path).content
    assert herself.client.get("/own/").status_code == 403
    assert herself.client.post("/own/data/", {"form": "json"}).status_code == 403


def test_closing_it_takes_the_ticket_back(herself):
    assert b"Your page is closed" in herself.client.post("/own/close/").content
    assert herself.client.get("/own/").status_code == 403


# -- Whose page it is ----------------------------------------------------------------------------


def test_without_a_ticket_nothing_opens_and_nothing_changes(holder):
    before = everything_stored()
    for path in INSIDE:
        assert Client().get(path).status_code == 403
    for path in SENT:
        assert (
            Client().post(path, {"weeks": "1", "is_sure": "on", "form": "csv"}).status_code == 403
        )
    assert everything_stored() == before


def test_a_ticket_opens_its_own_patients_page_only(herself, other_enrolment):
    workflows.invite_due(now=NOW)
    other = Holder(Client(), OwnPage.objects.get(patient=other_enrolment.patient))
    ticket = own_visit.make_ticket(Visit(other.page, is_checked=True), NOW)
    other.client.cookies[own_visit.COOKIE] = ticket
    mine, theirs = herself.page.patient, other.page.patient

    other.client.post("/own/pause/", {"weeks": "1"})
    held = json.loads(other.client.post("/own/data/", {"form": "json"}).content)

    assert held["patient"]["given_name"] == theirs.given_name
    assert Patient.objects.get(pk=theirs.pk).paused_until
    assert Patient.objects.get(pk=mine.pk).paused_until is None
    assert "South" in other.read()
    assert "North" not in other.read()


def test_tickets_of_one_purpose_open_nothing_of_another(herself, link):
    own = herself.client.cookies[own_visit.COOKIE].value
    stranger = Client()
    stranger.cookies[tickets.COOKIE] = own
    assert stranger.get("/answer/1/").status_code == 403
    for ticket in (tickets.make_ticket(link, NOW), tickets.make_receipt(link, NOW)):
        stranger.cookies[own_visit.COOKIE] = ticket
        assert stranger.get("/own/").status_code == 403


@pytest.mark.parametrize("make", [revoked, renewed, discharged])
def test_a_visit_ends_with_its_address(herself, make):
    make(herself)
    assert herself.client.get("/own/").status_code == 403
    assert herself.client.post("/own/data/", {"form": "json"}).status_code == 403


# -- How they get there --------------------------------------------------------------------------


def test_the_thank_you_page_and_the_page_of_an_answered_link_lead_to_the_door(phone, inside):
    inside.answer_all()
    inside.submit()
    path = delivery.own_path_of(OwnPage.objects.get())
    assert path in inside.client.get("/answer/thanks/").content.decode()
    assert path in Client().get(phone.path).content.decode()
    assert Client().get(path).status_code == 200


def test_an_answered_link_that_went_out_before_the_address_changed_leads_nowhere(phone, inside):
    inside.answer_all()
    inside.submit()
    patient, later = Patient.objects.get(), NOW + timedelta(minutes=1)
    delivery.renew_own_page(patient=patient, reason="test", by=SYSTEM, now=later)
    assert b"/own/" not in Client().get(phone.path).content
    assert delivery.own_path_beside(Link.objects.get(pk=phone.link.pk)) == ""


# -- What it shows -------------------------------------------------------------------------------


def test_it_shows_the_days_ahead_on_the_patients_calendar_without_naming_questionnaires(herself):
    Patient.objects.update(time_zone="Pacific/Auckland")
    Assignment.objects.planned().delete()
    asked = Assignment.objects.earliest("pk")
    for days in (2, 9):
        opens_at = datetime.fromisoformat("2026-02-02T20:00:00+00:00") + timedelta(days=days)
        Assignment.objects.create(
            clinic=asked.clinic,
            patient=asked.patient,
            episode=asked.episode,
            course=asked.course,
            rule=asked.rule,
            rule_code=asked.rule_code,
            occurrence=90 + days,
            instrument=asked.instrument,
            opens_at=opens_at,
            due_at=opens_at,
            closes_at=opens_at + timedelta(days=3),
        )
    page = herself.read()
    assert "<dt>Thursday 5 February</dt>" in page  # the 4th in London
    assert "<dt>Thursday 12 February</dt>" in page
    assert "Questions, about " in page
    assert "Questions are waiting for you, about 4 minutes." in page
    for word in ("PHQ", "GAD", "Depress", "Anxi", "Robin"):
        assert word not in without_chance(page)
    herself.client.post("/own/pause/", {"weeks": "1"})
    page = herself.read()
    assert "You have paused messages until Monday 9 February" in page
    assert "<dt>Thursday 5 February</dt>" not in page
    assert "<dt>Thursday 12 February</dt>" in page


def test_it_shows_the_next_visit_where_the_clinic_does(herself, clinic):
    assert "Your next visit" not in herself.read()
    show(clinic, "shows_visits")
    assert "Thursday 5 February, 09:00" in herself.read()


def test_past_answers_and_totals_are_shown_only_as_the_clinic_allows(herself, inside, clinic):
    inside.answer_all(2)
    inside.submit()
    assert "What you have answered" not in herself.read()
    assert herself.client.get("/own/past/").headers["Location"] == "/own/"

    show(clinic, "shows_trend")
    page = herself.read("/own/past/")
    assert "18 of 27" in page
    assert "2 Feb 2026" in page
    assert "Little interest" not in page

    Clinic.objects.update(shows_trend=False, shows_answers=True)
    page = herself.read("/own/past/")
    assert "Little interest" in page
    assert "More than half the days" in page
    assert "18 of 27" not in page
    for judgement in ("severe", "moderate", "Moderate", "band", "remission"):
        assert judgement not in page
    assert AuditEvent.objects.filter(action="patient.viewed", actor_kind="patient").exists()


def test_without_the_birth_date_neither_answers_nor_data_are_given(holder, inside, clinic):
    inside.answer_all()
    inside.submit()
    show(clinic, "shows_trend", "shows_answers")
    Clinic.objects.update(checks_birth_date=False)
    assert holder.client.post(holder.path, {"is_mine": "on"}).status_code == 302
    page = holder.read()
    assert "What is coming" in page
    assert "Download" not in page
    assert holder.client.get("/own/past/").status_code == 302
    assert holder.client.post("/own/data/", {"form": "json"}).status_code == 302
    assert not AuditEvent.objects.filter(action="export.own_data").exists()


# -- What it changes -----------------------------------------------------------------------------


def test_wishes_are_kept_and_said_to_be(herself):
    sent = {"channel": "email", "asked_from": "17:00", "language": "es"}
    reply = herself.client.post("/own/wishes/", sent)
    assert reply.headers["Location"] == "/own/?saved=1"
    patient = Patient.objects.get()
    assert (patient.asked_from, patient.language) == (time(17), "es")
    assert AuditEvent.objects.filter(action="patient.changed", actor_kind="patient").exists()


@pytest.mark.parametrize(
    "wrong", [{"channel": "sms"}, {"asked_from": "22:00"}, {"language": "xx"}, {"channel": ""}]
)
def test_a_wish_that_cannot_be_is_refused(herself, wrong):
    before = everything_stored()
    sent = {"channel": "email", "asked_from": "", "language": "en", **wrong}
    page = herself.client.post("/own/wishes/", sent)
    assert page.status_code == 200
    assert b"Choose one." in page.content
    assert everything_stored() == before


def test_a_channel_not_agreed_to_yet_comes_with_the_words_of_the_consent(herself, monkeypatch):
    monkeypatch.setattr("outcomes.delivery.channels.in_use", lambda: ("email", "sms"))
    patient = Patient.objects.get()
    care.set_contact(patient=patient, channel=Channel.SMS, value="+12025550199", by=SYSTEM, now=NOW)
    page = herself.read("/own/wishes/")
    assert "I agree that North writes to me this way: Text message" in page
    assert "My answers go to the people who treat me." in page
    assert "0199" not in without_chance(page)
    sent = {"channel": "sms", "asked_from": "", "language": "en", "consents": "on"}
    assert herself.client.post("/own/wishes/", sent).status_code == 302
    assert Consent.objects.latest_for(patient, "sms").is_given
    assert "Text message" in herself.read()


def test_a_pause_is_begun_and_ended(herself):
    assert b"Choose one." in herself.client.post("/own/pause/", {"weeks": "5"}).content
    herself.client.post("/own/pause/", {"weeks": "2"})
    assert "You have paused messages until Monday 16 February" in herself.read()
    herself.client.post("/own/resume/")
    assert Patient.objects.get().paused_until is None


def test_stopping_asks_for_a_tick_and_says_how_to_come_back(herself):
    assert b"Tick the box to confirm" in herself.client.post("/own/stop/").content
    assert "choose “Get messages again”" in herself.read("/own/stop/")
    herself.client.post("/own/stop/", {"is_sure": "on"})
    assert not Consent.objects.latest_for(Patient.objects.get(), "email").is_given
    assert "Get messages again" in herself.read()
    sent = {"channel": "email", "asked_from": "", "language": "en"}
    assert b"Tick the box to be written to" in herself.client.post("/own/wishes/", sent).content
    herself.client.post("/own/wishes/", {**sent, "consents": "on"})
    assert Consent.objects.latest_for(Patient.objects.get(), "email").is_given


# -- What it gives away --------------------------------------------------------------------------


def test_the_whole_of_a_patients_data_comes_as_json(herself, inside):
    inside.answer_all(2)
    inside.submit()
    reply = herself.client.post("/own/data/", {"form": "json"})
    assert reply["Content-Disposition"] == 'attachment; filename="my-data.json"'
    held = json.loads(reply.content)
    assert held["format"] == "outcomes-own-data"
    assert held["patient"]["birth_date"] == "1980-05-17"
    assert held["contacts"][0]["value"] == "robin@patient.example"
    assert held["consents"][0]["is_given"] is True
    assert [session["status"] for session in held["sessions"]] == ["planned", "planned"]
    [phq9] = [each for each in held["questionnaires"] if "PHQ-9" in each["name"]]
    assert phq9["answers"][0]["answer"] == "More than half the days"
    assert phq9["scores"] == [{"name": "Total score", "value": 18.0, "lowest": 0, "highest": 27}]
    event = AuditEvent.objects.get(action="export.own_data")
    assert (event.actor_kind, event.data) == ("patient", {"format": "json"})


def test_answers_and_totals_come_as_a_table(herself, inside):
    inside.answer_all(2)
    inside.submit()
    reply = herself.client.post("/own/data/", {"form": "csv"})
    rows = list(csv.DictReader(io.StringIO(reply.content.decode())))
    assert {row["kind"] for row in rows} == {"answer", "score"}
    [total] = [row for row in rows if row["kind"] == "score" and "PHQ-9" in row["questionnaire"]]
    assert (total["value"], total["highest"]) == ("18.0", "27")


def test_the_patients_own_words_are_in_both_files(herself, inside):
    inside.answer_all(2)
    data = {"sitting_id": "4f3c9ad2-59c3-4f8e-9a80-2d8f8ba4a2b1", "seen": inside.sitting.seen}
    inside.client.post("/answer/review/", {**data, "remark": "=1+1 is\r\nwhat I slept"})
    held = json.loads(herself.client.post("/own/data/", {"form": "json"}).content)
    assert held["remarks"] == [
        {"written_at": NOW.isoformat(), "language": "en", "text": "=1+1 is\nwhat I slept"}
    ]
    table = herself.client.post("/own/data/", {"form": "csv"}).content.decode()
    [row] = [row for row in csv.DictReader(io.StringIO(table)) if row["kind"] == "remark"]
    assert row["words"] == "'=1+1 is\nwhat I slept"
    assert (row["sent_at"], row["value"]) == (NOW.isoformat(), "")


def test_data_is_never_given_by_merely_opening_an_address(herself):
    assert herself.client.get("/own/data/").status_code == 405
    assert not AuditEvent.objects.filter(action="export.own_data").exists()
