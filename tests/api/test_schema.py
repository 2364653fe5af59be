"""The API describes itself, truly."""

from __future__ import annotations

import warnings
from io import StringIO

import pytest
from django.conf import settings
from django.core.management import call_command
from django.test import Client
from drf_spectacular.validation import validate_schema

from outcomes.api.throttling import AddressThrottle
from outcomes.api.urls import router
from outcomes.clinics.access import Scope

ERROR = "#/components/schemas/Error"


@pytest.fixture
def document():
    reply = Client().get("/api/v1/schema/")
    assert reply.status_code == 200
    return reply.json()


def operations(document):
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"{method} {path}", operation


def test_it_is_served_to_anybody_as_json():
    for accept in ("*/*", "application/json", "text/html,*/*;q=0.8"):
        reply = Client().get("/api/v1/schema/", headers={"Accept": accept})
        assert reply.status_code == 200
        assert "json" in reply.headers["Content-Type"]


def test_it_is_valid_openapi(document):
    validate_schema(document)


def test_the_command_finds_nothing_to_warn_about():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        call_command("spectacular", "--validate", "--fail-on-warn", stdout=StringIO())


def test_every_routed_action_is_in_it(document):
    described = {name for name, _operation in operations(document)}
    for pattern in router.urls:
        route = str(pattern.pattern).replace("<uuid:pk>", "{id}").replace("<str:code>", "{code}")
        for method in set(pattern.callback.actions) - {"head"}:
            assert f"{method} /api/v1/{route}" in described
    for route in ("put", "answers"), ("post", "submit"):
        assert f"{route[0]} /api/v1/answering/{{assignment_id}}/{route[1]}/" in described


def test_every_action_has_its_errors_in_the_one_shape(document):
    for name, operation in operations(document):
        wanted = {"400", "401", "403", "404", "429"}
        if not name.startswith("get"):
            wanted |= {"409", "413", "415"}
        assert wanted <= set(operation["responses"]), name
        for code in wanted:
            content = operation["responses"][code]["content"]["application/json"]
            assert content["schema"]["$ref"] == ERROR, name


def test_every_action_says_how_to_sign_in(document):
    for name, operation in operations(document):
        scheme = "sitting" if "/answering/" in name else "token"
        assert operation["security"] == [{scheme: []}], name


def test_filters_and_paging_are_described(document):
    parameters = document["paths"]["/api/v1/scores/"]["get"]["parameters"]
    described = {parameter["name"]: parameter["schema"] for parameter in parameters}
    assert set(described) == {"cursor", "page_size", "patient", "instrument", "since"}
    assert described["page_size"] == {"type": "integer", "minimum": 1, "maximum": 500}


def test_what_is_refused_as_unknown_is_described_as_such(document):
    for name, schema in document["components"]["schemas"].items():
        if name.endswith("Request"):
            assert schema["additionalProperties"] is False, name


def test_contacts_are_only_ever_sent(document):
    schemas = document["components"]["schemas"]
    holders = {
        name for name, schema in schemas.items() if "contacts" in schema.get("properties", ())
    }
    assert holders == {"EnrolmentRequest"}
    assert "contact_channels" in schemas["Patient"]["properties"]


def test_the_submit_reply_has_no_room_for_a_score(document):
    reply = document["components"]["schemas"]["Submitted"]
    assert set(reply["properties"]) == {"submitted", "submitted_at"}


def test_asking_for_it_without_end_is_slowed_down(monkeypatch):
    monkeypatch.setattr(AddressThrottle, "rate", "1/min", raising=False)
    assert [Client().get("/api/v1/schema/").status_code for _ in range(2)] == [200, 429]


class TestGuide:
    """docs/api.md names everything a client may use."""

    @pytest.fixture
    def guide(self):
        return (settings.BASE_DIR / "docs" / "api.md").read_text()

    def test_every_address_is_in_it(self, guide, document):
        for path in document["paths"]:
            short = path.removeprefix("/api/v1/").replace("{assignment_id}", "{id}")
            assert f"`{short}`" in guide, short

    def test_every_scope_is_in_it(self, guide):
        for scope in Scope:
            assert f"`{scope}`" in guide

    def test_every_filter_is_in_it(self, guide, document):
        for _name, operation in operations(document):
            for parameter in operation.get("parameters", []):
                if parameter["in"] == "query":
                    assert f"`{parameter['name']}`" in guide

    @pytest.mark.parametrize(
        "code",
        [
            "invalid",
            "implausible",
            "invalid_answer",
            "parse_error",
            "authentication_failed",
            "permission_denied",
            "not_found",
            "method_not_allowed",
            "not_acceptable",
            "duplicate",
            "stale_revision",
            "already_submitted",
            "too_large",
            "unsupported_media_type",
            "throttled",
            "server_error",
        ],
    )
    def test_every_error_code_is_in_it(self, guide, code):
        assert f"`{code}`" in guide
