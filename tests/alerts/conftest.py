"""A positive safety answer, ready to be given."""

from __future__ import annotations

from datetime import datetime

import pytest

from outcomes import workflows
from outcomes.alerts.models import Alert
from outcomes.audit.models import SYSTEM
from outcomes.delivery.models import Message
from outcomes.responses.models import Mode
from outcomes.scheduling.models import Assignment
from outcomes.workflows import Enrolment

POSITIVE = {**dict.fromkeys(map(str, range(1, 10)), 0), "9": 1}


@pytest.fixture
def phq9(enrolment: Enrolment, now: datetime) -> Assignment:
    """The patient's open PHQ-9."""
    workflows.invite_due(now=now)
    return Assignment.objects.get(instrument__code="PHQ-9", state="open")


def raise_alert(item: Assignment, now: datetime) -> Alert:
    """Submit a positive answer and return its alert."""
    made = workflows.submit_response(
        assignment_id=item.pk,
        answers=POSITIVE,
        submission_id="one",
        language="en",
        mode=Mode.LINK,
        by=SYSTEM,
        now=now,
    )
    return made.alerts[0]


def told(kind: str = "alert") -> list[tuple[str, str]]:
    """Return whom messages of a kind go to, and how, in the order they were queued."""
    rows = Message.objects.filter(kind=kind).order_by("created_at", "user__email", "channel")
    return [(row.user.name, row.channel) for row in rows if row.user]
