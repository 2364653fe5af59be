"""What somebody who tries the demo needs to know: who may sign in, what can be answered."""

from __future__ import annotations

from django.conf import settings
from django.utils import timezone

from outcomes.clinics.models import Clinic, Membership, User
from outcomes.delivery import services as delivery
from outcomes.delivery.models import Invitation, Link
from outcomes.management.simulation.stage import DEMO_PASSWORD


def demo_summary(base_url: str) -> list[str]:
    """Return the lines to print about each synthetic clinic whose staff share the demo password.

    The link is one that the product made and that still opens something; none is made here.
    """
    lines: list[str] = []
    for clinic in Clinic.objects.filter(is_synthetic=True).order_by("created_at"):
        members = clinic.memberships.active().select_related("user").order_by("started_at", "id")
        known = [member for member in members if _has_demo_password(member.user)]
        if known:
            lines += _lines_about(clinic, known, base_url)
    return lines


def _has_demo_password(user: User) -> bool:
    # An unusable password takes as long to check: many clinics would hold up a start.
    return user.has_usable_password() and user.check_password(DEMO_PASSWORD)


def _lines_about(clinic: Clinic, members: list[Membership], base_url: str) -> list[str]:
    lines = [f"{clinic.name} (synthetic people only). Everybody's password: {DEMO_PASSWORD}"]
    lines += [f"  {member.user.email:<28} {member.get_role_display()}" for member in members]
    link = _answerable_link(clinic)
    if link is None:
        return [*lines, "  No patient has a questionnaire open just now."]
    patient = link.invitation.patient
    path = delivery.address_of(link).removeprefix(settings.BASE_URL)
    born = f"{patient.birth_date:%-d %B %Y}" if patient.birth_date else "not recorded"
    return [*lines, f"  Answer as {patient.name} (born {born}):", f"  {base_url}{path}"]


def _answerable_link(clinic: Clinic) -> Link | None:
    """Return the newest link whose invitation stays open longest; None if nothing is open."""
    now = timezone.now()
    live = Invitation.objects.filter(clinic=clinic, locked_at=None).live_at(now)
    for invitation in live.filter(opens_at__lte=now).order_by("-closes_at", "-created_at"):
        links = invitation.links.filter(revoked_at=None).select_related("invitation__patient")
        link = links.order_by("-created_at").first()
        if link is not None and invitation.assignments.answerable_at(now).exists():
            return link
    return None
