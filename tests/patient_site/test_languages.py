"""Questionnaires in the patient's language or, where they have none, in one the patient chooses."""

from __future__ import annotations

import pytest
from django.test import Client

from outcomes.audit.models import AuditEvent
from outcomes.care.models import Patient
from outcomes.delivery import sitting as tickets
from outcomes.delivery.models import Link
from outcomes.workflows import Enrolment
from tests.library import LIBRARY
from tests.patient_site.conftest import Phone
from tests.patient_site.test_every_instrument import ask

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("languages", "words"),
    [
        (("es", "de"), "es"),
        (("de", "es"), "es"),
        (("de", ""), "en"),
        (("fr", "pt"), "en"),
    ],
)
def test_the_first_language_that_exists_is_used_whole(languages: tuple[str, ...], words: str):
    assert tickets.wording_for(LIBRARY["PHQ-2"], *languages).language == words


@pytest.fixture
def spoken(enrolment: Enrolment) -> Phone:
    """The phone of a patient who reads German and is asked what exists in English and Spanish."""
    Patient.objects.update(language="de")
    ask(enrolment, "PHQ-2")
    return Phone(Client(), Link.objects.get())


def test_a_patient_chooses_among_the_languages_that_exist(spoken: Phone):
    page = spoken.client.get(spoken.path).content.decode()
    assert "(Deutsch)" in page
    assert page.index(">English<") < page.index(">español<")

    spoken.client.post(spoken.path, {"day": "17", "month": "5", "year": "1980", "words": "es"})

    question = spoken.client.get("/answer/1/").content.decode()
    assert '<fieldset class="question" lang="es"' in question
    spoken.send(1, 1)
    assert spoken.sitting.language == "es"
    assert AuditEvent.objects.filter(data={"fields": ["words_language"]}).count() == 1


@pytest.mark.parametrize("words", ["de", "xx", "", "../en"])
def test_a_language_that_was_not_offered_changes_nothing(spoken: Phone, words: str):
    spoken.client.post(spoken.path, {"day": "17", "month": "5", "year": "1980", "words": words})
    assert Patient.objects.get().words_language == ""
    assert spoken.sitting.language == "en"


def test_the_only_language_there_is_is_named(phone: Phone, patient: Patient):
    Patient.objects.update(language="es")
    page = phone.client.get(phone.path).content.decode()
    assert "English" in page
    assert 'name="words"' not in page


def test_nothing_is_said_where_all_exists(phone: Phone):
    assert "official translations" not in phone.client.get(phone.path).content.decode()
