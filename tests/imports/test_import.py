"""Importing: all of a file or nothing, once."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from outcomes.alerts.models import Alert
from outcomes.audit.models import SYSTEM, AuditEvent
from outcomes.audit.services import find_breaks
from outcomes.care import services as care
from outcomes.care.models import EpisodeOfCare, Patient
from outcomes.clinics.models import Clinic
from outcomes.delivery.models import Message
from outcomes.imports.mapping import Map
from outcomes.imports.services import Preview, import_scores, preview
from outcomes.responses import services as responses
from outcomes.responses.models import QuestionnaireResponse, Score
from outcomes.review import trajectory
from outcomes.workflows import Enrolment
from tests.imports.conftest import FILE, counts, plan_of, refusal_of

pytestmark = pytest.mark.django_db

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples"
ITEMS = [{"instrument": "PHQ-9", "items": {str(n): f"q{n}" for n in range(1, 10)}}]
ANSWERS = b"id,on,q1,q2,q3,q4,q5,q6,q7,q8,q9\n1,2025-01-10,1,1,1,1,1,1,1,,2\n"
Import = Callable[..., Preview]


@pytest.fixture
def imported(clinic: Clinic, now: datetime) -> Import:
    """Return a function that imports a file into the clinic."""

    def run(content: bytes = FILE, plan: Map | None = None, into: Clinic = clinic) -> Preview:
        plan = plan or plan_of()
        return import_scores(clinic=into, plan=plan, content=content, by=SYSTEM, now=now)

    return run


def test_while_a_file_is_written_nobody_waits_for_the_audit_chain(imported: Import) -> None:
    with CaptureQueriesContext(connection) as asked:
        imported()

    asked_for = [query["sql"] for query in asked]
    chained = [n for n, sql in enumerate(asked_for) if '"outcomes_auditchain"' in sql]
    written = [n for n, sql in enumerate(asked_for) if 'INSERT INTO "outcomes_score"' in sql]
    assert written
    assert min(chained) > max(written)


def test_a_total_is_stored_as_it_was_measured(
    clinic: Clinic, imported: Import, now: datetime
) -> None:
    imported()
    patient = Patient.objects.get(clinic=clinic, record_number="old-1")
    assert patient.name == "old-1"
    score = Score.objects.get(patient=patient, instrument_code="BDI-II")
    assert (score.value, score.band, score.scale) == (33, "severe", "total")
    assert score.at == datetime(2025, 1, 10, 11, 0, tzinfo=UTC)
    response = score.response
    assert (response.mode, response.status, response.answers) == ("import", "final", {})
    assert (response.submitted_at, response.started_at, response.stored_at) == (score.at, None, now)
    assert response.content_hash == response.instrument_version.content_hash
    episode = EpisodeOfCare.objects.get(patient=patient)
    assert (episode.indication, episode.started_on) == ("depression", date(2025, 1, 10))
    assert not Score.objects.filter(instrument_code="BDI-II", at__month=2).exists()


def test_the_same_file_again_adds_nothing(imported: Import) -> None:
    first = imported()
    before = counts()
    again = imported()
    assert (first.new, first.new_patients, first.matched_patients) == (4, 2, 0)
    assert (again.new, again.new_patients, again.matched_patients) == (0, 0, 2)
    after = counts()
    assert after.pop("AuditEvent") == before.pop("AuditEvent") + 1
    assert after == before


def test_a_longer_file_adds_what_is_new(imported: Import) -> None:
    imported()
    more = imported(FILE + b"2,2025-03-10,18,9\n")
    assert (more.new, more.new_patients) == (2, 0)
    assert [(line.new, line.known, line.skipped) for line in more.lines] == [(1, 2, 1), (1, 2, 1)]


def test_a_changed_value_is_refused_and_nothing_is_written(imported: Import) -> None:
    imported()
    before = counts()
    problems = refusal_of(lambda: imported(FILE.replace(b"33", b"30") + b"3,2025-01-10,1,1\n"))
    assert problems == [
        "row 2, column bdi: 30 contradicts 33 imported before, for the same patient and time."
    ]
    assert counts() == before


def test_a_scale_is_not_added_to_a_measurement_imported_before(imported: Import) -> None:
    content = b"id,on,pct,raw\n1,2025-01-10,28,7\n"
    percent, raw = (
        {"instrument": "WHO-5", "scale": scale, "column": column}
        for scale, column in (("total", "pct"), ("raw", "raw"))
    )
    imported(content, plan_of(measures=[percent]))
    assert refusal_of(lambda: imported(content, plan_of(measures=[percent, raw]))) == [
        "row 2, column pct: raw cannot be added to what was imported before, "
        "for the same patient and time."
    ]


def test_a_response_corrected_since_stays_corrected(imported: Import, now: datetime) -> None:
    imported(ANSWERS, plan_of(measures=ITEMS))
    response = QuestionnaireResponse.objects.get()
    responses.correct(response=response, answers={"1": 3}, reason="seen on paper", now=now)
    assert imported(ANSWERS, plan_of(measures=ITEMS)).new == 0
    assert QuestionnaireResponse.objects.count() == 2


def test_one_wrong_cell_keeps_everything_out(imported: Import, clinic: Clinic) -> None:
    before = counts()
    wrong = FILE + b"4,2025-01-10,99,1\n5,2025-01-10,1,99\n"
    problems = refusal_of(lambda: imported(wrong))
    assert [problem.split(":")[0] for problem in problems] == [
        "row 5, column bdi", "row 6, column who",
    ]  # fmt: skip
    assert counts() == before


def test_a_dry_run_writes_nothing(clinic: Clinic, now: datetime) -> None:
    before = counts()
    shown = preview(clinic=clinic, plan=plan_of(), content=FILE, now=now)
    assert (shown.new, shown.new_patients) == (4, 2)
    assert counts() == before


def test_it_rolls_back_when_the_audit_cannot_be_written(
    imported: Import, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, computed_hash = counts(), AuditEvent.computed_hash

    def fail_at_the_end(event: AuditEvent) -> str:
        if event.action == "import.made":
            raise RuntimeError("no audit")
        return computed_hash(event)

    monkeypatch.setattr(AuditEvent, "computed_hash", fail_at_the_end)
    with pytest.raises(RuntimeError):
        imported()
    assert counts() == before


def test_every_patient_and_the_import_itself_are_audited(imported: Import, clinic: Clinic) -> None:
    imported()
    events = AuditEvent.objects.filter(clinic_id=clinic.pk)
    of_patients = events.filter(action="scores.imported")
    assert {event.patient_id for event in of_patients} == {p.pk for p in Patient.objects.all()}
    assert sorted(event.data["responses"] for event in of_patients) == [1, 3]
    made = events.get(action="import.made")
    assert made.data["responses"] == 4
    assert made.data["title"] == "A test's own"
    assert list(find_breaks(clinic.pk)) == []


def test_a_known_patient_gets_the_scores_in_the_open_episode(
    imported: Import, enrolment: Enrolment, now: datetime
) -> None:
    patient, episode = enrolment.patient, enrolment.episode
    Patient.objects.filter(pk=patient.pk).update(record_number="old-1")
    closed = care.open_episode(
        patient=patient, indication="pain", clinicians=[], started_on=date(2026, 3, 1),
        by=SYSTEM, now=now,
    )  # fmt: skip
    care.close_episode(episode=closed, ended_on=date(2026, 3, 2), by=SYSTEM, now=now)
    done = imported()
    assert (done.new_patients, done.matched_patients) == (1, 1)
    assert {score.episode for score in Score.objects.filter(patient=patient)} == {episode}
    assert patient.episodes.count() == 2
    patient.refresh_from_db()
    assert patient.given_name == "Robin"


def test_another_clinics_patient_with_the_same_number_is_somebody_else(
    imported: Import, other_clinic: Clinic, clinic: Clinic
) -> None:
    imported()
    assert imported(into=other_clinic).new_patients == 2
    assert Patient.objects.filter(record_number="old-1").count() == 2
    assert Score.objects.filter(clinic=other_clinic).count() == 4
    wrong = Score.objects.filter(clinic=other_clinic).exclude(patient__clinic=other_clinic)
    assert not wrong.exists()


def test_answers_are_scored_here_and_page_nobody(imported: Import, clinic: Clinic) -> None:
    done = imported(ANSWERS, plan_of(measures=ITEMS))
    assert done.safety == 1
    response = QuestionnaireResponse.objects.get()
    assert response.answers["9"] == 2
    assert response.answers["8"] is None
    score = Score.objects.get(scale="total")
    assert score.value is None
    assert "(8)" in score.missing_reason
    assert [hit.link_id for hit in responses.safety_of(response)] == ["9"]
    assert not Alert.objects.exists()
    assert not Message.objects.exists()


def test_a_recent_positive_safety_answer_is_refused_for_it_needs_a_person(
    imported: Import, clinic: Clinic
) -> None:
    recent = ANSWERS.replace(b"2025-01-10", b"2026-01-20")
    before = counts()

    problems = refusal_of(lambda: imported(recent, plan_of(measures=ITEMS)))

    assert len(problems) == 1
    assert "needs a person" in problems[0]
    assert counts() == before


NUMBERED = {"zone": "UTC", "at": "12:00", "date": {"column": "on"}, "number": {"column": "visit"}}
VISITS = b"id,on,visit,bdi,who\n1,2025-01-10,1,33,0\n1,2025-03-10,3.0,20,7\n"


def test_a_measurement_keeps_the_number_of_its_source(imported: Import) -> None:
    imported(VISITS, plan_of(time=NUMBERED))
    rows = QuestionnaireResponse.objects.filter(instrument_version__instrument__code="BDI-II")
    assert list(rows.order_by("submitted_at").values_list("measurement_number", flat=True)) == [
        1,
        3,
    ]


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        (b"1,2025-04-10,x,9,", "row 4, column visit: “x” is not a whole number from 1 to 9999."),
        (b"1,2025-04-10,0,9,", "row 4, column visit: “0” is not a whole number from 1 to 9999."),
        (
            b"1,2025-04-10,3,9,",
            "row 4, column bdi: measurement 3 is at another time in row 3, column bdi, "
            "for the same patient.",
        ),
        (
            b"1,2025-03-10,4,20,",
            "row 4, column bdi: measurement 4 is numbered 3 in row 3, column bdi, "
            "for the same patient and time.",
        ),
    ],
)
def test_a_number_that_cannot_be_right_is_refused(
    imported: Import, row: bytes, sentence: str
) -> None:
    assert refusal_of(lambda: imported(VISITS + row + b"\n", plan_of(time=NUMBERED))) == [sentence]


def expected(file: Path, columns: dict[str, str]) -> Counter[str]:
    """Count the filled cells of a file, by instrument."""
    with file.open(newline="") as text:
        rows = list(csv.DictReader(text))
    return Counter(code for column, code in columns.items() for row in rows if row[column])


def test_the_claus_trial_imports(imported: Import, data_dir: Path) -> None:
    file = data_dir / "claus_2020.csv"
    plan = Map.from_text((EXAMPLES / "claus_2020.map.json").read_bytes())
    imported(file.read_bytes(), plan)
    columns = {"bdi": "BDI-II", "who": "WHO-5", "shaps": "SHAPS", "hamd": "HAM-D17"}
    assert Counter(
        Score.objects.filter(scale="total").values_list("instrument_code", flat=True)
    ) == expected(file, columns)
    assert Patient.objects.count() == EpisodeOfCare.objects.count() == 43
    first = Score.objects.filter(patient__record_number="claus-1").order_by("at")
    by_code = {
        code: [score.value for score in first.filter(instrument_code=code)]
        for code in columns.values()
    }
    assert by_code == {
        "BDI-II": [33, 28, 28, 27],
        "WHO-5": [0, 12, 28, 12],
        "SHAPS": [9, 6, 9, 8],
        "HAM-D17": [25, 17, 13, 13],
    }
    days = {score.at.date() for score in first}
    assert [(day - min(days)).days for day in sorted(days)] == [0, 14, 28, 42]
    assert "ASSUMED" in plan.note


def test_the_claus_trial_charts(imported: Import, data_dir: Path, now: datetime) -> None:
    plan = Map.from_text((EXAMPLES / "claus_2020.map.json").read_bytes())
    imported((data_dir / "claus_2020.csv").read_bytes(), plan)
    episode = EpisodeOfCare.objects.get(patient__record_number="claus-1")
    drawn = trajectory.build(episode, now)
    measures = {measure.definition.code: measure for measure in drawn.measures}
    baselines = {code: m.baseline.point.value for code, m in measures.items() if m.baseline.point}
    assert baselines == {"BDI-II": 33, "WHO-5": 0, "SHAPS": 9, "HAM-D17": 25}
    assert [point.value for point in measures["BDI-II"].panel.points] == [33, 28, 28, 27]
    assert measures["BDI-II"].change is not None
    assert measures["BDI-II"].change.absolute == -6
    assert all(point.imported for measure in drawn.measures for point in measure.panel.points)
    assert "BDI-II" in drawn.wide


def test_the_antidepressant_trial_imports(imported: Import, data_dir: Path, now: datetime) -> None:
    file = data_dir / "antidepressant_trial.csv"
    plan = Map.from_text((EXAMPLES / "antidepressant_trial.map.json").read_bytes())
    imported(file.read_bytes(), plan)
    counted = expected(file, {"HAMDTL17": "HAM-D17", "HAMATOTL": "HAM-A"})
    counted["HAM-D17"] += 172  # the baseline, once per patient
    assert (
        Counter(Score.objects.filter(scale="total").values_list("instrument_code", flat=True))
        == counted
    )
    scores = Score.objects.filter(patient__record_number="trial-1503").order_by("at")
    hamd = scores.filter(instrument_code="HAM-D17")
    start = hamd[0]
    assert [(score.value, (score.at - start.at).days) for score in hamd] == [
        (32, 0), (21, 7), (20, 14), (19, 28), (17, 42),
    ]  # fmt: skip
    measures = trajectory.build(EpisodeOfCare.objects.get(scores=start), now).measures
    reached = {m.definition.code: (m.baseline.point, m.change) for m in measures}
    assert reached["HAM-A"] == (None, None)
    hamd_baseline, hamd_change = reached["HAM-D17"]
    assert hamd_baseline is not None
    assert hamd_baseline.value == 32
    assert hamd_change is not None
    assert hamd_change.absolute == -15
    assert imported(file.read_bytes(), plan).new == 0
