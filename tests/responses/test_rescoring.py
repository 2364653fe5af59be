"""A corrected definition scores again on request, and never over what was scored before."""

from __future__ import annotations

import io
from copy import deepcopy
from datetime import datetime
from typing import Any

import pytest
from django.core.management import call_command

from outcomes import workflows
from outcomes.audit.models import SYSTEM, AuditEvent
from outcomes.instruments import services as instruments
from outcomes.instruments.definition import Definition
from outcomes.instruments.models import Instrument, InstrumentVersion
from outcomes.responses.models import QuestionnaireResponse, Score
from outcomes.scheduling.models import Assignment
from outcomes.workflows import Enrolment


@pytest.fixture
def response(enrolment: Enrolment, now: datetime) -> QuestionnaireResponse:
    """A PHQ-9 of 9, mild."""
    workflows.invite_due(now=now)
    item = Assignment.objects.get(instrument__code="PHQ-9", state="open")
    return workflows.submit_response(
        assignment_id=item.pk,
        answers=dict.fromkeys(map(str, range(1, 10)), 1),
        submission_id="one",
        language="en",
        mode="link",
        by=SYSTEM,
        now=now,
    ).response


def install(change: Any, now: datetime) -> None:
    """Store a corrected PHQ-9 as the shipped one."""
    shipped = InstrumentVersion.objects.shipped().of_code("PHQ-9").get()
    content = deepcopy(shipped.content)
    change(content)
    definition = Definition.from_json(content)
    instruments._store(Instrument.objects.get(code="PHQ-9"), definition, None, now)


def halve_mild(content: dict[str, Any]) -> None:
    ranges = content["scales"][0]["bands"]["ranges"]
    ranges[1]["high"], ranges[2]["low"] = 7, 8


def rescored(*options: str) -> list[str]:
    out = io.StringIO()
    call_command("rescore", *options, stdout=out)
    return out.getvalue().splitlines()


def test_without_a_correction_nothing_differs(response: QuestionnaireResponse) -> None:
    assert rescored("--dry-run") == ["0 results would differ."]


def test_a_dry_run_lists_what_would_differ_and_writes_nothing(
    response: QuestionnaireResponse, now: datetime
) -> None:
    install(halve_mild, now)
    before = list(Score.objects.order_by("pk").values())
    assert rescored("--dry-run") == [
        f"{response.pk}  PHQ-9 total: 9, mild -> 9, moderate",
        "1 results would differ.",
    ]
    assert list(Score.objects.order_by("pk").values()) == before


def test_the_old_score_stays_as_it_was_beside_the_new(
    response: QuestionnaireResponse, now: datetime
) -> None:
    install(halve_mild, now)
    old = Score.objects.get(scale="total")
    rescored()
    old_now = Score.objects.get(pk=old.pk)
    assert (old_now.value, old_now.band, old_now.scoring_version) == (
        old.value, old.band, old.scoring_version
    )  # fmt: skip
    new = Score.objects.current().get(scale="total")
    assert (new.value, new.band) == (9, "moderate")
    assert new.scoring_version != old.scoring_version
    assert not old_now.is_current
    event = AuditEvent.objects.get(action="scores.renewed")
    assert (event.data["responses"], event.data["differing"]) == (1, 1)
    assert rescored() == ["0 results differ from before."]


def test_another_wording_is_no_other_scoring(
    response: QuestionnaireResponse, now: datetime
) -> None:
    install(lambda content: content["notes"].append("Another note."), now)
    assert rescored("--dry-run") == ["0 results would differ."]


def test_answers_to_other_questions_are_left_alone(
    response: QuestionnaireResponse, now: datetime
) -> None:
    def drop_a_question(content: dict[str, Any]) -> None:
        content["items"] = [row for row in content["items"] if row["link_id"] != "10"]
        del content["wording"]["en"]["items"]["10"]
        del content["response_options"]["difficulty"]
        del content["wording"]["en"]["options"]["difficulty"]
        halve_mild(content)

    install(drop_a_question, now)
    assert rescored("--dry-run") == ["0 results would differ."]
