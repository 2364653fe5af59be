"""Answers item by item over time: what stands where, and what is not made up."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from outcomes import workflows
from outcomes.audit.models import Actor
from outcomes.clinics.models import User
from outcomes.responses.models import Mode
from outcomes.review import items
from outcomes.scheduling.models import Assignment, AssignmentState
from outcomes.workflows import Enrolment
from tests.conftest import NOW, signed_in

PATIENT = Actor(kind="patient", id="", label="Patient's link")


@pytest.fixture
def answered(enrolment: Enrolment) -> Enrolment:
    """PHQ-9 answered with item 9 at 1 and item 3 at 3; GAD-7 asked and missed."""
    workflows.invite_patient(patient=enrolment.patient, now=NOW)
    asked = Assignment.objects.filter(patient=enrolment.patient)
    workflows.submit_response(
        assignment_id=asked.under_way().get(instrument__code="PHQ-9").pk,
        answers={**{str(number): 0 for number in range(1, 11)}, "3": 3, "9": 1},
        submission_id="items",
        language="en",
        mode=Mode.LINK,
        by=PATIENT,
        now=NOW,
    )
    return enrolment


def test_safety_items_stand_first_and_each_cell_is_the_answer_given(answered: Enrolment) -> None:
    [grid] = items.build(answered.episode)
    assert [row.link_id for row in grid.rows] == ["9", *map(str, range(1, 9)), "10"]
    [safety] = grid.safety_rows
    assert safety.cells == (items.Cell(value=1, shade=1, is_positive=True),)
    by_id = {row.link_id: row for row in grid.rows}
    assert by_id["3"].cells == (items.Cell(value=3, shade=items.DARKEST),)
    assert by_id["1"].cells == (items.Cell(value=0, shade=0),)
    assert by_id["1"].words == "Little interest or pleasure in doing things"
    assert not by_id["10"].is_scored


def test_a_missed_date_is_a_gap_and_nothing_is_carried_into_it(answered: Enrolment) -> None:
    week = timedelta(days=7)
    row = Assignment.objects.filter(patient=answered.patient, instrument__code="PHQ-9").first()
    assert row is not None
    row.state, row.completed_at, row.occurrence = AssignmentState.EXPIRED, None, row.occurrence + 50
    row.opens_at, row.due_at, row.closes_at = NOW + week, NOW + 2 * week, NOW + 3 * week
    row._state.adding = True
    row.id = type(row)._meta.get_field("id").get_default()
    row.save()
    [grid] = items.build(answered.episode)
    assert [column.is_missed for column in grid.columns] == [False, True]
    assert all(cells[-1] == items.Cell(is_missed=True) for cells in (r.cells for r in grid.rows))


def test_what_the_numbers_mean_is_told_once_for_items_alike(answered: Enrolment) -> None:
    [grid] = items.build(answered.episode)
    assert grid.keys[0].link_ids == ("9", *map(str, range(1, 9)))
    assert grid.keys[0].labels[0] == (0, "Not at all")


def test_the_page_prints_every_number_and_asks_the_database_little(
    answered: Enrolment, clinician: User
) -> None:
    client: Client = signed_in(clinician)
    slug = answered.patient.clinic.slug
    address = reverse("clinic_site:patient_items", args=[slug, answered.patient.pk])
    client.get(address)
    with CaptureQueriesContext(connection) as asked:
        html = client.get(address).content.decode()
    assert 'class="heat-1 is-positive">1<' in html
    assert 'scope="row"' in html
    assert "<caption>" in html
    assert len([row for row in asked if "INSERT" not in row["sql"]]) <= 18
