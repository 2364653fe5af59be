"""Pages of the installation itself."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable
from functools import lru_cache
from time import monotonic

from django.conf import settings
from django.core.cache import cache
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import Http404, HttpRequest, HttpResponse
from django.views.csrf import csrf_failure
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST

from config import metrics
from outcomes.clinics.access import Audience, declare
from outcomes.delivery.services import is_held
from outcomes.instruments.models import InstrumentVersion
from outcomes.patient_site import guards

log = logging.getLogger(__name__)

# Anybody may ask, as often as they like: for so long each process gives the answer it has.
READY_SECONDS = 5.0


@declare(Audience.PUBLIC)
@require_safe
def health(request: HttpRequest) -> HttpResponse:
    """Say that the web process answers and its database does."""
    failing = _failing(("database", _database_answers))
    return _plain(failing, 503) if failing else _plain(["ok"], 200)


@declare(Audience.PUBLIC)
@require_safe
def ready(request: HttpRequest) -> HttpResponse:
    """Say whether this process can serve; one word for each thing that it lacks.

    The answer is kept for at most five seconds. A restored database serves: only its bulk messages
    wait, and the word says so.
    """
    words, status = _readiness(int(monotonic() // READY_SECONDS))
    return _plain(words, status)


@lru_cache(maxsize=1)
def _readiness(_period: int) -> tuple[list[str], int]:
    """Return what is said in one period of a few seconds."""
    failing = _failing(("database", _database_answers)) or _failing(
        ("migrations", _is_migrated), ("cache", _cache_keeps), ("library", _has_library)
    )
    if failing:
        return failing, 503
    return ["ok", *(["restored"] if is_held() else [])], 200


@declare(Audience.OPERATOR)
@require_safe
def show_metrics(request: HttpRequest) -> HttpResponse:
    """Show the installation's figures to whoever has the token; without one there is no page."""
    if not settings.METRICS_TOKEN:
        raise Http404("No such page.")
    given = request.headers.get("Authorization", "")
    wanted = f"Bearer {settings.METRICS_TOKEN}"
    if not secrets.compare_digest(given.encode(), wanted.encode()):
        refusal = _plain(["token"], 401)
        refusal["WWW-Authenticate"] = "Bearer"
        return refusal
    try:
        return HttpResponse(metrics.render(), content_type=CONTENT_TYPE_LATEST)
    except DatabaseError as error:
        log.error("The figures cannot be read: %s.", type(error).__name__)
        return _plain(["database"], 503)


def _plain(words: list[str], status: int) -> HttpResponse:
    return HttpResponse("\n".join(words), content_type="text/plain", status=status)


def _failing(*checks: tuple[str, Callable[[], bool]]) -> list[str]:
    """Return the name of every check that fails. Why, only the log says, and only the kind."""
    failing = []
    for name, check in checks:
        try:
            passed = check()
        except Exception as error:
            log.error("Not ready: %s: %s.", name, type(error).__name__)
            passed = False
        if not passed:
            failing.append(name)
    return failing


def _database_answers() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return True


def _is_migrated() -> bool:
    executor = MigrationExecutor(connection)
    return not executor.migration_plan(executor.loader.graph.leaf_nodes())


def _cache_keeps() -> bool:
    cache.set("ready", "yes", 10)
    return bool(cache.get("ready") == "yes")


def _has_library() -> bool:
    return InstrumentVersion.objects.filter(is_current=True).exists()


def form_refused(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Answer a form without a good CSRF token: a patient kindly, anybody else as Django does."""
    match = request.resolver_match
    if match is not None and match.app_name == "patient_site":
        return guards.no_cookie(request, **match.kwargs)
    return csrf_failure(request, reason)
