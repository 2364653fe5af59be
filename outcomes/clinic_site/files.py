"""Files out and files in."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_POST, require_safe

from config.requests import StaffRequest
from outcomes.clinics.access import Audience, Permission, declare


@declare(Audience.CLINIC, Permission.MOVE_DATA)
@require_safe
def export(request: StaffRequest, clinic_slug: str) -> HttpResponse:
    """Show what can be exported."""
    return render(request, "clinic_site/export.html")


@declare(Audience.CLINIC, Permission.MOVE_DATA)
@require_POST
def export_file(request: StaffRequest, clinic_slug: str) -> HttpResponse:
    """Show what can be exported."""
    return render(request, "clinic_site/export.html")


@declare(Audience.CLINIC, Permission.MOVE_DATA)
@require_safe
def codebook(request: StaffRequest, clinic_slug: str) -> HttpResponse:
    """Show what can be exported."""
    return render(request, "clinic_site/export.html")


@declare(Audience.CLINIC, Permission.MOVE_DATA)
def import_scores(request: StaffRequest, clinic_slug: str) -> HttpResponse:
    """Show what can be imported."""
    return render(request, "clinic_site/import.html")
