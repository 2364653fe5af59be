"""A longer list costs no more queries."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.api.conftest import answerable, held_session, submit
from tests.conftest import make_enrolment

LISTS = (
    "patients",
    "courses",
    "sessions",
    "assignments",
    "responses",
    "scores",
    "alerts",
    "instruments",
    "schedules",
)


@pytest.mark.parametrize("kind", LISTS)
def test_a_list_takes_the_same_queries_for_one_patient_and_for_five(
    machine, clinic, clinician, now, kind
):
    def enrol(name):
        enrolment = make_enrolment(clinic, clinician, name)
        submit(answerable(enrolment, now), now, ninth=1)
        machine.post("sessions/", held_session(enrolment.course.pk))

    def count():
        with CaptureQueriesContext(
            connection,
        ) as queries:
            reply = machine.get(f"{kind}/")
        assert reply.json()["results"]
        return len(queries)

    enrol("First")
    count()  # notes the token's use and warms what is cached for the process
    few = count()
    for name in ("Second", "Third", "Fourth", "Fifth"):
        enrol(name)
    assert count() == few
    assert few <= 15
