"""A patient who answers everything alike, and one who was treated once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from outcomes import workflows
from outcomes.audit.models import SYSTEM
from outcomes.care.models import SessionStatus
from outcomes.clinics.models import User
from outcomes.responses.models import Mode
from outcomes.scheduling.models import Assignment
from outcomes.workflows import Enrolment

Answer = Callable[[int, datetime], None]


@pytest.fixture
def answer(enrolment: Enrolment) -> Answer:
    """Answer whatever is open at a moment with the same value for every item."""

    def fill(value: int, at: datetime) -> None:
        workflows.invite_due(now=at)
        for item in Assignment.objects.under_way():
            count = 9 if item.instrument.code == "PHQ-9" else 7
            workflows.submit_response(
                assignment_id=item.pk,
                answers=dict.fromkeys(map(str, range(1, count + 1)), value),
                submission_id=str(item.pk),
                language="en",
                mode=Mode.LINK,
                by=SYSTEM,
                now=at,
            )
        workflows.replan_due(now=at)

    return fill


@pytest.fixture
def treated(enrolment: Enrolment, clinician: User, answer: Answer, now: datetime) -> Enrolment:
    """Baseline 27 and 21, one session on day 3, then 0 and 0 a week after it."""
    answer(3, now)
    session = enrolment.course.sessions.get(number=1)
    at = now + timedelta(days=3)
    workflows.edit_session(
        session=session,
        changes={
            "status": SessionStatus.DONE,
            "started_at": at,
            "route": "iv",
            "drug": "Ketamine",
            "dose_amount": Decimal("40"),
            "dose_unit": "mg",
        },
        reason="Held",
        by=clinician.actor,
        now=at,
    )
    answer(0, now + timedelta(days=10, hours=10))
    return enrolment
