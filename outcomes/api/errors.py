"""Every error in one shape: {"error": {"code", "message", "fields"}}."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterator, Mapping
from typing import Any

from django.core.exceptions import NON_FIELD_ERRORS, RequestDataTooBig
from django.core.exceptions import ValidationError as DomainError
from django.db import IntegrityError
from django.http import Http404
from django.utils.translation import gettext_lazy as _
from rest_framework import status
from rest_framework.exceptions import APIException, NotFound, ValidationError
from rest_framework.response import Response
from rest_framework.settings import api_settings
from rest_framework.views import exception_handler

from outcomes.care.services.sessions import ImplausibleValues
from outcomes.instruments.scoring import AnswerError
from outcomes.responses.services import AlreadySubmitted, StaleRevision
from outcomes.workflows import SubmissionConflict

logger = logging.getLogger("outcomes.api")

# Columns that the API calls otherwise.
API_NAMES = {"edit_reason": "reason"}


class Conflict(APIException):
    """Refuse what contradicts something that is stored already."""

    status_code = status.HTTP_409_CONFLICT
    default_detail = _("This contradicts something that is stored already.")
    default_code = "conflict"

    def __init__(self, message: Any = None, code: str | None = None, **extra: Any) -> None:
        super().__init__(message, code)
        self.extra = extra


class TooLarge(APIException):
    """Refuse a body beyond the server's limit."""

    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_detail = _("The body of the request is too large.")
    default_code = "too_large"


class ServerError(APIException):
    """Say that the fault is ours, and nothing else."""

    default_detail = _("Something went wrong on the server. Nothing was stored.")
    default_code = "server_error"


def handle(error: Exception, context: Mapping[str, Any]) -> Response:
    """Answer an error of any kind in the one shape, without traceback or health data."""
    translated = translate(error)
    response = exception_handler(translated, dict(context))
    if response is None:
        _log(error, context)
        translated = ServerError()
        response = exception_handler(translated, dict(context))
    assert response is not None
    assert isinstance(translated, APIException)
    response.data = {"error": describe(translated)}
    return response


def translate(error: Exception) -> Exception:
    """Return the API's own exception for one raised by Django or by the product's rooms."""
    match error:
        case RequestDataTooBig():
            return TooLarge()
        case Http404():
            return NotFound(_("There is no such record."))
        case ImplausibleValues():
            return ValidationError(_domain_detail(error), code="implausible")
        case DomainError():
            return ValidationError(_domain_detail(error))
        case AnswerError():
            field = f"answers.{str(error.link_id)[:40]}"
            return ValidationError({field: [str(error)]}, code="invalid_answer")
        case StaleRevision():
            message = _("The answers were changed in another window.")
            newest = {"revision": error.response.revision, "stored": error.stored}
            return Conflict(message, "stale_revision", **newest)
        case AlreadySubmitted() | SubmissionConflict():
            return Conflict(_("This questionnaire was submitted already."), "already_submitted")
        case IntegrityError() if _is_duplicate(error):
            return Conflict(_("A record with one of these values exists already."), "duplicate")
    return error


def describe(error: APIException) -> dict[str, Any]:
    """Return code, one sentence, and what is wrong with each named field."""
    if not isinstance(error, ValidationError):
        extra = error.extra if isinstance(error, Conflict) else {}
        return {"code": error.get_codes(), "message": str(error.detail), "fields": {}, **extra}
    fields: dict[str, list[str]] = {}
    for name, sentence in _flatten(error.detail, ""):
        fields.setdefault(name, []).append(sentence)
    general = fields.pop("", [])
    message = " ".join(general) or str(
        _("Not accepted: %(fields)s.") % {"fields": ", ".join(sorted(fields))}
    )
    return {"code": _first_code(error.get_codes()), "message": message, "fields": fields}


def _domain_detail(error: DomainError) -> dict[str, list[str]]:
    if not hasattr(error, "error_dict"):
        return {api_settings.NON_FIELD_ERRORS_KEY: error.messages}
    names = {NON_FIELD_ERRORS: api_settings.NON_FIELD_ERRORS_KEY, **API_NAMES}
    return {names.get(name, name): found for name, found in error.message_dict.items()}


def _flatten(detail: Any, name: str) -> Iterator[tuple[str, str]]:
    """Yield (dotted name, sentence); what belongs to no field has the name of its holder."""
    if isinstance(detail, Mapping):
        for key, inner in detail.items():
            is_general = key == api_settings.NON_FIELD_ERRORS_KEY
            step = "" if is_general else str(key)
            yield from _flatten(inner, ".".join(filter(None, (name, step))))
    elif isinstance(detail, list | tuple):
        for position, inner in enumerate(detail):
            is_nested = isinstance(inner, Mapping | list | tuple)
            yield from _flatten(inner, f"{name}.{position}".lstrip(".") if is_nested else name)
    else:
        yield name, str(detail)


def _first_code(codes: Any) -> str:
    """Return the code that the whole error was raised with; "invalid" where fields differ."""
    found = set(_leaves(codes))
    return found.pop() if found in ({"implausible"}, {"invalid_answer"}) else "invalid"


def _leaves(codes: Any) -> Iterator[str]:
    if isinstance(codes, Mapping):
        for inner in codes.values():
            yield from _leaves(inner)
    elif isinstance(codes, list):
        for inner in codes:
            yield from _leaves(inner)
    else:
        yield str(codes)


def _is_duplicate(error: IntegrityError) -> bool:
    return type(error.__cause__).__name__ == "UniqueViolation" or "UNIQUE" in str(error)


def _log(error: Exception, context: Mapping[str, Any]) -> None:
    # The exception's own text may quote a row, so only its type and the places in the code.
    frames = "".join(traceback.format_tb(error.__traceback__))
    view = type(context.get("view")).__name__
    logger.error("%s in %s\n%s", type(error).__name__, view, frames)
