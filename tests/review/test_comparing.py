"""The clinic's comparable starters: quartiles at the same session, hidden where they are few."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from statistics import quantiles

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outcomes.clinics.models import User
from outcomes.review import starters, trajectory
from outcomes.review.change import ScorePoint
from outcomes.review.comparing import FEWEST, quartiles_at, scores_before
from outcomes.workflows import Enrolment
from tests.conftest import signed_in

START = datetime(2026, 3, 20, 9, tzinfo=UTC)


def hours(number: float) -> datetime:
    return START + timedelta(hours=number)


def test_a_score_stands_before_the_next_session_only() -> None:
    sessions = [hours(0), hours(48), hours(96)]
    points = [ScorePoint(hours(-200), 20), ScorePoint(hours(-2), 18), ScorePoint(hours(24), 12)]
    assert scores_before(sessions, points) == (18, 12, None)
    assert scores_before(sessions[::-1], points[::-1]) == (18, 12, None)
    assert scores_before([], points) == ()


@given(st.lists(st.integers(0, 27), min_size=FEWEST, max_size=60))
def test_quartiles_agree_with_the_standard_library(values: list[int]) -> None:
    rows = [(None, float(value)) for value in values]
    found = quartiles_at([*rows, (3.0,), (4.0, None)], 1)
    assert found is not None
    assert [found.q1, found.median, found.q3] == quantiles(values, n=4, method="inclusive")
    assert found.n == len(values)


@given(st.integers(0, FEWEST - 1))
def test_fewer_than_twenty_are_hidden(count: int) -> None:
    assert quartiles_at([(9.0,)] * count, 0) is None


def test_a_starter_is_read_with_the_band_of_the_baseline(treated: Enrolment, now: datetime) -> None:
    measure = trajectory.build(treated.episode, now + timedelta(days=20)).measures[0]
    assert measure.definition.code == "PHQ-9"
    found = starters._read(treated.episode.clinic_id, "PHQ-9", measure.scale)
    assert found == {"severe": {treated.episode.pk: (27.0,)}}


@pytest.mark.parametrize(("others", "is_drawn"), [(19, False), (20, True)])
def test_the_band_needs_twenty_others(
    others: int,
    is_drawn: bool,
    monkeypatch: pytest.MonkeyPatch,
    treated: Enrolment,
    now: datetime,
) -> None:
    values = {number: (25.0 + number % 3,) for number in range(others)}
    rows = {**values, treated.episode.pk: (1.0,)}
    monkeypatch.setattr(starters, "_read", lambda *_: {"severe": rows})
    later = now + timedelta(days=20)
    for measure in trajectory.build(treated.episode, later, has_band=True).measures[:1]:
        band = measure.panel.clinic_band
        assert bool(band) is is_drawn
        assert [(point.n, point.q1 >= 25) for point in band] == [(20, True)] * is_drawn
    assert not trajectory.build(treated.episode, later).measures[0].panel.clinic_band


def test_the_page_says_why_there_is_no_band(treated: Enrolment, clinician: User) -> None:
    page = f"/c/{treated.patient.clinic.slug}/patients/{treated.patient.pk}/"
    assert (
        "fewer than 20 comparable starters"
        in signed_in(clinician).get(f"{page}?band=1").content.decode()
    )


def test_the_numbers_of_the_band_stand_in_a_table(
    treated: Enrolment, clinician: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = {number: (25.0 + number % 3,) for number in range(30)}
    monkeypatch.setattr(starters, "_read", lambda *_: {"severe": rows})
    page = f"/c/{treated.patient.clinic.slug}/patients/{treated.patient.pk}/"
    html = signed_in(clinician).get(f"{page}?band=1").content.decode()
    table = html.split("the clinic&#x27;s starters as a table")[-1].split("</table>")[0]
    cells = re.findall(r'<td class="num">([^<]*)</td>', table)
    assert cells == ["30", "25", "26", "27"]
    assert "starters as a table" not in signed_in(clinician).get(page).content.decode()
