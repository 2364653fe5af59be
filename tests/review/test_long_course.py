"""A year of daily moods: less is read for a shorter chart, and what is shown stays the same."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from outcomes.care.models import SessionStatus, TreatmentSession
from outcomes.clinics.models import User
from outcomes.instruments.models import InstrumentVersion
from outcomes.responses.models import Mode, QuestionnaireResponse, ResponseStatus, Score
from outcomes.review import trajectory
from outcomes.review.ranges import Range
from outcomes.workflows import Enrolment

DAYS, SESSIONS, LISTED = 400, 14, 8


@pytest.fixture
def later(treated: Enrolment, clinician: User, now: datetime) -> datetime:
    """Add 400 days of moods and 14 sessions a month apart; return the moment after them."""
    version = InstrumentVersion.objects.filter(instrument__code="MOOD-1").latest("pk")
    whose = {
        "clinic": treated.episode.clinic,
        "patient": treated.patient,
        "episode": treated.episode,
    }
    responses = [
        QuestionnaireResponse(
            **whose,
            instrument_version=version,
            content_hash=version.content_hash,
            status=ResponseStatus.FINAL,
            mode=Mode.LINK,
            language="en",
            submitted_at=now + timedelta(days=day),
            stored_at=now,
            submission_id=f"mood {day}",
        )
        for day in range(DAYS)
    ]
    QuestionnaireResponse.objects.bulk_create(responses)
    Score.objects.bulk_create(
        Score(
            **whose,
            response=response,
            instrument_code="MOOD-1",
            scale=version.definition.charted[0],
            value=None if day % 31 == 5 else day % 11,
            missing_reason="not answered" if day % 31 == 5 else "",
            scoring_version="1",
            at=response.submitted_at,
        )
        for day, response in enumerate(responses)
    )
    TreatmentSession.objects.bulk_create(
        TreatmentSession(
            clinic=treated.episode.clinic,
            course=treated.course,
            episode=treated.episode,
            number=20 + number,
            planned_at=now + timedelta(days=5 + 28 * number),
            started_at=now + timedelta(days=5 + 28 * number),
            status=SessionStatus.DONE,
            entered_at=now,
            entered_by=clinician,
        )
        for number in range(SESSIONS)
    )
    return now + timedelta(days=DAYS)


@pytest.mark.parametrize("shown", ["3m", "1y", "course", "all"])
def test_what_a_page_lists_and_draws_is_the_same_from_less(
    treated: Enrolment, later: datetime, shown: Range
) -> None:
    whole = trajectory.build(treated.episode, later, shown=shown)
    less = trajectory.build(treated.episode, later, shown=shown, listed=LISTED)

    assert (less.wide, less.narrow) == (whole.wide, whole.narrow)
    assert less.told == whole.told
    for some, every in zip(
        less.per_session(later, LISTED), whole.per_session(later, LISTED), strict=True
    ):
        assert [line for _session, line in some.rows] == [line for _session, line in every.rows]
    mood, all_of_it = less.measures[-1].panel, whole.measures[-1].panel
    assert mood.points[-20:] == all_of_it.points[-20:]
    assert (len(mood.points) < len(all_of_it.points)) == (shown in ("3m", "1y"))


def test_the_newest_moods_are_listed_where_none_is_shown(
    treated: Enrolment, later: datetime
) -> None:
    much_later = later + timedelta(days=200)
    built = trajectory.build(treated.episode, much_later, shown="3m", listed=2)

    whole = trajectory.build(treated.episode, much_later)
    assert built.measures[-1].panel.points[-20:] == whole.measures[-1].panel.points[-20:]
