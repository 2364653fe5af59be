"""What the installation tells those who watch it: health, readiness, figures, and no name."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.cache import cache
from django.db import DatabaseError, connection
from django.test import override_settings

from config import metrics, views
from outcomes import workflows
from outcomes.alerts.models import Alert
from outcomes.audit.models import SYSTEM
from outcomes.care.models import Channel, Course
from outcomes.delivery import services as delivery
from outcomes.delivery.models import (
    DispatcherLoop,
    DispatchMark,
    Lane,
    Message,
    MessageState,
    Unreached,
)
from outcomes.instruments.models import InstrumentVersion
from outcomes.responses.models import Mode
from outcomes.scheduling.models import Assignment, AssignmentState

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)
TOKEN = "monitor-" + "x" * 32
BEARER = {"HTTP_AUTHORIZATION": f"Bearer {TOKEN}"}


@pytest.fixture(autouse=True)
def _no_kept_answer():
    views._readiness.cache_clear()
    yield
    views._readiness.cache_clear()


def fail(*_args: object) -> bool:
    raise DatabaseError("relation patients of Robin Example is broken")


def raise_alert(at) -> Alert:
    """Have the patient answer the safety question of the first form with yes."""
    workflows.invite_due(now=at)
    form = Assignment.objects.get(instrument__code="PHQ-9", state="open")
    return workflows.submit_response(
        assignment_id=form.pk,
        answers={"9": 2},
        submission_id="one",
        language="en",
        mode=Mode.LINK,
        by=SYSTEM,
        now=at,
    ).alerts[0]


# -- Health and readiness --------------------------------------------------------------------------


def test_it_is_well_and_ready(client):
    assert client.get("/healthz").content == b"ok"
    reply = client.get("/readyz")
    assert (reply.status_code, reply.content) == (200, b"ok")


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_a_database_that_does_not_answer_is_one_word(client, path, monkeypatch, caplog):
    monkeypatch.setattr(views, "_database_answers", fail)
    reply = client.get(path)
    assert (reply.status_code, reply.content) == (503, b"database")
    assert "Robin" not in caplog.text
    assert "DatabaseError" in caplog.text


def test_it_names_each_thing_that_is_missing(client, monkeypatch):
    InstrumentVersion.objects.update(is_current=False)
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'outcomes'")
    monkeypatch.setattr(cache, "get", lambda key: None)
    reply = client.get("/readyz")
    assert reply.status_code == 503
    assert reply.content.decode().split() == ["migrations", "cache", "library"]


def test_a_restored_database_serves_and_says_so(client, now):
    DispatchMark.objects.create(sent_until=now)
    DispatcherLoop.objects.create(lane=Lane.ALERT, finished_at=now + 3 * MINUTE)
    reply = client.get("/readyz")
    assert (reply.status_code, reply.content) == (200, b"ok\nrestored")


def test_strangers_who_ask_again_and_again_cost_the_database_nothing(
    client, monkeypatch, django_assert_num_queries
):
    monkeypatch.setattr(views, "monotonic", lambda: 1000.0)
    client.get("/readyz")
    monkeypatch.setattr(views, "monotonic", lambda: 1004.9)
    with django_assert_num_queries(0):
        for _ in range(3):
            assert client.get("/readyz").content == b"ok"


def test_an_answer_is_kept_for_five_seconds_at_most(client, monkeypatch):
    monkeypatch.setattr(views, "monotonic", lambda: 1000.0)
    client.get("/readyz")
    InstrumentVersion.objects.update(is_current=False)
    assert client.get("/readyz").content == b"ok"
    monkeypatch.setattr(views, "monotonic", lambda: 1005.0)
    assert client.get("/readyz").content == b"library"
    InstrumentVersion.objects.update(is_current=True)
    monkeypatch.setattr(views, "monotonic", lambda: 1010.0)
    assert client.get("/readyz").content == b"ok"


@override_settings(SECURE_SSL_REDIRECT=True, SECURE_REDIRECT_EXEMPT=[r"^(healthz|readyz|metrics)$"])
def test_a_probe_is_not_sent_to_https(client):
    assert client.get("/healthz").status_code == 200
    assert client.get("/account/login/").status_code == 301


# -- Figures: who may read them --------------------------------------------------------------------


@override_settings(METRICS_TOKEN="")
def test_there_is_no_page_without_a_token_set(client):
    assert client.get("/metrics").status_code == 404
    assert client.get("/metrics", HTTP_AUTHORIZATION="Bearer ").status_code == 404


@override_settings(METRICS_TOKEN=TOKEN)
@pytest.mark.parametrize("given", [None, "Bearer ", f"Bearer {TOKEN}x", TOKEN, "Bearer ÿ"])
def test_the_figures_are_not_public(client, given):
    headers = {"HTTP_AUTHORIZATION": given} if given is not None else {}
    reply = client.get("/metrics", **headers)
    assert (reply.status_code, reply.content) == (401, b"token")


@override_settings(METRICS_TOKEN=TOKEN)
def test_nobody_signed_in_reads_them_instead(client, admin):
    client.force_login(admin, backend="allauth.account.auth_backends.AuthenticationBackend")
    assert client.get("/metrics").status_code == 401


@override_settings(METRICS_TOKEN=TOKEN)
def test_whoever_has_the_token_reads_them(client):
    reply = client.get("/metrics", **BEARER)
    assert reply.status_code == 200
    assert reply["Content-Type"].startswith("text/plain; version=")
    assert b'outcomes_queue_age_seconds{lane="alert"} 0.0' in reply.content
    assert client.post("/metrics", **BEARER).status_code == 405


@override_settings(METRICS_TOKEN=TOKEN)
def test_a_broken_database_is_one_word(client, monkeypatch):
    monkeypatch.setattr(metrics, "is_held", fail)
    reply = client.get("/metrics", **BEARER)
    assert (reply.status_code, reply.content) == (503, b"database")


# -- Figures: what they say ------------------------------------------------------------------------


def figures(now) -> dict[str, float]:
    lines = metrics.render(now).decode().splitlines()
    pairs = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    return {name: float(value) for name, value in pairs}


def test_an_empty_installation_waits_for_nothing_but_its_dispatchers(now):
    found = figures(now)
    never = {name for name, value in found.items() if value == float("inf")}
    assert never == {
        'outcomes_dispatcher_age_seconds{lane="alert"}',
        'outcomes_dispatcher_age_seconds{lane="bulk"}',
    }
    assert {value for name, value in found.items() if name not in never} == {0.0}


def test_they_tell_how_long_each_lane_waits(now, enrolment, clinician):
    due = {"not_before": now, "created_at": now, "channel": Channel.EMAIL, "user": clinician}
    for number, (lane, minutes) in enumerate(
        [("bulk", 9), ("bulk", 3), ("bulk", -5), ("alert", 1)]
    ):
        Message.objects.create(
            **due | {"not_before": now - minutes * MINUTE},
            clinic=enrolment.patient.clinic,
            kind="test",
            lane=lane,
            dedupe=str(number),
        )
    found = figures(now)
    assert found['outcomes_queue_age_seconds{lane="bulk"}'] == 540
    assert found['outcomes_messages_waiting{lane="bulk"}'] == 2
    assert found['outcomes_queue_age_seconds{lane="alert"}'] == 60
    assert found['outcomes_messages_waiting{lane="alert"}'] == 1
    Message.objects.filter(dedupe="0").update(state=MessageState.QUARANTINED)
    found = figures(now)
    assert found["outcomes_messages_set_aside"] == 1
    assert found['outcomes_queue_age_seconds{lane="bulk"}'] == 180


def test_they_tell_how_long_an_alert_waits_for_a_person(now, enrolment):
    alert = raise_alert(now)
    found = figures(now + 7 * MINUTE)
    assert found["outcomes_alerts_open"] == 1
    assert found["outcomes_alert_oldest_open_seconds"] == 420
    Alert.objects.filter(pk=alert.pk).update(state="provisional")
    assert figures(now)["outcomes_alerts_open"] == 0


def test_they_tell_when_dispatchers_and_sweeps_fall_behind(now, enrolment):
    DispatcherLoop.objects.create(lane=Lane.BULK, finished_at=now - MINUTE)
    Course.objects.update(needs_plan=True)
    asked = Assignment.objects.order_by("opens_at").first()
    Assignment.objects.filter(pk=asked.pk).update(
        state=AssignmentState.PLANNED, opens_at=now - 2 * MINUTE
    )
    Unreached.objects.create(
        clinic=enrolment.patient.clinic,
        patient=enrolment.patient,
        channel=Channel.EMAIL,
        reason="hard_bounce",
        raised_at=now,
    )
    found = figures(now)
    assert found['outcomes_dispatcher_age_seconds{lane="bulk"}'] == 60
    assert found["outcomes_courses_to_plan"] == 1
    assert found["outcomes_assignments_to_ask"] == 2  # PHQ-9 and GAD-7
    assert found["outcomes_ask_age_seconds"] == 120
    assert found["outcomes_patients_unreached"] == 1


def test_they_tell_when_bulk_messages_are_held(now):
    delivery.note_mark(now)
    assert figures(now)["outcomes_bulk_held"] == 0
    DispatcherLoop.objects.create(lane=Lane.ALERT, finished_at=now + 3 * MINUTE)
    assert figures(now)["outcomes_bulk_held"] == 1


def test_they_name_nobody(now, enrolment, clinician):
    raise_alert(now)
    shown = metrics.render(now).decode().lower()
    for name in ("robin", "example", "north", "clara", str(enrolment.patient.clinic_id)):
        assert name not in shown


def test_a_scrape_asks_the_database_a_counted_few_questions(now, django_assert_num_queries):
    with django_assert_num_queries(8):
        metrics.render(now)
