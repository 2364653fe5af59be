"""Pages: newest first, stable while rows are added, of the size asked for."""

from __future__ import annotations

import pytest

from outcomes.care.models import Patient
from tests.conftest import make_enrolment


@pytest.fixture
def patients(clinic, now):
    return [
        Patient.objects.create(clinic=clinic, given_name=f"Patient {number}", created_at=now)
        for number in range(7)
    ]


def follow(machine, address):
    return machine.client.get(address).json()


def test_pages_give_every_row_once_newest_first(machine, patients):
    page = machine.get("patients/", page_size=3).json()
    seen = [row["id"] for row in page["results"]]
    while page["next"]:
        page = follow(machine, page["next"])
        seen += [row["id"] for row in page["results"]]
    assert seen == [str(patient.pk) for patient in reversed(patients)]


def test_a_row_added_meanwhile_moves_nothing(machine, patients, clinic, clinician):
    first = machine.get("patients/", page_size=3).json()
    make_enrolment(clinic, clinician, "Late")
    second = follow(machine, first["next"])
    seen = [row["id"] for row in [*first["results"], *second["results"]]]
    assert seen == [str(patient.pk) for patient in reversed(patients)][:6]
    assert [row["id"] for row in follow(machine, second["previous"])["results"]] == seen[:3]


def test_a_page_has_a_hundred_rows_unless_asked_otherwise(machine, clinic, now):
    Patient.objects.bulk_create(
        Patient(clinic=clinic, given_name="Many", created_at=now) for _ in range(101)
    )
    assert len(machine.get("patients/").json()["results"]) == 100
    assert len(machine.get("patients/", page_size=500).json()["results"]) == 101


@pytest.mark.parametrize("size", ["0", "501", "-1", "ten", "", "1.5", "٣", "9" * 400])
def test_a_size_it_cannot_give_is_refused_by_name(machine, size):
    reply = machine.get("patients/", page_size=size)
    assert reply.status_code == 400
    assert "page_size" in reply.json()["error"]["fields"]


@pytest.mark.parametrize("cursor", ["x", "cD14", "b=1", "cD0yMDI2LTAxLTAx", "é"])
def test_a_cursor_it_never_gave_is_refused_by_name(machine, cursor):
    reply = machine.get("patients/", cursor=cursor)
    assert reply.status_code == 400
    assert list(reply.json()["error"]["fields"]) == ["cursor"]
