"""Which clinic, the clinic's own settings, and the user's own account."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from outcomes.clinic_site.forms.clinic import ClinicForm
from outcomes.clinic_site.forms.fields import refusals_on
from outcomes.clinic_site.views.page import StaffRequest, on_clinic_clock, posted
from outcomes.clinics import services as clinics
from outcomes.clinics.access import Audience, Permission, declare
from outcomes.clinics.models import Clinic, Membership, User


@declare(Audience.SIGNED_IN)
@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """Go to the user's only clinic, or offer a choice."""
    members = _memberships(request)
    if len(members) == 1:
        return redirect("clinic_site:caseload", members[0].clinic.slug)
    return render(request, "clinic_site/home.html", {"memberships": members})


@declare(Audience.SIGNED_IN)
@require_safe
def my_account(request: HttpRequest) -> HttpResponse:
    """Show who is signed in, their roles, and where password and second factor are changed."""
    return render(request, "clinic_site/my_account.html", {"memberships": _memberships(request)})


def _memberships(request: HttpRequest) -> list[Membership]:
    assert isinstance(request.user, User)
    rows = Membership.objects.active().filter(user=request.user)
    return list(rows.select_related("clinic").order_by("clinic__name"))


@declare(Audience.CLINIC, Permission.MANAGE_CLINIC)
@require_http_methods(["GET", "HEAD", "POST"])
@on_clinic_clock
def settings(request: StaffRequest) -> HttpResponse:
    """Show and change what the clinic decides about itself."""
    instance = Clinic.objects.get(pk=request.clinic.pk)
    form = ClinicForm(posted(request), instance=instance)
    if request.method == "POST" and form.is_valid():
        with refusals_on(form):
            clinics.change_clinic(
                clinic=request.clinic,
                changes=form.changes(),
                by=request.user.actor,
                now=timezone.now(),
            )
            messages.success(request, _("The settings were saved."))
            return redirect("clinic_site:settings", request.clinic.slug)
    return render(request, "clinic_site/settings.html", {"form": form})
