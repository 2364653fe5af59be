"""The numbers of a chart as a file."""

from __future__ import annotations

import csv
import io
from datetime import datetime

from django.urls import reverse

from outcomes.audit.models import AuditEvent
from outcomes.clinics.models import User
from outcomes.review import trajectory
from outcomes.workflows import Enrolment
from tests.conftest import signed_in


def address(enrolment: Enrolment) -> str:
    patient = enrolment.patient
    return reverse("clinic_site:patient_scores", args=[patient.clinic.slug, patient.pk])


def test_every_number_of_the_chart_is_in_the_file(
    history: Enrolment, clinician: User, now: datetime
) -> None:
    history.patient.refresh_from_db()
    reply = signed_in(clinician).get(address(history))
    assert reply["Content-Type"] == "text/csv; charset=utf-8"
    assert "Robin" not in reply["Content-Disposition"]
    rows = list(csv.DictReader(io.StringIO(reply.content.decode())))
    built = trajectory.build(history.episode, now)
    drawn = [
        (measure.definition.code, point.at, point.value)
        for measure in built.measures
        for point in measure.panel.points
    ]
    told = {
        (row["instrument"], datetime.fromisoformat(row["answered_at"]), float(row["score"]))
        for row in rows
        if row["score"]
    }
    assert {(code, at.replace(microsecond=0), value) for code, at, value in drawn} == told
    assert len(rows) == built.count
    moments = [datetime.fromisoformat(row["answered_at"]) for row in rows]
    assert moments == sorted(moments)


def test_a_missing_total_is_an_empty_cell_with_its_reason(
    history: Enrolment, clinician: User
) -> None:
    content = signed_in(clinician).get(address(history)).content.decode()
    missing = [row for row in csv.DictReader(io.StringIO(content)) if not row["score"]]
    assert missing
    assert all(row["missing_reason"] and not row["change_from_baseline"] for row in missing)


def test_beside_a_sessions_number_stands_what_was_given(
    history: Enrolment, clinician: User
) -> None:
    content = signed_in(clinician).get(address(history)).content.decode()
    names = ("course", "session_number", "drug", "route", "dose_amount", "dose_unit")
    given = [tuple(row[name] for name in names) for row in csv.DictReader(io.StringIO(content))]
    assert given[0] == ("", "", "", "", "", "")  # before the first session
    assert given[-1] == ("induction", "3", "Ketamine", "iv", "40.5", "mg")


def test_that_it_left_is_recorded(history: Enrolment, clinician: User) -> None:
    signed_in(clinician).get(address(history))
    event = AuditEvent.objects.get(action="export.trajectory")
    assert (event.patient_id, event.data) == (history.patient.pk, {"format": "csv"})


def test_another_clinics_patient_looks_like_none(history: Enrolment, stranger: User) -> None:
    assert signed_in(stranger).get(address(history)).status_code == 404
