"""Why messages do not reach a patient: stated facts, each with its way out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from django.db.models import Max
from django.utils.translation import gettext as _

from outcomes.care.models import Consent, Contact, Patient
from outcomes.delivery import services as delivery
from outcomes.delivery.models import Invitation


def _confirmed(patients: Sequence[UUID]) -> dict[UUID, datetime | None]:
    """Return, by patient, when a link last reached them for certain."""
    if not patients:
        return {}
    invitations = Invitation.objects.filter(patient__in=patients, confirmed_at__isnull=False)
    last = invitations.values("patient").annotate(last=Max("confirmed_at"))
    return dict(last.values_list("patient", "last"))


def problems(patients: Sequence[UUID]) -> dict[UUID, str]:
    """Return, by patient, why messages do not reach them: a stated fact, or nothing.

    A link that reached somebody else, or was locked, counts until the contact is set anew or the
    patient confirms another link.
    """
    of_these = {"patient__in": patients}
    consents = Consent.objects.filter(**of_these).order_by("at", "id")
    contacts = Contact.objects.filter(**of_these)
    since = _since(
        contacts.values_list("patient", "channel", "set_at"),
        consents.values_list("patient", "channel", "is_given"),
    )
    unchecked = Patient.objects.filter(
        pk__in=patients, birth_date=None, clinic__checks_birth_date=True
    )
    return _found(patients, since, unchecked.values_list("pk", flat=True))


def problem_of(patient: Patient, contacts: Iterable[Contact], consents: Iterable[Consent]) -> str:
    """Return why messages do not reach one patient, whose contacts and consents are at hand.

    `consents` are in order of time. Empty where messages reach them.
    """
    since = _since(
        ((patient.pk, row.channel, row.set_at) for row in contacts),
        ((patient.pk, row.channel, row.is_given) for row in consents),
    )
    is_unchecked = patient.birth_date is None and patient.clinic.checks_birth_date
    found = _found([patient.pk], since, [patient.pk] if is_unchecked else [])
    return found.get(patient.pk, "")


def _since(
    contacts: Iterable[tuple[UUID, str, datetime]], consents: Iterable[tuple[UUID, str, bool]]
) -> dict[UUID, datetime]:
    """Return, by patient who can be written to, when the newest such contact was set."""
    given = {(patient, channel): is_given for patient, channel, is_given in consents}
    since: dict[UUID, datetime] = {}
    for patient, channel, set_at in contacts:
        if given.get((patient, channel)) and channel in delivery.CHANNELS:
            since[patient] = max(set_at, since.get(patient, set_at))
    return since


def _found(
    patients: Sequence[UUID], since: Mapping[UUID, datetime], unchecked: Iterable[UUID]
) -> dict[UUID, str]:
    found = {key: _("No consented contact") for key in patients if key not in since}
    for patient in unchecked:
        found.setdefault(patient, _("No date of birth to check"))
    strays = Invitation.objects.filter(patient__in=patients).gone_astray()
    astray = list(strays.values_list("patient", "revoked_at", "locked_at"))
    confirmed = _confirmed([patient for patient, _strayed_at, _locked_at in astray])
    for patient, strayed_at, locked_at in astray:
        at = locked_at or strayed_at
        settled = [moment for moment in (since.get(patient), confirmed.get(patient)) if moment]
        if at is not None and settled and at > max(settled):
            words = _("Birth date was wrong five times") if locked_at else _("Wrong person reached")
            found.setdefault(patient, words)
    return found
