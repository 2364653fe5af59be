"""The caseload: paged, narrowed, searched; its answers marked as seen; its views saved."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from outcomes import workflows
from outcomes.care.models import EpisodeOfCare
from outcomes.clinic_site.caseload_page import CaseloadPage, kept_of, labels_for, query_of
from outcomes.clinic_site.forms.lists import CaseloadFilter, ViewForm
from outcomes.clinic_site.forms.patients import FindForm
from outcomes.clinic_site.forms.responses import SeenForm
from outcomes.clinic_site.views.page import StaffRequest, find, on_clinic_clock
from outcomes.clinics.access import Audience, Permission, Role, declare
from outcomes.review import caseload as caseloads
from outcomes.review import services as review
from outcomes.review.models import SavedView

# What a script asks for that puts a line in the place of the old one.
FRAGMENT = "X-Fragment"


@declare(Audience.CLINIC, Permission.VIEW_PATIENTS)
@require_http_methods(["GET", "HEAD", "POST"])
@on_clinic_clock
def caseload(request: StaffRequest) -> HttpResponse:
    """Show the open episodes, or those found by a name, which never stands in an address."""
    form, search, now = _filter(request, request.GET), FindForm(request.POST or {}), timezone.now()
    workflows.view_list(clinic=request.clinic, page="caseload", by=request.user.actor, now=now)
    is_whole = workflows.bring_caseload_up_to_date(clinic=request.clinic, now=now)
    text = search.cleaned_data["text"].strip() if search.is_valid() else ""
    found = caseloads.build(
        request.clinic, request.user, now, form.filters(), after=form.begins_after, text=text
    )
    context = {
        "page": CaseloadPage(found, text, is_whole),
        "labels": labels_for(found.main.code),
        "order": caseloads.ORDER,
        "form": form,
        "search": search,
        "view_form": ViewForm(),
        "now": now,
    }
    return render(request, "clinic_site/caseload.html", context)


@declare(Audience.CLINIC, Permission.RECORD_SESSIONS)
@require_POST
@on_clinic_clock
def line_seen(request: StaffRequest, episode_id: UUID) -> HttpResponse:
    """Note that the user has seen what had come in of a patient when they opened the list."""
    episode, now = find(request, EpisodeOfCare.objects.all(), episode_id), timezone.now()
    form = SeenForm(request.POST)
    if form.is_valid():
        until = form.cleaned_data["until"]
        workflows.mark_episode_seen(
            episode_id=episode.pk, until=until, by_user=request.user, now=now
        )
        workflows.bring_caseload_up_to_date(clinic=request.clinic, now=now)
    line = caseloads.find_line(request.clinic, request.user, episode.pk, now)
    if line is not None and FRAGMENT in request.headers:
        labels, query = labels_for(line.main.code), request.POST.get("back", "")
        context = {"line": line, "labels": labels, "now": now, "query": query}
        return render(request, "clinic_site/_caseload_line.html", context)
    messages.success(request, _("Marked as seen."))
    return _back(request, f"#line-{episode.pk}")


@declare(Audience.CLINIC, Permission.VIEW_PATIENTS)
@require_POST
@on_clinic_clock
def view_save(request: StaffRequest) -> HttpResponse:
    """Keep the present filters under a name."""
    form = ViewForm(request.POST)
    if not form.is_valid():
        messages.warning(request, _("Give the view a name."))
        return _back(request)
    try:
        review.save_view(
            clinic=request.clinic,
            user=request.user,
            name=form.cleaned_data["name"],
            filters=kept_of(_filter(request, _given(request)).filters()),
            now=timezone.now(),
        )
        messages.success(request, _("The view was saved."))
    except ValidationError as error:
        messages.warning(request, error.messages[0])
    return _back(request)


@declare(Audience.CLINIC, Permission.VIEW_PATIENTS)
@require_POST
@on_clinic_clock
def view_delete(request: StaffRequest, view_id: UUID) -> HttpResponse:
    """Forget one of the user's saved views."""
    mine = SavedView.objects.filter(user=request.user).select_related("user")
    review.delete_view(view=find(request, mine, view_id), now=timezone.now())
    messages.success(request, _("The view was deleted."))
    return _back(request)


def _filter(request: StaffRequest, data: QueryDict) -> CaseloadFilter:
    who = "mine" if request.membership.role == Role.CLINICIAN else "all"
    return CaseloadFilter(data, who=who)


def _given(request: StaffRequest) -> QueryDict:
    """Return the query of the page that a form was sent from."""
    return QueryDict(request.POST.get("back", "")[:500])


def _back(request: StaffRequest, place: str = "") -> HttpResponseRedirect:
    """Return to the list as it was narrowed: what was sent along is read, never followed."""
    form = _filter(request, _given(request))
    address = reverse("clinic_site:caseload", args=[request.clinic.slug])
    return HttpResponseRedirect(
        f"{address}?{query_of(form.filters(), after=form.begins_after)}{place}"
    )
