"""What every staff page shows beside its own content."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from outcomes.alerts.models import Alert
from outcomes.clinics.access import Permission


def staff(request: HttpRequest) -> dict[str, Any]:
    """Give the clinic, the user's permissions in it, and the alerts nobody has acknowledged."""
    membership = getattr(request, "membership", None)
    if membership is None:
        return {}
    return {
        "clinic": membership.clinic,
        "membership": membership,
        "may": {str(permission): membership.allows(permission) for permission in Permission},
        "open_alerts": Alert.objects.visible_to(request.user)
        .filter(clinic=membership.clinic)
        .open()
        .select_related("patient", "rule")
        .order_by("opened_at"),
    }
