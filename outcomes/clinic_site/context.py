"""What every staff page shows beside its own content."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest
from django.utils import timezone

from outcomes.alerts.models import Alert
from outcomes.clinics.access import Permission
from outcomes.clinics.models import User
from outcomes.delivery.models import Message

# A page to staff that has not left after this long is said to be delayed.
LATE_AFTER = timedelta(minutes=2)


def staff(request: HttpRequest) -> dict[str, Any]:
    """Give the clinic, the user's permissions in it, and the alerts nobody has acknowledged.

    Outside a clinic (one's own account, the choice of a clinic) the alerts are those of every
    clinic the user works in.
    """
    membership = getattr(request, "membership", None)
    if membership is None:
        user = getattr(request, "user", None)
        is_staff = user is not None and user.is_authenticated
        return {"open_alerts": open_alerts(user, timezone.now())} if is_staff else {}
    alerts = open_alerts(request.user, timezone.now()).filter(clinic=membership.clinic)
    return {
        "clinic": membership.clinic,
        "membership": membership,
        "may": {str(permission): membership.allows(permission) for permission in Permission},
        "open_alerts": alerts,
    }


def open_alerts(user: Any, now: datetime) -> QuerySet[Any]:
    """Return the open alerts a user may see, oldest first.

    Each says in `is_delayed` whether a mail about it is waiting for longer than it should.
    """
    assert isinstance(user, User)
    unsent = Message.objects.filter(alert=OuterRef("pk"), created_at__lt=now - LATE_AFTER).unsent()
    return (
        Alert.objects.visible_to(user)
        .open()
        .select_related("patient", "clinic", "rule")
        .annotate(is_delayed=Exists(unsent))
        .order_by("opened_at")
    )
