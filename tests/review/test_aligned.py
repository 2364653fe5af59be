"""Two courses drawn on one axis of days: what only both together can get wrong."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest

from outcomes.review.charts import (
    Aligned,
    ChartData,
    Panel,
    Point,
    SessionMark,
    Window,
    draw_aligned,
)
from outcomes.review.charts.layout import NARROW, width_of

DAY_0 = datetime(2026, 1, 1, 9, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def course(name: str, began: datetime, *asked: timedelta, code: str = "PHQ-9") -> Aligned:
    """A course of one session, 5 points on day 30, and what was `asked` after day 0 missed."""
    panel = Panel(
        code,
        "",
        0,
        27,
        points=(Point(began + 30 * DAY, 5),),
        windows=tuple(Window(began + after, "missed") for after in asked),
    )
    data = ChartData(title=name, panels=(panel,), sessions=(SessionMark(began, 1),))
    return Aligned(name, data, began)


def words_of(drawn: str) -> list[str]:
    return re.findall(r"<text[^>]*>([^<]*)</text>", drawn)


@pytest.mark.parametrize(
    ("first", "second", "is_told"),
    [
        ((DAY, DAY + HOUR), (DAY, 9 * DAY), True),
        ((DAY, 9 * DAY), (DAY, DAY + HOUR), True),
        ((DAY, 9 * DAY), (DAY, 9 * DAY), False),
    ],
)
def test_the_legend_tells_of_the_marks_of_either_course(
    first: tuple[timedelta, ...], second: tuple[timedelta, ...], is_told: bool
) -> None:
    later = DAY_0 + 400 * DAY
    courses = [course("Induction", DAY_0, *first), course("Maintenance", later, *second)]

    for drawn in draw_aligned("Both", courses):
        assert ("close together: one mark for several" in words_of(drawn)) is is_told


def test_a_long_heading_is_broken_where_a_phone_would_cut_it() -> None:
    name = "Maintenance from 26 Sep 2026"
    courses = [course(name, DAY_0, code="QIDS-SR16"), course("Induction", DAY_0 - 90 * DAY)]
    wide, narrow = draw_aligned("Both", courses)

    assert f"QIDS-SR16 · {name}" in words_of(wide)
    told = words_of(narrow)
    assert f"QIDS-SR16 · {name}" not in told
    lines = [told[at : at + 2] for at, line in enumerate(told) if line.startswith("QIDS-SR16")]
    assert [" ".join(pair) for pair in lines] == [f"QIDS-SR16 · {name}"]
    room = NARROW.width - NARROW.left
    assert all(width_of(line, NARROW.heading, bold=True) <= room for line in lines[0])
