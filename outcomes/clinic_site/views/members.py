"""Who works in the clinic, and which machines may."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from outcomes import workflows
from outcomes.clinic_site.forms.clinic import MemberForm, PhoneForm, RoleForm, TokenForm
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
            member = workflows.add_member(
                clinic=request.clinic,
                email=given["email"],
                name=given["name"],
                role=Role(given["role"]),
                by=request.user.actor,
                now=timezone.now(),
            )
            invited, here = _("We have sent %s an invitation."), _("%s is a member now.")
            words = invited if member.is_awaited else here
            messages.success(request, words % member.name_here)
            return redirect("clinic_site:members", request.clinic.slug)
    found = Membership.objects.visible_to(request.user).filter(clinic=request.clinic)
    rows = sorted(found.select_related("user"), key=_by_name)
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
            workflows.add_member(
                clinic=request.clinic,
                email=found.user.email,
                name=found.user.name,
                role=Role(form.cleaned_data["role"]),
                by=request.user.actor,
                now=timezone.now(),
            )
            messages.success(request, _("The role was changed."))
            return redirect("clinic_site:members", request.clinic.slug)
    context = {"form": form, "member": found, "phone": _phone_form(found)}
    return render(request, "clinic_site/member.html", context)


def _by_name(member: Membership) -> tuple[bool, str]:
    return member.ended_at is not None, member.name_here.lower()


def _phone_form(member: Membership, data: Any = None) -> PhoneForm:
    return PhoneForm(data, initial={"phone": member.user.phone})


@declare(Audience.CLINIC, Permission.MANAGE_CLINIC)
@require_POST
@on_clinic_clock
def member_phone(request: StaffRequest, member_id: UUID) -> HttpResponse:
    """Change the number to which a member's alerts go, where this concerns no other clinic."""
    found = _member(request, member_id)
    if not found.is_sole:
        raise PermissionDenied("Only they can change their number.")
    form = _phone_form(found, request.POST)
    if form.is_valid():
        with refusals_on(form):
            workflows.change_phone(
                user=found.user,
                phone=form.cleaned_data["phone"],
                by=request.user.actor,
                now=timezone.now(),
            )
            messages.success(request, _("The number was saved."))
            return redirect("clinic_site:member", request.clinic.slug, found.pk)
    context = {"form": RoleForm(found), "member": found, "phone": form}
    return render(request, "clinic_site/member.html", context)


@declare(Audience.CLINIC, Permission.MANAGE_CLINIC)
@require_POST
@on_clinic_clock
def member_end(request: StaffRequest, member_id: UUID) -> HttpResponse:
    """End a member's role, or withdraw an invitation."""
    found = _member(request, member_id)
    form = RoleForm(found, {"role": found.role})
    with refusals_on(form):
        clinics.end_membership(membership=found, by=request.user.actor, now=timezone.now())
        messages.success(request, _("%s has no role here any more.") % found.name_here)
        return redirect("clinic_site:members", request.clinic.slug)
    context = {"form": form, "member": found, "phone": _phone_form(found)}
    return render(request, "clinic_site/member.html", context)


def _member(request: StaffRequest, member_id: UUID) -> Membership:
    rows = Membership.objects.visible_to(request.user).current().select_related("user", "clinic")
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
