"""The OpenAPI document: made from the views, with every error they may answer."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.openapi import AutoSchema
from rest_framework import serializers

from outcomes.api.serializers.fields import Strict
from outcomes.clinics.access import Audience


class ProblemSerializer(serializers.Serializer[Any]):
    """What went wrong."""

    code = serializers.CharField(help_text="One word for programs.")
    message = serializers.CharField(help_text="One sentence for people.")
    fields = serializers.DictField(  # type: ignore[assignment]
        child=serializers.ListField(child=serializers.CharField()),
        help_text="Sentences by field, dotted inside lists and objects.",
    )
    revision = serializers.IntegerField(
        required=False, help_text="With stale_revision only: the newest revision."
    )
    stored = serializers.DictField(
        child=serializers.IntegerField(allow_null=True),
        required=False,
        help_text="With stale_revision only: what stands in place of the answers refused.",
    )


class ErrorSerializer(serializers.Serializer[Any]):
    """The one shape of every error."""

    error = ProblemSerializer()


READING = ("400", "401", "403", "404", "405", "406", "429")
WRITING = (*READING, "409", "413", "415")
WORDS = {
    "400": "The request is not accepted; `fields` says why.",
    "401": "Nobody known asks.",
    "403": "The token lacks the scope, or the CSRF token is missing.",
    "404": "There is no such record in this clinic.",
    "405": "This address does not take this method.",
    "406": "The API answers JSON only.",
    "409": "It contradicts something stored already.",
    "413": "The body is too large.",
    "415": "The API reads JSON only.",
    "429": "Too many requests; Retry-After says how long to wait.",
}


class DocumentedSchema(AutoSchema):
    """Describe an action with its filters and its errors."""

    def get_override_parameters(self) -> list[Any]:
        """Return the filters that a list takes."""
        filters = getattr(self.view, "filters", None)
        is_list = getattr(self.view, "action", "") == "list"
        return [filters] if filters is not None and is_list and filters().fields else []

    def get_tags(self) -> list[str]:
        """Return the resource's name: what follows the version in the address."""
        return [self.path.split("/")[3]]

    def _map_basic_serializer(self, serializer: Any, direction: Any) -> Any:
        parent: Any = super()
        described: dict[str, Any] = parent._map_basic_serializer(serializer, direction)
        if direction == "request" and isinstance(serializer, Strict):
            described["additionalProperties"] = False
        return described

    def _get_response_bodies(self, direction: Any = "response") -> Any:
        parent: Any = super()
        bodies: dict[str, Any] = parent._get_response_bodies(direction)
        for code in WRITING if self.method in ("POST", "PUT", "PATCH") else READING:
            described = parent._get_response_for_code(ErrorSerializer, code, None, direction)
            bodies.setdefault(code, {**described, "description": WORDS[code]})
        return bodies


class TokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """Describe how a machine signs its requests."""

    target_class = "outcomes.api.authentication.TokenAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, str]:
        """Return the scheme as OpenAPI writes it."""
        return {"type": "http", "scheme": "bearer", "description": "A token of one clinic."}


class SittingScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """Describe how a patient's browser is known."""

    target_class = "outcomes.api.authentication.SittingAuthentication"
    name = "sitting"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, str]:
        """Return the scheme as OpenAPI writes it."""
        return {
            "type": "apiKey",
            "in": "cookie",
            "name": "sitting",
            "description": f"For {Audience.PATIENT_LINK}s: the cookie of an opened link, and the "
            "CSRF token in the header X-CSRFToken.",
        }


@lru_cache(maxsize=1)
def document() -> Any:
    """Return the document; it changes only with the code."""
    generator: Any = SchemaGenerator
    return generator().get_schema(request=None, public=True)
