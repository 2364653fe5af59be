"""Pages of the installation itself."""

from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from outcomes.clinics.access import Audience, declare


@declare(Audience.PUBLIC)
@require_safe
def health(request: HttpRequest) -> HttpResponse:
    """Say that the web process answers and its database does."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return HttpResponse("ok", content_type="text/plain")
