"""Instruments in the database: the library's, a clinic's wording, a clinic's own."""

from __future__ import annotations

from copy import deepcopy
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError

from outcomes import workflows
from outcomes.audit.models import SYSTEM, AuditEvent
from outcomes.care.models import Course
from outcomes.clinics.models import Clinic
from outcomes.instruments import services as instruments
from outcomes.instruments.definition import Definition
from outcomes.instruments.models import Instrument, InstrumentVersion
from outcomes.scheduling.models import Assignment
from outcomes.workflows import Enrolment

LICENCE = "Licensed to North Clinic by the author, letter of 1 October 2026."


def words_for(definition: Definition) -> dict[str, Any]:
    """Return made-up words for every question and answer of an instrument."""
    return {
        "title": "Made-up words",
        "stem": "",
        "items": {item.link_id: f"Question {item.link_id}" for item in definition.items},
        "options": {
            name: {str(row["value"]): f"Answer {row['value']}" for row in rows}
            for name, rows in definition.content["response_options"].items()
        },
    }


def used(clinic: Clinic, code: str) -> InstrumentVersion:
    return InstrumentVersion.objects.used_by(clinic.pk).of_code(code).get()


def add_words(clinic: Clinic, code: str, now: datetime, **changes: Any) -> InstrumentVersion:
    version = used(clinic, code)
    given = {
        "instrument": version.instrument,
        "clinic": clinic,
        "language": "en",
        "wording": words_for(version.definition),
        "licence_statement": LICENCE,
        "by": SYSTEM,
        "now": now,
    }
    return workflows.add_wording(**{**given, **changes})


def test_a_clinics_wording_makes_an_instrument_sendable_there_and_nowhere_else(
    clinic: Clinic, other_clinic: Clinic, enrolment: Enrolment, now: datetime
) -> None:
    assert not used(clinic, "ISI").definition.is_sendable
    add_words(clinic, "ISI", now)
    assert used(clinic, "ISI").definition.is_sendable
    assert not used(other_clinic, "ISI").definition.is_sendable
    assert used(clinic, "ISI").licence_statement == LICENCE
    assert AuditEvent.objects.get(action="instrument.worded").data["licence"] == LICENCE
    assert Course.objects.get().needs_plan


def test_without_words_about_the_licence_nothing_is_stored(clinic: Clinic, now: datetime) -> None:
    with pytest.raises(ValidationError, match="Say in your own words"):
        add_words(clinic, "ISI", now, licence_statement="  ")
    assert used(clinic, "ISI").clinic_id is None


def test_wording_that_lacks_a_question_is_refused_by_name(clinic: Clinic, now: datetime) -> None:
    wording = words_for(used(clinic, "ISI").definition)
    del wording["items"]["3"]
    with pytest.raises(ValidationError, match=r"wording\.en\.items: lacks 3"):
        add_words(clinic, "ISI", now, wording=wording)


def test_a_corrected_library_keeps_the_clinics_words(clinic: Clinic, now: datetime) -> None:
    add_words(clinic, "ISI", now)
    shipped = InstrumentVersion.objects.shipped().of_code("ISI").get()
    content = deepcopy(shipped.content)
    content["notes"] = [*content["notes"], "Corrected."]
    corrected = Definition.from_json(content)
    instruments._store(shipped.instrument, corrected, None, now)
    instruments._carry_wording_over(shipped.instrument, corrected, now)
    own = used(clinic, "ISI")
    assert own.definition.is_sendable
    assert "Corrected." in own.definition.notes
    assert own.licence_statement == LICENCE


def own_content(title: str = "Sleep diary") -> dict[str, Any]:
    source = {"citation": "Made for this test", "verified": False}
    return {
        "code": "DIARY",
        "title": title,
        "version": "1.0.0",
        "measures": "sleep",
        "respondent": "patient",
        "validated": False,
        "direction": "higher_is_worse",
        "recall": {"days": 1, **source},
        "minutes": {"estimate": 1, **source},
        "licence": {"class": "bundle", "text": "Our own.", **source},
        "response_options": {"yes": [{"value": 0}, {"value": 1}]},
        "items": [{"link_id": "1", "options": "yes"}],
        "scales": [],
        "wording": {
            "en": {
                "title": title,
                "stem": "",
                "items": {"1": "Did you sleep?"},
                "options": {"yes": {"0": "No", "1": "Yes"}},
                **source,
            }
        },
        "notes": [],
    }


def test_a_clinics_own_instrument_is_its_own(
    clinic: Clinic, other_clinic: Clinic, now: datetime
) -> None:
    workflows.save_own_instrument(clinic=clinic, content=own_content(), by=SYSTEM, now=now)
    assert used(clinic, "DIARY").definition.title == "Sleep diary"
    assert not InstrumentVersion.objects.used_by(other_clinic.pk).of_code("DIARY").exists()
    workflows.save_own_instrument(clinic=other_clinic, content=own_content(), by=SYSTEM, now=now)
    assert Instrument.objects.filter(code="DIARY").count() == 2


def test_a_change_is_a_new_version_and_the_old_one_stays(clinic: Clinic, now: datetime) -> None:
    first = workflows.save_own_instrument(clinic=clinic, content=own_content(), by=SYSTEM, now=now)
    second = workflows.save_own_instrument(
        clinic=clinic, content=own_content("Sleep diary, new"), by=SYSTEM, now=now
    )
    first.refresh_from_db()
    assert (first.is_current, second.is_current) == (False, True)
    assert first.content["title"] == "Sleep diary"
    with pytest.raises(ValidationError, match="exactly what is stored"):
        workflows.save_own_instrument(
            clinic=clinic, content=own_content("Sleep diary, new"), by=SYSTEM, now=now
        )


def test_a_code_of_the_library_is_not_to_be_had(clinic: Clinic, now: datetime) -> None:
    content = {**own_content(), "code": "PHQ-9"}
    with pytest.raises(ValidationError, match="in the library already"):
        workflows.save_own_instrument(clinic=clinic, content=content, by=SYSTEM, now=now)


def test_a_retired_wording_gives_way_to_the_shipped_instrument(
    clinic: Clinic, now: datetime
) -> None:
    own = add_words(clinic, "ISI", now)
    workflows.retire_instrument(version=own, clinic=clinic, by=SYSTEM, now=now)
    assert used(clinic, "ISI").clinic_id is None
    with pytest.raises(ValidationError, match="cannot be retired"):
        workflows.retire_instrument(version=used(clinic, "ISI"), clinic=clinic, by=SYSTEM, now=now)


def test_what_a_file_claims_of_itself_is_not_taken_over(clinic: Clinic, now: datetime) -> None:
    phq9 = InstrumentVersion.objects.shipped().of_code("PHQ-9").get()
    content = deepcopy(phq9.content)
    content["code"] = "PHQ9X"
    content["wording"]["en"]["items"]["9"] = "Are you fine?"
    own = workflows.save_own_instrument(clinic=clinic, content=content, by=SYSTEM, now=now)
    assert own.definition.proof is None
    assert not own.definition.is_validated
    assert not own.definition.wording("en").verified
    assert not own.definition.scales[0].scoring.verified


def test_a_blank_question_is_no_wording(clinic: Clinic, now: datetime) -> None:
    wording = words_for(used(clinic, "ISI").definition)
    wording["items"]["3"] = "   "
    with pytest.raises(ValidationError, match=r"items\.3|items\['3'\]"):
        add_words(clinic, "ISI", now, wording=wording)


def test_what_patients_are_asked_now_is_not_retired_under_their_hands(
    clinic: Clinic, enrolment: Enrolment, now: datetime
) -> None:
    own = add_words(clinic, "ISI", now)
    assignment = Assignment.objects.filter(patient=enrolment.patient).order_by("opens_at")[0]
    assignment.instrument, assignment.state = own.instrument, "open"
    assignment.opens_at = assignment.due_at = now
    assignment.closes_at = now + timedelta(days=1)
    assignment.save()
    with pytest.raises(ValidationError, match="1 patient is being asked"):
        workflows.retire_instrument(version=own, clinic=clinic, by=SYSTEM, now=now)
    assert used(clinic, "ISI").clinic_id == clinic.pk
    later = assignment.closes_at
    workflows.retire_instrument(version=own, clinic=clinic, by=SYSTEM, now=later)
    assert used(clinic, "ISI").clinic_id is None
