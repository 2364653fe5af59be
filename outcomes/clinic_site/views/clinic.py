"""Which clinic, which invites, the clinic's own settings, and the user's own account."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from outcomes import workflows
from outcomes.audit.models import Actor
from outcomes.clinic_site.forms.clinic import ClinicForm, PhoneForm
from outcomes.clinic_site.forms.fields import refusals_on
from outcomes.clinic_site.views.page import StaffRequest, on_clinic_clock, posted
from outcomes.clinics import services as clinics
from outcomes.clinics.access import Audience, Permission, declare
from outcomes.clinics.models import Clinic, Membership, MembershipQuerySet, User


@declare(Audience.SIGNED_IN)
@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """Go to the user's only clinic, or offer a choice; ask first where they are invited."""
    rows = _memberships(request)
    members, invited = list(rows.active()), list(rows.invited())
    if len(members) == 1 and not invited:
        return redirect("clinic_site:caseload", members[0].clinic.slug)
    return render(request, "clinic_site/home.html", {"memberships": members, "invited": invited})


@declare(Audience.SIGNED_IN)
@require_POST
def membership_accept(request: HttpRequest, member_id: UUID) -> HttpResponse:
    """Take the role to which one was invited."""
    found, by = get_object_or_404(_memberships(request), pk=member_id), _actor(request)
    try:
        workflows.accept_membership(membership=found, by=by, now=timezone.now())
    except ValidationError as error:
        messages.warning(request, error.messages[0])
        return redirect("clinic_site:home")
    messages.success(request, _("You work in %s now.") % found.clinic)
    return redirect("clinic_site:caseload", found.clinic.slug)


@declare(Audience.SIGNED_IN)
@require_POST
def membership_decline(request: HttpRequest, member_id: UUID) -> HttpResponse:
    """Refuse the role to which one was invited."""
    found, by = get_object_or_404(_memberships(request), pk=member_id), _actor(request)
    try:
        clinics.decline_membership(membership=found, by=by, now=timezone.now())
    except ValidationError as error:
        messages.warning(request, error.messages[0])
    else:
        messages.success(request, _("You have declined the invitation of %s.") % found.clinic)
    return redirect("clinic_site:home")


@declare(Audience.SIGNED_IN)
@require_safe
def my_account(request: HttpRequest) -> HttpResponse:
    """Show who is signed in, their roles, and where password and second factor are changed."""
    assert isinstance(request.user, User)
    form = PhoneForm(initial={"phone": request.user.phone})
    return _account(request, form)


@declare(Audience.SIGNED_IN)
@require_POST
def my_phone(request: HttpRequest) -> HttpResponse:
    """Change the number to which one's own alerts go."""
    user, form = request.user, PhoneForm(request.POST)
    assert isinstance(user, User)
    if form.is_valid():
        with refusals_on(form):
            workflows.change_phone(
                user=user, phone=form.cleaned_data["phone"], by=user.actor, now=timezone.now()
            )
            messages.success(request, _("The number was saved."))
            return redirect("clinic_site:my_account")
    return _account(request, form)


def _account(request: HttpRequest, form: PhoneForm) -> HttpResponse:
    rows = _memberships(request)
    context = {"memberships": rows.active(), "invited": rows.invited(), "form": form}
    return render(request, "clinic_site/my_account.html", context)


def _memberships(request: HttpRequest) -> MembershipQuerySet:
    assert isinstance(request.user, User)
    rows = Membership.objects.filter(user=request.user)
    return rows.select_related("clinic", "user").order_by("clinic__name")


def _actor(request: HttpRequest) -> Actor:
    assert isinstance(request.user, User)
    return request.user.actor


@declare(Audience.CLINIC, Permission.MANAGE_CLINIC)
@require_http_methods(["GET", "HEAD", "POST"])
@on_clinic_clock
def settings(request: StaffRequest) -> HttpResponse:
    """Show and change what the clinic decides about itself."""
    instance = Clinic.objects.get(pk=request.clinic.pk)
    form = ClinicForm(posted(request), instance=instance)
    if request.method == "POST" and form.is_valid():
        with refusals_on(form):
            workflows.change_clinic(
                clinic=request.clinic,
                changes=form.changes(),
                by=request.user.actor,
                now=timezone.now(),
            )
            messages.success(request, _("The settings were saved."))
            return redirect("clinic_site:settings", request.clinic.slug)
    return render(request, "clinic_site/settings.html", {"form": form})
