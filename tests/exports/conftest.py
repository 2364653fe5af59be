"""One clinic's history with everything in it that a file can get wrong."""

from __future__ import annotations

import csv
import io
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.db import connections, models

from outcomes import workflows
from outcomes.audit.models import SYSTEM
from outcomes.care.models import Course, EpisodeOfCare, Patient, TreatmentSession
from outcomes.clinics.models import Clinic, User
from outcomes.exports import columns, services, tables
from outcomes.exports.cells import FORMULA_STARTS
from outcomes.exports.services import export
from outcomes.exports.tables import TABLES
from outcomes.instruments.models import Instrument, InstrumentVersion
from outcomes.responses import services as responses
from outcomes.responses.models import Mode, QuestionnaireResponse, Remark, Score
from outcomes.scheduling.models import Assignment, Schedule, ScheduleRule
from outcomes.workflows import Enrolment

Exported = Callable[..., list[dict[str, str]]]
COPIED: tuple[type[models.Model], ...] = (
    User, Clinic, Patient, Instrument, InstrumentVersion, Schedule, ScheduleRule, EpisodeOfCare,
    Course, TreatmentSession, Assignment, Remark, QuestionnaireResponse, Score,
)  # fmt: skip
ITEMS = {"PHQ-9": 10, "GAD-7": 8}


def answer(assignment: Assignment, at: datetime, **changed: int | None) -> None:
    """Submit an assignment with 1 for every item but those in `changed` (as item_9=2)."""
    count = ITEMS[assignment.instrument.code]
    answers: dict[str, int | None] = {str(item): 1 for item in range(1, count + 1)}
    answers |= {name.removeprefix("item_"): value for name, value in changed.items()}
    workflows.submit_response(
        assignment_id=assignment.pk,
        answers=answers,
        submission_id=str(assignment.pk),
        language="en",
        mode=Mode.LINK,
        by=SYSTEM,
        now=at,
    )


@pytest.fixture
def history(enrolment: Enrolment, now: datetime) -> Enrolment:
    """Baseline, two sessions an instant apart, an answer 26 h 30 min after, a missing total."""
    patient, course = enrolment.patient, enrolment.course
    Patient.objects.filter(pk=patient.pk).update(record_number="=1+1", time_zone="America/New_York")
    first, second, *_ = Assignment.objects.filter(patient=patient).order_by("opens_at", "pk")
    answer(first, now)
    held = now + timedelta(days=3, microseconds=250)
    for start, note in ((held, "-“Grüße”, said\nRobin"), (held + timedelta(days=2), "")):
        workflows.record_session(
            course=course,
            record={
                "planned_at": start,
                "started_at": start,
                "status": "done",
                "route": "iv",
                "drug": "Ketamine",
                "dose_amount": "40.5",
                "dose_unit": "mg",
                "weight_kg": "70",
                "weight_on": date(2026, 2, 1),
                "has_escort": True,
                "vitals": [{"minute": 40, "systolic": 121.5}, {"minute": 0, "heart_rate": 70}],
                "effects": [{"effect": "Übelkeit", "severity": "mild"}],
                "note": note,
            },
            by=SYSTEM,
            now=start,
        )
    answer(second, held + timedelta(hours=26, minutes=30), item_2=None, item_3=None, item_4=None)
    return enrolment


@pytest.fixture
def corrected(history: Enrolment, now: datetime) -> Enrolment:
    """The same, with the first response corrected."""
    response = history.episode.responses.order_by("submitted_at").first()
    assert response is not None
    answers = {**response.answers, "1": 3}
    responses.correct(response=response, answers=answers, reason="typing slip", now=now)
    return history


@pytest.fixture
def noise(corrected: Enrolment, now: datetime) -> Enrolment:
    """The same, with 400 scores and 100 sessions at any microsecond and with hostile text."""
    chance = random.Random(7)
    episode, version = corrected.episode, InstrumentVersion.objects.get(instrument__code="PHQ-9")

    def moment() -> datetime:
        return now + timedelta(microseconds=chance.randrange(-(10**13), 10**13))

    def text() -> str:
        return "".join(chance.choices(FORMULA_STARTS + 'aé,;"\n\\ 漢😀', k=chance.randrange(6)))

    shared = {"clinic_id": episode.clinic_id, "episode": episode}
    TreatmentSession.objects.bulk_create(
        TreatmentSession(
            **shared, course=corrected.course, number=number, planned_at=now, started_at=moment(),
            status="done", drug=text(), note=text(), lot=text(), entered_at=now,
            dose_amount=Decimal(chance.randrange(10**6)) / 1000,
            effects=[{"effect": text(), "severity": "mild"}],
            has_escort=chance.choice([True, None]),
        )
        for number in range(100, 200)
    )  # fmt: skip
    responses_ = QuestionnaireResponse.objects.bulk_create(
        QuestionnaireResponse(
            **shared, patient=corrected.patient, instrument_version=version, mode="staff",
            content_hash=version.content_hash, status="final", language="en", stored_at=now,
            answers={"1": chance.choice([None, 0, 3])}, submitted_at=moment(), submission_id=str(n),
        )
        for n in range(400)
    )  # fmt: skip
    Score.objects.bulk_create(
        Score(
            **shared, response=response, patient=corrected.patient, instrument_code="PHQ-9",
            scale=text(), value=chance.random() * 27, band=text(), scoring_version="1",
            at=response.submitted_at,
        )
        for response in responses_
    )  # fmt: skip
    return corrected


@pytest.fixture
def exported(clinic: Clinic, now: datetime) -> Exported:
    """Return a function that exports a table of the clinic and reads it back."""

    def rows(table: str, **options: date) -> list[dict[str, str]]:
        blocks = export(table=TABLES[table], clinic=clinic, by=SYSTEM, now=now, **options)
        text = b"".join(blocks).decode()
        return list(csv.DictReader(io.StringIO(text, newline="")))

    return rows


def utc(text: str) -> datetime:
    """Read a time as an export writes it."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.fixture
def sqlite_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], Any]]:
    """Copy every exported row to a SQLite database; inside the context, exports read from it."""
    alias = "copy"
    connections.databases[alias] = connections.configure_settings(
        {
            "default": {},
            alias: {"ENGINE": "django.db.backends.sqlite3", "NAME": str(tmp_path / "copy.sqlite3")},
        }
    )[alias]
    copy = connections[alias]
    copy.connect()
    with copy.schema_editor() as editor:
        for model in COPIED:
            editor.create_model(model)
    for model in COPIED:
        model._base_manager.using(alias).bulk_create(model._base_manager.all())

    @contextmanager
    def reading() -> Iterator[None]:
        with monkeypatch.context() as patch:
            for module in (services, tables, columns):
                patch.setattr(module, "connection", copy)
            yield

    yield reading
    copy.close()
    del connections[alias]
    del connections.databases[alias]
