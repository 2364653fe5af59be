"""Who is told of an alert: the calendar, the recipients, the test that is confirmed, the number."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from outcomes import workflows
from outcomes.alerts.models import Cover, Recipient
from outcomes.audit.models import SYSTEM
from outcomes.clinics.access import Role
from outcomes.clinics.models import Clinic, Membership, User
from outcomes.delivery.models import Message
from tests.clinic_site.conftest import World
from tests.conftest import make_member_here_too, signed_in


def line(who: User, **other: object) -> dict[str, object]:
    """Return what the form of the calendar is sent with."""
    return {"user": str(who.pk), "starts": "09:00", "ends": "18:00", **other}


# -- The calendar --------------------------------------------------------------------------------


def test_a_line_is_added_for_several_weekdays_and_removed(
    world: World, as_admin: Client, clinician: User
) -> None:
    Cover.objects.all().delete()
    page = as_admin.post(world.url("cover"), line(clinician, weekdays=["0", "1"]))
    assert page.status_code == 302
    assert list(Cover.objects.order_by("weekday").values_list("weekday", flat=True)) == [0, 1]
    html = as_admin.get(world.url("cover")).content.decode()
    # It is Monday: today until 18:00, then nobody.
    assert "09:00–18:00 Clara" in html
    assert "Nobody is on cover Mon 18:00–24:00" in html
    assert "Nobody is on cover Wed 00:00–24:00" in html
    url = reverse("clinic_site:cover_remove", args=["north", Cover.objects.get(weekday=1).pk])
    as_admin.post(url)
    assert Cover.objects.count() == 1
    html = as_admin.get(world.url("cover")).content.decode()
    assert "Nobody is on cover Tue 00:00–24:00" in html


def test_a_holiday_goes_before_the_week(
    world: World, as_admin: Client, clinician: User, admin: User
) -> None:
    as_admin.post(world.url("cover"), line(clinician, weekdays=["0"]))
    holiday = {"starts": "00:00", "ends": "00:00", "starts_on": "2026-02-02"}
    as_admin.post(world.url("cover"), line(admin, **holiday))
    html = as_admin.get(world.url("cover")).content.decode()
    assert "00:00–24:00 Ada" in html
    assert "09:00–18:00 Clara" not in html
    assert "2 Feb 2026" in html
    assert "a whole day" in html


def test_an_empty_calendar_says_who_is_told(world: World, as_admin: Client) -> None:
    Cover.objects.all().delete()
    html = as_admin.get(world.url("cover")).content.decode()
    assert "The calendar is empty" in html
    assert "as if there were no calendar" in html


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({}, "__all__"),
        ({"weekdays": ["0"], "starts_on": "2026-02-02"}, "__all__"),
        ({"weekdays": ["7"]}, "weekdays"),
        ({"weekdays": ["0"], "starts": "25:00"}, "starts"),
        ({"starts_on": "2026-02-03", "ends_on": "2026-02-02"}, "ends_on"),
        ({"starts_on": "2026-01-31", "ends_on": "2026-02-01"}, "ends_on"),
        ({"starts_on": "2026-02-02", "ends_on": "2062-02-02"}, "ends_on"),
        ({"weekdays": ["0"], "user": ""}, "user"),
    ],
)
def test_a_bad_line_is_named_and_not_stored(
    world: World, as_admin: Client, clinician: User, change: dict[str, object], field: str
) -> None:
    before = Cover.objects.count()
    page = as_admin.post(world.url("cover"), line(clinician, **change))
    assert list(page.context["form"].errors) == [field]
    assert Cover.objects.count() == before


def test_only_those_who_may_answer_alerts_are_offered(
    world: World, as_admin: Client, care_team: User, stranger: User
) -> None:
    offered = as_admin.get(world.url("cover")).context["form"].fields["user"].queryset
    assert {user.name for user in offered} == {"Clara", "Ada", "Yara", "Zeno"}
    for user in (care_team, stranger):
        page = as_admin.post(world.url("cover"), line(user, weekdays=["0"]))
        assert list(page.context["form"].errors) == ["user"]


def test_a_line_of_somebody_who_left_is_marked_and_does_not_count(
    world: World, as_admin: Client
) -> None:
    as_admin.post(world.url("member_end"))
    html = as_admin.get(world.url("cover")).content.decode()
    assert "does not count" in html
    assert "Nobody is on cover Sat 00:00–24:00" in html


# -- Recipients ----------------------------------------------------------------------------------


def test_an_admin_sees_whom_alerts_reach(world: World, as_admin: Client, now: datetime) -> None:
    Recipient.objects.filter(user__name="Yara").update(failed_at=now, failed_reason="bounced")
    Recipient.objects.filter(user__name="Zeno").delete()
    Recipient.objects.filter(user__name="Ada").update(confirmed_at=None)
    rows = as_admin.get(world.url("recipients")).context["rows"]
    assert {row.member.user.name: (row.is_reachable, row.state) for row in rows} == {
        "Ada": (False, "A test is out, not confirmed yet"),
        "Clara": (True, ""),
        "Yara": (False, "A message came back: the address or number does not work"),
        "Zeno": (False, "Not tested yet"),
    }
    with time_machine.travel(now + timedelta(days=38), tick=False):
        rows = signed_in(rows[0].member.user).get(world.url("recipients")).context["rows"]
        assert {row.state for row in rows if row.member.user.name in ("Ada", "Clara")} == {
            "The confirmation has lapsed"
        }


def test_the_page_says_when_nobody_can_be_enrolled(world: World, as_admin: Client) -> None:
    assert b"nobody can be enrolled" not in as_admin.get(world.url("recipients")).content
    Recipient.objects.exclude(user__name="Clara").delete()
    assert b"nobody can be enrolled" in as_admin.get(world.url("recipients")).content


def test_a_test_is_sent_now_and_confirmed_by_pressing_on_its_page(
    world: World, as_admin: Client, as_clinician: Client, clinician: User, now: datetime
) -> None:
    Recipient.objects.filter(user=clinician).delete()
    as_admin.post(world.url("recipient_test"))
    test = Message.objects.get(kind="test")
    assert test.user == clinician
    url = reverse("clinic_site:alert_test", args=["north", test.pk])
    assert as_clinician.get(url).status_code == 200
    assert Recipient.objects.get(user=clinician).confirmed_at is None
    assert as_clinician.post(url).status_code == 302
    assert Recipient.objects.get(user=clinician).confirmed_at == now


def test_nobody_is_sent_one_test_after_another(world: World, admin: User, now: datetime) -> None:
    for minutes, sent in ((0, 1), (0, 1), (4, 1), (5, 2)):
        with time_machine.travel(now + timedelta(minutes=minutes), tick=False):
            page = signed_in(admin).post(world.url("recipient_test"), follow=True)
        assert Message.objects.filter(kind="test").count() == sent
    assert b"A test was sent to Clara." in page.content


def test_nobody_confirms_for_somebody_else(
    world: World, as_admin: Client, care_team: User, stranger: User
) -> None:
    as_admin.post(world.url("recipient_test"))
    url = reverse("clinic_site:alert_test", args=["north", Message.objects.get(kind="test").pk])
    for client, status in (
        (as_admin, 404),
        (signed_in(stranger), 404),
        (signed_in(care_team), 403),
        (Client(), 302),
    ):
        for method in (client.get, client.post):
            assert method(url).status_code == status
    assert not Recipient.objects.filter(confirmed_at=None).exists()


def test_a_page_about_a_patient_is_no_test(world: World, as_clinician: Client) -> None:
    page = Message.objects.get(kind="alert", user__name="Clara")
    url = reverse("clinic_site:alert_test", args=["north", page.pk])
    assert as_clinician.post(url).status_code == 404


def test_an_old_test_says_that_it_is_too_old(
    world: World, as_admin: Client, clinician: User, now: datetime
) -> None:
    as_admin.post(world.url("recipient_test"))
    url = reverse("clinic_site:alert_test", args=["north", Message.objects.get(kind="test").pk])
    with time_machine.travel(now + timedelta(days=31), tick=False):
        assert b"too old" in signed_in(clinician).post(url).content


def test_the_care_team_gets_no_test(world: World, as_admin: Client, care_team: User) -> None:
    member = Membership.objects.get(user=care_team)
    url = reverse("clinic_site:recipient_test", args=["north", member.pk])
    assert as_admin.post(url).status_code == 404


def test_a_new_member_who_answers_alerts_is_sent_a_test(world: World, as_admin: Client) -> None:
    entry = {"email": "new@north.example", "name": "Nora New", "role": "clinician"}
    as_admin.post(world.url("members"), entry)
    assert Message.objects.get(kind="test").user.name == "Nora New"


def test_a_synthetic_clinic_says_that_nothing_lapses(world: World, as_admin: Client) -> None:
    Clinic.objects.update(is_synthetic=True)
    assert b"do not lapse" in as_admin.get(world.url("recipients")).content


# -- Before a clinic asks ------------------------------------------------------------------------


def test_enrolling_is_refused_with_where_to_mend_it(
    world: World, as_clinician: Client, clinician: User
) -> None:
    Recipient.objects.all().delete()
    form = {
        "given_name": "Ira",
        "family_name": "Example",
        "birth_date": "1970-01-01",
        "language": "en",
        "time_zone": "Europe/London",
        "indication": "trd",
        "course_kind": "induction",
        "schedule": str(world.course.schedule_id),
        "clinicians": [str(clinician.pk)],
    }
    page = as_clinician.post(world.url("enrol"), form)
    assert page.status_code == 200
    assert "a clinic admin sends tests under Clinic, “Alert recipients”" in page.content.decode()
    page = as_clinician.post(
        world.url("course_new"),
        {"kind": "maintenance", "schedule": str(world.course.schedule_id)},
    )
    assert "known to reach 0 people" in page.content.decode()


# -- The number ----------------------------------------------------------------------------------


def test_a_person_sets_their_own_number(as_clinician: Client, clinician: User) -> None:
    url = reverse("clinic_site:my_phone")
    page = as_clinician.post(url, {"phone": "12345"})
    assert list(page.context["form"].errors) == ["phone"]
    assert as_clinician.post(url, {"phone": "+1 202 555 0147"}).status_code == 302
    clinician.refresh_from_db()
    assert clinician.phone == "+12025550147"
    assert b"+12025550147" in as_clinician.get(reverse("clinic_site:my_account")).content
    assert as_clinician.get(url).status_code == 405


def test_an_admin_sets_a_members_number(
    world: World, as_admin: Client, as_clinician: Client, clinician: User
) -> None:
    page = as_admin.post(world.url("member_phone"), {"phone": "nonsense"})
    assert list(page.context["phone"].errors) == ["phone"]
    assert as_admin.post(world.url("member_phone"), {"phone": "+12025550147"}).status_code == 302
    clinician.refresh_from_db()
    assert clinician.phone == "+12025550147"
    assert as_clinician.post(world.url("member_phone"), {"phone": ""}).status_code == 403


def test_a_person_who_works_elsewhere_too_sets_their_number_alone(
    world: World, as_admin: Client, clinician: User, other_clinic: Clinic
) -> None:
    User.objects.filter(pk=clinician.pk).update(phone="+12025550188")
    make_member_here_too(other_clinic, clinician, Role.CLINICIAN)
    # Else any of their admins could read the number and lead the other clinic's alerts away.
    for phone in ("+12025550147", ""):
        assert as_admin.post(world.url("member_phone"), {"phone": phone}).status_code == 403
    clinician.refresh_from_db()
    assert clinician.phone == "+12025550188"
    page = as_admin.get(world.url("member")).content.decode()
    assert "Only they can see and change it, under “Your account”." in page
    assert "+12025550188" not in page
    assert b"+12025550188" not in as_admin.get(world.url("recipients")).content


def test_nobody_sets_the_number_of_an_operator_for_them(
    world: World, as_admin: Client, clinician: User
) -> None:
    User.objects.filter(pk=clinician.pk).update(is_superuser=True)
    assert as_admin.post(world.url("member_phone"), {"phone": "+12025550147"}).status_code == 403


# -- The times -----------------------------------------------------------------------------------


def test_the_clinic_sets_its_own_times(world: World, as_admin: Client) -> None:
    html = as_admin.get(world.url("settings")).content.decode()
    assert 'value="15, 30, 60"' in html
    form = as_admin.get(world.url("settings")).context["form"]
    data = {name: form[name].value() for name in form.fields}
    data = {name: value for name, value in data.items() if value not in (None, False)}
    data |= {"alert_minutes": "5, 20,40", "quiet_from": "21:00", "quiet_until": "08:00"}
    assert as_admin.post(world.url("settings"), data).status_code == 302
    assert Clinic.objects.get(pk=world.clinic.pk).alert_minutes == [5, 20, 40]
    assert b"After 5 minutes: all clinicians." in as_admin.get(world.url("recipients")).content


def test_the_next_alert_follows_the_new_times(world: World, now: datetime) -> None:
    Clinic.objects.update(alert_minutes=[5, 20, 40])
    alert = world.alert
    workflows.escalate_due(now=now + timedelta(minutes=15))
    alert.refresh_from_db()
    assert alert.next_at == alert.opened_at + timedelta(minutes=20)
    assert workflows.escalate_due(now=now + timedelta(minutes=20)) == 1
    assert SYSTEM.label in [event.actor_label for event in alert.events.filter(kind="escalated")]
