"""Contact data: normalised, sealed, found again, and its key rotated."""

from __future__ import annotations

from datetime import datetime

import pytest
from cryptography.fernet import Fernet, InvalidToken
from django.core.exceptions import ValidationError
from django.core.management import call_command
from pytest_django import Settings

from outcomes import workflows
from outcomes.audit.models import AuditEvent
from outcomes.care import services as care
from outcomes.care.encryption import seal, unseal
from outcomes.care.models import Channel, Consent, Contact, Patient
from outcomes.clinics.models import User


def test_a_contact_is_unreadable_in_the_database(patient: Patient) -> None:
    row = Contact.objects.filter(patient=patient).values().get()

    assert "robin" not in str(row)
    assert Contact.objects.get(patient=patient).value == "robin@patient.example"


def test_a_contact_is_found_by_its_value(patient: Patient) -> None:
    found = Contact.objects.with_value(Channel.EMAIL, "robin@patient.example")

    assert found.get().patient == patient


def test_a_new_key_seals_and_the_old_one_still_opens(settings: Settings) -> None:
    sealed = seal("secret")
    old = settings.FIELD_KEYS
    settings.FIELD_KEYS = [Fernet.generate_key().decode(), *old]

    assert unseal(sealed) == "secret"
    assert unseal(seal("secret")) == "secret"


def test_rotating_keys_frees_the_data_from_the_old_key(
    patient: Patient, settings: Settings
) -> None:
    new = Fernet.generate_key().decode()
    before = Contact.objects.get(patient=patient).value_index
    settings.FIELD_KEYS = [new, *settings.FIELD_KEYS]

    call_command("rotate_keys")

    settings.FIELD_KEYS = [new]
    contact = Contact.objects.get(patient=patient)
    assert contact.value == "robin@patient.example"
    assert contact.value_index == before


def test_a_wrong_key_opens_nothing(settings: Settings) -> None:
    sealed = seal("secret")
    settings.FIELD_KEYS = [Fernet.generate_key().decode()]

    with pytest.raises(InvalidToken):
        unseal(sealed)


@pytest.mark.parametrize(
    ("channel", "given", "stored"),
    [
        (Channel.EMAIL, " Robin@Patient.Example ", "robin@patient.example"),
        (Channel.SMS, "+1 (202) 555-0123", "+12025550123"),
    ],
)
def test_contacts_are_normalised(channel: Channel, given: str, stored: str) -> None:
    assert care.normalise_contact(channel, given) == stored


@pytest.mark.parametrize(
    ("channel", "given"),
    [(Channel.EMAIL, "robin"), (Channel.SMS, "020 7946 0123"), (Channel.SMS, "+1 000")],
)
def test_impossible_contacts_are_refused(channel: Channel, given: str) -> None:
    with pytest.raises(ValidationError):
        care.normalise_contact(channel, given)


def test_only_a_consented_contact_is_used(patient: Patient, clinician: User, now: datetime) -> None:
    by = clinician.actor
    assert care.reachable_contact(patient, [Channel.EMAIL]) is not None

    care.record_consent(patient=patient, channel=Channel.EMAIL, is_given=False, by=by, now=now)

    assert care.reachable_contact(patient, [Channel.EMAIL]) is None


def test_consent_keeps_its_date_and_wording(patient: Patient, now: datetime) -> None:
    consent = Consent.objects.get(patient=patient)

    assert (consent.at, consent.wording_version) == (now, care.CONSENT_WORDING)


def test_changing_a_contact_to_itself_changes_nothing(
    patient: Patient, clinician: User, now: datetime
) -> None:
    count = AuditEvent.objects.count()

    workflows.change_contact(
        patient=patient,
        channel=Channel.EMAIL,
        value="Robin@patient.example",
        by=clinician.actor,
        now=now,
    )

    assert AuditEvent.objects.count() == count


def test_an_empty_value_forgets_the_contact(
    patient: Patient, clinician: User, now: datetime
) -> None:
    workflows.change_contact(
        patient=patient, channel=Channel.EMAIL, value="", by=clinician.actor, now=now
    )

    assert not Contact.objects.filter(patient=patient).exists()


def test_the_audit_never_holds_the_contact(
    patient: Patient, clinician: User, now: datetime
) -> None:
    workflows.change_contact(
        patient=patient,
        channel=Channel.EMAIL,
        value="new@patient.example",
        by=clinician.actor,
        now=now,
    )

    assert "patient.example" not in str(list(AuditEvent.objects.values_list("data", "reason")))


def test_a_channel_that_cannot_send_is_not_used(
    patient: Patient, clinician: User, now: datetime
) -> None:
    by = clinician.actor
    care.set_contact(patient=patient, channel=Channel.SMS, value="+12025550123", by=by, now=now)
    care.record_consent(patient=patient, channel=Channel.SMS, is_given=True, by=by, now=now)

    assert care.reachable_contact(patient, []) is None
    found = care.reachable_contact(patient, [Channel.SMS])
    assert found is not None
    assert found.channel == Channel.SMS
