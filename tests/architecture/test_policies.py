"""Every address declares who may use it, and an undeclared one stops the server."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse
from django.test import Client, override_settings
from django.urls import path

from config import security
from config.urls import urlpatterns as real
from outcomes.clinics.access import Audience, declare


def undeclared(request: HttpRequest) -> HttpResponse:
    return HttpResponse("open to all")


@declare(Audience.SIGNED_IN)
def for_staff(request: HttpRequest) -> HttpResponse:
    return HttpResponse("hello")


urlpatterns: list[Any] = [
    *real,
    path("forgotten/", undeclared),
    path("staff-only/", for_staff),
]
with_forgotten = override_settings(ROOT_URLCONF=__name__)


def test_every_address_declares_its_policy() -> None:
    assert list(security.undeclared_urls()) == []
    security.require_declared_policies()


@with_forgotten
def test_an_address_without_a_policy_stops_the_server_from_starting() -> None:
    with pytest.raises(ImproperlyConfigured, match="forgotten/"):
        security.require_declared_policies()


@with_forgotten
@pytest.mark.django_db
def test_an_address_without_a_policy_is_refused_at_run_time() -> None:
    response = Client().get("/forgotten/")

    assert response.status_code == 403
    assert b"open to all" not in response.content


@with_forgotten
@pytest.mark.django_db
def test_a_stranger_is_sent_to_the_log_in_page() -> None:
    response = Client().get("/staff-only/")

    assert response.status_code == 302
    assert response["Location"].startswith("/account/login/")


def test_the_web_server_checks_before_it_serves() -> None:
    import config.wsgi

    assert config.wsgi.require_declared_policies is security.require_declared_policies
