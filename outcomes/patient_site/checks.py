"""Whether this is the person who was meant: a check against misdelivery, no proof of identity."""

from __future__ import annotations

from datetime import datetime

from django import forms
from django.utils.translation import ngettext

from outcomes.delivery import services as delivery
from outcomes.delivery import sitting as tickets
from outcomes.delivery.models import Invitation, OwnPage
from outcomes.patient_site.forms import BirthDateForm, ForMeForm


def check_of(sent: Invitation | OwnPage) -> type[forms.Form]:
    """Return what the clinic has chosen to ask: the birth date, or a word that it is for them."""
    has_date = sent.patient.birth_date is not None
    return BirthDateForm if sent.clinic.checks_birth_date and has_date else ForMeForm


def is_right_person(form: forms.Form, sent: Invitation | OwnPage, now: datetime) -> bool:
    """Say whether the valid form lets its sender in; a wrong date is counted and put onto it."""
    birth_date = form.cleaned_data.get("birth_date")
    by = tickets.actor_of(sent)
    if delivery.check_birth_date(sent=sent, birth_date=birth_date, by=by, now=now):
        return True
    sent.refresh_from_db(fields=["failed_checks", "locked_at"])
    _refuse(form, delivery.MAX_CHECKS - sent.failed_checks)
    return False


def _refuse(form: forms.Form, left: int) -> None:
    message = ngettext(
        "This is not the date of birth your clinic has. You can try once more.",
        "This is not the date of birth your clinic has. You can try %(left)d more times.",
        left,
    )
    form.add_error(None, message % {"left": left})
