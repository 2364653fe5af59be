"""The mania watch: a score at or above its published cut-off reaches a person like an answer."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from django.db import IntegrityError, transaction

from outcomes import workflows
from outcomes.alerts import services as alerts
from outcomes.alerts.models import Alert, AlertOutcome, AlertReason, AlertRule, AlertState
from outcomes.alerts.services import raising
from outcomes.audit.models import SYSTEM
from outcomes.clinics.models import User
from outcomes.instruments.definition import Definition, load_library
from outcomes.instruments.facts import MissingRule
from outcomes.instruments.models import Instrument
from outcomes.instruments.scoring import score
from outcomes.instruments.watched import ScaleHit, scale_hits, watched_scale
from outcomes.responses import services as responses
from outcomes.responses.models import Mode, QuestionnaireResponse, Score
from outcomes.scheduling.models import Assignment
from outcomes.workflows import Submission
from tests.alerts.conftest import told

ASRM = load_library()["ASRM"]


def answers(total: int) -> dict[str, int | None]:
    """Spread a total over the five questions, each from 0 to 4."""
    return {str(key): min(4, max(0, total - 4 * (key - 1))) for key in range(1, 6)}


# -- The rule, without a database -----------------------------------------------------------------


def hits(given: dict[str, int | None], definition: Definition = ASRM) -> tuple[ScaleHit, ...]:
    return scale_hits(definition, given, score(definition, given))


@pytest.mark.parametrize("total", range(21))
def test_every_total_from_six_on_needs_a_person_and_none_below(total: int) -> None:
    found = hits(answers(total))
    assert found == ((ScaleHit("total", total, 6),) if total >= 6 else ())


@pytest.mark.parametrize(
    ("given", "reached"),
    [
        ({"1": 4, "2": 2}, 6),  # whatever the three others are, the total would be no lower
        ({"1": 4, "2": 1, "3": None}, None),
        ({"1": 4, "2": 4, "3": 4, "4": 4, "5": None}, 16),
        ({}, None),
    ],
)
def test_an_incomplete_form_counts_once_what_was_answered_reaches_it(
    given: dict[str, int | None], reached: int | None
) -> None:
    assert score(ASRM, given).scores["total"].value is None
    assert [hit.value for hit in hits(given)] == ([] if reached is None else [reached])


@pytest.mark.parametrize(("last", "expected"), [(0, []), (1, [6]), (4, [10])])
def test_a_prorated_score_counts_by_the_whole_points_it_reached(
    last: int, expected: list[int]
) -> None:
    scale = replace(
        ASRM.scales[0], missing=MissingRule(max_missing=1, citation="A test's", verified=False)
    )
    definition = replace(ASRM, scales=(scale,))
    given = {"1": 4, "2": 0, "3": 0, "4": last, "5": None}
    total = score(definition, given).scores["total"]
    assert total.prorated
    assert total.value == 5 * (4 + last) / 4
    assert [hit.value for hit in hits(given, definition)] == expected


def test_only_the_mania_scale_is_watched_with_its_published_cutoff() -> None:
    watched = {code: watched_scale(each) for code, each in load_library().items()}
    found = {code: pair for code, pair in watched.items() if pair is not None}
    assert list(found) == ["ASRM"]
    _scale, cutoff = found["ASRM"]
    assert (cutoff.value, cutoff.verified) == (6, True)
    assert "Altman et al. 1997" in cutoff.citation


# -- The alert ------------------------------------------------------------------------------------


@pytest.fixture
def asrm(phq9: Assignment) -> Assignment:
    """An ASRM that a patient without a bipolar indication is asked all the same."""
    assert phq9.episode.indication == "trd"
    return ask(phq9, 0)


def ask(beside: Assignment, occurrence: int) -> Assignment:
    row = Assignment.objects.get(pk=beside.pk)
    row.pk, row.occurrence = None, occurrence
    row.instrument = Instrument.objects.get(code="ASRM")
    row.save(force_insert=True)
    return row


def submit(item: Assignment, given: dict[str, int | None], now: datetime) -> Submission:
    return workflows.submit_response(
        assignment_id=item.pk,
        answers=given,
        submission_id=f"asrm-{item.pk}",
        language="en",
        mode=Mode.LINK,
        by=SYSTEM,
        now=now,
    )


@pytest.mark.parametrize(("total", "count"), [(5, 0), (6, 1), (7, 1)])
def test_it_alerts_at_the_cutoff_for_whoever_answers_it(
    asrm: Assignment, now: datetime, total: int, count: int
) -> None:
    made = submit(asrm, answers(total), now)

    assert len(made.alerts) == count
    assert len(told()) == count
    if count:
        alert = Alert.objects.select_related("rule").get()
        assert (alert.reason, alert.value, alert.state) == (AlertReason.MANIA, total, "open")
        assert (alert.rule.link_id, alert.rule.scale, alert.rule.at_least) == ("", "total", 6)
        assert told() == [("Clara", "email")]


def test_it_is_stored_with_the_answer_or_not_at_all(
    asrm: Assignment, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise IntegrityError("no audit")

    monkeypatch.setattr("outcomes.audit.services.record", fail)
    with pytest.raises(IntegrityError), transaction.atomic():
        submit(asrm, answers(9), now)

    assert [model.objects.count() for model in (QuestionnaireResponse, Score, Alert)] == [0, 0, 0]
    assert told() == []


def test_an_error_in_the_watch_keeps_the_answer_and_pages_a_person(
    asrm: Assignment, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object) -> None:
        raise RuntimeError("broken watch")

    monkeypatch.setattr(raising, "scale_hits", fail)
    submit(asrm, answers(9), now)

    assert Alert.objects.get().reason == AlertReason.RULE_ERROR
    assert QuestionnaireResponse.objects.final().count() == 1
    assert told() == [("Clara", "email")]


def test_sending_the_same_again_raises_nothing_twice(asrm: Assignment, now: datetime) -> None:
    first = submit(asrm, answers(9), now)
    second = submit(asrm, answers(9), now)

    assert second.is_repeat
    assert [alert.pk for alert in second.alerts] == [alert.pk for alert in first.alerts]
    assert Alert.objects.count() == 1


def test_every_later_score_above_it_alerts_again_whatever_was_known(
    asrm: Assignment, clinician: User, now: datetime
) -> None:
    submit(asrm, answers(9), now)
    alerts.acknowledge(
        alert=Alert.objects.get(), user=clinician, outcome=AlertOutcome.KNOWN, now=now
    )
    for week, total in enumerate((9, 7), 1):
        submit(ask(asrm, week), answers(total), now + timedelta(weeks=week))

    rows = Alert.objects.order_by("raised_at").values_list("value", "state")
    assert list(rows) == [(9, "resolved"), (9, "open"), (7, "open")]


def test_it_escalates_until_a_named_person_takes_it(
    asrm: Assignment, clinician: User, now: datetime
) -> None:
    submit(asrm, answers(6), now)
    workflows.escalate_due(now=now + timedelta(minutes=15))
    alert = Alert.objects.get()
    assert (alert.state, alert.tier) == (AlertState.OPEN, 1)

    alerts.acknowledge(alert=alert, user=clinician, now=now + timedelta(minutes=16))
    assert workflows.escalate_due(now=now + timedelta(hours=9)) == 0


def test_it_shows_the_patient_no_crisis_text_and_asks_no_screener(
    asrm: Assignment, now: datetime
) -> None:
    made = submit(asrm, answers(20), now)

    assert made.result.safety == ()
    assert responses.safety_of(made.response) == ()


def test_an_unfinished_form_has_no_score_and_raises_none(asrm: Assignment, now: datetime) -> None:
    workflows.save_answers(
        assignment_id=asrm.pk,
        answers=answers(20),
        language="en",
        mode=Mode.LINK,
        by=SYSTEM,
        now=now,
    )
    assert not Alert.objects.exists()


def test_the_rule_is_there_before_the_first_answer(library: None) -> None:
    rules = AlertRule.objects.exclude(scale="").values_list("instrument__code", "scale", "at_least")
    assert list(rules) == [("ASRM", "total", 6)]


@pytest.mark.parametrize(("link_id", "scale"), [("1", "total"), ("", "")])
def test_a_rule_is_about_an_item_or_a_scale(library: None, link_id: str, scale: str) -> None:
    instrument = Instrument.objects.get(code="ASRM")
    with pytest.raises(IntegrityError), transaction.atomic():
        AlertRule.objects.create(instrument=instrument, link_id=link_id, scale=scale, at_least=9)
