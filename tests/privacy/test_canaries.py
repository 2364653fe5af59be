"""Seeded names, addresses, birth dates and answers never leave by a side door."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.apps import apps
from django.contrib.sessions.models import Session
from django.core import mail
from django.test import Client

from outcomes import tasks, workflows
from outcomes.clinics.models import User
from outcomes.delivery.models import Link, Message
from outcomes.responses.models import Remark
from outcomes.workflows import Enrolment
from tests.chance import without_chance
from tests.conftest import NOW, signed_in
from tests.journeys.conftest import last_link
from tests.patient_site.conftest import Phone

CANARIES = ("Robin", "Example", "1980", "robin@patient.example", "PHQ", "GAD", "Ketamine")


@pytest.fixture
def urls() -> list[str]:
    return []


def follow(client: Client, urls: list[str], path: str, data: dict[str, Any] | None = None) -> Any:
    response = client.post(path, data) if data is not None else client.get(path)
    urls.append(path)
    while response.status_code in (301, 302, 303):
        path = response["Location"]
        urls.append(path)
        response = client.get(path)
    return response


def test_canaries_stay_out_of_logs_urls_and_messages(
    enrolment: Enrolment,
    clinician: User,
    urls: list[str],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setattr(Client, "raise_request_exception", False, raising=False)
    with time_machine.travel(NOW, tick=False) as clock:
        for task in (tasks.plan_due, tasks.invite_due, tasks.send_bulk):
            task()
        phone = Client(raise_request_exception=False)
        link = last_link()
        follow(phone, urls, link)
        born = {"day": "17", "month": "5", "year": "1980"}
        follow(phone, urls, link, born)
        for number in range(1, 19):
            follow(phone, urls, f"/answer/{number}/", {"answer": "1", "value": "1", "item": "1"})
        follow(phone, urls, "/answer/review/")
        follow(phone, urls, "/answer/999/")
        follow(phone, urls, link + "x")
        tasks.send_alerts()
        desk = signed_in(clinician)
        slug, patient = enrolment.patient.clinic.slug, enrolment.patient.pk
        follow(desk, urls, f"/c/{slug}/")
        follow(desk, urls, f"/c/{slug}/patients/{patient}/")
        follow(desk, urls, f"/c/{slug}/patients/{patient}/edit/", {"given_name": "Robin"})
        clock.move_to(NOW + timedelta(days=1))
        workflows.invite_due(now=NOW)

    token = link.strip("/").split("/")[-1]
    told = [record.getMessage() for record in caplog.records if record.name != "django.db.backends"]
    logs = " ".join(told)
    addresses = " ".join(urls).replace(token, "")
    mails = " ".join(f"{m.subject} {m.body} {m.alternatives}" for m in mail.outbox)
    rows = str(list(Message.objects.values()))
    for canary in CANARIES:
        assert canary.lower() not in without_chance(addresses).lower(), canary
        assert canary.lower() not in without_chance(mails).lower(), canary
        assert canary.lower() not in without_chance(rows).lower(), canary
        assert canary.lower() not in without_chance(logs).lower(), canary
    assert token not in rows


def test_a_patients_own_words_stay_out_of_everything_but_their_row_and_the_pages_that_show_them(
    enrolment: Enrolment,
    clinician: User,
    urls: list[str],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    words = "Zebulon hides the tablets"
    caplog.set_level(logging.DEBUG)
    with time_machine.travel(NOW, tick=False):
        for task in (tasks.plan_due, tasks.invite_due, tasks.send_bulk):
            task()
        link = Link.objects.order_by("pk")[0]
        phone = Phone(Client(raise_request_exception=False), link)
        phone.let_in()
        phone.answer_all(1)
        seen = phone.sitting.seen
        review = {"sitting_id": "0b8f6f0e-8c67-4b3f-8a0d-000000000000", "remark": words}
        long = {"remark": words * 50}
        follow(phone.client, urls, "/answer/review/", {**review, "seen": seen, **long})
        follow(phone.client, urls, "/answer/review/", {**review, "seen": "0.0"})
        with monkeypatch.context() as fault:

            def refuse(**arguments: Any) -> None:
                raise ValueError(f"DETAIL: Failing row contains ({arguments}, {words}).")

            fault.setattr(workflows, "submit_sitting", refuse)
            follow(phone.client, urls, "/answer/review/", {**review, "seen": seen})
        follow(phone.client, urls, "/answer/review/", {**review, "seen": seen})
        assert Remark.objects.get().text == words
        for task in (tasks.send_alerts, tasks.invite_due, tasks.send_bulk):
            task()
        desk = signed_in(clinician)
        slug, patient = enrolment.patient.clinic.slug, enrolment.patient.pk
        for path in ("", f"patients/{patient}/", f"patients/{patient}/items/"):
            follow(desk, urls, f"/c/{slug}/{path}")

    told = [each.getMessage() for each in caplog.records if each.name != "django.db.backends"]
    assert "ValueError in review" in " ".join(told)
    mails = [f"{each.subject} {each.body} {each.alternatives}" for each in mail.outbox]
    assert mails
    cookies = [cookie.value for cookie in phone.client.cookies.values()]
    others = [
        str(list(model._default_manager.values()))
        for model in apps.get_app_config("outcomes").get_models()
        if model is not Remark
    ]
    sessions = [str(row.get_decoded()) for row in Session.objects.all()]
    for text in (*told, *urls, *mails, *cookies, *others, *sessions):
        assert "Zebulon" not in text
        assert "tablets" not in text


def test_only_what_chance_wrote_is_left_out_of_the_search() -> None:
    address = "http://127.0.0.1:8000/a/5olGADaWCE_dhz9yehv21urqjpwx9abr_gq3zh0wmdy/"
    assert without_chance(address) == "http://127.0.0.1:8000/a/…/"
    assert without_chance("UUID('0198a1f0-1980-7000-8000-00000000000a')") == "UUID('…')"
    assert without_chance('id="1980291af26c-1-0" name="1980291af26c"') == 'id="…" name="…"'
    for said in (
        "PHQ-9 of robin@patient.example, 1980-05-17; /c/north/patients/gad-7-and-ketamine/",
        "+447911123456, 447911123456",
    ):
        assert without_chance(said) == said


def test_a_link_in_a_log_line_is_redacted(capsys: pytest.CaptureFixture[str]) -> None:
    from config.logs import RedactLinks

    record = logging.LogRecord(
        "x", logging.WARNING, "", 1, "Not Found: %s", ("/a/SECRETTOKEN/not-for-me/",), None
    )
    assert RedactLinks().filter(record)
    assert record.getMessage() == "Not Found: /a/[redacted]/not-for-me/"
    for door in ("tablet", "own"):
        path = f"/{door}/SECRET/"
        record = logging.LogRecord("x", logging.INFO, "", 1, "GET %s 302", (path,), None)
        assert RedactLinks().filter(record)
        assert record.getMessage() == f"GET /{door}/[redacted]/ 302"


def test_tasks_take_no_arguments() -> None:
    import inspect

    named = [name for name in dir(tasks) if hasattr(getattr(tasks, name), "delay")]
    assert len(named) >= 7
    for name in named:
        assert not inspect.signature(getattr(tasks, name).run).parameters


def test_a_traceback_in_the_log_names_no_value() -> None:
    import sys

    from config.logs import BareTracebacks

    try:
        try:
            raise ValueError(f"Key (record_number)=(HD-1) exists: {CANARIES[0]}")
        except ValueError as cause:
            raise RuntimeError(CANARIES[0]) from cause
    except RuntimeError:
        text = BareTracebacks().formatException(sys.exc_info())  # type: ignore[arg-type]

    assert "Robin" not in text
    assert "RuntimeError" in text
    assert "ValueError" in text
    assert "test_canaries.py" in text
