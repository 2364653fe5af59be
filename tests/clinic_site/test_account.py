"""Signing in, the password, the second factor: the library's pages in the product's clothes."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from outcomes.clinics.models import User
from tests.clinic_site.conftest import World
from tests.conftest import PASSWORD

SIGNED_OUT = ["account_login", "account_reset_password", "account_reset_password_done"]
SIGNED_IN = ["account_change_password", "account_reauthenticate", "mfa_index", "account_logout"]


def _is_dressed(html: str) -> bool:
    return (
        'lang="en"' in html
        and html.count('<main id="main"') == 1
        and "outcomes.css" in html
        and html.count("<h1") == 1
    )


@pytest.mark.parametrize("name", SIGNED_OUT)
def test_a_visitors_page_is_dressed(db: None, name: str) -> None:
    page = Client().get(reverse(name))
    assert page.status_code == 200
    assert _is_dressed(page.content.decode())


@pytest.mark.parametrize("name", SIGNED_IN)
def test_a_users_page_is_dressed_and_shows_open_alerts(
    world: World, as_clinician: Client, name: str
) -> None:
    html = as_clinician.get(reverse(name)).content.decode()
    assert _is_dressed(html)
    assert "Robin Example, raised" in html


def test_an_unknown_address_gets_the_same_reply_and_no_mail(
    clinician: User, mailoutbox: list[object]
) -> None:
    replies = []
    for email in ("nobody@north.example", clinician.email):
        page = Client().post(reverse("account_reset_password"), {"email": email})
        replies.append((page.status_code, page["Location"]))
    assert replies[0] == replies[1]
    assert len(mailoutbox) == 1


def test_a_wrong_password_is_said_without_a_hint(clinician: User) -> None:
    for email in (clinician.email, "nobody@north.example"):
        page = Client().post(reverse("account_login"), {"login": email, "password": "wrong"})
        assert page.context["form"].non_field_errors() == [
            "The email address and/or password you specified are not correct."
        ]


def test_a_second_factor_can_be_added_after_a_password_reset(clinician: User) -> None:
    client = Client()
    client.post(reverse("account_reset_password"), {"email": clinician.email})
    entry = {"login": clinician.email, "password": PASSWORD}
    client.post(reverse("account_login"), entry)
    # Adding a factor asks for the password once more.
    asked = client.get(reverse("mfa_activate_totp"))
    page = client.post(asked["Location"], {"password": PASSWORD}, follow=True)
    assert page.redirect_chain[-1][0] == reverse("mfa_activate_totp")
    html = page.content.decode()
    assert "<svg" in html
    assert "data:image" not in html


def test_my_account_names_clinic_and_role(world: World, as_care_team: Client) -> None:
    html = as_care_team.get(reverse("clinic_site:my_account")).content.decode()
    assert "North Clinic" in html
    assert "Care team (read only)" in html
