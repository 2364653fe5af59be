"""Files out and files in."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.core import signing
from django.http import HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from outcomes.clinic_site.file_forms import ExportForm, ImportForm
from outcomes.clinic_site.views.page import StaffRequest, on_clinic_clock
from outcomes.clinics.access import Audience, Permission, declare
from outcomes.exports import codebook as codebooks
from outcomes.exports import services as exports
from outcomes.imports import services as imports
from outcomes.imports.mapping import ImportRefused, Map

SHOWN_PROBLEMS = 50
AN_HOUR = 60 * 60
CODEBOOKS = {
    "csv": ("text/csv; charset=utf-8", codebooks.as_csv),
    "json": ("application/json", codebooks.as_json),
}


@declare(Audience.CLINIC, Permission.MOVE_DATA)
@require_safe
@on_clinic_clock
def export(request: StaffRequest) -> HttpResponse:
    """Offer the tables and the codebook."""
    return render(request, "clinic_site/export.html", {"form": ExportForm()})


@declare(Audience.CLINIC, Permission.MOVE_DATA)
@require_POST
def export_file(request: StaffRequest, clinic_slug: str) -> HttpResponseBase:
    """Send a table as a file, as fast as the browser takes it."""
    form = ExportForm(request.POST)
    if not form.is_valid():
        return render(request, "clinic_site/export.html", {"form": form})
    now = timezone.now()
    blocks = exports.export(
        table=form.chosen,
        clinic=request.clinic,
        by=request.user.actor,
        now=now,
        since=form.cleaned_data["since"],
        until=form.cleaned_data["until"],
    )
    today = timezone.localdate(now, ZoneInfo(request.clinic.time_zone))
    name = f"{clinic_slug}-{form.chosen.name}-{today}.csv"
    return StreamingHttpResponse(
        blocks,
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


@declare(Audience.CLINIC, Permission.MOVE_DATA)
@require_safe
@on_clinic_clock
def codebook(request: StaffRequest) -> HttpResponse:
    """Send the codebook, as CSV unless JSON is asked for. It holds no patient's data."""
    form = "json" if request.GET.get("form") == "json" else "csv"
    content_type, make = CODEBOOKS[form]
    return HttpResponse(
        make(request.clinic.pk),
        content_type=content_type,
        headers={"Content-Disposition": f'attachment; filename="codebook.{form}"'},
    )


@declare(Audience.CLINIC, Permission.MOVE_DATA)
@require_http_methods(["GET", "HEAD", "POST"])
@on_clinic_clock
def import_scores(request: StaffRequest) -> HttpResponse:
    """Take a file, show what importing it would do, and import it once that is confirmed."""
    if request.POST.get("confirmed"):
        return _import(request, request.POST["confirmed"])
    form = ImportForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        return _preview(request, form.cleaned_data["file"].read(), form.cleaned_data["map"].read())
    return render(request, "clinic_site/import.html", {"form": form})


def _preview(request: StaffRequest, content: bytes, map_text: bytes) -> HttpResponse:
    try:
        plan = Map.from_text(map_text)
        shown = imports.preview(
            clinic=request.clinic, plan=plan, content=content, now=timezone.now()
        )
    except ImportRefused as refusal:
        return _refused(request, refusal)
    # What is confirmed is exactly what was shown: nothing waits on the server meanwhile.
    parcel = signing.dumps(
        [content.decode(), map_text.decode()], salt=_salt(request), compress=True
    )
    context = {"plan": plan, "preview": shown, "parcel": parcel}
    return render(request, "clinic_site/import_preview.html", context)


def _import(request: StaffRequest, parcel: str) -> HttpResponse:
    try:
        content, map_text = signing.loads(parcel, salt=_salt(request), max_age=AN_HOUR)
    except signing.BadSignature:
        messages.error(request, _("The preview is more than an hour old. Choose the files again."))
        return redirect("clinic_site:import", request.clinic.slug)
    try:
        done = imports.import_scores(
            clinic=request.clinic,
            plan=Map.from_text(map_text.encode()),
            content=content.encode(),
            by=request.user.actor,
            now=timezone.now(),
        )
    except ImportRefused as refusal:
        return _refused(request, refusal)
    sentence = _("%(forms)s questionnaires were imported; %(patients)s patients are new.")
    messages.success(request, sentence % {"forms": done.new, "patients": done.new_patients})
    return redirect("clinic_site:import", request.clinic.slug)


def _salt(request: StaffRequest) -> str:
    return f"import:{request.clinic.pk}:{request.user.pk}"


def _refused(request: StaffRequest, refusal: ImportRefused) -> HttpResponse:
    context: dict[str, Any] = {
        "form": ImportForm(),
        "problems": refusal.problems[:SHOWN_PROBLEMS],
        "more": max(0, len(refusal.problems) - SHOWN_PROBLEMS),
    }
    return render(request, "clinic_site/import.html", context)
