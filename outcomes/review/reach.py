"""Why messages do not reach a patient: stated facts, each with its way out."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from django.db.models import Max, TextChoices
from django.utils.translation import gettext_lazy as _

from outcomes.care.models import Consent, Contact, Patient, Suppression
from outcomes.delivery import channels
from outcomes.delivery.models import Invitation


class ReachProblem(TextChoices):
    """Why messages do not reach a patient."""

    NO_CONTACT = "no_contact", _("No consented contact")
    HARD_BOUNCE = (
        "hard_bounce",
        _("No consented contact that works: the address or number does not exist"),
    )
    OPTED_OUT = (
        "opted_out",
        _("No consented contact that works: the patient replied STOP or unsubscribed"),
    )
    COMPLAINT = (
        "complaint",
        _("No consented contact that works: the patient marked a message as spam"),
    )
    NO_BIRTH_DATE = "no_birth_date", _("No date of birth to check")
    LOCKED = "locked", _("Birth date was wrong five times")
    WRONG_PERSON = "wrong_person", _("Wrong person reached")


# What stopped the contacts that could be written to, but for that.
STOPPED = {
    Suppression.HARD_BOUNCE: ReachProblem.HARD_BOUNCE,
    Suppression.OPTED_OUT: ReachProblem.OPTED_OUT,
    Suppression.COMPLAINT: ReachProblem.COMPLAINT,
}


def _confirmed(patients: Sequence[UUID]) -> dict[UUID, datetime | None]:
    """Return, by patient, when a link last reached them for certain."""
    if not patients:
        return {}
    invitations = Invitation.objects.filter(patient__in=patients, confirmed_at__isnull=False)
    last = invitations.values("patient").annotate(last=Max("confirmed_at"))
    return dict(last.values_list("patient", "last"))


def problems(patients: Sequence[UUID]) -> dict[UUID, str]:
    """Return, by patient, why messages do not reach them in words: a stated fact, or nothing."""
    return {patient: str(problem.label) for patient, problem in find_problems(patients).items()}


def find_problems(patients: Sequence[UUID]) -> dict[UUID, ReachProblem]:
    """Return, by patient, what keeps messages from reaching them; who is reached is left out.

    A link that reached somebody else, or was locked, counts until the contact is set anew or the
    patient confirms another link.
    """
    of_these = {"patient__in": patients}
    consents = Consent.objects.filter(**of_these).order_by("at", "id")
    contacts = Contact.objects.filter(**of_these)
    given = _given(consents.values_list("patient", "channel", "is_given"))
    known = contacts.values_list("patient", "channel", "set_at", "suppressed_reason")
    since, stopped = _since(known, given)
    unchecked = Patient.objects.filter(
        pk__in=patients, birth_date=None, clinic__checks_birth_date=True
    )
    found = _found(patients, since, stopped, unchecked.values_list("pk", flat=True))
    _add_strays(found, patients, since)
    return found


def problem_of(
    patient: Patient,
    contacts: Iterable[Contact],
    consents: Iterable[Consent],
    *,
    has_strays: bool = True,
) -> str:
    """Return why messages do not reach one patient, whose contacts and consents are at hand.

    `consents` are in order of time; `has_strays` is False where no link is known to have gone
    astray. Empty where messages reach them.
    """
    given = _given((patient.pk, row.channel, row.is_given) for row in consents)
    known = ((patient.pk, row.channel, row.set_at, row.suppressed_reason) for row in contacts)
    since, stopped = _since(known, given)
    is_unchecked = patient.birth_date is None and patient.clinic.checks_birth_date
    found = _found([patient.pk], since, stopped, [patient.pk] if is_unchecked else [])
    if has_strays:
        _add_strays(found, [patient.pk], since)
    problem = found.get(patient.pk)
    return str(problem.label) if problem else ""


def _given(consents: Iterable[tuple[UUID, str, bool]]) -> set[tuple[UUID, str]]:
    """Return the channels that patients have consented to, by the last word on each."""
    last = {(patient, channel): is_given for patient, channel, is_given in consents}
    return {key for key, is_given in last.items() if is_given}


def _since(
    contacts: Iterable[tuple[UUID, str, datetime, str]], given: Container[tuple[UUID, str]]
) -> tuple[dict[UUID, datetime], dict[UUID, str]]:
    """Return, by patient, when the newest contact that can be written to was set.

    And why the contacts that could be written to, but for that, are stopped.
    """
    since: dict[UUID, datetime] = {}
    stopped: dict[UUID, str] = {}
    for patient, channel, set_at, suppressed in contacts:
        if (patient, channel) in given and channel in channels.in_use():
            if suppressed:
                stopped[patient] = suppressed
            else:
                since[patient] = max(set_at, since.get(patient, set_at))
    return since, stopped


def _found(
    patients: Sequence[UUID],
    since: Mapping[UUID, datetime],
    stopped: Mapping[UUID, str],
    unchecked: Iterable[UUID],
) -> dict[UUID, ReachProblem]:
    found = {
        key: STOPPED[Suppression(stopped[key])] if key in stopped else ReachProblem.NO_CONTACT
        for key in patients
        if key not in since
    }
    for patient in unchecked:
        found.setdefault(patient, ReachProblem.NO_BIRTH_DATE)
    return found


def _add_strays(
    found: dict[UUID, ReachProblem], patients: Sequence[UUID], since: Mapping[UUID, datetime]
) -> None:
    """Add those of whom a link went astray, and nothing settled it."""
    strays = Invitation.objects.filter(patient__in=patients).gone_astray()
    astray = list(strays.values_list("patient", "revoked_at", "locked_at"))
    confirmed = _confirmed([patient for patient, _strayed_at, _locked_at in astray])
    for patient, strayed_at, locked_at in astray:
        at = locked_at or strayed_at
        settled = [moment for moment in (since.get(patient), confirmed.get(patient)) if moment]
        if at is not None and settled and at > max(settled):
            problem = ReachProblem.LOCKED if locked_at else ReachProblem.WRONG_PERSON
            found.setdefault(patient, problem)
