"""A safety answer reaches a person, and pages until a named person takes it."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from outcomes import workflows
from outcomes.alerts import services as alerts
from outcomes.alerts.models import Alert, AlertEvent, AlertOutcome, AlertRule, AlertState
from outcomes.alerts.services import raising
from outcomes.audit.models import SYSTEM, AuditEvent
from outcomes.clinics import services as clinics
from outcomes.clinics.access import Role
from outcomes.clinics.models import Membership, User
from outcomes.delivery.models import Message
from outcomes.responses.models import Mode, QuestionnaireResponse, Score
from outcomes.scheduling.models import Assignment, AssignmentState
from outcomes.workflows import Enrolment, Submission
from tests.conftest import make_member

CALM = dict.fromkeys(map(str, range(1, 10)), 0)
POSITIVE = {**CALM, "9": 1}


@pytest.fixture
def phq9(enrolment: Enrolment, now: datetime) -> Assignment:
    workflows.invite_due(now=now)
    return Assignment.objects.get(instrument__code="PHQ-9", state="open")


def submit(item: Assignment, answers: dict[str, int], now: datetime) -> Submission:
    return workflows.submit_response(
        assignment_id=item.pk,
        answers=answers,
        submission_id="one",
        language="en",
        mode=Mode.LINK,
        by=SYSTEM,
        now=now,
    )


def tap(item: Assignment, answers: dict[str, int], now: datetime) -> None:
    workflows.save_answers(
        assignment_id=item.pk, answers=answers, language="en", mode=Mode.LINK, by=SYSTEM, now=now
    )


def pages() -> list[tuple[str, str]]:
    rows = Message.objects.filter(kind="alert").order_by("created_at", "user__email")
    return [(row.user.name, row.state) for row in rows if row.user]


@pytest.mark.parametrize("value", [1, 2, 3])
def test_every_positive_item_nine_makes_one_alert(
    phq9: Assignment, now: datetime, value: int
) -> None:
    submit(phq9, {**CALM, "9": value}, now)

    alert = Alert.objects.get()
    assert (alert.state, alert.value, alert.tier) == (AlertState.OPEN, value, 0)
    assert pages() == [("Clara", "pending")]


def test_a_calm_form_makes_none(phq9: Assignment, now: datetime) -> None:
    submit(phq9, CALM, now)

    assert not Alert.objects.exists()


def test_an_incomplete_form_alerts_all_the_same(phq9: Assignment, now: datetime) -> None:
    result = submit(phq9, {"9": 3}, now).result

    assert result.scores["total"].value is None
    assert Alert.objects.open().count() == 1


def test_the_alert_is_stored_with_the_answer_or_not_at_all(
    phq9: Assignment, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise IntegrityError("no audit")

    monkeypatch.setattr("outcomes.audit.services.record", fail)
    with pytest.raises(IntegrityError), transaction.atomic():
        submit(phq9, POSITIVE, now)

    rows = (QuestionnaireResponse, Score, Alert)
    assert [model.objects.count() for model in rows] == [0, 0, 0]
    assert not Message.objects.filter(kind="alert").exists()
    phq9.refresh_from_db()
    assert phq9.state == AssignmentState.OPEN


def test_an_error_in_the_rules_keeps_the_answer_and_pages_a_person(
    phq9: Assignment, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise RuntimeError("broken rule")

    monkeypatch.setattr(raising, "_raise", fail)
    submit(phq9, POSITIVE, now)

    alert = Alert.objects.get()
    assert (alert.reason, alert.state) == ("rule_error", AlertState.OPEN)
    assert QuestionnaireResponse.objects.final().count() == 1
    assert pages() == [("Clara", "pending")]


def test_tiers_reach_wider_circles_at_15_30_and_60_minutes_then_hourly(
    phq9: Assignment, now: datetime
) -> None:
    clinic = phq9.clinic
    make_member(clinic, Role.CLINIC_ADMIN, "Ada")
    submit(phq9, POSITIVE, now)

    told: list[tuple[int, int]] = []
    for minute in range(0, 241):
        before = len(pages())
        if workflows.escalate_due(now=now + timedelta(minutes=minute)):
            told.append((minute, len(pages()) - before))

    # Clara with the clinic's other two clinicians, then Ada too.
    assert told == [(15, 3), (30, 4), (60, 4), (120, 4), (180, 4), (240, 4)]


def test_an_alert_overdue_after_an_outage_is_paged_at_once_and_not_in_a_burst(
    phq9: Assignment, now: datetime
) -> None:
    submit(phq9, POSITIVE, now)
    later = now + timedelta(hours=5)

    steps = sum(workflows.escalate_due(now=later) for _ in range(10))

    assert steps == 1
    alert = Alert.objects.get()
    assert (alert.tier, alert.next_at) == (7, later + timedelta(hours=1))
    assert alert.events.filter(kind="paged").count() == 2


def test_acknowledging_stops_every_further_page(
    phq9: Assignment, clinician: User, now: datetime
) -> None:
    submit(phq9, POSITIVE, now)
    alerts.acknowledge(
        alert=Alert.objects.get(),
        user=clinician,
        outcome=AlertOutcome.SPOKE_SAFE,
        note="Called at nine.",
        now=now,
    )

    assert workflows.escalate_due(now=now + timedelta(days=2)) == 0
    assert pages() == [("Clara", "cancelled")]
    alert = Alert.objects.get()
    assert (alert.state, alert.acknowledged_by) == (AlertState.RESOLVED, clinician)
    assert AuditEvent.objects.filter(action="alert.acknowledged").count() == 1


def test_an_unreached_patient_keeps_the_alert_on_the_list_without_paging(
    phq9: Assignment, clinician: User, now: datetime
) -> None:
    submit(phq9, POSITIVE, now)
    alert = alerts.acknowledge(
        alert=Alert.objects.get(),
        user=clinician,
        outcome=AlertOutcome.NOT_REACHED,
        note="",
        now=now,
    )
    assert alert.state == AlertState.ACKNOWLEDGED
    assert workflows.escalate_due(now=now + timedelta(days=2)) == 0

    alerts.resolve(
        alert=alert, user=clinician, outcome=AlertOutcome.SPOKE_PLAN, note="Plan", now=now
    )
    assert Alert.objects.get().state == AlertState.RESOLVED
    assert [event.kind for event in alert.events.all()][-2:] == ["outcome", "closed"]


def test_one_press_takes_the_alert_and_the_rest_is_recorded_later(
    phq9: Assignment, clinician: User, admin: User, now: datetime
) -> None:
    submit(phq9, POSITIVE, now)
    alert = alerts.acknowledge(alert=Alert.objects.get(), user=clinician, now=now)
    assert (alert.state, alert.outcome) == (AlertState.ACKNOWLEDGED, "")
    assert workflows.escalate_due(now=now + timedelta(days=2)) == 0

    later = now + timedelta(minutes=4)
    for way, is_reached in (("telephone", False), ("third_party", True)):
        alerts.record_attempt(
            alert=alert, user=admin, way=way, is_reached=is_reached, note="", now=later
        )
    alerts.record_plan(alert=alert, user=clinician, plan="Sister stays tonight.", now=later)
    alerts.resolve(alert=alert, user=clinician, outcome=AlertOutcome.SPOKE_PLAN, note="", now=later)

    rows = AlertEvent.objects.filter(alert=alert, at__gt=now).values_list(
        "kind", "actor_label", "data"
    )
    ada, clara = admin.actor.label, clinician.actor.label
    assert list(rows) == [
        ("contact_attempted", ada, {"way": "telephone", "is_reached": False}),
        ("contact_attempted", ada, {"way": "third_party", "is_reached": True}),
        ("plan", clara, {}),
        ("outcome", clara, {"outcome": "spoke_plan"}),
        ("closed", clara, {}),
    ]
    assert "Sister" not in str(list(AuditEvent.objects.values_list("data", "reason")))


@pytest.mark.parametrize("state", ["open", "resolved"])
def test_steps_are_recorded_on_an_acknowledged_alert_only(
    phq9: Assignment, clinician: User, now: datetime, state: str
) -> None:
    submit(phq9, POSITIVE, now)
    if state == "resolved":
        acknowledge(clinician, AlertOutcome.KNOWN, now)
    who = {"alert": Alert.objects.get(), "user": clinician, "now": now}
    before = AlertEvent.objects.count()

    with pytest.raises(ValidationError):
        alerts.record_attempt(way="text", is_reached=True, note="", **who)  # type: ignore[arg-type]
    with pytest.raises(ValidationError):
        alerts.record_plan(plan="Call.", **who)  # type: ignore[arg-type]
    with pytest.raises(ValidationError):
        alerts.resolve(outcome="known", note="", **who)  # type: ignore[arg-type]
    assert AlertEvent.objects.count() == before


@pytest.mark.parametrize(("way", "plan"), [("pigeon", "  "), ("", "")])
def test_an_attempt_has_a_way_and_a_plan_has_words(
    phq9: Assignment, clinician: User, now: datetime, way: str, plan: str
) -> None:
    submit(phq9, POSITIVE, now)
    alert = alerts.acknowledge(alert=Alert.objects.get(), user=clinician, now=now)

    with pytest.raises(ValidationError):
        alerts.record_attempt(
            alert=alert, user=clinician, way=way, is_reached=True, note="", now=now
        )
    with pytest.raises(ValidationError):
        alerts.record_plan(alert=alert, user=clinician, plan=plan, now=now)


def test_an_alert_makes_only_the_moves_of_its_table() -> None:
    moves = {
        (before, after) for before in AlertState for after in AlertState if _may_move(before, after)
    }

    assert moves == {
        ("provisional", "open"),
        ("provisional", "acknowledged"),
        ("provisional", "resolved"),
        ("open", "acknowledged"),
        ("acknowledged", "resolved"),
        ("acknowledged", "provisional"),
        ("resolved", "provisional"),
    }


def _may_move(before: AlertState, after: AlertState) -> bool:
    try:
        Alert(state=before).move_to(after)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("outcome", ["nonsense", AlertOutcome.CHANGED])
def test_an_outcome_is_one_that_a_person_may_choose(
    phq9: Assignment, clinician: User, now: datetime, outcome: str
) -> None:
    submit(phq9, POSITIVE, now)

    with pytest.raises(ValidationError):
        alerts.acknowledge(
            alert=Alert.objects.get(), user=clinician, outcome=outcome, note="", now=now
        )
    assert Alert.objects.open().count() == 1


def test_an_alert_is_acknowledged_once(
    phq9: Assignment, clinician: User, admin: User, now: datetime
) -> None:
    submit(phq9, POSITIVE, now)
    alert = Alert.objects.get()
    done = {"outcome": AlertOutcome.KNOWN, "note": "", "now": now}
    alerts.acknowledge(alert=alert, user=clinician, **done)  # type: ignore[arg-type]

    with pytest.raises(ValidationError, match="Clara has this alert already, since 2 Feb"):
        alerts.acknowledge(alert=alert, user=admin, **done)  # type: ignore[arg-type]


def test_the_database_refuses_an_acknowledgement_without_a_person(
    phq9: Assignment, now: datetime
) -> None:
    submit(phq9, POSITIVE, now)

    with pytest.raises(IntegrityError), transaction.atomic():
        Alert.objects.update(state=AlertState.ACKNOWLEDGED)


def test_a_positive_tap_in_an_unfinished_form_alerts_after_ten_idle_minutes(
    phq9: Assignment, now: datetime
) -> None:
    tap(phq9, {"9": 2}, now)
    assert Alert.objects.get().state == AlertState.PROVISIONAL
    assert workflows.escalate_due(now=now + timedelta(minutes=9)) == 0

    assert workflows.escalate_due(now=now + timedelta(minutes=10)) == 1
    assert Alert.objects.get().state == AlertState.OPEN
    assert pages() == [("Clara", "pending")]


def test_another_tap_restarts_the_wait(phq9: Assignment, now: datetime) -> None:
    tap(phq9, {"9": 2}, now)
    tap(phq9, {"1": 0}, now + timedelta(minutes=8))

    assert workflows.escalate_due(now=now + timedelta(minutes=12)) == 0
    assert workflows.escalate_due(now=now + timedelta(minutes=18)) == 1


def test_a_tap_on_another_question_asks_the_database_nothing_about_alerts(
    phq9: Assignment, now: datetime
) -> None:
    tap(phq9, {"9": 0}, now)
    with CaptureQueriesContext(connection) as asked:
        tap(phq9, {"1": 3}, now)

    assert len(asked) > 0
    assert [each["sql"] for each in asked if "alert" in each["sql"]] == []


def test_a_positive_taken_back_before_that_pages_nobody_and_stays_readable(
    phq9: Assignment, now: datetime
) -> None:
    tap(phq9, {"9": 2}, now)
    tap(phq9, {"9": 0}, now + timedelta(minutes=1))

    alert = Alert.objects.get()
    assert (alert.state, alert.outcome) == (AlertState.RESOLVED, AlertOutcome.CHANGED)
    assert workflows.escalate_due(now=now + timedelta(hours=1)) == 0
    assert pages() == []


def test_a_positive_given_again_after_taking_it_back_alerts(
    phq9: Assignment, now: datetime
) -> None:
    tap(phq9, {"9": 2}, now)
    tap(phq9, {"9": 0}, now)
    submit(phq9, POSITIVE, now)

    assert Alert.objects.get().state == AlertState.OPEN
    assert pages() == [("Clara", "pending")]


def test_submitting_opens_the_waiting_alert_and_makes_no_second(
    phq9: Assignment, now: datetime
) -> None:
    tap(phq9, {"9": 2}, now)
    submit(phq9, {**CALM, "9": 2}, now)

    assert Alert.objects.get().state == AlertState.OPEN
    assert len(pages()) == 1


def test_an_open_alert_is_not_withdrawn_by_a_later_change_of_mind(
    phq9: Assignment, now: datetime
) -> None:
    tap(phq9, {"9": 2}, now)
    workflows.escalate_due(now=now + timedelta(minutes=10))
    submit(phq9, CALM, now + timedelta(minutes=11))

    assert Alert.objects.get().state == AlertState.OPEN


def test_without_a_responsible_clinician_all_clinicians_are_told(
    phq9: Assignment, clinician: User, now: datetime
) -> None:
    phq9.episode.clinicians.clear()
    submit(phq9, POSITIVE, now)

    assert [name for name, _state in pages()] == ["Clara", "Yara", "Zeno"]


def test_without_any_clinician_the_admins_are_told(
    phq9: Assignment, clinician: User, now: datetime
) -> None:
    make_member(phq9.clinic, Role.CLINIC_ADMIN, "Ada")
    for membership in Membership.objects.filter(role=Role.CLINICIAN):
        clinics.end_membership(membership=membership, by=SYSTEM, now=now)
    submit(phq9, POSITIVE, now)

    assert [name for name, _state in pages()] == ["Ada"]


def test_every_safety_question_of_the_library_has_a_rule(library: None) -> None:
    rules = {(rule.instrument.code, rule.link_id) for rule in AlertRule.objects.all()}

    assert {("PHQ-9", "9"), ("BDI-II", "9"), ("HAM-D17", "3")} <= rules


def acknowledge(user: User, outcome: AlertOutcome, now: datetime) -> Alert:
    return alerts.acknowledge(
        alert=Alert.objects.get(), user=user, outcome=outcome, note="", now=now
    )


def test_a_positive_left_out_of_the_submission_opens_its_alert(
    phq9: Assignment, now: datetime
) -> None:
    tap(phq9, {"9": 3}, now)
    submit(phq9, {}, now)

    alert = Alert.objects.get()
    assert (alert.state, alert.value) == (AlertState.OPEN, 3)
    assert pages() == [("Clara", "pending")]


def test_skipping_the_question_after_a_positive_does_not_take_it_back(
    phq9: Assignment, now: datetime
) -> None:
    tap(phq9, {"9": 2}, now)
    workflows.save_answers(
        assignment_id=phq9.pk,
        answers={"9": None},
        language="en",
        mode=Mode.LINK,
        by=SYSTEM,
        now=now,
    )

    assert workflows.escalate_due(now=now + timedelta(minutes=10)) == 1
    assert Alert.objects.get().state == AlertState.OPEN


def test_a_worse_answer_on_an_open_alert_is_shown(phq9: Assignment, now: datetime) -> None:
    tap(phq9, {"9": 1}, now)
    workflows.escalate_due(now=now + timedelta(minutes=10))
    submit(phq9, {**CALM, "9": 3}, now + timedelta(minutes=11))

    alert = Alert.objects.get()
    assert (alert.state, alert.value) == (AlertState.OPEN, 3)


@pytest.mark.parametrize("outcome", [AlertOutcome.NOT_REACHED, AlertOutcome.SPOKE_SAFE])
def test_a_worse_answer_after_an_acknowledgement_pages_at_once(
    phq9: Assignment, clinician: User, now: datetime, outcome: AlertOutcome
) -> None:
    tap(phq9, {"9": 1}, now)
    workflows.escalate_due(now=now + timedelta(minutes=10))
    acknowledge(clinician, outcome, now + timedelta(minutes=11))
    submit(phq9, {**CALM, "9": 3}, now + timedelta(minutes=12))

    alert = Alert.objects.get()
    assert (alert.state, alert.value, alert.tier) == (AlertState.OPEN, 3, 0)
    assert pages() == [("Clara", "cancelled"), ("Clara", "pending")]
    assert "acknowledged" in [event.kind for event in alert.events.all()]


def test_an_unrelated_tap_leaves_a_persons_acknowledgement_alone(
    phq9: Assignment, clinician: User, now: datetime
) -> None:
    tap(phq9, {"9": 2}, now)
    workflows.escalate_due(now=now + timedelta(minutes=10))
    acknowledge(clinician, AlertOutcome.SPOKE_SAFE, now + timedelta(minutes=11))
    tap(phq9, {"8": 1}, now + timedelta(minutes=12))
    submit(phq9, {**CALM, "9": 2}, now + timedelta(minutes=13))

    alert = Alert.objects.get()
    assert (alert.state, alert.acknowledged_by) == (AlertState.RESOLVED, clinician)


def test_the_database_refuses_to_close_what_paged_without_a_person(
    phq9: Assignment, now: datetime
) -> None:
    submit(phq9, POSITIVE, now)

    with pytest.raises(IntegrityError), transaction.atomic():
        Alert.objects.update(state=AlertState.RESOLVED)


def test_an_error_in_the_rules_keeps_a_tap_and_pages_a_person(
    phq9: Assignment, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise RuntimeError("broken rule")

    monkeypatch.setattr(raising, "_raise", fail)
    tap(phq9, {"9": 1}, now)
    tap(phq9, {"8": 1}, now)

    assert QuestionnaireResponse.objects.get().answers == {"9": 1, "8": 1}
    assert [alert.reason for alert in Alert.objects.open()] == ["rule_error"]


def test_without_any_member_the_operators_are_told(
    phq9: Assignment, clinician: User, now: datetime
) -> None:
    User.objects.create_superuser("root@example.org", "x", name="Root")
    User.objects.filter(is_superuser=False).update(is_active=False)
    submit(phq9, POSITIVE, now)

    assert [name for name, _state in pages()] == ["Root"]


def test_with_nobody_to_tell_the_log_says_so(
    phq9: Assignment, clinician: User, now: datetime, caplog: pytest.LogCaptureFixture
) -> None:
    User.objects.update(is_active=False)
    submit(phq9, POSITIVE, now)

    assert "has nobody to tell" in caplog.text
    assert Alert.objects.open().count() == 1


def test_every_step_of_an_alert_is_in_the_audit_chain(
    phq9: Assignment, clinician: User, now: datetime
) -> None:
    submit(phq9, POSITIVE, now)
    acknowledge(clinician, AlertOutcome.KNOWN, now)

    actions = AuditEvent.objects.filter(action__startswith="alert.").order_by("number")
    assert list(actions.values_list("action", flat=True)) == [
        "alert.raised",
        "alert.opened",
        "alert.paged",
        "alert.acknowledged",
        "alert.outcome",
        "alert.closed",
    ]
