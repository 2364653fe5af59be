"""Whom an alert tells first: cover, the responsible, whoever is known to be reached."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

import pytest
from django.core.exceptions import ValidationError

from outcomes import workflows
from outcomes.alerts import services as alerts
from outcomes.alerts.models import Alert, AlertState, Cover, Recipient
from outcomes.audit.models import SYSTEM, AuditEvent
from outcomes.clinics import services as clinics
from outcomes.clinics.access import Role
from outcomes.clinics.models import Clinic, Membership, User
from outcomes.delivery import channels
from outcomes.delivery.models import Message
from outcomes.responses.models import QuestionnaireResponse
from outcomes.scheduling.models import Assignment
from tests.alerts.conftest import raise_alert, told
from tests.conftest import make_member

EMAIL = "email"


def put_on_cover(
    clinic: Clinic, user: User, *, now: datetime, weekdays: tuple[int, ...] = tuple(range(7))
) -> None:
    alerts.add_cover(
        clinic=clinic,
        user=user,
        starts=time(0),
        ends=time(0),
        weekdays=weekdays,
        by=SYSTEM,
        now=now,
    )


@pytest.fixture
def dora(clinic: Clinic) -> User:
    """A clinician who is not responsible for the patient."""
    return make_member(clinic, Role.CLINICIAN, "Dora")


def test_whoever_is_on_cover_is_told_first(phq9: Assignment, dora: User, now: datetime) -> None:
    put_on_cover(phq9.clinic, dora, now=now)
    raise_alert(phq9, now)

    assert told() == [("Dora", EMAIL)]


def test_an_admin_may_be_on_cover(phq9: Assignment, admin: User, now: datetime) -> None:
    put_on_cover(phq9.clinic, admin, now=now)
    raise_alert(phq9, now)

    assert told() == [("Ada", EMAIL)]


def test_in_a_gap_it_is_as_if_there_were_no_calendar(
    phq9: Assignment, dora: User, now: datetime
) -> None:
    put_on_cover(phq9.clinic, dora, weekdays=(1, 2), now=now)  # it is Monday
    raise_alert(phq9, now)

    assert told() == [("Clara", EMAIL)]


def test_cover_of_somebody_who_left_is_a_gap(phq9: Assignment, dora: User, now: datetime) -> None:
    put_on_cover(phq9.clinic, dora, now=now)
    member = Membership.objects.get(user=dora)
    clinics.end_membership(membership=member, by=SYSTEM, now=now)
    raise_alert(phq9, now)

    assert told() == [("Clara", EMAIL)]


def test_later_tiers_tell_everybody_on_cover_or_not(
    phq9: Assignment, dora: User, admin: User, now: datetime
) -> None:
    put_on_cover(phq9.clinic, dora, now=now)
    raise_alert(phq9, now)
    for minutes, number in ((15, 1 + 4), (30, 5 + 5)):
        workflows.escalate_due(now=now + timedelta(minutes=minutes))
        assert len(told()) == number
    assert {name for name, _channel in told()} == {"Dora", "Clara", "Yara", "Zeno", "Ada"}


def test_the_calendar_never_changes_whether_an_alert_is_open(
    phq9: Assignment, dora: User, now: datetime
) -> None:
    put_on_cover(phq9.clinic, dora, weekdays=(0,), now=now)
    alert = raise_alert(phq9, now)
    for days in range(1, 8):
        workflows.escalate_due(now=now + timedelta(days=days))

    alert.refresh_from_db()
    assert (alert.state, alert.events.filter(kind="escalated").count()) == (AlertState.OPEN, 7)


def test_the_calendar_is_read_on_the_clinics_clock(
    phq9: Assignment, dora: User, now: datetime
) -> None:
    # 09:00 in London is 18:00 in Tokyo.
    Clinic.objects.update(time_zone="Asia/Tokyo")
    evening = {"starts": time(17), "ends": time(19), "weekdays": (0,), "by": SYSTEM, "now": now}
    alerts.add_cover(clinic=phq9.clinic, user=dora, **evening)  # type: ignore[arg-type]
    raise_alert(phq9, now)

    assert told() == [("Dora", EMAIL)]


@pytest.mark.parametrize(
    "place",
    [
        "outcomes.alerts.cover.on_duty",
        "outcomes.alerts.models.CoverQuerySet.answering",
        "outcomes.alerts.models.RecipientQuerySet.reachable_at",
    ],
)
def test_an_error_in_finding_whom_to_tell_tells_everybody_and_keeps_the_answer(
    phq9: Assignment,
    admin: User,
    now: datetime,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    place: str,
) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise RuntimeError("Robin Example")

    monkeypatch.setattr(place, fail)
    raise_alert(phq9, now)

    assert QuestionnaireResponse.objects.final().count() == 1
    alert = Alert.objects.get()
    assert (alert.reason, alert.state) == ("answer", AlertState.OPEN)
    assert [name for name, _channel in told()] == ["Ada", "Clara", "Yara", "Zeno"]
    assert "RuntimeError" in caplog.text
    assert "Robin" not in caplog.text


def test_a_broken_query_in_the_calendar_does_not_break_the_answers_transaction(
    phq9: Assignment, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(rows: object) -> object:
        return Cover.objects.extra(where=["no_such_column = 1"])

    monkeypatch.setattr("outcomes.alerts.models.CoverQuerySet.answering", fail)
    raise_alert(phq9, now)

    assert [name for name, _channel in told()] == ["Clara", "Yara", "Zeno"]
    assert Alert.objects.get().reason == "answer"


def test_a_circle_in_which_nobody_is_reachable_is_widened_at_once(
    phq9: Assignment, clinician: User, now: datetime
) -> None:
    Recipient.objects.filter(user=clinician).update(failed_at=now)
    raise_alert(phq9, now)

    assert [name for name, _channel in told()] == ["Clara", "Yara", "Zeno"]
    assert told("notice") == []


def test_with_nobody_reachable_admins_and_operators_are_paged_and_told_why_once(
    phq9: Assignment, admin: User, now: datetime
) -> None:
    User.objects.create_superuser("root@example.org", "x", name="Root")
    Recipient.objects.all().delete()
    alert = raise_alert(phq9, now)

    assert {name for name, _channel in told()} == {"Clara", "Yara", "Zeno", "Ada", "Root"}
    assert told("notice") == [("Ada", EMAIL), ("Root", EMAIL)]
    workflows.escalate_due(now=now + timedelta(minutes=15))
    assert [name for name, _channel in told()].count("Root") == 2
    assert len(told("notice")) == 2
    assert "unreachable" in [event.kind for event in alert.events.all()]


def test_an_open_alert_whose_last_recipient_fails_goes_to_admins_and_operators(
    phq9: Assignment, admin: User, now: datetime
) -> None:
    User.objects.create_superuser("root@example.org", "x", name="Root")
    Recipient.objects.filter(user=admin).delete()
    raise_alert(phq9, now)
    assert told() == [("Clara", EMAIL)]
    Recipient.objects.update(failed_at=now, failed_reason="bounced")

    for _ in range(3):
        workflows.test_recipients(now=now + timedelta(minutes=1))

    assert [name for name, _channel in told()] == ["Clara", "Ada", "Root"]
    assert told("notice") == [("Ada", EMAIL), ("Root", EMAIL)]


def test_a_page_goes_by_every_channel_of_the_person(
    phq9: Assignment, clinician: User, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    User.objects.filter(pk=clinician.pk).update(phone="+12025550123")
    monkeypatch.setattr(channels, "in_use", lambda: ("email", "sms"))
    raise_alert(phq9, now)

    assert told() == [("Clara", "email"), ("Clara", "sms")]
    assert Message.objects.filter(kind="alert", lane="alert", expires_at=None).count() == 2


def test_paging_costs_the_same_for_one_person_and_for_many(
    phq9: Assignment, now: datetime, django_assert_max_num_queries: object
) -> None:
    for number in range(12):
        make_member(phq9.clinic, Role.CLINICIAN, f"Doctor{number}")
    phq9.episode.clinicians.clear()
    with django_assert_max_num_queries(75):  # type: ignore[operator]
        raise_alert(phq9, now)

    assert len(told()) == 15


# -- The calendar's lines ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("days", "words"),
    [
        ({}, "Choose weekdays, or dates"),
        ({"weekdays": (0,), "starts_on": date(2026, 2, 2)}, "Choose weekdays, or dates"),
        ({"starts_on": date(2026, 2, 2), "ends_on": date(2026, 2, 1)}, "before the first"),
    ],
)
def test_a_line_is_of_weekdays_or_of_dates_in_order(
    clinic: Clinic, clinician: User, now: datetime, days: dict[str, object], words: str
) -> None:
    with pytest.raises(ValidationError, match=words):
        alerts.add_cover(
            clinic=clinic,
            user=clinician,
            starts=time(9),
            ends=time(17),
            by=SYSTEM,
            now=now,
            **days,  # type: ignore[arg-type]
        )
    assert not Cover.objects.exists()


def test_who_may_not_answer_alerts_is_not_put_on_cover(
    clinic: Clinic, care_team: User, stranger: User, now: datetime
) -> None:
    for user in (care_team, stranger):
        with pytest.raises(ValidationError, match="may answer alerts"):
            put_on_cover(clinic, user, now=now)


def test_a_line_stands_once_and_every_change_is_audited(
    clinic: Clinic, clinician: User, now: datetime
) -> None:
    put_on_cover(clinic, clinician, now=now, weekdays=(0, 1))
    with pytest.raises(ValidationError, match="already"):
        put_on_cover(clinic, clinician, now=now, weekdays=(1, 2))
    assert Cover.objects.count() == 2
    alerts.remove_cover(cover=Cover.objects.first(), by=SYSTEM, now=now)  # type: ignore[arg-type]

    actions = AuditEvent.objects.filter(action__startswith="cover.").order_by("number")
    assert [event.action for event in actions] == ["cover.added", "cover.added", "cover.removed"]
