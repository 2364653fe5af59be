"""The delivery pages: what is shown to whom, and what each button does."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
import time_machine
from django.urls import reverse
from django.utils import timezone

from outcomes import workflows
from outcomes.audit.models import AuditEvent
from outcomes.clinics.models import Clinic
from outcomes.delivery import services as delivery
from outcomes.delivery.models import HandOver, Invitation, Message, MessageState, Unreached
from outcomes.scheduling.models import Assignment
from tests.clinic_site.conftest import World
from tests.conftest import NOW, make_enrolment


def url(world: World, name: str, *keys) -> str:
    return reverse(f"clinic_site:{name}", args=[world.clinic.slug, *keys])


@pytest.fixture
def invitation(world: World) -> Invitation:
    """The open invitation: GAD-7 is still asked."""
    Message.objects.filter(kind="invitation").update(state=MessageState.SENT, sent_at=NOW)
    return Invitation.objects.filter(patient=world.patient).first()


@pytest.fixture
def unreached(world: World) -> Unreached:
    return Unreached.objects.create(
        clinic=world.clinic,
        patient=world.patient,
        channel="email",
        reason="hard_bounce",
        raised_at=NOW - timedelta(days=3),
    )


# -- The clinic's page ---------------------------------------------------------------------------


def test_the_page_counts_with_denominators(world, invitation, as_admin):
    html = as_admin.get(url(world, "deliveries")).content.decode()
    text = " ".join(re.sub(r"<[^>]+>", " ", html).split())
    assert "2 questionnaires asked" in text
    assert "Message sent 2 2 asked 100 %" in text
    assert "Reported as delivered 0 2 sent 0 % 0 bounced · 2 not reported" in text
    assert "Answered 1 2 asked 50 % 1 in time · 0 late" in text
    assert "Robin Example" in text
    assert url(world, "patient_deliveries", world.patient.pk) in html


def test_reading_it_is_audited(world, as_admin):
    as_admin.get(url(world, "deliveries"))
    assert AuditEvent.objects.filter(action="patients.listed").get().data == {"page": "deliveries"}
    as_admin.get(url(world, "patient_deliveries", world.patient.pk))
    assert AuditEvent.objects.filter(action="patient.viewed").get().data == {"page": "deliveries"}


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("days=7", True),
        ("days=90", True),
        ("days=own&first=2026-02-02&last=2026-02-02", True),
        ("days=own&first=2026-01-01&last=2026-01-31", False),
    ],
)
def test_a_period_is_chosen(world, invitation, as_admin, query, shown):
    html = as_admin.get(f"{url(world, 'deliveries')}?{query}").content.decode()
    assert ("GAD-7" in html) is shown
    assert ("0 questionnaires asked" in html) is not shown


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("days=own&first=2026-02-02", "Enter both days"),
        ("days=30&first=2026-02-02&last=2026-02-02", "“From – to” alone"),
        ("days=own&first=2026-02-02&last=2026-01-02", "after the last one"),
        ("days=own&first=2020-01-02&last=2026-01-02", "a year at most"),
        ("days=own&first=tomorrow&last=2026-01-02", "Enter a valid date"),
        ("days=8", "not one of the available choices"),
        ("only=everything", "not one of the available choices"),
        ("before=x", "valid UUID"),
    ],
)
def test_a_filter_that_makes_no_sense_is_refused_in_words(world, as_admin, query, sentence):
    page = as_admin.get(f"{url(world, 'deliveries')}?{query}")
    assert page.status_code == 200
    assert sentence in page.content.decode()


def test_rows_are_filtered_and_paged(world, clinician, as_admin, invitation, monkeypatch):
    from outcomes.review import deliveries

    monkeypatch.setattr(deliveries, "PAGE", 1)
    first = as_admin.get(url(world, "deliveries") + "?days=7").content.decode()
    onward = re.search(r'href="\?(days=7&amp;before=[0-9a-f-]+)#rows"', first)
    assert onward
    second = as_admin.get(f"{url(world, 'deliveries')}?{onward[1].replace('&amp;', '&')}")
    assert second.content.decode().count('<th scope="row"><a') == 1
    assert b"before=" not in second.content
    late = as_admin.get(url(world, "deliveries") + "?only=late").content.decode()
    assert "Nothing of this kind" in late


def test_it_costs_the_same_for_ten_patients_and_for_a_hundred(
    world, clinic, clinician, as_admin, django_assert_max_num_queries
):
    def ask(numbers) -> None:
        for number in numbers:
            made = make_enrolment(clinic, clinician, f"Olga{number}")
            workflows.invite_patient(patient=made.patient, now=NOW)

    ask(range(10))
    with django_assert_max_num_queries(50) as first:
        assert b"Olga9" in as_admin.get(url(world, "deliveries")).content
    ask(range(10, 40))
    with django_assert_max_num_queries(len(first)):
        assert b"Olga39" in as_admin.get(url(world, "deliveries")).content


def test_messages_that_were_set_aside_are_pointed_out(world, invitation, as_admin):
    Message.objects.filter(kind="reminder").update(state=MessageState.QUARANTINED)
    html = as_admin.get(url(world, "deliveries")).content.decode()
    assert "set aside after repeated crashes" in html
    assert "?state=quarantined" in html


# -- One patient ---------------------------------------------------------------------------------


def test_a_patients_page_tells_each_invitation(world, invitation, as_clinician):
    html = as_clinician.get(url(world, "patient_deliveries", world.patient.pk)).content.decode()
    assert "Deliveries to Robin Example" in html
    assert "Invitation by E-mail sent" in html
    assert "delivery not reported" in html
    assert "Reminder by E-mail" in html
    for name in ("delivery_resend", "delivery_revoke", "delivery_call"):
        assert url(world, name, invitation.pk) in html
    page = as_clinician.get(world.url("patient")).content.decode()
    assert url(world, "patient_deliveries", world.patient.pk) in page


def test_the_care_team_reads_and_does_nothing(world, invitation, as_care_team):
    html = as_care_team.get(url(world, "patient_deliveries", world.patient.pk)).content.decode()
    assert "Invitation by E-mail sent" in html
    assert url(world, "delivery_revoke", invitation.pk) not in html
    assert "Ask again" not in html


def test_sending_again_asks_to_confirm_when_it_is_soon(world, invitation, as_clinician):
    path = url(world, "delivery_resend", invitation.pk)
    before = Message.objects.count()
    page = as_clinician.post(path, {"channel": "email"})
    assert "within the hour" in page.content.decode()
    assert "Send it all the same" in page.content.decode()
    assert Message.objects.count() == before
    done = as_clinician.post(path, {"channel": "email", "is_confirmed": "on"})
    assert done["Location"] == url(world, "patient_deliveries", world.patient.pk)
    assert Message.objects.count() == before + 1


def test_sending_again_says_how_many_messages_the_patient_has_had(world, invitation, as_clinician):
    path = url(world, "delivery_resend", invitation.pk)
    html = as_clinician.get(path).content.decode()
    assert "has had 1 of at most 3 messages today, on the patient's calendar." in html
    Clinic.objects.update(messages_per_day=1)
    Message.objects.update(sent_at=None)
    html = as_clinician.post(path, {}).content.decode()
    assert "has had 0 of at most 1 message today, on the patient's calendar." in html


def test_opening_a_confirmation_changes_nothing(world, invitation, unreached, as_admin):
    message = Message.objects.filter(kind="reminder").first()
    paths = [
        url(world, name, invitation.pk)
        for name in ("delivery_resend", "delivery_revoke", "delivery_call")
    ]
    paths += [url(world, "message_give_up", message.pk)]
    paths += [url(world, "unreached_settle", unreached.pk)]

    def rows():
        kinds = (Invitation, Message, Assignment, Unreached)
        return [list(kind.objects.order_by("pk").values()) for kind in kinds]

    before = rows()
    for path in paths:
        assert as_admin.get(path).status_code == 200
        assert as_admin.head(path).status_code == 200
    assert rows() == before


def test_revoking_wants_a_reason(world, invitation, as_clinician):
    path = url(world, "delivery_revoke", invitation.pk)
    assert b"This field is required" in as_clinician.post(path, {}).content
    as_clinician.post(path, {"reason": "Sent too early."})
    invitation.refresh_from_db()
    assert invitation.revoked_at == NOW
    html = as_clinician.get(url(world, "patient_deliveries", world.patient.pk)).content.decode()
    assert "revoked by staff" in html
    again = as_clinician.post(url(world, "ask_again", world.patient.pk), follow=True)
    assert b"The patient is asked again" in again.content
    twice = as_clinician.post(url(world, "ask_again", world.patient.pk), follow=True)
    assert b"open already" in twice.content


def test_telephoning_names_who(world, invitation, as_clinician):
    path = url(world, "delivery_call", invitation.pk)
    done = as_clinician.post(path, follow=True)
    assert b"will be telephoned" in done.content
    assert "Clara" in done.content.decode()
    Invitation.objects.update(revoked_at=NOW)
    assert b"It is over already" in as_clinician.post(path).content


# -- The tablet ----------------------------------------------------------------------------------


def test_handing_a_tablet_over_shows_code_and_drawing(world, as_clinician):
    page = as_clinician.post(world.url("hand_over"), {"way": "tablet"})
    html = page.content.decode()
    code = re.search(r"(\d{3}) (\d{3})</p>", html)
    assert code
    assert '<svg aria-hidden="true"' in html
    assert " style=" not in html
    assert "/tablet/" in html
    hand_over = HandOver.objects.get()
    assert f"{code[1]}{code[2]}" not in str(HandOver.objects.values())
    assert "Only for Robin Example" in html
    assert page["Cache-Control"] == "no-store"
    as_clinician.post(world.url("hand_over"), {"way": "tablet"})
    hand_over.refresh_from_db()
    assert hand_over.code_hash == ""


def test_it_can_be_a_link_instead(world, as_clinician):
    html = as_clinician.post(world.url("hand_over")).content.decode()
    assert "Link to hand over" in html
    assert "/a/" in html
    assert not HandOver.objects.exists()


# -- Not reached ---------------------------------------------------------------------------------


def test_who_is_not_reached_is_listed_with_the_days(world, unreached, as_clinician):
    page = as_clinician.get(url(world, "unreached")).content.decode()
    row = page[page.index("<tbody>") : page.index("</tbody>")]
    assert "Robin Example" in row
    assert "does not exist" in row
    assert 'data-label="Days open">3<' in row
    for name in ("caseload", "patient", "alerts"):
        html = as_clinician.get(world.url(name)).content.decode()
        assert 'Not reached <span class="tag tag-warning">1</span>' in html


def test_nobody_unreached_takes_no_room(world, as_clinician):
    assert b"Not reached" not in as_clinician.get(world.url("caseload")).content


def test_settling_wants_a_note_and_is_kept(world, unreached, as_clinician):
    path = url(world, "unreached_settle", unreached.pk)
    assert b"This field is required" in as_clinician.post(path, {}).content
    as_clinician.post(path, {"note": "Telephoned, new address."})
    unreached.refresh_from_db()
    assert (unreached.settled_at, unreached.note) == (NOW, "Telephoned, new address.")
    html = as_clinician.get(url(world, "unreached")).content.decode()
    # The address may be stopped still: a note says nothing about the channel.
    assert "Nobody else: each of them is settled, below." in html
    assert "Telephoned, new address." in html
    assert b"Settle</button>" not in as_clinician.get(path).content


# -- Set aside -----------------------------------------------------------------------------------


@pytest.fixture
def aside(invitation) -> Message:
    message = Message.objects.filter(kind="reminder").first()
    Message.objects.filter(pk=message.pk).update(
        state=MessageState.QUARANTINED, state_reason="crashed repeatedly", crashes=5
    )
    return message


def test_a_message_that_was_set_aside_is_tried_again(world, aside, as_admin):
    html = as_admin.get(url(world, "message", aside.pk)).content.decode()
    assert url(world, "message_retry", aside.pk) in html
    assert as_admin.get(url(world, "message_retry", aside.pk)).status_code == 405
    as_admin.post(url(world, "message_retry", aside.pk))
    aside.refresh_from_db()
    assert (aside.state, aside.crashes) == (MessageState.PENDING, 0)
    html = as_admin.get(url(world, "message", aside.pk)).content.decode()
    assert url(world, "message_retry", aside.pk) not in html
    again = as_admin.post(url(world, "message_retry", aside.pk), follow=True)
    assert b"no longer set aside" in again.content


def test_a_message_that_was_set_aside_is_given_up_with_a_reason(world, aside, as_admin):
    path = url(world, "message_give_up", aside.pk)
    assert b"This field is required" in as_admin.post(path, {}).content
    as_admin.post(path, {"reason": "Too late by now."})
    aside.refresh_from_db()
    assert (aside.state, aside.state_reason) == (MessageState.CANCELLED, "given up")
    assert b"no longer set aside" in as_admin.post(path, {"reason": "Again."}).content


# -- Who may -------------------------------------------------------------------------------------


def test_roles_and_other_clinics(
    world, other_world, invitation, unreached, aside, as_admin, as_clinician, as_care_team
):
    theirs = Invitation.objects.filter(patient=other_world.patient).first()
    manage = [("deliveries",), ("message_give_up", aside.pk)]
    record = [
        (name, invitation.pk) for name in ("delivery_resend", "delivery_revoke", "delivery_call")
    ]
    read = [("unreached",), ("patient_deliveries", world.patient.pk)]
    for name, *keys in [*manage, *record, *read, ("unreached_settle", unreached.pk)]:
        path = url(world, name, *keys)
        is_manage, is_read = (name, *keys) in manage, (name, *keys) in read
        assert as_admin.get(path).status_code == 200, name
        assert as_clinician.get(path).status_code == (403 if is_manage else 200), name
        assert as_care_team.get(path).status_code == (200 if is_read else 403), name
    for name, _key in record:
        foreign = as_admin.get(url(world, name, theirs.pk))
        missing = as_admin.get(url(world, name, world.patient.pk))
        assert (foreign.status_code, foreign.content) == (404, missing.content)
        assert as_admin.post(url(world, name, theirs.pk)).status_code == 404
    foreign = as_admin.get(url(world, "patient_deliveries", other_world.patient.pk))
    assert foreign.status_code == 404


def test_every_page_keeps_the_house_rules(world, invitation, unreached, aside, as_admin):
    names = [("deliveries",), ("unreached",), ("patient_deliveries", world.patient.pk)]
    names += [("delivery_resend", invitation.pk), ("delivery_revoke", invitation.pk)]
    names += [("delivery_call", invitation.pk), ("unreached_settle", unreached.pk)]
    names += [("message_give_up", aside.pk), ("message", aside.pk)]
    for name, *keys in names:
        html = as_admin.get(url(world, name, *keys)).content.decode()
        assert html.count("<h1") == 1, name
        assert html.count('<main id="main"') == 1, name
        assert not re.search(r"<script(?![^>]*\ssrc=)|<style|\s(?:style|on\w+)=", html), name


def test_the_list_of_messages_says_that_a_link_was_revoked(world, aside, as_clinician, as_admin):
    path = url(world, "delivery_revoke", aside.link.invitation_id)
    as_clinician.post(path, {"reason": "Sent too early."})
    as_admin.post(url(world, "message_retry", aside.pk))
    with time_machine.travel(aside.not_before, tick=False):
        delivery.send_batch(lane="bulk", channel="email", clock=timezone.now)
    html = as_admin.get(world.url("messages") + "?state=cancelled").content.decode()
    assert html.count("revoked by staff") == Message.objects.filter(state="cancelled").count() > 0
    assert "nothing left to answer" not in html


def test_reading_messages_is_audited(world, as_admin):
    as_admin.get(world.url("messages"))
    assert AuditEvent.objects.filter(action="patients.listed").get().data == {"page": "messages"}
    as_admin.get(world.url("message"))
    assert AuditEvent.objects.filter(action="patient.viewed").get().data == {"page": "message"}
