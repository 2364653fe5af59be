"""What staff do about a patient's own page, and about the pause a patient began there."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.core.exceptions import SuspiciousOperation
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from outcomes import workflows
from outcomes.care.models import Patient
from outcomes.clinic_site.views.page import StaffRequest, find, on_clinic_clock
from outcomes.clinics.access import Audience, Permission, declare
from outcomes.delivery import services as delivery
from outcomes.delivery.models import OwnPage


@declare(Audience.CLINIC, Permission.ENROL_PATIENTS)
@require_POST
@on_clinic_clock
def own_page(request: StaffRequest, patient_id: UUID) -> HttpResponse:
    """Revoke a patient's own page, give it a new address, or end the patient's pause."""
    person = find(request, Patient.objects.all(), patient_id)
    by, now = request.user.actor, timezone.now()
    page = OwnPage.objects.select_related("patient").filter(patient=person).first()
    match request.POST.get("action"):
        case "resume":
            workflows.resume_messages(patient=person, by=by, now=now)
            said = _("The pause has ended: what is open is asked again.")
        case "revoke" if page is not None:
            delivery.revoke_own_page(page=page, by=by, now=now)
            said = _("The patient's own page opens to nobody now.")
        case "allow" if page is not None:
            delivery.allow_own_page(page=page, by=by, now=now)
            said = _("The own page has a new address: the next invitation by e-mail tells it.")
        case _other:
            raise SuspiciousOperation("No such action.")
    messages.success(request, said)
    return redirect("clinic_site:patient", request.clinic.slug, person.pk)
