"""Who gets in."""

from __future__ import annotations

from datetime import timedelta

from django.test import Client

from outcomes.api.throttling import AddressThrottle
from outcomes.clinics import services as clinics
from outcomes.clinics.models import ApiToken
from tests.conftest import signed_in


def ask(**headers):
    return Client().get("/api/v1/patients/", headers=headers)


def test_a_valid_token_gets_in(machine):
    assert machine.get("patients/").status_code == 200


def test_unknown_expired_revoked_and_missing_tokens_look_the_same(make_machine, now, clock, admin):
    revoked = make_machine()
    clinics.revoke_token(token=revoked.token, by=admin.actor, now=now)
    expired = make_machine(expires_at=now + timedelta(minutes=1))
    clock.shift(timedelta(minutes=1))
    replies = [
        revoked.get("patients/"),
        expired.get("patients/"),
        ask(Authorization="Bearer outcomes_nobody"),
        ask(Authorization="Bearer "),
        ask(Authorization="Basic b3V0Y29tZXM6eA=="),
        ask(),
    ]
    assert {reply.status_code for reply in replies} == {401}
    assert len({reply.content for reply in replies}) == 1
    assert {reply.headers["WWW-Authenticate"] for reply in replies} == {"Bearer"}


def test_a_signed_in_member_of_staff_is_no_machine(clinic, admin):
    assert signed_in(admin).get("/api/v1/patients/").status_code == 401


def test_the_secret_is_stored_nowhere(make_machine):
    machine = make_machine()
    secret = machine.client.defaults["HTTP_AUTHORIZATION"].removeprefix("Bearer ")
    assert secret not in str(ApiToken.objects.values().get())


def test_its_last_use_is_noted_at_most_once_a_minute(machine, now, clock):
    def last_used():
        return ApiToken.objects.get().last_used_at

    machine.get("schedules/")
    assert last_used() == now
    clock.shift(timedelta(seconds=59))
    machine.get("schedules/")
    assert last_used() == now
    clock.shift(timedelta(seconds=1))
    machine.get("schedules/")
    assert last_used() == now + timedelta(minutes=1)


def test_whoever_guesses_tokens_is_slowed_down(clinic, monkeypatch):
    monkeypatch.setattr(AddressThrottle, "rate", "2/min", raising=False)
    statuses = [ask(Authorization=f"Bearer guess{number}").status_code for number in range(3)]
    assert statuses == [401, 401, 429]
