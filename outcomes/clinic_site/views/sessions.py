"""Treatment sessions: record, plan, look at, edit with a reason, move, cancel."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from outcomes import workflows
from outcomes.care.models import Course, SessionStatus, TreatmentSession
from outcomes.care.services.sessions import refusal_to_cancel, refusal_to_move
from outcomes.clinic_site.forms.fields import refusals_on
from outcomes.clinic_site.forms.sessions import CancelForm, MoveEntry, SessionEntry
from outcomes.clinic_site.history import history_of
from outcomes.clinic_site.views.page import (
    StaffRequest,
    find,
    note_reading,
    on_clinic_clock,
    posted,
)
from outcomes.clinics.access import Audience, Permission, declare

SESSIONS = TreatmentSession.objects.select_related("course", "clinic", "episode__patient")


@declare(Audience.CLINIC, Permission.RECORD_SESSIONS)
@require_http_methods(["GET", "HEAD", "POST"])
@on_clinic_clock
def session_new(request: StaffRequest, course_id: UUID) -> HttpResponse:
    """Record a session that was held, or plan one (`?plan`)."""
    course = find(request, Course.objects.select_related("episode__patient", "clinic"), course_id)
    status = SessionStatus.PLANNED if "plan" in request.GET else SessionStatus.DONE
    entry = SessionEntry.new(course, status, posted(request))
    if request.method == "POST" and entry.is_valid():
        save = partial(
            workflows.record_session,
            course=course,
            record=entry.record(),
            by=request.user.actor,
            now=timezone.now(),
        )
        if session := entry.keep(save):
            messages.success(request, _("Session %d was saved.") % session.number)
            return redirect("clinic_site:session", request.clinic.slug, session.pk)
    context = {"entry": entry, "course": course, "patient": course.episode.patient}
    return render(request, "clinic_site/session_form.html", {**context, "is_new": True})


@declare(Audience.CLINIC, Permission.RECORD_SESSIONS)
@require_http_methods(["GET", "HEAD", "POST"])
@on_clinic_clock
def session_edit(request: StaffRequest, session_id: UUID) -> HttpResponse:
    """Change a session's record with a reason, or fill in a planned one (`?held`)."""
    session = find(request, SESSIONS, session_id)
    offers_held = request.method == "GET" and "held" in request.GET
    initial = {"status": SessionStatus.DONE} if offers_held else {}
    entry = SessionEntry(session, posted(request), initial)
    if request.method == "POST" and entry.is_valid():
        if not (changes := entry.changes()):
            messages.info(request, _("Nothing was changed, so nothing was saved."))
            return redirect("clinic_site:session", request.clinic.slug, session.pk)
        save = partial(
            workflows.edit_session,
            session=session,
            changes=changes,
            reason=entry.form.reason(),
            by=request.user.actor,
            now=timezone.now(),
        )
        if entry.keep(save):
            messages.success(request, _("Session %d was saved.") % session.number)
            return redirect("clinic_site:session", request.clinic.slug, session.pk)
    patient = session.episode.patient
    workflows.view_patient(
        patient=patient, page="session", by=request.user.actor, now=timezone.now()
    )
    context = {"entry": entry, "course": session.course, "patient": patient}
    return render(request, "clinic_site/session_form.html", {**context, "session_id": session_id})


@declare(Audience.CLINIC, Permission.VIEW_PATIENTS)
@require_safe
@on_clinic_clock
def session(request: StaffRequest, session_id: UUID) -> HttpResponse:
    """Show a session's record and what was changed in it, by whom and why."""
    found = find(request, SESSIONS, session_id)
    person = found.episode.patient
    workflows.view_patient(
        patient=person, page="session", by=request.user.actor, now=timezone.now()
    )
    context = {"session": found, "patient": person, "history": history_of(found)}
    return render(request, "clinic_site/session.html", context)


@declare(Audience.CLINIC, Permission.RECORD_SESSIONS)
@require_http_methods(["GET", "HEAD", "POST"])
@on_clinic_clock
def session_move(request: StaffRequest, session_id: UUID) -> HttpResponse:
    """Plan a session for another time."""
    found = find(request, SESSIONS, session_id)
    refusal = refusal_to_move(found)
    entry = MoveEntry(found, posted(request))
    if request.method == "POST" and not refusal and entry.form.is_valid():
        if not entry.has_changed:
            messages.info(request, _("It is planned for this time already; nothing was saved."))
            return redirect("clinic_site:session", request.clinic.slug, found.pk)
        if entry.keep(partial(_move, request, found, entry.form.cleaned_data)):
            messages.success(request, _("Session %d was moved.") % found.number)
            return redirect("clinic_site:patient", request.clinic.slug, found.episode.patient_id)
    context = {"entry": entry, "form": entry.form, "refusal": refusal}
    context |= {"session": found, "patient": found.episode.patient}
    return render(request, "clinic_site/session_move.html", context)


def _move(
    request: StaffRequest, session: TreatmentSession, given: Mapping[str, Any], is_confirmed: bool
) -> TreatmentSession:
    return workflows.move_session(
        session=session,
        planned_at=given["planned_at"],
        reason=given["reason"],
        by=request.user.actor,
        now=timezone.now(),
        is_confirmed=is_confirmed,
    )


@declare(Audience.CLINIC, Permission.RECORD_SESSIONS)
@require_http_methods(["GET", "HEAD", "POST"])
@on_clinic_clock
def session_cancel(request: StaffRequest, session_id: UUID) -> HttpResponse:
    """Record that a planned session is not held."""
    found = find(request, SESSIONS, session_id)
    refusal = refusal_to_cancel(found)
    form = CancelForm(posted(request))
    if request.method == "POST" and not refusal and form.is_valid():
        with refusals_on(form):
            workflows.cancel_session(
                session=found,
                reason=form.cleaned_data["reason"],
                status=SessionStatus(form.cleaned_data["status"]),
                by=request.user.actor,
                now=timezone.now(),
            )
            messages.success(request, _("The plan was changed."))
            return redirect("clinic_site:patient", request.clinic.slug, found.episode.patient_id)
    context = {"form": form, "refusal": refusal}
    context |= {"session": found, "patient": found.episode.patient}
    note_reading(request, found.episode.patient, "session_cancel")
    return render(request, "clinic_site/session_cancel.html", context)
