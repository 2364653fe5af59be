"""The clinic's own pages: settings, members, tokens, messages, audit."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.core import mail
from django.test import Client
from django.urls import reverse

from outcomes.audit.models import AuditEvent
from outcomes.clinics.models import ApiToken, Clinic, Membership, User, hash_secret
from outcomes.delivery import services as delivery
from outcomes.delivery.models import Message
from outcomes.workflows import SCREENER
from tests.clinic_site.conftest import World
from tests.conftest import NOW, PASSWORD
from tests.instruments.test_services import add_words

SETTINGS = {
    "name": "North Clinic",
    "display_name": "North",
    "phone": "+12025550123",
    "crisis_text_en": "Call 999.",
    "language": "en",
    "time_zone": "Europe/London",
    "checks_birth_date": "on",
    "watches_mania": "on",
    "takes_words": "on",
    "quiet_from": "20:00",
    "quiet_until": "08:00",
    "messages_per_day": "2",
    "main_instrument": "PHQ-9",
    "loss_kind": "cutoff",
    "loss_amount": "50",
    "loss_in_a_row": "2",
    "alert_minutes": "15, 30, 60",
}


def test_settings_are_changed_and_audited(world: World, as_admin: Client) -> None:
    assert as_admin.post(world.url("settings"), SETTINGS).status_code == 302
    event = AuditEvent.objects.get(action="clinic.changed")
    assert set(event.data) == {"crisis_text", "quiet_from", "messages_per_day"}
    clinic = Clinic.objects.get(pk=world.clinic.pk)
    assert (clinic.crisis_text, clinic.messages_per_day) == ("Call 999.", 2)


@pytest.mark.parametrize(
    ("field", "value"),
    [("time_zone", "Mars"), ("crisis_text_en", ""), ("quiet_from", "25:00"), ("language", "xx")]
    + [("alert_minutes", value) for value in ("", "15, 30", "30, 15, 60", "15, 30, 99", "ten")]
    + [("messages_per_day", value) for value in ("", "0", "-1", "21", "many", "2.5")]
    + [("loss_kind", value) for value in ("", "worse")]
    + [("loss_amount", value) for value in ("", "-1", "101", "half", "12.5")]
    + [("loss_in_a_row", value) for value in ("", "0", "3")],
)
def test_a_bad_setting_is_named_and_nothing_is_saved(
    world: World, as_admin: Client, field: str, value: str
) -> None:
    page = as_admin.post(world.url("settings"), {**SETTINGS, field: value})
    assert list(page.context["form"].errors) == [field]
    assert len(page.context["form"].errors[field]) == 1
    assert not AuditEvent.objects.filter(action="clinic.changed").exists()


@pytest.mark.parametrize(
    ("kind", "amount", "refused"),
    [
        ("improvement", "51", "Give a whole number from 1 to 50 with this rule."),
        ("percent", "0", "Give a whole number from 1 to 100 with this rule."),
        ("points", "28", "Give a whole number from 1 to 27 with this rule."),  # the PHQ-9's range
        ("points", "27", ""),
        ("cutoff", "0", ""),
    ],
)
def test_a_rule_of_loss_takes_the_numbers_that_its_kind_has(
    world: World, as_admin: Client, kind: str, amount: str, refused: str
) -> None:
    chosen = {**SETTINGS, "loss_kind": kind, "loss_amount": amount}
    page = as_admin.post(world.url("settings"), chosen)
    if refused:
        assert page.context["form"].errors == {"loss_amount": [refused]}
    clinic = Clinic.objects.get(pk=world.clinic.pk)
    assert (clinic.loss_kind, str(clinic.loss_amount)) == (
        ("cutoff", "50") if refused else (kind, amount)
    )


def test_each_language_has_its_own_crisis_text(world: World, as_admin: Client) -> None:
    as_admin.post(world.url("settings"), {**SETTINGS, "crisis_text_es": "Llame al 112."})
    clinic = Clinic.objects.get(pk=world.clinic.pk)
    assert (clinic.crisis_text, clinic.crisis_texts) == ("Call 999.", {"es": "Llame al 112."})
    page = as_admin.get(world.url("settings")).content.decode()
    assert "Call 999." in page
    assert "Llame al 112." in page


def test_a_clinic_that_changes_its_language_keeps_each_crisis_text(
    world: World, as_admin: Client
) -> None:
    texts = {"language": "es", "crisis_text_es": "Llame al 112."}
    as_admin.post(world.url("settings"), {**SETTINGS, **texts})
    clinic = Clinic.objects.get(pk=world.clinic.pk)
    assert (clinic.crisis_text, clinic.crisis_texts) == ("Llame al 112.", {"en": "Call 999."})


def test_the_crisis_text_in_the_clinics_own_language_cannot_be_missing(
    world: World, as_admin: Client
) -> None:
    page = as_admin.post(world.url("settings"), {**SETTINGS, "language": "es"})
    assert list(page.context["form"].errors) == ["crisis_text_es"]


def test_the_screener_is_switched_on_once_its_words_are_there(
    world: World, as_admin: Client
) -> None:
    page = as_admin.post(world.url("settings"), {**SETTINGS, "asks_screener": "on"})
    assert list(page.context["form"].errors) == ["asks_screener"]
    add_words(world.clinic, SCREENER, NOW)
    as_admin.post(world.url("settings"), {**SETTINGS, "asks_screener": "on"})
    assert Clinic.objects.get(pk=world.clinic.pk).asks_screener


def test_the_mania_watch_is_switched_off_and_the_schedules_say_so(
    world: World, as_admin: Client
) -> None:
    schedules = reverse("clinic_site:schedules", args=[world.clinic.slug])
    words = "The mania watch is switched off in the settings."
    add_words(world.clinic, "ASRM", NOW)
    assert words not in as_admin.get(schedules).content.decode()
    off = {key: value for key, value in SETTINGS.items() if key != "watches_mania"}
    as_admin.post(world.url("settings"), off)
    assert not Clinic.objects.get(pk=world.clinic.pk).watches_mania
    assert words in as_admin.get(schedules).content.decode()


def test_a_new_member_chooses_a_password_by_mail(world: World, as_admin: Client) -> None:
    entry = {"email": "new@north.example", "name": "Nora New", "role": "clinician"}
    as_admin.post(world.url("members"), entry)
    user = User.objects.get(email="new@north.example")
    assert not user.has_usable_password()
    visitor = Client()
    visitor.post(reverse("account_reset_password"), {"email": user.email})
    (sent,) = mail.outbox
    link = next(line for line in sent.body.splitlines() if line.startswith("http"))
    page = visitor.get(link, follow=True)
    action = page.redirect_chain[-1][0]
    chosen = {"password1": PASSWORD, "password2": PASSWORD}
    visitor.post(action, chosen)
    entry = {"login": user.email, "password": PASSWORD}
    assert visitor.post(reverse("account_login"), entry)["Location"] == "/"


def test_a_role_is_changed_and_ended(world: World, as_admin: Client) -> None:
    as_admin.post(world.url("member"), {"role": "care_team"})
    world.member.refresh_from_db()
    assert world.member.role == "care_team"
    as_admin.post(world.url("member_end"))
    world.member.refresh_from_db()
    assert world.member.ended_at == NOW
    assert as_admin.get(world.url("member")).status_code == 404


def test_the_last_admin_stays(world: World, admin: User, as_admin: Client) -> None:
    own = Membership.objects.get(user=admin)
    url = reverse("clinic_site:member", args=[world.clinic.slug, own.pk])
    page = as_admin.post(url, {"role": "clinician"})
    assert list(page.context["form"].errors) == ["role"]
    page = as_admin.post(reverse("clinic_site:member_end", args=[world.clinic.slug, own.pk]))
    assert b"at least one clinic admin" in page.content
    own.refresh_from_db()
    assert (own.role, own.ended_at) == ("clinic_admin", None)


def test_a_token_is_shown_once_and_stored_as_a_hash(world: World, as_admin: Client) -> None:
    entry = {"name": "Diary", "scopes": ["patients:read"], "expires_on": "2026-03-31"}
    page = as_admin.post(world.url("tokens"), entry)
    token = ApiToken.objects.get(name="Diary")
    assert page.context["secret"] in page.content.decode()
    assert token.secret_hash == hash_secret(page.context["secret"])
    # The end of the last day on the clinic's clock, in summer time by then.
    assert token.expires_at == datetime(2026, 3, 31, 23, 0, tzinfo=UTC)
    assert page.context["secret"] not in as_admin.get(world.url("tokens")).content.decode()


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"scopes": []}, "scopes"),
        ({"scopes": ["everything"]}, "scopes"),
        ({"expires_on": "2026-01-31"}, "expires_on"),
        ({"expires_on": "2028-01-31"}, "expires_on"),
        ({"name": ""}, "name"),
    ],
)
def test_a_bad_token_is_named_and_not_made(
    world: World, as_admin: Client, change: dict[str, object], field: str
) -> None:
    entry = {"name": "Diary", "scopes": ["patients:read"], "expires_on": "2026-03-31", **change}
    page = as_admin.post(world.url("tokens"), entry)
    assert list(page.context["form"].errors) == [field]
    assert ApiToken.objects.count() == 1


def test_a_token_is_revoked_once(world: World, as_admin: Client) -> None:
    as_admin.post(world.url("token_revoke"))
    world.token.refresh_from_db()
    assert world.token.revoked_at == NOW
    assert as_admin.post(world.url("token_revoke")).status_code == 404


@pytest.fixture
def mail_folder(settings, tmp_path: Path) -> Path:
    """An installation without a mail server."""
    settings.MAIL_FOLDER = tmp_path
    settings.EMAIL_BACKEND = "outcomes.delivery.channels.folder.FolderBackend"
    return tmp_path


def test_mail_in_the_folder_is_shown_with_its_link(
    world: World, as_admin: Client, as_clinician: Client, mail_folder: Path
) -> None:
    Message.objects.filter(pk=world.message.pk).update(state="pending", not_before=NOW)
    world.message.link.invitation.assignments.update(state="open")
    type(world.message.link.invitation).objects.update(completed_at=None)
    while delivery.send_batch(lane="bulk", channel="email", clock=lambda: NOW):
        pass
    html = as_admin.get(world.url("message")).content.decode()
    address = delivery.address_of(Message.objects.get(pk=world.message.pk).link)
    assert f'href="{address}"' in html
    assert as_clinician.get(world.url("message")).status_code == 403


def test_without_a_folder_the_text_is_not_kept(world: World, as_admin: Client, settings) -> None:
    settings.MAIL_FOLDER = None
    assert b"The text is not kept" in as_admin.get(world.url("message")).content


def test_messages_are_narrowed_and_paged(
    world: World, as_admin: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("outcomes.clinic_site.views.messages.PAGE", 2)
    seen, url = [], world.url("messages")
    before = ""
    while True:
        page = as_admin.get(f"{url}?before={before}")
        seen += [row.pk for row in page.context["rows"]]
        if page.context["next"] is None:
            break
        before = page.context["next"]
    assert len(seen) == len(set(seen)) == Message.objects.count()
    only = as_admin.get(f"{url}?kind=alert").context["rows"]
    assert {row.kind for row in only} == {"alert"}
    assert as_admin.get(f"{url}?kind=nonsense&before=nonsense").status_code == 200


def test_the_audit_record_is_paged_and_narrowed(
    world: World, as_admin: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("outcomes.clinic_site.views.audit.PAGE", 3)
    page = as_admin.get(world.url("audit"))
    assert len(page.context["rows"]) == 3
    older = as_admin.get(f"{world.url('audit')}?before={page.context['next']}")
    assert older.context["rows"][0][0].number == page.context["next"] - 1
    own = as_admin.get(f"{world.url('audit')}?patient={world.patient.pk}")
    assert {event.patient_id for event, _ in own.context["rows"]} == {world.patient.pk}


def test_the_chain_is_checked_on_demand(world: World, as_admin: Client) -> None:
    assert b"The record is whole" in as_admin.post(world.url("audit")).content
    AuditEvent.objects.filter(clinic_id=world.clinic.pk, number=2).update(actor_label="Nobody")
    page = as_admin.post(world.url("audit"))
    assert b"Event 2 was changed after it was written." in page.content
