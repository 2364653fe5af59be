"""What the clinician sees of one patient."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from pytest_django import DjangoAssertNumQueries

from outcomes import workflows
from outcomes.audit.models import SYSTEM
from outcomes.care.models import Channel
from outcomes.clinics.models import Clinic, User
from outcomes.responses.models import Mode
from outcomes.review import caseload, gathered, trajectory
from outcomes.review.caseload import Filters
from outcomes.review.change import ScorePoint
from outcomes.review.measures import change_of, remission_of
from outcomes.review.models import Standing
from outcomes.review.worklists import WORKLISTS
from outcomes.scheduling.models import Assignment
from outcomes.workflows import Enrolment
from tests.conftest import make_enrolment
from tests.library import LIBRARY
from tests.review.conftest import Answer


def test_a_patient_without_scores_has_an_empty_trajectory(
    enrolment: Enrolment, now: datetime
) -> None:
    built = trajectory.build(enrolment.episode, now)

    assert built.measures == ()
    assert "No scores yet" in built.wide


def test_baseline_change_and_outcomes_follow_the_published_rules(
    treated: Enrolment, now: datetime
) -> None:
    phq9, gad7 = trajectory.build(treated.episode, now).measures

    assert (phq9.definition.code, gad7.definition.code) == ("PHQ-9", "GAD-7")
    assert phq9.baseline.point is not None
    assert phq9.baseline.point.value == 27
    assert phq9.change is not None
    assert (phq9.change.absolute, phq9.change.percent) == (-27, -100)
    assert phq9.response is not None
    assert phq9.response.met
    assert phq9.remission is not None
    assert phq9.remission.met
    assert phq9.reliable is not None
    assert phq9.reliable.outcome == "improved"
    assert phq9.panel.response_line == 13.5


def test_only_what_is_later_than_the_baseline_is_a_change_from_it(now: datetime) -> None:
    phq9 = LIBRARY["PHQ-9"]
    total = phq9.scale("total")
    assert total is not None
    start = ScorePoint(now, 20)

    def change_at(hours: int) -> float | None:
        found = change_of(phq9, total, start, ScorePoint(now + timedelta(hours=hours), 8))
        return found.absolute if found else None

    assert [change_at(hours) for hours in (-1, 0, 1)] == [None, None, -12]


@pytest.mark.parametrize(
    ("code", "value", "met"), [("PHQ-9", 4, True), ("PHQ-9", 5, False), ("PEG", 0, None)]
)
def test_remission_is_beyond_the_published_cutoff(
    code: str, value: float, met: bool | None, now: datetime
) -> None:
    definition = LIBRARY[code]
    scale = definition.scale(definition.charted[0])
    assert scale is not None
    found = remission_of(scale, ScorePoint(now, value))

    assert (found.met if found else None) is met
    assert found is None or found.rule.citation


def test_a_positive_item_is_marked_on_the_chart(treated: Enrolment, now: datetime) -> None:
    phq9 = trajectory.build(treated.episode, now).measures[0]

    assert [point.safety for point in phq9.panel.points] == ["item 9: 3", ""]


def test_the_table_tells_the_true_time_since_the_session(treated: Enrolment, now: datetime) -> None:
    newest = trajectory.build(treated.episode, now).rows(1)[0]

    assert (newest.session.number, newest.hours_since_session) == (1, 7 * 24 + 10)
    assert newest.reaches_past_session


def test_a_missed_window_is_shown_as_missed(enrolment: Enrolment, now: datetime) -> None:
    workflows.invite_due(now=now)
    workflows.expire_assignments(now=now + timedelta(days=4))

    windows = gathered.windows_of(enrolment.episode)

    assert [window.state for window in windows["PHQ-9"]] == ["missed"]


def test_an_incomplete_form_stands_in_the_table_with_its_reason(
    enrolment: Enrolment, now: datetime
) -> None:
    workflows.invite_due(now=now)
    item = Assignment.objects.under_way().filter(instrument__code="PHQ-9").get()
    workflows.submit_response(
        assignment_id=item.pk,
        answers={"1": 1},
        submission_id="x",
        language="en",
        mode=Mode.LINK,
        by=SYSTEM,
        now=now,
    )

    (measure,) = trajectory.build(enrolment.episode, now).measures

    assert measure.latest is None
    assert measure.entries[0][0].missing_reason


def test_the_number_of_queries_does_not_grow(
    treated: Enrolment,
    answer: Answer,
    now: datetime,
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    with django_assert_max_num_queries(9):
        trajectory.build(treated.episode, now)
    for week in range(4, 12, 2):
        answer(1, now + timedelta(weeks=week))
    with django_assert_max_num_queries(9):
        trajectory.build(treated.episode, now)


MINE, EVERYBODY = Filters(), Filters(only_mine=False)


def lines(
    clinic: Clinic, user: User, at: datetime, filters: Filters = MINE
) -> tuple[caseload.Line, ...]:
    """Read the caseload as its page does."""
    workflows.bring_caseload_up_to_date(clinic=clinic, now=at)
    return caseload.build(clinic, user, at, filters).lines


def test_the_caseload_shows_last_score_and_change(
    treated: Enrolment, clinic: Clinic, clinician: User, now: datetime
) -> None:
    (line,) = lines(clinic, clinician, now)

    assert (line.standing.last_value, line.standing.last_band) == (0, "none-minimal")
    assert line.change is not None
    assert line.change.absolute == -27
    assert (line.colour, line.is_within_error) == ("better", False)
    assert line.standing.open_alerts == 1
    assert "2 scores" in line.sparkline
    later = now + timedelta(days=15)
    assert replace(line, now=later).days_since_session == 12
    assert replace(line, now=later).days_until_session == -9


def test_a_change_within_measurement_error_is_said_and_not_coloured(
    treated: Enrolment, clinic: Clinic, clinician: User, now: datetime
) -> None:
    (line,) = lines(clinic, clinician, now)
    line.standing.last_value = 22

    assert (line.is_within_error, line.colour) == (True, "none")


def test_only_my_patients_unless_asked_for_all(
    treated: Enrolment, clinic: Clinic, admin: User, now: datetime
) -> None:
    assert lines(clinic, admin, now) == ()
    assert len(lines(clinic, admin, now, EVERYBODY)) == 1


def test_another_clinics_patients_never_appear(
    treated: Enrolment, other_enrolment: Enrolment, clinic: Clinic, stranger: User, now: datetime
) -> None:
    assert lines(clinic, stranger, now, EVERYBODY) == ()


def ward(clinic: Clinic, clinician: User, now: datetime) -> datetime:
    """Let one patient be calm, one unreachable, one late; return a moment after."""
    calm = make_enrolment(clinic, clinician, "Abel")
    unreachable = make_enrolment(clinic, clinician, "Zoe")
    late = make_enrolment(clinic, clinician, "Yuri")
    workflows.invite_due(now=now)
    workflows.change_contact(
        patient=unreachable.patient, channel=Channel.EMAIL, value="", by=SYSTEM, now=now
    )
    Assignment.objects.filter(patient__in=[calm.patient, unreachable.patient]).delete()
    Assignment.objects.filter(patient=late.patient).under_way().update(due_at=now)
    return now + timedelta(hours=1)


def test_the_order_is_by_stated_need_and_a_page_goes_on_where_the_last_one_ended(
    treated: Enrolment,
    clinic: Clinic,
    clinician: User,
    now: datetime,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    later = ward(clinic, clinician, now)
    order = [line.standing.given_name for line in lines(clinic, clinician, later)]
    monkeypatch.setattr(caseload, "PER_PAGE", 1)
    paged, after = [], None
    for _ in order:
        page = caseload.build(clinic, clinician, later, after=after)
        paged += [line.standing.given_name for line in page.lines]
        after = page.next_after

    assert order == ["Robin", "Zoe", "Yuri", "Abel"]
    assert (paged, after) == (order, None)


def test_each_worklist_holds_those_its_rule_names(
    treated: Enrolment, clinic: Clinic, clinician: User, now: datetime
) -> None:
    later = ward(clinic, clinician, now)
    lines(clinic, clinician, later)

    found = {
        each.code: [
            line.standing.given_name
            for line in caseload.build(clinic, clinician, later, Filters(worklist=each.code)).lines
        ]
        for each in WORKLISTS
    }
    counts = caseload.build(clinic, clinician, later).counts

    assert found == {
        "unreviewed": ["Robin"],
        "alerts": ["Robin"],
        "overdue": ["Yuri"],
        "worse": [],
        "response": ["Robin"],
        "lost": [],
        "unreached": ["Zoe"],
    }
    assert {count.worklist.code: count.n for count in counts} == {
        code: len(names) for code, names in found.items()
    }
    assert all(count.rule for count in counts)


@pytest.mark.parametrize("only_mine", [True, False])
def test_the_counts_are_those_of_the_chosen_indication(
    treated: Enrolment, clinic: Clinic, clinician: User, now: datetime, *, only_mine: bool
) -> None:
    later = ward(clinic, clinician, now)
    lines(clinic, clinician, later)
    Standing.objects.filter(given_name__in=["Yuri", "Abel"]).update(indication="bipolar")

    for code in ("", "overdue"):
        kept = Filters(worklist=code, only_mine=only_mine, indication="bipolar")
        page = caseload.build(clinic, clinician, later, kept)

        names = [line.standing.given_name for line in page.lines]
        assert names == (["Yuri"] if code else ["Yuri", "Abel"])
        counts = {count.worklist.code: count.n for count in page.counts}
        assert (page.total, counts["overdue"], counts["alerts"]) == (2, 1, 0)


def test_many_are_not_counted_to_the_end(
    clinic: Clinic, clinician: User, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = ward(clinic, clinician, now)
    lines(clinic, clinician, later)
    monkeypatch.setattr(caseload, "COUNTED_TO", 2)

    assert caseload.build(clinic, clinician, later).total_words == "2+"


@pytest.mark.parametrize("text", ["yur", "EXAMPLE yuri", "exa yu"])
def test_a_search_finds_words_by_their_beginning(
    clinic: Clinic, clinician: User, now: datetime, text: str
) -> None:
    later = ward(clinic, clinician, now)
    lines(clinic, clinician, later)

    found = caseload.build(clinic, clinician, later, Filters(worklist="alerts"), text=text).lines

    assert [line.standing.given_name for line in found] == ["Yuri"]


def test_a_message_that_reached_a_stranger_is_said_until_the_contact_is_set_anew(
    enrolment: Enrolment, clinic: Clinic, clinician: User, now: datetime
) -> None:
    workflows.invite_due(now=now)
    later = now + timedelta(hours=1)
    workflows.decline_invitation(
        invitation=enrolment.patient.invitations.get(), by=SYSTEM, now=later
    )

    def problem(at: datetime) -> str:
        return str(lines(clinic, clinician, at)[0].standing.get_reach_problem_display())

    assert problem(later) == "Wrong person reached"
    workflows.change_contact(
        patient=enrolment.patient,
        channel=Channel.EMAIL,
        value="right@patient.example",
        by=clinician.actor,
        now=later + timedelta(hours=1),
    )
    assert problem(later + timedelta(hours=2)) == ""


def test_the_caseload_asks_a_constant_number_of_queries(
    clinic: Clinic,
    clinician: User,
    now: datetime,
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    for name in ("Abel", "Bea", "Cy", "Di", "Ed"):
        make_enrolment(clinic, clinician, name)
    workflows.bring_caseload_up_to_date(clinic=clinic, now=now)

    with django_assert_max_num_queries(6):
        workflows.bring_caseload_up_to_date(clinic=clinic, now=now)
        caseload.build(clinic, clinician, now)
