"""The demo clinic, lived through the product's own services."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.core import mail
from django.db import transaction
from django.db.models import F

from outcomes import workflows
from outcomes.alerts.models import Alert, AlertState
from outcomes.audit import services as audit
from outcomes.audit.models import AuditEvent
from outcomes.care.models import EpisodeOfCare, Patient, SessionStatus, TreatmentSession
from outcomes.clinics.models import Clinic, Membership
from outcomes.delivery.models import Invitation, Message, MessageState
from outcomes.management.demo import demo_summary
from outcomes.management.simulation.builder import build_demo
from outcomes.management.simulation.roster import Scene, scene_of
from outcomes.management.simulation.stage import DEMO_PASSWORD
from outcomes.responses.models import QuestionnaireResponse, Remark
from outcomes.scheduling import services as scheduling
from outcomes.scheduling.models import Assignment, AssignmentState
from tests.conftest import NOW

SIZE = 13  # the special scenes, the newcomers, and a few ordinary people
DAYS = 75


@pytest.fixture(scope="module")
def demo(django_db_setup: None, django_db_blocker: object) -> Iterator[Clinic]:
    """A small demo clinic, made once for this file."""
    with django_db_blocker.unblock(), transaction.atomic():
        workflows.install_library(now=NOW)
        yield build_demo(slug="demo", seed=1, now=NOW, patients=SIZE, days=DAYS).clinic
        transaction.set_rollback(True)


@pytest.mark.django_db
def test_the_demo_is_marked_synthetic_and_its_record_is_whole(demo):
    assert demo.is_synthetic
    assert Patient.objects.filter(clinic=demo, is_synthetic=True).count() == SIZE
    assert list(audit.find_breaks(demo.pk)) == []
    moments = AuditEvent.objects.filter(clinic_id=demo.pk).order_by("number")
    times = list(moments.values_list("at", flat=True))
    assert times == sorted(times)
    assert times[-1] <= NOW


@pytest.mark.django_db
def test_some_patients_of_the_demo_add_words_that_are_marked_as_invented(demo):
    texts = list(Remark.objects.filter(clinic=demo).values_list("text", flat=True))
    assert len(texts) > 2
    assert all(text.startswith("(Invented) ") for text in texts)


@pytest.mark.django_db
def test_the_demo_has_answers_in_time_late_and_missing(demo):
    asked = Assignment.objects.filter(clinic=demo)
    done = asked.filter(state=AssignmentState.COMPLETED)
    missed = asked.filter(state=AssignmentState.EXPIRED).count()
    assert done.filter(completed_at__lte=F("due_at")).exists()
    assert done.filter(completed_at__gt=F("due_at")).exists()
    assert 0.15 < missed / (missed + done.count()) < 0.6
    assert not asked.filter(completed_at__gt=F("closes_at")).exists()
    assert set(TreatmentSession.objects.filter(clinic=demo).values_list("status", flat=True)) >= {
        SessionStatus.DONE,
        SessionStatus.PLANNED,
        SessionStatus.CANCELLED,
    }


@pytest.mark.django_db
def test_every_positive_answer_has_an_alert_and_three_are_open(demo):
    alerts = Alert.objects.filter(clinic=demo)
    assert alerts.open().count() == 3
    taken = alerts.exclude(state=AlertState.OPEN)
    assert taken.exists()
    assert not taken.filter(acknowledged_by=None).exists()
    assert not taken.filter(outcome="").exists()
    for response in QuestionnaireResponse.objects.filter(clinic=demo).final():
        assert response.alerts.exists() == bool((response.answers.get("9") or 0) >= 1)


@pytest.mark.django_db
def test_the_demo_has_its_special_patients(demo):
    by_scene = {
        scene_of(number, SIZE): Patient.objects.get(
            clinic=demo, record_number=f"HD-{1000 + number}"
        )
        for number in range(1, SIZE + 1)
    }
    assert by_scene[Scene.BIPOLAR].episodes.get().indication == "bipolar"
    unreached = by_scene[Scene.NO_CONSENT]
    assert not unreached.messages.exists()
    assert unreached.responses.filter(mode="kiosk").exists()
    strayed = by_scene[Scene.WRONG_PERSON]
    assert Invitation.objects.filter(patient=strayed).gone_astray().count() == 1
    assert strayed.contacts.get(channel="email").value.startswith(strayed.given_name.lower())
    assert strayed.responses.exists()


@pytest.mark.django_db
def test_past_mail_went_nowhere_and_present_mail_waits_for_the_workers(demo, settings):
    assert settings.EMAIL_BACKEND.endswith("locmem.EmailBackend")
    assert mail.outbox == []
    messages = Message.objects.filter(clinic=demo)
    assert messages.filter(state=MessageState.SENT).exists()
    assert messages.unsent().filter(not_before__lte=NOW).exists()
    assert not messages.unsent().filter(not_before__lt=NOW - timedelta(hours=1)).exists()
    assert not messages.filter(state__in=(MessageState.FAILED, MessageState.SENDING)).exists()


@pytest.mark.django_db
def test_the_plans_are_what_the_product_plans(demo):
    # What lies further ahead than a plan made long ago could reach is planned anew in its time.
    soon = NOW + timedelta(days=300)
    planned = Assignment.objects.filter(clinic=demo, opens_at__lt=soon).planned()
    for episode in EpisodeOfCare.objects.filter(clinic=demo).open():
        for course in episode.courses.filter(needs_plan=False):
            before = set(planned.filter(course=course).values_list("pk", "opens_at", "closes_at"))
            scheduling.replan(course=course, now=NOW)
            after = set(planned.filter(course=course).values_list("pk", "opens_at", "closes_at"))
            assert after == before


@pytest.mark.django_db
def test_the_summary_names_who_may_sign_in_and_a_link_that_opens(demo, client, time_machine):
    time_machine.move_to(NOW)
    lines = demo_summary("http://demo.example:8123")
    for membership in Membership.objects.filter(clinic=demo):
        assert any(membership.user.email in line for line in lines)
        assert membership.user.check_password(DEMO_PASSWORD)
    patient = Patient.objects.get(clinic=demo, record_number=f"HD-{1000 + SIZE}")
    born = patient.birth_date
    assert f"born {born:%-d %B %Y}" in lines[-2]
    address = lines[-1].strip()
    assert address.startswith("http://demo.example:8123/a/")
    path = address.removeprefix("http://demo.example:8123")
    assert client.get(path).status_code == 200
    date = {"day": born.day, "month": born.month, "year": born.year}
    assert client.post(path, date).status_code == 302


@pytest.mark.django_db
def test_a_summary_without_an_open_questionnaire_says_so(demo):
    Invitation.objects.filter(clinic=demo).update(revoked_at=NOW)
    assert "No patient has a questionnaire open just now." in demo_summary("http://x")[-1]
