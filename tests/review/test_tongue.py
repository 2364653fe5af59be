"""Every word of a chart passes through the tongue lent to it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

import pytest
from django.utils import translation

from outcomes.review import tongue
from outcomes.review.charts import Panel, Point, describe, draw_sparkline, draw_trajectory
from outcomes.review.charts.words import number
from tests.review.test_charts import COURSE, day, phq9, words_in

OUR_OWN = re.compile("PHQ-9|Patient Health Questionnaire-9|Alex Morgan|Sertraline|Induction|item 9")
BANDS = ("minimal", "mild", "moderately", "moderate", "severe")


@pytest.fixture
def mumbling() -> Iterator[None]:
    """Lend a tongue that says "x" for every word, and keeps what it is given."""
    before = tongue._lent[0]

    def mumble(text: str) -> str:
        return re.sub(r"(%\(\w+\)\w)|[^\W\d_]+", lambda match: match[1] or "x", text)

    tongue.lend(
        tongue.Tongue(
            mumble, lambda one, many, count: mumble(one if count == 1 else many), lambda: ","
        )
    )
    yield
    tongue.lend(before)


@pytest.mark.usefixtures("mumbling")
@pytest.mark.parametrize("layout", ["wide", "narrow"])
def test_no_word_of_the_product_is_left_untranslated(layout: str) -> None:
    empty = Panel("PHQ-9", "", 0, 27, baseline_reason="", direction="higher_is_better")
    drawn = draw_trajectory(replace(COURSE, panels=(*COURSE.panels, empty)), layout)  # type: ignore[arg-type]
    labels = re.findall('aria-label="([^"]*)"', drawn)
    told = [*words_in(drawn), *labels, describe(COURSE.panels[0]), describe(empty)]
    sparkline = draw_sparkline(COURSE.panels[0].points, 0, 27, code="PHQ-9")
    told += re.findall('aria-label="([^"]*)"', sparkline)
    left = " ".join(told)
    for part in (OUR_OWN, re.compile("|".join(BANDS)), re.compile("IV ketamine|mg")):
        left = part.sub("", left)
    assert not re.findall(r"[^\W\d_]{2,}", left)


def test_numbers_and_words_follow_the_language_in_use() -> None:
    panel = phq9((Point(day(0), 21.5), Point(day(7), 9)))
    with translation.override("de"):
        assert number(21.5) == "21,5"
        german = describe(panel)
    assert number(21.5) == "21.5"
    assert describe(panel).startswith("PHQ-9 fell from 21.5")
    assert "21,5" in german
