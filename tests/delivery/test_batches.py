"""What a batch of messages costs: what all need is read once."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.core import mail
from django.db import connection
from django.test.utils import CaptureQueriesContext

from outcomes import workflows
from outcomes.clinics.models import Clinic, User
from outcomes.delivery import sitting
from outcomes.delivery.models import Invitation
from tests.conftest import make_enrolment


def test_minutes_looked_up_for_many_are_those_of_each(
    clinic: Clinic, clinician: User, now: datetime, django_assert_num_queries: Any
) -> None:
    for name in ("Ann", "Ben", "Cho"):
        make_enrolment(clinic, clinician, name)
    workflows.invite_due(now=now)
    invitations = list(Invitation.objects.all())

    with django_assert_num_queries(2):
        sitting.note_minutes(invitations)

    each = [sitting.expected_minutes(item.assignments.under_way()) for item in invitations]
    assert [item.minutes for item in invitations] == each


def test_a_message_more_costs_few_statements_more(
    clinic: Clinic, clinician: User, now: datetime
) -> None:
    costs = []
    for names in (("Ann",), ("Ben", "Cho", "Dee", "Eve", "Fay")):
        for name in names:
            make_enrolment(clinic, clinician, name)
        workflows.invite_due(now=now)
        with CaptureQueriesContext(
            connection,
        ) as queries:
            workflows.send_due(lane="bulk", clock=lambda: now, through=["email"])
        costs.append(len(queries))

    assert len(mail.outbox) == 6
    assert costs[1] - costs[0] <= 4 * 8
