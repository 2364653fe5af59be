"""Schedules being written: a draft line by line, its preview, and putting it in force."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from outcomes import workflows
from outcomes.clinic_site.forms.fields import refusals_on
from outcomes.clinic_site.forms.schedules import (
    DetailsForm,
    NewScheduleForm,
    RuleForm,
    SampleForm,
    initial_of,
)
from outcomes.clinic_site.schedules import DraftPage, minutes_of
from outcomes.clinic_site.views.page import StaffRequest, find, on_clinic_clock, posted
from outcomes.clinics.access import Audience, Permission, declare
from outcomes.scheduling import services as scheduling
from outcomes.scheduling.definition import ScheduleError, parse_rule
from outcomes.scheduling.models import ScheduleDraft


def _find(request: StaffRequest, draft_id: UUID) -> ScheduleDraft:
    return find(request, ScheduleDraft.objects.all(), draft_id)


def _to(request: StaffRequest, draft: ScheduleDraft) -> HttpResponse:
    return redirect("clinic_site:schedule_draft", request.clinic.slug, draft.pk)


@declare(Audience.CLINIC, Permission.MANAGE_CLINIC)
@require_http_methods(["GET", "HEAD", "POST"])
@on_clinic_clock
def schedule_new(request: StaffRequest) -> HttpResponse:
    """Begin a schedule of the clinic's own, empty or as a copy."""
    initial = {"source": request.GET.get("copy")}
    form = NewScheduleForm(posted(request), clinic=request.clinic, initial=initial)
    if request.method == "POST" and form.is_valid():
        with refusals_on(form):
            draft = scheduling.start_draft(
                clinic_id=request.clinic.pk,
                name=form.cleaned_data["name"],
                source=form.cleaned_data["source"],
                by=request.user.actor,
                now=timezone.now(),
            )
            return _to(request, draft)
    return render(request, "clinic_site/schedule_new.html", {"form": form})


@declare(Audience.CLINIC, Permission.MANAGE_CLINIC)
@require_safe
@on_clinic_clock
def schedule_draft(request: StaffRequest, draft_id: UUID) -> HttpResponse:
    """Show a draft with its lines in words, and what speaks against publishing it."""
    draft = _find(request, draft_id)
    context = {"draft": draft, "page": DraftPage(draft, timezone.now())}
    return render(request, "clinic_site/schedule_draft.html", context)


@declare(Audience.CLINIC, Permission.MANAGE_CLINIC)
@require_http_methods(["GET", "HEAD", "POST"])
@on_clinic_clock
def schedule_draft_details(request: StaffRequest, draft_id: UUID) -> HttpResponse:
    """Change the name, the description and the days between two of a kind."""
    draft = _find(request, draft_id)
    form = DetailsForm(posted(request), content=draft.content, revision=draft.revision)
    if request.method == "POST" and form.is_valid():
        with refusals_on(form):
            _change(request, draft, form.cleaned_data["revision"], form.changes())
            return _to(request, draft)
    context = {"form": form, "draft": draft}
    return render(request, "clinic_site/schedule_draft_details.html", context)


# -- Lines ---------------------------------------------------------------------------------------


@declare(Audience.CLINIC, Permission.MANAGE_CLINIC)
@require_http_methods(["GET", "HEAD", "POST"])
@on_clinic_clock
def schedule_rule_new(request: StaffRequest, draft_id: UUID) -> HttpResponse:
    """Add a line to a draft."""
    draft = _find(request, draft_id)
    return _edit_rule(request, draft, len(draft.content["rules"]))


@declare(Audience.CLINIC, Permission.MANAGE_CLINIC)
@require_http_methods(["GET", "HEAD", "POST"])
@on_clinic_clock
def schedule_rule(request: StaffRequest, draft_id: UUID, position: int) -> HttpResponse:
    """Change one line of a draft."""
    draft = _find(request, draft_id)
    _rule_at(draft, position)
    return _edit_rule(request, draft, position)


def _edit_rule(request: StaffRequest, draft: ScheduleDraft, position: int) -> HttpResponse:
    rules: list[dict[str, Any]] = list(draft.content["rules"])
    form = _rule_form(request, draft, position)
    if request.method == "POST" and form.is_valid():
        rules[position : position + 1] = [form.entry()]
        with refusals_on(form):
            _change(request, draft, form.cleaned_data["revision"], {"rules": rules})
            return _to(request, draft)
    context = {"form": form, "draft": draft, "is_new": position == len(draft.content["rules"])}
    return render(request, "clinic_site/schedule_rule.html", context)


def _rule_form(request: StaffRequest, draft: ScheduleDraft, position: int) -> RuleForm:
    rules = draft.content["rules"]
    initial: dict[str, Any] = {"revision": draft.revision}
    if position < len(rules):
        code = rules[position]["code"]
        try:
            initial |= initial_of(parse_rule(rules[position], "rule"))
        except ScheduleError:
            initial |= {"title": rules[position].get("title", code)}
    else:
        taken = {entry["code"] for entry in rules}
        code = next(f"line-{n}" for n in range(1, len(rules) + 2) if f"line-{n}" not in taken)
    return RuleForm(
        posted(request),
        code=code,
        sending=scheduling.sending_of(request.clinic.pk),
        spacing=draft.content["spacing_days"],
        initial=initial,
    )


@declare(Audience.CLINIC, Permission.MANAGE_CLINIC)
@require_POST
@on_clinic_clock
def schedule_rule_remove(request: StaffRequest, draft_id: UUID, position: int) -> HttpResponse:
    """Take a line out of a draft."""

    def without(rules: list[dict[str, Any]]) -> None:
        del rules[position]

    return _rearrange(request, draft_id, position, without)


@declare(Audience.CLINIC, Permission.MANAGE_CLINIC)
@require_POST
@on_clinic_clock
def schedule_rule_shift(request: StaffRequest, draft_id: UUID, position: int) -> HttpResponse:
    """Put a line one place up or down: of two that are due together, the first is asked."""
    step = -1 if request.POST.get("direction") == "up" else 1

    def shifted(rules: list[dict[str, Any]]) -> None:
        rules.insert(max(position + step, 0), rules.pop(position))

    return _rearrange(request, draft_id, position, shifted)


def _rearrange(
    request: StaffRequest,
    draft_id: UUID,
    position: int,
    change: Callable[[list[dict[str, Any]]], None],
) -> HttpResponse:
    draft = _find(request, draft_id)
    _rule_at(draft, position)
    rules = list(draft.content["rules"])
    change(rules)
    try:
        _change(request, draft, _revision(request), {"rules": rules})
    except ValidationError as error:
        messages.warning(request, " ".join(error.messages))
    return _to(request, draft)


def _rule_at(draft: ScheduleDraft, position: int) -> None:
    if position >= len(draft.content["rules"]):
        raise Http404


def _revision(request: StaffRequest) -> int:
    """Return which revision the page showed; one that never was where it is not said."""
    said = request.POST.get("revision", "")
    return int(said) if said.isascii() and said.isdigit() and len(said) < 10 else -1


def _change(
    request: StaffRequest, draft: ScheduleDraft, revision: int, changes: dict[str, Any]
) -> None:
    scheduling.change_draft(
        draft=draft, changes=changes, revision=revision, by=request.user.actor, now=timezone.now()
    )


# -- Into force ----------------------------------------------------------------------------------


@declare(Audience.CLINIC, Permission.MANAGE_CLINIC)
@require_safe
@on_clinic_clock
def schedule_draft_preview(request: StaffRequest, draft_id: UUID) -> HttpResponse:
    """Show the days on which a patient of a sample course would be asked by the draft."""
    draft = _find(request, draft_id)
    page, form = DraftPage(draft, timezone.now()), SampleForm(request.GET or None)
    preview = page.preview(minutes_of(request.user, request.clinic), form.sample)
    context = {"draft": draft, "page": page, "name": page.name, "form": form, "preview": preview}
    return render(request, "clinic_site/schedule_preview.html", context)


@declare(Audience.CLINIC, Permission.MANAGE_CLINIC)
@require_POST
@on_clinic_clock
def schedule_draft_publish(request: StaffRequest, draft_id: UUID) -> HttpResponse:
    """Put a draft in force as a new version, unless something speaks against it."""
    draft = _find(request, draft_id)
    try:
        schedule = workflows.publish_schedule(
            draft=draft, revision=_revision(request), by=request.user.actor, now=timezone.now()
        )
    except ValidationError as error:
        for reason in error.messages:
            messages.error(request, _("Not published: %s") % reason, extra_tags="danger")
        return _to(request, draft)
    said = _("%(name)s, version %(n)d, is in force for new courses. Running ones keep theirs.")
    messages.success(request, said % {"name": schedule.name, "n": schedule.version})
    return redirect("clinic_site:schedule", request.clinic.slug, schedule.pk)


@declare(Audience.CLINIC, Permission.MANAGE_CLINIC)
@require_POST
@on_clinic_clock
def schedule_draft_discard(request: StaffRequest, draft_id: UUID) -> HttpResponse:
    """Throw a draft away."""
    draft = _find(request, draft_id)
    scheduling.discard_draft(draft=draft, by=request.user.actor, now=timezone.now())
    messages.success(request, _("The draft was thrown away. No schedule has changed."))
    return redirect("clinic_site:schedules", request.clinic.slug)
