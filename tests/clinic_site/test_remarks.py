"""What patients added in their own words, beside its date: who sees it, and as what."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from outcomes.audit.models import AuditEvent
from outcomes.clinics.models import Clinic, User
from outcomes.responses import services as responses
from outcomes.responses.models import Remark
from outcomes.responses.services import Words
from tests.clinic_site.conftest import World
from tests.clinic_site.test_clinic import SETTINGS
from tests.conftest import NOW, signed_in

TEXT = 'First line & <script>alert("x")</script>\n\nfourth of a kind'
SHOWN = "First line &amp; &lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;<br><br>fourth of a kind"
PAGES = ("patient", "patient_items", "response")


def write(world: World, text: str = TEXT, days: int = 0, language: str = "en") -> Remark:
    """Have the patient add words, some days after their answers, to the same filling-in."""
    remark = responses.store_remark(
        words=Words(text, language),
        sent=[world.response],
        submission_id=f"day {days}",
        now=NOW + timedelta(days=days),
    )
    assert remark is not None
    return remark


@pytest.mark.parametrize("name", PAGES)
def test_it_stands_escaped_beside_its_date_in_the_patients_time_zone(
    world: World, as_care_team: Client, name: str
) -> None:
    type(world.patient).objects.update(time_zone="Australia/Adelaide")
    write(world, language="es")
    html = as_care_team.get(world.url(name)).content.decode()
    assert "In the patient's own words</h2>" in html
    assert SHOWN in html
    assert "<script>alert" not in html
    assert '<blockquote class="own-words" lang="es" dir="auto">' in html
    assert "2 Feb 2026, 19:30</time>" in html
    assert "no alert comes from it" in html


@pytest.mark.parametrize("name", PAGES)
def test_where_there_are_no_words_there_is_no_heading(
    world: World, as_care_team: Client, name: str
) -> None:
    html = as_care_team.get(world.url(name)).content.decode()
    assert "own words" not in html
    assert 'id="remarks"' not in html


def test_the_patients_page_shows_the_last_three_and_leads_to_all_newest_first(
    world: World, as_clinician: Client
) -> None:
    for days in range(5):
        write(world, f"words of day {days}", days)
    page = as_clinician.get(world.url("patient")).content.decode()
    assert [day for day in range(5) if f"words of day {day}" in page] == [2, 3, 4]
    address = f"{world.url('patient_items')}?episode={world.episode.pk}#remarks"
    assert address in page
    every = as_clinician.get(address).content.decode()
    places = [every.index(f"words of day {day}") for day in (4, 3, 2, 1, 0)]
    assert places == sorted(places)


def test_the_filling_in_shows_only_what_came_with_it(world: World, as_clinician: Client) -> None:
    write(world, "came with it")
    write(world, "came with another", days=1)
    html = as_clinician.get(world.url("response")).content.decode()
    assert "came with it" in html
    assert "came with another" not in html


def test_words_cost_the_patients_page_one_query_and_their_absence_none(
    world: World, as_clinician: Client
) -> None:
    def count() -> int:
        with CaptureQueriesContext(connection) as asked:
            as_clinician.get(world.url("patient"))
        return len(asked)

    count()
    without = count()
    write(world)
    assert count() == without + 1


def test_the_staff_of_another_clinic_see_nothing_of_it(world: World, stranger: User) -> None:
    remark = write(world)
    desk = signed_in(stranger)
    for name in PAGES:
        reply = desk.get(world.url(name))
        assert reply.status_code == 404
        assert b"First line" not in reply.content
    assert not Remark.objects.visible_to(stranger).exists()
    assert Remark.objects.visible_to(world.member.user).get() == remark


def test_words_of_one_patient_stand_on_no_other_page(world: World, as_clinician: Client) -> None:
    write(world)
    for name in ("caseload", "alerts", "alert", "audit", "messages", "patient_responses"):
        page = as_clinician.get(world.url(name))
        assert b"fourth of a kind" not in page.content, name


def test_the_clinic_switches_the_field_off_and_the_audit_record_says_so(
    world: World, as_admin: Client
) -> None:
    page = as_admin.get(world.url("settings")).content.decode()
    assert "Patients can add words of their own before they send" in page
    off = {key: value for key, value in SETTINGS.items() if key != "takes_words"}
    as_admin.post(world.url("settings"), off)
    assert not Clinic.objects.get(pk=world.clinic.pk).takes_words
    event = AuditEvent.objects.get(action="clinic.changed")
    assert event.data["takes_words"] == ["True", "False"]
