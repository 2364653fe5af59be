"""The next questions say when the clinic has seen the last answers, and nothing else."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client

from outcomes import workflows
from outcomes.audit import services as audit
from outcomes.delivery import services as delivery
from outcomes.delivery.models import Link, OwnPage
from outcomes.responses import services as responses
from outcomes.responses.models import QuestionnaireResponse
from outcomes.scheduling.models import Assignment
from tests.chance import without_chance
from tests.conftest import NOW
from tests.patient_site.conftest import BIRTH_DATE, Phone

SEEN = "Your last answers were seen on Tuesday 3 February by your clinic."


def see(clinician, *codes: str, at=NOW + timedelta(days=1)) -> int:
    rows = QuestionnaireResponse.objects.filter(assignment__instrument__code__in=codes)
    keys = list(rows.values_list("pk", flat=True))
    return responses.mark_seen(responses=keys, by_user=clinician, now=at)


def asked_again(phone: Phone) -> str:
    """Return the first page of the next questions, as a link opens it."""
    item = Assignment.objects.filter(patient=phone.link.invitation.patient, state="planned")[0]
    times = {"opens_at": NOW - timedelta(hours=1), "closes_at": NOW + timedelta(days=3)}
    Assignment.objects.filter(pk=item.pk).update(**times, due_at=NOW)
    item.course.__class__.objects.update(needs_plan=False)
    workflows.invite_due(now=NOW)
    link = Link.objects.order_by("-invitation__created_at", "-pk")[0]
    return Client().get(Phone(Client(), link).path).content.decode()


def test_it_says_the_day_once_all_of_the_last_sitting_was_seen(inside, clinician):
    inside.answer_all(0)
    inside.submit()
    assert see(clinician, "PHQ-9") == 1
    assert responses.last_seen_on(inside.link.invitation.patient) is None
    assert see(clinician, "PHQ-9", "GAD-7") == 1
    page = asked_again(inside)
    assert SEEN in page
    assert "PHQ" not in without_chance(page)


def test_answers_nobody_has_seen_yet_say_nothing(inside, clinician):
    inside.answer_all(0)
    inside.submit()
    assert "were seen on" not in asked_again(inside)


def test_a_newer_sitting_that_nobody_has_seen_says_nothing(inside, clinician):
    inside.answer_all(0)
    inside.submit()
    see(clinician, "PHQ-9", "GAD-7")
    newer = QuestionnaireResponse.objects.order_by("pk")[0]
    QuestionnaireResponse.objects.filter(pk=newer.pk).update(
        submitted_at=NOW + timedelta(days=2), seen_at=None, seen_by=None
    )
    assert responses.last_seen_on(inside.link.invitation.patient) is None


def test_the_day_is_the_patients_own(inside, clinician):
    inside.answer_all(0)
    inside.submit()
    see(clinician, "PHQ-9", "GAD-7", at=NOW.replace(hour=23, minute=30))
    patient = inside.link.invitation.patient
    assert responses.last_seen_on(patient).day == 2
    patient.time_zone = "Asia/Tokyo"
    assert responses.last_seen_on(patient).day == 3


def test_the_tablets_first_page_says_it_too(inside, clinician, patient):
    inside.answer_all(0)
    inside.submit()
    see(clinician, "PHQ-9", "GAD-7")
    asked_again(inside)
    made = workflows.hand_over_tablet(patient=patient, by=clinician.actor, now=NOW)
    client = Client()
    client.post("/tablet/", {"code": made.code})
    assert SEEN in client.get("/tablet/start/").content.decode()


def test_the_patients_own_page_says_it_too(inside, clinician, patient):
    page = OwnPage.objects.get(patient=patient)
    client = Client()
    client.post(delivery.own_path_of(page), BIRTH_DATE)
    inside.answer_all(0)
    inside.submit()
    assert "were seen on" not in client.get("/own/").content.decode()
    see(clinician, "PHQ-9", "GAD-7")
    assert SEEN in client.get("/own/").content.decode()


def test_a_remembered_phone_says_it_above_the_first_question(inside, clinician):
    inside.answer_all(0)
    inside.submit()
    see(clinician, "PHQ-9", "GAD-7")
    asked_again(inside)
    link = Link.objects.order_by("-invitation__created_at", "-pk")[0]
    client = Client()
    client.post(Phone(client, link).path, {**BIRTH_DATE, "remembers": "on"})
    page = client.get(Phone(client, link).path, follow=True).content.decode()
    assert page.index(SEEN) < page.index("<fieldset")
    assert SEEN not in client.get("/answer/1/").content.decode()


def test_without_its_audit_row_nothing_is_seen(inside, clinician, monkeypatch):
    inside.answer_all(0)
    inside.submit()

    def fail(*args: object) -> None:
        raise RuntimeError("no audit")

    monkeypatch.setattr(audit, "_append", fail)
    with pytest.raises(RuntimeError):
        see(clinician, "PHQ-9")
    assert not QuestionnaireResponse.objects.exclude(seen_at=None).exists()
