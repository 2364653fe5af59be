"""Who works in the clinic, and which machines may."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from outcomes.clinic_site.forms.clinic import MemberForm, RoleForm, TokenForm
from outcomes.clinic_site.forms.fields import refusals_on
from outcomes.clinic_site.views.page import StaffRequest, find, on_clinic_clock, posted
from outcomes.clinics import services as clinics
from outcomes.clinics.access import Audience, Permission, Role, Scope, declare
from outcomes.clinics.models import ApiToken, Membership


@declare(Audience.CLINIC, Permission.MANAGE_CLINIC)
@require_http_methods(["GET", "HEAD", "POST"])
@on_clinic_clock
def members(request: StaffRequest) -> HttpResponse:
    """List who has a role here, and give somebody one."""
    form = MemberForm(posted(request))
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        with refusals_on(form):
            member = clinics.add_member(
                clinic=request.clinic,
                email=given["email"],
                name=given["name"],
                role=Role(given["role"]),
                by=request.user.actor,
                now=timezone.now(),
            )
            messages.success(request, _("%s is a member now.") % member.user)
            return redirect("clinic_site:members", request.clinic.slug)
    rows = Membership.objects.visible_to(request.user).filter(clinic=request.clinic)
    rows = rows.select_related("user").order_by("ended_at", "user__name")
    return render(request, "clinic_site/members.html", {"form": form, "rows": rows})


@declare(Audience.CLINIC, Permission.MANAGE_CLINIC)
@require_http_methods(["GET", "HEAD", "POST"])
@on_clinic_clock
def member(request: StaffRequest, member_id: UUID) -> HttpResponse:
    """Change a member's role."""
    found = _member(request, member_id)
    form = RoleForm(found, posted(request))
    if request.method == "POST" and form.is_valid():
        with refusals_on(form):
            clinics.add_member(
                clinic=request.clinic,
                email=found.user.email,
                name=found.user.name,
                role=Role(form.cleaned_data["role"]),
                by=request.user.actor,
                now=timezone.now(),
            )
            messages.success(request, _("The role was changed."))
            return redirect("clinic_site:members", request.clinic.slug)
    return render(request, "clinic_site/member.html", {"form": form, "member": found})


@declare(Audience.CLINIC, Permission.MANAGE_CLINIC)
@require_POST
@on_clinic_clock
def member_end(request: StaffRequest, member_id: UUID) -> HttpResponse:
    """End a member's role."""
    found = _member(request, member_id)
    form = RoleForm(found, {"role": found.role})
    with refusals_on(form):
        clinics.end_membership(membership=found, by=request.user.actor, now=timezone.now())
        messages.success(request, _("%s has no role here any more.") % found.user)
        return redirect("clinic_site:members", request.clinic.slug)
    return render(request, "clinic_site/member.html", {"form": form, "member": found})


def _member(request: StaffRequest, member_id: UUID) -> Membership:
    rows = Membership.objects.visible_to(request.user).active().select_related("user", "clinic")
    return get_object_or_404(rows, clinic=request.clinic, pk=member_id)


@declare(Audience.CLINIC, Permission.MANAGE_CLINIC)
@require_http_methods(["GET", "HEAD", "POST"])
@on_clinic_clock
def tokens(request: StaffRequest) -> HttpResponse:
    """List the tokens and make one; its secret is shown in this one reply and stored nowhere."""
    form, secret = TokenForm(posted(request)), ""
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        with refusals_on(form):
            _token, secret = clinics.create_token(
                clinic=request.clinic,
                name=given["name"],
                scopes=[Scope(scope) for scope in given["scopes"]],
                expires_at=form.expires_at(request.clinic.time_zone),
                user=request.user,
                now=timezone.now(),
            )
            form = TokenForm()
    rows = ApiToken.objects.visible_to(request.user).filter(clinic=request.clinic)
    rows = rows.select_related("created_by").order_by("-created_at")
    context = {"form": form, "rows": rows, "secret": secret, "now": timezone.now()}
    return render(request, "clinic_site/tokens.html", context)


@declare(Audience.CLINIC, Permission.MANAGE_CLINIC)
@require_POST
@on_clinic_clock
def token_revoke(request: StaffRequest, token_id: UUID) -> HttpResponse:
    """End a token at once."""
    token = find(request, ApiToken.objects.filter(revoked_at=None), token_id)
    clinics.revoke_token(token=token, by=request.user.actor, now=timezone.now())
    messages.success(request, _("The token was revoked."))
    return redirect("clinic_site:tokens", request.clinic.slug)
