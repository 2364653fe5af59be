"""Pages of the installation itself."""

from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.views.csrf import csrf_failure
from django.views.decorators.http import require_safe

from outcomes.clinics.access import Audience, declare
from outcomes.patient_site import guards


@declare(Audience.PUBLIC)
@require_safe
def health(request: HttpRequest) -> HttpResponse:
    """Say that the web process answers and its database does."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return HttpResponse("ok", content_type="text/plain")


def form_refused(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Answer a form without a good CSRF token: a patient kindly, anybody else as Django does."""
    match = request.resolver_match
    if match is not None and match.app_name == "patient_site":
        return guards.no_cookie(request, **match.kwargs)
    return csrf_failure(request, reason)
