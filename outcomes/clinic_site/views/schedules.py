"""Schedules in force: what each asks, its versions, and the courses that follow them."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from outcomes import workflows
from outcomes.care.models import Course
from outcomes.clinic_site.forms.schedules import MoveForm, SampleForm
from outcomes.clinic_site.schedules import (
    Preview,
    changes_of,
    facts_of,
    followed_by_others,
    is_version_of,
    minutes_of,
    running,
    schedules_of,
    versions_of,
)
from outcomes.clinic_site.views.page import StaffRequest, on_clinic_clock, posted
from outcomes.clinics.access import Audience, Permission, declare
from outcomes.scheduling import services as scheduling
from outcomes.scheduling.burden import SAMPLE
from outcomes.scheduling.models import Schedule, ScheduleDraft

PAGE_LENGTH = 25
# Each is planned anew within the request.
MOST_MOVED = 200


def _find(request: StaffRequest, schedule_id: UUID) -> Schedule:
    """Return a schedule that ships or is the clinic's own; any other is not found."""
    return get_object_or_404(Schedule.objects.usable_by(request.clinic.pk), pk=schedule_id)


@declare(Audience.CLINIC, Permission.VIEW_PATIENTS)
@require_safe
@on_clinic_clock
def schedules(request: StaffRequest) -> HttpResponse:
    """Show every schedule with its rules and the minutes it asks per week."""
    found = schedules_of(request.user, request.clinic)
    own = Schedule.objects.filter(clinic=request.clinic)
    current = own.current().values("code")
    drafts = ScheduleDraft.objects.visible_to(request.user).filter(clinic=request.clinic)
    context = {
        "schedules": found,
        "sample": SAMPLE,
        "drafts": drafts.order_by("-changed_at"),
        "retired": own.exclude(code__in=current).order_by("code", "-version"),
    }
    return render(request, "clinic_site/schedules.html", context)


@declare(Audience.CLINIC, Permission.VIEW_PATIENTS)
@require_safe
@on_clinic_clock
def schedule(request: StaffRequest, schedule_id: UUID) -> HttpResponse:
    """Show one version of a schedule in words, its other versions, and who follows them."""
    row = _find(request, schedule_id)
    context = {
        "schedule": row,
        "facts": facts_of(row, minutes_of(request.user, request.clinic)),
        "versions": versions_of(request.clinic, row),
        "others": followed_by_others(request.clinic, row),
    }
    return render(request, "clinic_site/schedule.html", context)


@declare(Audience.CLINIC, Permission.VIEW_PATIENTS)
@require_safe
@on_clinic_clock
def schedule_preview(request: StaffRequest, schedule_id: UUID) -> HttpResponse:
    """Show the days on which a patient of a sample course would be asked."""
    row = _find(request, schedule_id)
    form = SampleForm(request.GET or None)
    minutes = minutes_of(request.user, request.clinic)
    preview = Preview(facts_of(row, minutes, form.sample))
    context = {"schedule": row, "name": row.name, "form": form, "preview": preview}
    return render(request, "clinic_site/schedule_preview.html", context)


@declare(Audience.CLINIC, Permission.MANAGE_CLINIC)
@require_POST
@on_clinic_clock
def schedule_edit(request: StaffRequest, schedule_id: UUID) -> HttpResponse:
    """Go on with the draft of the next version, or begin it."""
    row = get_object_or_404(Schedule, clinic=request.clinic, pk=schedule_id)
    draft = scheduling.draft_next_version(schedule=row, by=request.user.actor, now=timezone.now())
    return redirect("clinic_site:schedule_draft", request.clinic.slug, draft.pk)


@declare(Audience.CLINIC, Permission.MANAGE_CLINIC)
@require_POST
@on_clinic_clock
def schedule_retire(request: StaffRequest, schedule_id: UUID) -> HttpResponse:
    """Offer the clinic's own schedule to no new course."""
    row = get_object_or_404(Schedule, clinic=request.clinic, pk=schedule_id)
    scheduling.retire_schedule(schedule=row, by=request.user.actor, now=timezone.now())
    messages.success(
        request, _("The schedule is retired: no new course is offered it. Running ones go on.")
    )
    return redirect("clinic_site:schedule", request.clinic.slug, row.pk)


# -- Moving running courses ----------------------------------------------------------------------


@declare(Audience.CLINIC, Permission.MANAGE_CLINIC)
@require_http_methods(["GET", "HEAD", "POST"])
@on_clinic_clock
def schedule_move(request: StaffRequest, schedule_id: UUID) -> HttpResponse:
    """Show which running courses follow something else, what a move changes, and move them."""
    row = get_object_or_404(Schedule.objects.usable_by(request.clinic.pk).current(), pk=schedule_id)
    courses = _courses_from(request, row)
    form = MoveForm(posted(request), courses=courses)
    if request.method == "POST" and form.is_valid():
        _move(request, row, form.chosen())
        return redirect(request.get_full_path())
    now = timezone.now()
    page = Paginator(courses, PAGE_LENGTH).get_page(request.GET.get("page"))
    workflows.view_list(clinic=request.clinic, page="schedule_move", by=request.user.actor, now=now)
    context = {
        "schedule": row,
        "form": form,
        "groups": followed_by_others(request.clinic, row),
        "chosen": request.GET.get("from", ""),
        "page": page,
        "rows": changes_of(list(page), row, now),
    }
    return render(request, "clinic_site/schedule_move.html", context)


def _courses_from(request: StaffRequest, row: Schedule) -> QuerySet[Course]:
    """Return running courses on older versions, or on the schedule that the address names."""
    groups = followed_by_others(request.clinic, row)
    source = request.GET.get("from", "")
    chosen = [
        each.schedule.pk
        for each in groups
        if (str(each.schedule.pk) == source if source else is_version_of(each.schedule, row))
    ]
    courses = running(request.clinic).filter(schedule__in=chosen)
    courses = courses.select_related("schedule", "episode__patient", "episode__clinic")
    return courses.order_by("started_at", "pk")


def _move(request: StaffRequest, row: Schedule, courses: QuerySet[Course]) -> None:
    """Move courses one by one, each for itself; say how many, and why one did not."""
    moved, refused = 0, dict[str, None]()
    for course in courses[:MOST_MOVED]:
        try:
            workflows.move_course_to_schedule(
                course=course, schedule=row, by=request.user.actor, now=timezone.now()
            )
            moved += 1
        except ValidationError as error:
            refused |= dict.fromkeys(error.messages)
    said = ngettext("%(n)d course was moved.", "%(n)d courses were moved.", moved) % {"n": moved}
    messages.success(request, said)
    for reason in refused:
        messages.warning(request, reason)
