"""What staff views share: their request, their clinic's clock, and finding a row of the clinic."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpResponse, QueryDict
from django.shortcuts import get_object_or_404
from django.utils import timezone

from config.requests import StaffRequest as ClinicRequest
from outcomes import workflows
from outcomes.care.models import Patient
from outcomes.clinics.models import ClinicRow, User

P = ParamSpec("P")
Row = TypeVar("Row", bound=ClinicRow)


class StaffRequest(ClinicRequest):
    """A request of a member of staff inside a clinic."""

    user: User


def on_clinic_clock(
    view: Callable[Concatenate[StaffRequest, P], HttpResponse],
) -> Callable[..., HttpResponse]:
    """Run a view with the clinic's time zone as the current one.

    Times that people type and read are the clinic's. The slug is dropped: `request.clinic` is it.
    """

    @wraps(view)
    def page(request: StaffRequest, *args: Any, clinic_slug: str, **kwargs: Any) -> HttpResponse:
        with timezone.override(request.clinic.time_zone):
            return view(request, *args, **kwargs)

    return page


def find(request: StaffRequest, rows: QuerySet[Row], key: UUID) -> Row:
    """Return a row of the request's clinic; any other is not found, whether it exists or not."""
    visible: QuerySet[Row] = rows.visible_to(request.user)  # type: ignore[attr-defined]
    return get_object_or_404(visible, clinic=request.clinic, pk=key)


def posted(request: StaffRequest) -> QueryDict | None:
    """Return what a form was sent with; None when it was only opened."""
    return request.POST if request.method == "POST" else None


def note_reading(request: StaffRequest, patient: Patient, page: str) -> None:
    """Put into the audit record that a page about this patient was shown."""
    workflows.view_patient(patient=patient, page=page, by=request.user.actor, now=timezone.now())
