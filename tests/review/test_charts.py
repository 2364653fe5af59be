"""The charts: what must be drawn, what must never be, and what must be said in words."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Literal
from unittest import mock
from uuid import uuid4
from xml.etree import ElementTree
from zoneinfo import ZoneInfo

import pytest
from django.conf import settings as django_settings
from django.template.loader import render_to_string
from django.utils import translation
from hypothesis import given, settings
from hypothesis import strategies as st

from outcomes.care.models import Route, TreatmentSession
from outcomes.instruments.definition import load_library
from outcomes.review import marked, measures
from outcomes.review.change import Baseline, ScorePoint
from outcomes.review.charts import (
    Band,
    Blank,
    ChartData,
    Comparison,
    CourseMark,
    Layout,
    Marker,
    Panel,
    Point,
    QuartilePoint,
    SessionMark,
    Window,
    WindowState,
    describe,
    draw_intervals,
    draw_layouts,
    draw_sparkline,
    draw_trajectory,
    interval_words,
    strip,
)
from outcomes.review.charts.axis import TimeScale, ValueScale, date_ticks, value_ticks
from outcomes.review.charts.ground import CLINIC, TINTS
from outcomes.review.charts.layout import FORMS, roomiest, rows, spread, width_of, wrap
from outcomes.review.charts.sheet import breaks, lay_out, runs
from outcomes.review.charts.svg import CHANGE, DATA, FRAME, INK, MUTED, SAFETY, safe
from outcomes.review.gathered import StoredScore
from outcomes.review.measures import Measure

LONDON = ZoneInfo("Europe/London")
START = datetime(2026, 8, 1, 8, tzinfo=UTC)
SVG = "{http://www.w3.org/2000/svg}"
LAYOUTS: tuple[Layout, ...] = ("wide", "narrow")
PHQ9_BANDS = (
    Band(0, 4, "minimal"),
    Band(5, 9, "mild"),
    Band(10, 14, "moderate"),
    Band(15, 19, "moderately severe"),
    Band(20, 27, "severe"),
)


def day(number: float) -> datetime:
    return START + timedelta(days=number)


def asked(at: float, state: WindowState = "answered") -> Window:
    return Window(day(at), state)


def phq9(points: tuple[Point, ...] = (), **changes: object) -> Panel:
    panel = Panel("PHQ-9", "Patient Health Questionnaire-9", 0, 27, bands=PHQ9_BANDS, points=points)
    return replace(panel, **changes)  # type: ignore[arg-type]


def chart(*panels: Panel, **changes: object) -> ChartData:
    return replace(ChartData("Alex Morgan", panels, zone=LONDON), **changes)  # type: ignore[arg-type]


def tree(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg)


def words_in(svg: str) -> list[str]:
    return [element.text or "" for element in tree(svg).iter(f"{SVG}text")]


def labels_in(svg: str) -> list[str]:
    return [element.get("aria-label", "") for element in tree(svg).iter(f"{SVG}g")]


COURSE = chart(
    phq9(
        (
            Point(day(0), 21, band="severe", safety="item 9"),
            Point(day(7), 20, band="severe"),
            Point(day(21), 15, prorated=True, band="moderately severe"),
            Point(day(30), 9, band="mild", late=True),
            Point(day(35), 7, band="mild", imported=True),
        ),
        windows=(
            asked(0),
            asked(7),
            asked(14, "missed"),
            asked(21),
            asked(28, "late"),
            asked(35),
            asked(42, "pending"),
        ),
        baseline=ScorePoint(day(0), 21),
        response_line=10.5,
        remission_line=5.0,
        reliable_half_width=6.0,
    ),
    sessions=(
        SessionMark(day(2), 1, "IV ketamine 40 mg"),
        SessionMark(day(5), 2, "IV ketamine 40 mg", "not_held"),
        SessionMark(day(40), 3, "IV ketamine 45 mg", "planned"),
    ),
    markers=(Marker(day(10), "Sertraline 50→100 mg"),),
    courses=(CourseMark(day(2), "Induction"),),
)


# -- What is on the chart ------------------------------------------------------------------------


@pytest.mark.parametrize("layout", LAYOUTS)
def test_it_shows_rules_bands_sessions_changes_and_coverage_in_words(layout: Layout) -> None:
    told = " ".join(words_in(draw_trajectory(COURSE, layout))).replace("\u00a0", " ")
    for words in (
        "PHQ-9",
        "0–27, lower is better",
        "Baseline 21 on 1 Aug 2026 · reliable change ±6",
        "Baseline 21",
        "Response ≤ 10.5",
        "Remission < 5",
        "minimal mild moderate moderately severe severe",
        "Sertraline 50→100 mg",
        "Induction",
        "5 of 6 answered",
        "item 9",
        "missed, the line is broken",
        "not held",
        "planned",
        "answered late",
        "prorated, items missing",
        "imported",
    ):
        assert words in told


def test_every_point_can_be_focused_and_tells_all_its_facts() -> None:
    points = [
        group for group in tree(draw_trajectory(COURSE)).iter(f"{SVG}g") if group.get("tabindex")
    ]
    told = [group.get("aria-label") for group in points]
    assert told == [
        "PHQ-9 21, severe, 1 Aug 2026 09:00, baseline, safety answer: item 9",
        "PHQ-9 20, severe, 8 Aug 2026 09:00, 5 days after session 1, −1 from baseline",
        "PHQ-9 15, moderately severe, 22 Aug 2026 09:00, 19 days after session 1,"
        " −6 from baseline, prorated",
        "PHQ-9 9, mild, 31 Aug 2026 09:00, 28 days after session 1, −12 from baseline,"
        " answered late",
        "PHQ-9 7, mild, 5 Sep 2026 09:00, 33 days after session 1, −14 from baseline, imported",
    ]
    assert {group.get("role") for group in points} == {"img"}
    assert [group.findtext(f"{SVG}title") for group in points] == told


@pytest.mark.parametrize(
    ("after", "words"),
    [
        (timedelta(0), "0 hours after session 1"),
        (timedelta(minutes=119), "1 hour after session 1"),
        (timedelta(hours=24), "24 hours after session 1"),
        (timedelta(hours=72, minutes=59), "72 hours after session 1"),
        (timedelta(hours=73), "3 days after session 1"),
        (timedelta(days=9, hours=23), "9 days after session 1"),
    ],
)
def test_the_time_since_the_last_held_session_is_the_true_one(after: timedelta, words: str) -> None:
    sessions = (
        SessionMark(day(1), 1),
        SessionMark(day(1) + after, 2, status="not_held"),
        SessionMark(day(0.9), 9, status="planned"),
    )
    data = chart(phq9((Point(day(1) + after, 12),)), sessions=sessions)
    assert any(label.endswith(words) for label in labels_in(draw_trajectory(data)))


def test_hours_since_a_session_are_right_across_a_clock_change() -> None:
    session = datetime(2026, 10, 24, 12, tzinfo=LONDON)
    answered = datetime(2026, 10, 25, 12, tzinfo=LONDON)
    data = chart(phq9((Point(answered, 12),)), sessions=(SessionMark(session, 1),))
    assert any("25 hours after session 1" in label for label in labels_in(draw_trajectory(data)))


def test_a_session_tells_its_status_route_and_dose_as_recorded() -> None:
    labels = labels_in(draw_trajectory(COURSE))
    assert "Session 1, held, 3 Aug 2026 09:00, IV ketamine 40 mg" in labels
    assert "Session 2, not held, 6 Aug 2026 09:00, IV ketamine 40 mg" in labels
    assert "Session 3, planned, 10 Sep 2026 09:00, IV ketamine 45 mg" in labels


def test_without_a_baseline_it_says_why_and_draws_no_lines_for_it() -> None:
    panel = phq9((Point(day(3), 12),), baseline_reason="There is no score before session 1.")
    told = words_in(draw_trajectory(chart(panel)))
    assert "No baseline: There is no score before session 1." in told
    assert not any(words.startswith(("Baseline", "Response", "Remission")) for words in told)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_an_empty_chart_says_no_scores_yet(layout: Layout) -> None:
    assert "No scores yet" in words_in(draw_trajectory(chart(phq9()), layout))
    assert "No scores yet" in words_in(draw_trajectory(chart(), layout))
    planned = chart(phq9(), sessions=(SessionMark(day(0), 1, status="planned"),))
    assert "No scores yet" in words_in(draw_trajectory(planned, layout))


def test_the_highest_value_is_at_the_top_whichever_way_is_better() -> None:
    for direction in ("higher_is_worse", "higher_is_better"):
        panel = phq9((Point(day(0), 5), Point(day(1), 25)), direction=direction)
        circles = [
            float(circle.get("cy", 0))
            for group in tree(draw_trajectory(chart(panel))).iter(f"{SVG}g")
            if group.get("tabindex")
            for circle in group.iter(f"{SVG}circle")
        ]
        assert circles[0] > circles[1]


def test_it_says_when_higher_is_better_and_turns_the_rule_words() -> None:
    panel = Panel(
        "WHO-5",
        "WHO-5 Well-Being Index",
        0,
        100,
        "higher_is_better",
        points=(Point(day(0), 20),),
        response_line=30.0,
        remission_line=50.0,
        remission_kind="at_least",
    )
    told = " ".join(words_in(draw_trajectory(chart(panel)))).replace("\u00a0", " ")
    assert "0–100, higher is better" in told
    assert "Response ≥ 30" in told
    assert "Remission ≥ 50" in told


@pytest.mark.parametrize("direction", ["higher_is_worse", "higher_is_better"])
@pytest.mark.parametrize(
    ("kind", "label"),
    [("below", "Remission < 7"), ("at_most", "Remission ≤ 7"), ("at_least", "Remission ≥ 7")],
)
def test_the_remission_line_is_labelled_as_its_rule_was_published(
    kind: Comparison, label: str, direction: str
) -> None:
    panel = phq9((Point(day(0), 20),), direction=direction, remission_line=7, remission_kind=kind)
    told = [words.replace("\u00a0", " ") for words in words_in(draw_trajectory(chart(panel)))]
    assert label in told


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_watched_scale_has_the_line_of_its_published_cutoff(layout: Layout) -> None:
    definition = load_library()["ASRM"]
    panel = measures.panel_of(definition, definition.scales[0], (), (), Baseline(None, None, ""))
    assert (panel.cutoff_line, panel.remission_line) == (6, None)
    told = words_in(draw_trajectory(chart(replace(panel, points=(Point(day(0), 8),))), layout))
    line = " ".join(told).replace("\u00a0", " ")
    assert "Cut-off ≥ 6" in line
    assert "published cut-off, at which an alert is raised" in line


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_band_is_named_with_its_range_however_thin_it_is(layout: Layout) -> None:
    bands = (Band(0, 4, "none-minimal"), Band(5, 5, "thin"), Band(6, 27, "un-wieldily-long-word"))
    told = words_in(draw_trajectory(chart(phq9((Point(day(0), 20),), bands=bands)), layout))
    line = " ".join(told).replace("\u00a0", " ")
    assert "Bands: none-minimal 0–4, thin 5, un-wieldily-long-word 6–27" in line
    assert "thin" not in told


@pytest.mark.parametrize("layout", LAYOUTS)
def test_no_word_in_the_gutter_is_cut_off_at_the_edge(layout: Layout) -> None:
    bands = (
        Band(0, 9, "none-minimal"),
        Band(10, 18, "incomprehensibilities"),
        Band(19, 27, "moderately severe"),
    )
    drawn = tree(draw_trajectory(chart(phq9((Point(day(0), 20),), bands=bands)), layout))
    form = FORMS[layout]
    gutter = [
        (float(element.get("x", 0)), element.text or "")
        for element in drawn.iter(f"{SVG}text")
        if float(element.get("x", 0)) == form.right + 10
    ]
    assert "minimal" in " ".join(words for _, words in gutter)
    assert all(x + width_of(words, form.size) <= form.width for x, words in gutter)


@pytest.mark.parametrize("language", [code for code, _name in django_settings.LANGUAGES])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_words_beside_a_rule_line_end_before_the_edge(layout: Layout, language: str) -> None:
    panel = phq9(
        (Point(day(0), 20), Point(day(7), 12)),
        baseline=ScorePoint(day(0), 20),
        response_line=10,
        remission_line=5,
    )
    with translation.override(language):
        drawn = tree(draw_trajectory(chart(panel), layout))
    form = FORMS[layout]
    ends = {
        element.text: form.right + 10 + width_of(element.text or "", size)
        for element in drawn.iter(f"{SVG}text")
        if float(element.get("x", 0)) == form.right + 10
        and (size := float(element.get("font-size", 0)))
    }
    assert len(ends) >= 3
    assert {words: end for words, end in ends.items() if end > form.width} == {}


def treated(at: float, number: int, dose: str = "40") -> SessionMark:
    return SessionMark(day(at), number, f"Ketamine IV {dose} mg", "held", f"IV {dose}\u00a0mg")


def test_route_and_dose_stand_under_sessions_that_are_far_enough_apart() -> None:
    not_held = SessionMark(day(30), 3, "Ketamine IV 45 mg", "not_held", "IV 45\u00a0mg")
    sessions = (treated(10, 1), treated(20, 2), not_held, treated(40, 4, "50"))
    told = words_in(draw_trajectory(chart(phq9((Point(day(0), 20),)), sessions=sessions)))
    assert [words for words in told if words.startswith("IV")] == [
        "IV 40\u00a0mg",
        "IV 40\u00a0mg",
        "IV 50\u00a0mg",
    ]
    assert not any(words.startswith("Given") for words in told)


def test_route_and_dose_take_two_lines_where_one_is_too_wide() -> None:
    sessions = tuple(treated(7 * number, number) for number in range(1, 16))
    told = words_in(draw_trajectory(chart(phq9((Point(day(0), 20),)), sessions=sessions)))
    assert told.count("IV") == told.count("40\u00a0mg") == 15


@pytest.mark.parametrize("layout", LAYOUTS)
def test_close_sessions_tell_what_was_given_under_the_chart(layout: Layout) -> None:
    sessions = (
        *(treated(number, number) for number in range(1, 5)),
        treated(5, 5, "50"),
        treated(60, 1, "50"),
        treated(90, 2, "50"),
    )
    told = words_in(draw_trajectory(chart(phq9((Point(day(0), 20),)), sessions=sessions), layout))
    assert (
        "Given: sessions 1–4 from 2 Aug 2026, Ketamine IV 40 mg;"
        " session 5 on 6 Aug 2026, Ketamine IV 50 mg;"
        " sessions 1–2 from 30 Sep 2026, Ketamine IV 50 mg"
    ) in " ".join(told)
    assert "IV" not in told


def test_many_changes_of_what_was_given_are_counted_not_listed() -> None:
    sessions = tuple(treated(number, number, str(number)) for number in range(1, 31))
    told = " ".join(words_in(draw_trajectory(chart(phq9((Point(day(0), 20),)), sessions=sessions))))
    assert "Ketamine IV 8 mg; 22 more changes, in the list of sessions" in told


def test_a_rule_line_outside_the_range_is_not_drawn() -> None:
    panel = phq9((Point(day(0), 20),), direction="higher_is_better", response_line=30.0)
    assert not any(
        words.startswith("Response") for words in words_in(draw_trajectory(chart(panel)))
    )


def test_points_outside_the_period_asked_for_are_left_out() -> None:
    data = replace(COURSE, start=day(6), end=day(25))
    labels = [label for label in labels_in(draw_trajectory(data)) if label.startswith("PHQ-9 ")]
    assert [label.split(",")[0] for label in labels[:-1]] == ["PHQ-9 20", "PHQ-9 15"]
    assert labels[-1] == "PHQ-9 asked 3 times: 2 answered, 1 missed"
    assert "2 of 3 answered" in words_in(draw_trajectory(data))


def test_many_treatment_changes_become_letters_with_a_key() -> None:
    markers = tuple(Marker(day(20 + number), f"Change number {number}") for number in range(30))
    told = words_in(draw_trajectory(replace(COURSE, markers=markers)))
    assert "A: Change number 0, 21 Aug 2026" in told
    assert "AD: Change number 29, 19 Sep 2026" in told
    assert "Change number 0" not in told


# -- The clinic's band ---------------------------------------------------------------------------


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_clinics_band_is_drawn_behind_and_told_with_its_counts(layout: Layout) -> None:
    band = (
        QuartilePoint(day(2), 12, 16, 20, 64),
        QuartilePoint(day(9), 9, 12, 17, 41),
        QuartilePoint(day(900), 0, 0, 0, 20),
    )
    panel = replace(COURSE.panels[0], clinic_band=band)
    drawn = draw_trajectory(replace(COURSE, panels=(panel,), end=day(60)), layout)
    told = " ".join(words_in(drawn))
    assert "middle half of comparable starters (n 20 to 64), descriptive, not a target" in told
    shape = next(
        path.get("d", "")
        for path in tree(drawn).iter(f"{SVG}path")
        if path.get("fill") == CLINIC and path.get("fill-opacity")
    )
    assert shape.count("L") == 3
    assert CLINIC not in draw_trajectory(COURSE, layout)


# -- Missing stays missing -----------------------------------------------------------------------


def test_a_missed_window_breaks_the_line() -> None:
    times = [day(0), day(7), day(21), day(28)]
    assert runs(times, [day(14)]) == [slice(0, 2), slice(2, 4)]
    assert runs(times, []) == [slice(0, 4)]
    assert runs(times, [day(3), day(14), day(24)]) == [slice(i, i + 1) for i in range(4)]
    assert runs(times, [day(-5), day(40)]) == [slice(0, 4)]
    assert runs([], [day(3)]) == []


@given(st.lists(st.integers(0, 60), max_size=20), st.lists(st.integers(0, 60), max_size=20))
def test_no_run_spans_a_missed_window_and_no_score_is_lost(
    scored: list[int], missed: list[int]
) -> None:
    times = [day(number) for number in sorted(scored)]
    gaps = sorted(day(number + 0.5) for number in missed)
    cut = runs(times, gaps)
    assert [at for run in cut for at in times[run]] == times
    for run in cut:
        assert not any(left < gap < right for left, right in pairwise(times[run]) for gap in gaps)


def test_the_drawn_line_lifts_its_pen_at_the_missed_window() -> None:
    drawn = draw_trajectory(COURSE)
    line = next(
        path.get("d", "")
        for path in tree(drawn).iter(f"{SVG}path")
        if path.get("stroke") == DATA and path.get("stroke-width") == "2"
    )
    assert line.count("M") == 2
    assert line.count("L") == 3


@pytest.mark.parametrize("layout", LAYOUTS)
def test_nothing_but_scores_is_marked_at_a_value(layout: Layout) -> None:
    missed = tuple(asked(number, "missed") for number in range(1, 20))
    panel = phq9((Point(day(0), 0), Point(day(20), 27)))
    bare = draw_trajectory(chart(panel), layout)
    top, bottom = sorted(
        float(circle.get("cy", 0))
        for group in tree(bare).iter(f"{SVG}g")
        if group.get("tabindex")
        for circle in group.iter(f"{SVG}circle")
    )
    drawn = tree(draw_trajectory(chart(replace(panel, windows=missed)), layout))
    strip_of = next(
        group for group in drawn.iter(f"{SVG}g") if "19 missed" in group.get("aria-label", "")
    )
    heights = [
        float(y)
        for path in strip_of.iter(f"{SVG}path")
        for y in re.findall(r"M[\d.]+ ([\d.]+)", path.get("d", ""))
    ]
    assert heights
    assert min(heights) > bottom > top
    marks = {name: len(list(drawn.iter(f"{SVG}{name}"))) for name in ("circle", "rect", "polygon")}
    before = {name: len(list(tree(bare).iter(f"{SVG}{name}"))) for name in marks}
    assert marks == before


# -- The coverage strip --------------------------------------------------------------------------


def strip_marks(drawn: str, code: str = "PHQ-9") -> dict[str, list[float]]:
    """Return the x of each mark of a strip, by its path's stroke and height."""
    group = next(
        element
        for element in tree(drawn).iter(f"{SVG}g")
        if (element.findtext(f"{SVG}title") or "").startswith(f"{code} asked")
    )
    found: dict[str, list[float]] = {}
    for path in group.iter(f"{SVG}path"):
        name = f"{path.get('stroke')} {path.get('stroke-width')}"
        found[name] = [float(x) for x in re.findall(r"M([\d.]+) ", path.get("d", ""))]
    return found


def test_askings_too_close_to_tell_apart_share_a_mark() -> None:
    windows = [asked(0), asked(0.4, "missed"), asked(0.9, "late"), asked(1), asked(9, "pending")]
    found = strip.slots(windows, timedelta(days=1))
    assert [(slot.due, slot.states) for slot in found] == [
        (day(0), {"answered", "missed", "late"}),
        (day(1), {"answered"}),
        (day(9), {"pending"}),
    ]
    assert strip.slots([], timedelta(days=1)) == []


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("count", [2, 40, 270, 520])
def test_the_marks_of_the_strip_never_run_into_each_other(count: int, layout: Layout) -> None:
    states: list[WindowState] = ["missed" if at % 9 == 0 else "answered" for at in range(count)]
    windows = tuple(asked(at, state) for at, state in enumerate(states))
    marks = strip_marks(draw_trajectory(chart(phq9(windows=windows)), layout))
    bars, misses = (
        next((name, xs) for name, xs in marks.items() if name.startswith(colour))
        for colour in (MUTED, INK)
    )
    for name, xs in (bars, misses):
        width = float(name.split()[1])
        assert width >= strip.NARROWEST
        assert all(right - left >= width + 0.8 for left, right in pairwise(xs))
    sheet = lay_out(chart(phq9(windows=windows)), layout)
    for window in windows:
        if window.state == "missed":
            assert any(-0.1 <= sheet.x(window.due) - x <= 4.1 for x in misses[1])


def test_the_strip_counts_in_its_label_all_that_was_asked() -> None:
    assert "PHQ-9 asked 7 times: 4 answered, 1 answered late, 1 missed, 1 not closed yet" in (
        labels_in(draw_trajectory(COURSE))
    )


def test_the_legend_tells_of_shared_marks_only_where_there_are_some() -> None:
    told = "close together: one mark for several"
    many = tuple(asked(number / 10) for number in range(520))
    assert told in words_in(draw_trajectory(chart(phq9(windows=many))))
    assert told not in words_in(draw_trajectory(COURSE))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_no_two_meanings_of_the_legend_share_a_mark(layout: Layout) -> None:
    legend = tree(draw_trajectory(COURSE, layout)).findall(f"{SVG}g")[-1]
    glyphs: dict[str, list[str]] = {}
    drawn: list[str] = []
    for part in legend:
        if part.tag != f"{SVG}text":
            look = {name: value for name, value in part.attrib.items() if len(name) > 2}
            shape = re.sub(r"M[\d.]+ [\d.]+|V[\d.]+", "", part.get("d", ""))
            drawn.append(f"{part.tag} {shape} {look}")
        elif drawn:
            glyphs[part.text or ""], drawn = drawn, []
    assert {"score", "answered late", "planned", "not held", "not closed yet"} <= set(glyphs)
    assert len({tuple(glyph) for glyph in glyphs.values()}) == len(glyphs)


# -- Words ---------------------------------------------------------------------------------------


def test_the_summary_tells_a_fall_and_what_was_missed() -> None:
    assert describe(COURSE.panels[0], LONDON) == (
        "PHQ-9 fell from 21 (severe) at baseline on 1 Aug to 7 (mild) on 5 Sep 2026;"
        " 1 of 6 asked was missed."
    )


BASE = ScorePoint(day(0), 12)
SINCE = (Point(day(0), 12, band="moderate"), Point(day(200), 20, band="severe"))


@pytest.mark.parametrize(
    ("panel", "told"),
    [
        (phq9(), "No PHQ-9 scores yet."),
        (
            phq9(windows=(asked(1, "missed"), asked(2, "missed"), asked(3, "pending"))),
            "No PHQ-9 scores yet; 2 of 2 asked were missed.",
        ),
        (
            phq9(SINCE[:1], baseline=BASE, windows=(asked(0),)),
            "PHQ-9 was 12 (moderate) at baseline on 1 Aug 2026, and no score since;"
            " none of 1 asked was missed.",
        ),
        (
            phq9(SINCE, baseline=BASE),
            "PHQ-9 rose from 12 (moderate) at baseline on 1 Aug 2026 to 20 (severe)"
            " on 17 Feb 2027.",
        ),
        (
            phq9((SINCE[0], Point(day(7), 12, band="moderate"))),
            "PHQ-9 was 12 (moderate) at the first score on 1 Aug and again 12 (moderate)"
            " on 8 Aug 2026.",
        ),
        (
            Panel("WHO-5", "", 0, 100, points=(Point(day(0), 13.3), Point(day(7), 20))),
            "WHO-5 rose from 13.3 at the first score on 1 Aug to 20 on 8 Aug 2026.",
        ),
    ],
)
def test_the_summary_is_one_factual_line(panel: Panel, told: str) -> None:
    assert describe(panel, LONDON) == told


def test_of_many_points_each_panel_is_one_stop_that_holds_them_all() -> None:
    points = tuple(Point(day(number), number % 28) for number in range(41))
    drawn = tree(draw_trajectory(chart(phq9(points))))
    assert "PHQ-9 rose from 0" in drawn.get("aria-label", "")
    (stop,) = [element for element in drawn.iter() if element.get("tabindex")]
    first, told = stop.get("data-points", "").split(";")
    assert int(first) == int(day(0).timestamp()) // 60
    steps = [step.split(",") for step in told.split(" ")]
    assert sum(int(step) for step, _value in steps) == 40 * 24 * 60
    assert [float(value) for _step, value in steps] == [point.value for point in points]
    marks = [element for element in stop if element.tag.endswith("g")]
    assert len(marks) == len(points)  # what steps through them finds each one's place


# -- Answered without a total --------------------------------------------------------------------


@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_was_answered_without_a_total_breaks_the_line_and_is_told(layout: Layout) -> None:
    blank = Blank(day(7), "2 of 9 items unanswered", late=True)
    points = (Point(day(0), 18), Point(day(14), 9), Point(day(21), 8))
    panel = phq9(points, blanks=(blank,), windows=(asked(0), asked(7, "late"), asked(14)))
    drawn = tree(draw_trajectory(chart(panel), layout))
    label = "PHQ-9, 8 Aug 2026 09:00, answered, no total: 2 of 9 items unanswered, answered late"
    (mark,) = [each for each in drawn.iter(f"{SVG}g") if each.get("aria-label") == label]
    assert mark.get("tabindex") == "0"
    (line,) = [
        each.get("d", "") for each in drawn.iter(f"{SVG}path") if each.get("stroke-width") == "2"
    ]
    assert line.count("M") == 2
    assert "answered, no total" in words_in(draw_trajectory(chart(panel), layout))
    assert describe(panel, LONDON) == (
        "PHQ-9 fell from 18 (moderately severe) at the first score on 1 Aug to 8 on 22 Aug"
        " 2026; 1 answered without a total, the last one on 8 Aug 2026; none of 3 asked were"
        " missed."
    )


def test_among_many_points_one_without_a_total_is_told_beside_them() -> None:
    points = tuple(Point(day(number), number % 28) for number in range(60))
    panel = phq9(points, blanks=(Blank(day(30.5), "all are needed"),))
    drawn = tree(draw_trajectory(chart(panel)))
    (stop,) = [element for element in drawn.iter() if element.get("tabindex")]
    assert "no total" not in "".join(each.get("aria-label", "") for each in list(stop.iter())[1:])
    told = [each.get("aria-label", "") for each in drawn.iter(f"{SVG}g")]
    assert "PHQ-9, 31 Aug 2026 21:00, answered, no total: all are needed" in told
    assert "1 answered without a total" in drawn.get("aria-label", "")


def test_the_words_count_the_askings_of_the_period_that_is_shown() -> None:
    windows = (*(asked(at, "missed") for at in range(5)), asked(60), asked(70, "missed"))
    panel = phq9((Point(day(0), 18), Point(day(60), 9)), windows=windows)
    drawn = draw_layouts(chart(panel, start=day(50)))
    (told,) = drawn.told
    assert told.endswith("; in the period shown 1 of 2 asked was missed.")
    assert draw_layouts(chart(panel)).told[0].endswith("; 6 of 7 asked were missed.")


def test_the_legend_names_only_what_is_in_view() -> None:
    points = (Point(day(0), 18, prorated=True), Point(day(60), 9))
    windows = (asked(0, "missed"), asked(60))
    sessions = (SessionMark(day(1), 1, "", "not_held"), SessionMark(day(61), 2, ""))
    shown = chart(phq9(points, windows=windows), sessions=sessions, start=day(50))
    told = words_in(draw_trajectory(shown))
    for absent in ("prorated, items missing", "missed, the line is broken", "not held"):
        assert absent in words_in(draw_trajectory(replace(shown, start=None)))
        assert absent not in told


# -- The silence since the last score ------------------------------------------------------------


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_chart_reaches_today_and_says_when_the_last_score_before_it_was(layout: Layout) -> None:
    data = chart(phq9((Point(day(0), 12), Point(day(7), 9))), start=day(60), now=day(150))
    told = " ".join(words_in(draw_trajectory(data, layout)))
    assert "No scores in this period; the last one is of 8 Aug 2026" in told
    assert "No scores yet" not in told
    assert "today" in told
    assert lay_out(data, layout).x.end == day(150)


def test_what_is_planned_after_today_stays_on_the_chart() -> None:
    planned = SessionMark(day(40), 2, "", "planned")
    sheet = lay_out(chart(phq9((Point(day(0), 12),)), sessions=(planned,), now=day(20)), "wide")
    assert sheet.x.end == day(40)
    assert sheet.today == [sheet.x(day(20))]


def test_today_takes_the_place_of_the_date_beside_it() -> None:
    data = chart(phq9((Point(day(0), 12),)), now=datetime(2026, 9, 2, 12, tzinfo=UTC))
    told = words_in(draw_trajectory(data))
    assert "today" in told
    assert "31 Aug" not in told
    assert "1 Sep" not in told


@given(st.lists(st.integers(0, 60), unique=True).map(sorted), st.lists(st.integers(0, 60)))
def test_one_miss_of_each_gap_breaks_the_line_as_all_of_them_do(
    answered: list[int], skipped: list[int]
) -> None:
    times, missed = [day(at) for at in answered], [day(at / 2) for at in sorted(skipped)]
    kept = breaks(times, missed)
    assert runs(times, kept) == runs(times, missed)
    assert len(kept) <= len(times)


# -- Safe by construction ------------------------------------------------------------------------

HOSTILE = "\"><script>alert(1)</script><g onload='x' style=\"&amp;\x00\x1b\ud800"
FORBIDDEN = {"style", "class", "id", "href", "onload"}


def hostile_chart(text: str) -> ChartData:
    panel = Panel(
        text,
        text,
        0,
        27,
        bands=(Band(0, 27, text),),
        points=(Point(day(0), 3, band=text, safety=text), Point(day(2), 4)),
        baseline_reason=text,
    )
    return ChartData(
        text,
        (panel,),
        (SessionMark(day(1), 1, text),),
        (Marker(day(1), text),),
        (CourseMark(day(1), text),),
    )


@pytest.mark.parametrize("layout", LAYOUTS)
def test_no_text_can_break_out_of_the_drawing(layout: Layout) -> None:
    plain = {element.tag for element in tree(draw_trajectory(COURSE, layout)).iter()}
    drawn = draw_trajectory(hostile_chart(HOSTILE), layout)
    assert {element.tag for element in tree(drawn).iter()} <= plain
    assert "<script" not in drawn


@settings(max_examples=40, deadline=None)
@given(st.text(max_size=40), st.sampled_from(LAYOUTS))
def test_any_text_at_all_gives_a_well_formed_drawing(text: str, layout: Layout) -> None:
    drawn = tree(draw_trajectory(hostile_chart(text), layout))
    used = {name for element in drawn.iter() for name in element.attrib}
    assert not used & FORBIDDEN


@given(st.text())
def test_escaping_is_undone_by_a_parser_and_by_nothing_else(text: str) -> None:
    shown = ElementTree.fromstring(f'<a b="{safe(text)}"/>').get("b", "")
    held = re.sub("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "\ufffd", text)
    assert shown == re.sub("\r\n|[\t\n\r]", " ", held)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 27), st.integers(0, 2000), st.booleans(), st.booleans()),
        max_size=60,
    ),
    st.lists(st.tuples(st.integers(0, 2000), st.sampled_from(["held", "planned", "not_held"]))),
    st.lists(st.tuples(st.integers(0, 2000), st.text(max_size=30)), max_size=8),
    st.sampled_from(LAYOUTS),
)
def test_everything_drawn_stays_on_the_sheet(
    facts: list[tuple[int, int, bool, bool]],
    held: list[tuple[int, Literal["held", "planned", "not_held"]]],
    changes: list[tuple[int, str]],
    layout: Layout,
) -> None:
    points = tuple(
        Point(day(at), value, late=late, safety="item 9" if safety else "")
        for value, at, late, safety in sorted(facts, key=lambda fact: fact[1])
    )
    sessions = tuple(SessionMark(day(at), n + 1, "", s) for n, (at, s) in enumerate(held))
    markers = tuple(Marker(day(at), text) for at, text in changes)
    drawn = tree(draw_trajectory(chart(phq9(points), sessions=sessions, markers=markers), layout))
    _, _, width, height = (float(part) for part in drawn.get("viewBox", "").split())
    for element in drawn.iter():
        for name, limit in (("x", width), ("cx", width), ("y", height), ("cy", height)):
            assert -0.1 <= float(element.get(name, 0)) <= limit + 0.1


# -- Colours -------------------------------------------------------------------------------------


def _luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(one: str, other: str) -> float:
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("tint", TINTS)
def test_words_and_lines_can_be_read_on_every_band(tint: str) -> None:
    assert all(_contrast(colour, tint) >= 4.5 for colour in (INK, MUTED, DATA, SAFETY, CHANGE))
    assert _contrast(FRAME, tint) >= 3


# -- Axes and room -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("days", "most", "ticks"),
    [
        (7, 12, ["2 8", "3 8", "4 8", "5 8", "6 8", "7 8", "8 8"]),
        (28, 5, ["3 8", "10 8", "17 8", "24 8"]),
        (105, 5, ["1 9", "1 10", "1 11"]),
        (1095, 4, ["1 1", "1 1", "1 1"]),
    ],
)
def test_dates_are_sensibly_spaced(days: int, most: float, ticks: list[str]) -> None:
    found = date_ticks(START, day(days), LONDON, most)
    local = [at.astimezone(LONDON) for at in found]
    assert [f"{at.day} {at.month}" for at in local] == ticks
    assert {(at.hour, at.minute) for at in local} == {(0, 0)}


@given(st.floats(min_value=7, max_value=9000), st.floats(min_value=2, max_value=14))
def test_dates_never_crowd(days: float, most: float) -> None:
    found = date_ticks(START, day(days), LONDON, most)
    x = TimeScale(START, day(days), 0, 100)
    assert len(found) <= most + 1
    assert all(x(right) - x(left) > 85 / most for left, right in pairwise(found))


def test_time_is_true_and_values_fill_the_full_range() -> None:
    x = TimeScale(START, day(10), 0, 100)
    assert [x(day(number)) for number in (0, 1, 10)] == [0, 10, 100]
    y = ValueScale(0, 27, 10, 110)
    assert [y(27), y(0), y(13.5)] == [10, 110, 60]
    assert [y(40), y(-3)] == [10, 110]


def test_values_are_printed_at_band_edges_or_round_steps() -> None:
    assert value_ticks(0, 27, (0, 5, 10, 15, 20), 5) == [0, 5, 10, 15, 20, 27]
    assert value_ticks(0, 100, (), 5) == [0, 20, 40, 60, 80, 100]
    assert value_ticks(10, 50, (), 5) == [10, 20, 30, 40, 50]


heights = st.lists(st.tuples(st.floats(0, 200), st.floats(5, 20)), min_size=1, max_size=8)


@given(heights)
def test_labels_are_spread_until_none_overlaps(facts: list[tuple[float, float]]) -> None:
    facts = sorted(facts)
    centres = spread([centre for centre, _ in facts], [height for _, height in facts], 0, 200)
    edges = [
        (centre - height / 2, centre + height / 2)
        for centre, (_, height) in zip(centres, facts, strict=True)
    ]
    assert all(upper[1] <= lower[0] + 1e-6 for upper, lower in pairwise(edges))
    assert edges[0][0] >= -1e-6
    assert edges[-1][1] <= 200 + 1e-6


def test_a_word_takes_the_roomiest_part_of_its_band() -> None:
    assert roomiest(0, 100, [(10, 20), (70, 90)]) == (20, 70)
    assert roomiest(0, 100, []) == (0, 100)
    assert roomiest(0, 100, [(-50, 150)]) == (0, 0)


def test_flags_share_a_row_only_where_they_fit() -> None:
    assert rows([(0, 50, 0), (60, 100, 60)], 2) == [0, 0]
    assert rows([(0, 50, 0), (30, 80, 30)], 2) == [0, 1]
    assert rows([(0, 50, 0), (10, 60, 10), (20, 70, 20)], 2) is None


def test_words_wrap_at_spaces_but_never_at_hard_spaces() -> None:
    assert wrap("moderately severe", 60, 11) == ("moderately", "severe")
    assert wrap("Response ≤\u00a010.5", 70, 11) == ("Response", "≤\u00a010.5")


# -- Sparkline -----------------------------------------------------------------------------------


def test_the_sparkline_says_what_it_shows() -> None:
    points = [ScorePoint(day(0), 21), ScorePoint(day(7), 12), ScorePoint(day(30), 7)]
    drawn = tree(draw_sparkline(points, 0, 27, code="PHQ-9", remission=5, zone=LONDON))
    assert drawn.get("aria-label") == (
        "PHQ-9: 3 scores, from 21 on 1 Aug 2026 to 7 on 31 Aug 2026, range 0 to 27"
    )
    assert (drawn.get("role"), drawn.get("width"), drawn.get("height")) == ("img", "120", "32")


@pytest.mark.parametrize(
    ("points", "label"),
    [
        ([], "No PHQ-9 scores yet"),
        ([ScorePoint(day(0), 21)], "PHQ-9: one score, 21 on 1 Aug 2026, range 0 to 27"),
    ],
)
def test_the_sparkline_of_few_scores(points: list[ScorePoint], label: str) -> None:
    assert tree(draw_sparkline(points, 0, 27, code="PHQ-9")).get("aria-label") == label


def test_the_sparkline_breaks_at_a_miss_and_keeps_a_lone_score_visible() -> None:
    points = [ScorePoint(day(number), 10) for number in (0, 7, 21, 35, 42)]
    drawn = tree(draw_sparkline(points, 0, 27, code="PHQ-9", missed=[day(14), day(28)]))
    line = next(path for path in drawn.iter(f"{SVG}path"))
    assert line.get("d", "").count("M") == 3
    assert len(list(drawn.iter(f"{SVG}circle"))) == 2


# -- From the record to the chart and its card ---------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "met"),
    [
        ("below", [True, False, False]),
        ("at_most", [True, True, False]),
        ("at_least", [False, True, True]),
        ("points", None),
    ],
)
def test_remission_is_judged_and_drawn_by_the_rule_as_published(
    kind: str, met: list[bool] | None
) -> None:
    definition = load_library()["HAM-D17"]
    scale = definition.scales[0]
    assert scale.remission is not None
    scale = replace(scale, remission=replace(scale.remission, kind=kind))
    verdicts = [measures.remission_of(scale, ScorePoint(day(0), value)) for value in (6, 7, 8)]
    panel = measures.panel_of(definition, scale, (), (), Baseline(None, None, ""))
    if met is None:
        assert verdicts == [None, None, None]
        assert panel.remission_line is None
    else:
        assert [verdict.met for verdict in verdicts if verdict] == met
        assert (panel.remission_line, panel.remission_kind) == (7, kind)


def test_the_hamilton_scale_is_in_remission_at_seven() -> None:
    definition = load_library()["HAM-D17"]
    panel = measures.panel_of(definition, definition.scales[0], (), (), Baseline(None, None, ""))
    told = words_in(draw_trajectory(chart(replace(panel, points=(Point(day(0), 20),)))))
    assert "Remission ≤\u00a07" in told


@pytest.mark.parametrize(
    ("route", "unit", "short"),
    [
        (Route.IV, "mg", "IV 40\u00a0mg"),
        (Route.INTRANASAL, "mg", "Intranasal 40\u00a0mg"),
        ("", "mg/kg", "40\u00a0mg/kg"),
    ],
)
def test_a_session_is_labelled_in_short_by_route_and_dose(
    route: str, unit: str, short: str
) -> None:
    session = TreatmentSession(route=route, dose_amount=Decimal("40.00"), dose_unit=unit)
    assert marked._short_label(session) == short


def measured(first_session: datetime | None, *values: int, code: str = "GAD-7") -> Measure:
    """Return what the card shows of scores on days 0, 10, 20, ..."""
    definition = load_library()[code]
    scores = [
        StoredScore(
            uuid4(), code, "total", value, "", False, "", day(at * 10), "hash", "link", None, False
        )
        for at, value in enumerate(values)
    ]
    with mock.patch.object(measures, "definition_of", return_value=definition):
        return measures.measure_of(scores, (), first_session, {}, LONDON)


def card(measure: Measure) -> str:
    shown = {"trajectory": {"measures": [measure]}, "zone": "Europe/London"}
    html = render_to_string("clinic_site/_trajectory.html", shown)
    return " ".join(re.sub("<[^>]*>", " ", html.split("</div>")[0]).split())


def test_a_card_names_the_scale_where_an_instrument_has_several() -> None:
    one = measured(day(15), 18, 17)
    told = card(replace(one, panel=replace(one.panel, code="DASS-21 Anxiety")))
    assert told.startswith("DASS-21 Anxiety 17")


def test_a_card_says_that_newer_answers_have_no_total() -> None:
    one = measured(day(5), 18, 17)
    blank = Blank(day(60), "all are needed")
    assert "without a total" not in card(one)
    told = card(replace(one, panel=replace(one.panel, blanks=(blank,))))
    assert "answered on 30 Sep 2026 without a total" in told


@pytest.mark.parametrize("first_session", [None, day(15)])
def test_the_card_gives_no_verdict_before_there_is_a_score_after_treatment(
    first_session: datetime | None,
) -> None:
    told = card(measured(first_session, 18, 17))
    assert "17" in told
    assert "response" not in told
    assert "remission" not in told


def test_the_card_gives_its_verdicts_once_a_score_follows_the_baseline() -> None:
    told = card(measured(day(5), 18, 4))
    assert told.endswith("reliable improvement response remission")
    assert card(measured(day(5), 18, 17)).endswith("no reliable change no response no remission")


def test_the_card_says_in_a_sentence_why_there_is_no_response() -> None:
    told = card(measured(day(5), 8, 4))
    assert "The baseline is below 10: a percentage would mislead." in told
    assert "response" not in told


# -- Days between sessions -----------------------------------------------------------------------


def test_days_since_the_last_session_stand_beside_the_earlier_intervals() -> None:
    drawn = tree(draw_intervals((19, 26, 31), 23))
    told = "Days since the last session: 23; earlier intervals: 19, 26, 31."
    assert drawn.get("aria-label") == interval_words((19, 26, 31), 23) == told
    assert {"19", "23", "26", "31"} <= set(words_in(draw_intervals((19, 26, 31), 23)))
    assert draw_intervals((), None) == interval_words((), None) == ""
    assert interval_words((), 4) == "Days since the last session: 4."


# -- Light layers --------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", LAYOUTS)
def test_daily_mood_is_one_path_of_dots_in_a_thin_panel(layout: Layout) -> None:
    moods = tuple(Point(day(at / 2), at % 11) for at in range(1800))
    mood = Panel("MOOD-1", "Daily mood rating", 0, 10, "higher_is_better", points=moods)
    data = replace(COURSE, panels=(*COURSE.panels, replace(mood, is_light=True)))
    drawn = draw_trajectory(data, layout)
    (group,) = (found for found in tree(drawn).iter(f"{SVG}g") if found.get("data-points"))
    (path,) = group.iter(f"{SVG}path")
    assert path.get("d", "").count("M") == 1800
    steps = group.get("data-points", "").split(";")[1].split(" ")
    assert [step.split(",")[1] for step in steps] == [str(at % 11) for at in range(1800)]
    assert "daily check, one question" in words_in(drawn)
    assert tree(drawn).get("role") == "group"


def test_of_many_scores_each_is_a_dot_of_the_first_path_and_a_late_one_shows_it_too() -> None:
    points = tuple(Point(day(index), 9, late=index == 7) for index in range(400))
    drawn = tree(draw_trajectory(chart(phq9(points))))
    (group,) = (found for found in drawn.iter(f"{SVG}g") if found.get("data-points"))
    marks = [child for child in group if child.tag != f"{SVG}title"]

    assert marks[0].get("d", "").count("M") == len(points)
    assert [mark.tag.removeprefix(SVG) for mark in marks[1:]] == ["circle", "path"]


def test_both_layouts_at_once_are_what_each_is_alone() -> None:
    alone = tuple(draw_trajectory(COURSE, layout) for layout in ("wide", "narrow"))

    assert draw_layouts(COURSE)[:2] == alone
