"""What every staff page shows beside its own content."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from django.db.models import Count, Exists, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.utils import timezone

from outcomes.alerts.models import Alert, CallRequest
from outcomes.alerts.services import is_sending, sending_loops
from outcomes.clinics.access import Permission
from outcomes.clinics.models import Clinic, User
from outcomes.delivery.models import Message, Unreached

# A page to staff that has not left after this long is said to be delayed.
LATE_AFTER = timedelta(minutes=2)


def staff(request: HttpRequest) -> dict[str, Any]:
    """Give the clinic, the user's permissions in it, open alerts and calls asked for.

    Outside a clinic (one's own account, the choice of a clinic) the alerts are those of every
    clinic the user works in.
    """
    membership = getattr(request, "membership", None)
    if membership is None:
        user = getattr(request, "user", None)
        is_staff = user is not None and user.is_authenticated
        if not is_staff:
            return {}
        return {
            "open_alerts": open_alerts(user, timezone.now()),
            "open_calls": open_calls(user),
            "is_sending_delayed": is_sending_delayed,
        }
    banner = Banner(membership.clinic, request.user, timezone.now())
    return {
        "clinic": membership.clinic,
        "membership": membership,
        "may": {str(permission): membership.allows(permission) for permission in Permission},
        "unreached_count": lambda: banner.facts["unreached"],
        "is_sending_delayed": lambda: not banner.facts["is_sending"],
        "open_alerts": lambda: banner.alerts,
        "open_calls": lambda: banner.calls,
    }


class Banner:
    """What waits for the staff of a clinic: one query says what there is, most often nothing."""

    def __init__(self, clinic: Clinic, user: Any, now: datetime) -> None:
        self.clinic, self.user, self.now = clinic, user, now

    @cached_property
    def facts(self) -> dict[str, Any]:
        """Say how many patients are not reached, and whether there are alerts, calls, senders."""
        of_clinic = {"clinic": OuterRef("pk")}
        unreached = Unreached.objects.open().filter(**of_clinic).order_by().values("clinic")
        row = Clinic.objects.filter(pk=self.clinic.pk).values(
            unreached=Coalesce(Subquery(unreached.values(n=Count("pk"))), 0),
            is_sending=Exists(sending_loops(self.now)),
            has_alerts=Exists(Alert.objects.open().filter(**of_clinic)),
            has_calls=Exists(CallRequest.objects.open().filter(**of_clinic)),
        )
        return dict(row.get())

    @cached_property
    def alerts(self) -> QuerySet[Any] | tuple[()]:
        """Return the clinic's open alerts."""
        if not self.facts["has_alerts"]:
            return ()
        return open_alerts(self.user, self.now).filter(clinic=self.clinic)

    @cached_property
    def calls(self) -> QuerySet[Any] | tuple[()]:
        """Return the calls that patients of the clinic ask for."""
        if not self.facts["has_calls"]:
            return ()
        return open_calls(self.user).filter(clinic=self.clinic)


def is_sending_delayed() -> bool:
    """Say whether no dispatcher has gone through the alert lane for a minute."""
    return not is_sending(timezone.now())


def open_calls(user: Any) -> QuerySet[Any]:
    """Return the calls that patients ask for and a user may see, oldest first."""
    calls = CallRequest.objects.visible_to(user).open()
    return calls.select_related("patient", "clinic").order_by("asked_at")


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
