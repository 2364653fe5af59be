"""What the exported tables say."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import date, datetime, timedelta

import pytest
from django.db import connection

from outcomes import workflows
from outcomes.audit.models import SYSTEM
from outcomes.clinics.models import Clinic, User
from outcomes.exports import codebook
from outcomes.exports.cells import FORMULA_STARTS, unguard
from outcomes.exports.services import lines, selection_of
from outcomes.exports.tables import TABLES
from outcomes.imports.mapping import Map
from outcomes.imports.services import import_scores
from outcomes.responses import services as responses
from outcomes.responses.models import QuestionnaireResponse
from outcomes.responses.services import Paper, Words
from outcomes.scheduling.models import Assignment
from outcomes.workflows import Enrolment
from tests.chance import without_chance
from tests.exports.conftest import Exported, answer, utc

pytestmark = pytest.mark.django_db


def totals(exported: Exported, **options: date) -> list[dict[str, str]]:
    """Return the exported scores that are a number, not a word."""
    return [row for row in exported("scores", **options) if row["scale"] == "total"]


def test_a_result_in_words_is_a_row_without_a_value(history: Enrolment, exported: Exported) -> None:
    words = [row for row in exported("scores") if row["scale"] == "syndrome"]
    assert [(row["value"], row["band"]) for row in words] == [("", "neither")]


def test_a_score_says_how_far_it_is_from_the_sessions(
    history: Enrolment, exported: Exported
) -> None:
    before, after = totals(exported)
    assert (before["last_session_number"], before["hours_since_last_session"]) == ("", "")
    assert before["days_since_first_session"] == "-3"
    assert (after["last_session_number"], after["hours_since_last_session"]) == ("3", "26.5")
    assert after["days_since_first_session"] == "1.1"


def test_of_two_sessions_at_one_instant_the_later_numbered_is_the_last(
    history: Enrolment, exported: Exported, now: datetime
) -> None:
    start = now + timedelta(days=4)
    for _ in range(2):
        record = {"planned_at": start, "status": "done", "route": "device"}
        workflows.record_session(course=history.course, record=record, by=SYSTEM, now=start)
    after = totals(exported)[1]
    assert (after["last_session_number"], after["hours_since_last_session"]) == ("6", "2.5")


def test_a_session_that_was_not_held_does_not_count(
    history: Enrolment, exported: Exported, now: datetime
) -> None:
    planned = {"planned_at": now - timedelta(days=1), "status": "planned"}
    session = workflows.record_session(course=history.course, record=planned, by=SYSTEM, now=now)
    workflows.cancel_session(session=session, reason="ill", by=SYSTEM, now=now)
    assert totals(exported)[0]["last_session_key"] == ""


def test_a_missing_value_is_empty_and_says_why(history: Enrolment, exported: Exported) -> None:
    answered, unanswered = totals(exported)
    assert answered["value"] != ""
    assert answered["missing_reason"] == ""
    assert (unanswered["value"], unanswered["band"]) == ("", "")
    assert "2, 3, 4" in unanswered["missing_reason"]


def test_local_time_is_the_patients_and_the_other_is_utc(
    history: Enrolment, exported: Exported, now: datetime
) -> None:
    row = totals(exported)[0]
    assert utc(row["submitted_at_utc"]) == now
    assert row["submitted_at_local"] == "2026-02-02 04:00:00"
    assert row["time_zone"] == "America/New_York"


def test_an_answer_after_its_due_time_is_late(enrolment: Enrolment, exported: Exported) -> None:
    one, other = Assignment.objects.order_by("opens_at", "pk")[:2]
    answer(one, one.due_at)
    answer(other, other.due_at + timedelta(minutes=1))
    late = {row["instrument"]: row["is_late"] for row in totals(exported)}
    assert late == {one.instrument.code: "false", other.instrument.code: "true"}


def test_a_form_on_paper_says_whether_it_was_entered_twice(
    enrolment: Enrolment, clinician: User, exported: Exported, now: datetime
) -> None:
    workflows.invite_due(now=now)
    expected = {}
    for item, is_twice in zip(Assignment.objects.filter(state="open"), (True, False), strict=True):
        paper = Paper(now, clinician, is_entered_twice=is_twice)
        answers = {"1": 0}
        workflows.enter_paper(assignment=item, answers=answers, language="en", paper=paper, now=now)
        expected[item.instrument.code] = "true" if is_twice else "false"
    by_link = Assignment.objects.filter(state="planned")[0]
    answer(by_link, by_link.due_at)
    rows = [*exported("scores"), *exported("answers")]
    told = {(row["mode"], row["instrument"]): row["is_entered_twice"] for row in rows}
    assert {code: told["staff", code] for code in expected} == expected
    assert told["link", by_link.instrument.code] == ""


def test_every_item_has_a_row_in_its_order(history: Enrolment, exported: Exported) -> None:
    rows = exported("answers")
    counts = {code: sum(row["instrument"] == code for row in rows) for code in ("PHQ-9", "GAD-7")}
    assert counts == {"PHQ-9": 10, "GAD-7": 8}
    phq = [row for row in rows if row["instrument"] == "PHQ-9"]
    assert [row["link_id"] for row in phq] == [str(number) for number in range(1, 11)]
    assert (phq[0]["value"], phq[0]["label"], phq[0]["missing"]) == ("1", "Several days", "")
    assert phq[0]["answered_at_utc"] == phq[0]["submitted_at_utc"]
    skipped = [row for row in rows if row["value"] == ""]
    assert {(row["link_id"], row["label"], row["missing"]) for row in skipped} == {
        (item, "", "left open") for item in ("2", "3", "4")
    }


def test_a_correction_takes_the_place_of_what_it_corrects(
    corrected: Enrolment, exported: Exported
) -> None:
    assert len(totals(exported)) == 2
    first = next(row for row in exported("answers") if row["link_id"] == "1")
    assert first["value"] == "3"


def test_a_session_is_exported_as_recorded(history: Enrolment, exported: Exported) -> None:
    row = next(row for row in exported("sessions") if row["number"] == "3")
    assert (row["dose_amount"], row["dose_unit"], row["weight_kg"]) == ("40.5", "mg", "70")
    assert (row["has_escort"], row["has_fasted"], row["sedation"]) == ("true", "", "")
    assert row["vitals"] == '[{"minute": 40, "systolic": 121.5}, {"minute": 0, "heart_rate": 70}]'
    assert row["effects"] == '[{"effect": "Übelkeit", "severity": "mild"}]'
    assert (row["adverse_events"], row["weight_on"]) == ("", "2026-02-01")
    assert row["note"] == "'-“Grüße”, said\nRobin"


def test_no_table_holds_a_name_or_a_contact(history: Enrolment, clinic: Clinic) -> None:
    text = b"".join(
        row for table in TABLES.values() for row in lines(table, selection_of(clinic, None, None))
    ).decode()
    assert "=1+1" in text
    for secret in ("Example", "robin@", "Clara", "1980", "Outcomes"):
        assert secret not in without_chance(text)


def test_no_table_holds_what_a_patient_wrote(
    history: Enrolment, clinic: Clinic, now: datetime
) -> None:
    sent = list(QuestionnaireResponse.objects.final().filter(patient=history.patient))
    words = Words("Zebulon hides them", "en")
    assert responses.store_remark(words=words, sent=sent, submission_id="x", now=now)
    for table in TABLES.values():
        rows = list(lines(table, selection_of(clinic, None, None)))
        assert rows
        assert b"Zebulon" not in b"".join(rows)


def test_it_exports_no_other_clinic(
    history: Enrolment, other_enrolment: Enrolment, exported: Exported
) -> None:
    for assignment in Assignment.objects.filter(patient=other_enrolment.patient)[:2]:
        answer(assignment, assignment.due_at)
    keys = {row["patient_key"] for table in TABLES for row in exported(table)}
    assert keys == {str(history.patient.pk)}


def test_a_span_of_days_is_the_clinics_and_includes_both(
    enrolment: Enrolment, clinic: Clinic, exported: Exported
) -> None:
    clinic.time_zone = "America/New_York"
    clinic.save()
    one, other = Assignment.objects.order_by("opens_at", "pk")[:2]
    answer(one, datetime.fromisoformat("2026-02-06T04:59:59Z"))  # 23:59:59 on the 5th there
    answer(other, datetime.fromisoformat("2026-02-06T05:00:00Z"))
    the_fifth, the_sixth = date(2026, 2, 5), date(2026, 2, 6)
    assert len(totals(exported)) == 2
    for day, assignment in ((the_fifth, one), (the_sixth, other)):
        (row,) = totals(exported, since=day, until=day)
        assert row["instrument"] == assignment.instrument.code


def test_an_imported_total_has_a_score_and_no_items(
    clinic: Clinic, exported: Exported, now: datetime
) -> None:
    plan = Map.from_text(
        b'{"title": "t", "patient": {"column": "id"}, "indication": "trd", "time": {"zone": "UTC",'
        b' "at": "12:00", "date": {"column": "on"}}, "measures": [{"instrument": "PHQ-9",'
        b' "column": "total"}, {"instrument": "GAD-7", "items": {"1": "g1", "2": "g2"}}]}'
    )
    content = b"id,on,total,g1,g2\n7,2025-01-01,12,1,\n"
    import_scores(clinic=clinic, plan=plan, content=content, by=SYSTEM, now=now)
    total, items = sorted(totals(exported), key=lambda row: row["instrument"], reverse=True)
    assert (total["value"], total["mode"], total["is_late"]) == ("12", "import", "")
    assert (total["asked_at_utc"], total["last_session_key"]) == ("", "")
    assert items["value"] == ""
    answers = {row["link_id"]: (row["value"], row["missing"]) for row in exported("answers")}
    assert len(answers) == 8
    assert (answers["1"], answers["2"]) == (("1", ""), ("", "not recorded"))


def test_hostile_text_in_the_database_leaves_as_text_and_comes_back_exactly(
    history: Enrolment, exported: Exported
) -> None:
    session = history.course.sessions.get(number=3)
    texts = [start + rest for start in FORMULA_STARTS for rest in ("", "1", ',"\r\n', start, "é'")]
    texts += ['"', "\n=1", "\\.", "NULL", " =1", "a\tb"]
    for text in texts:
        session.drug = session.note = text
        session.save()
        row = next(row for row in exported("sessions") if row["number"] == "3")
        for cell in (row["drug"], row["note"]):
            assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))
            assert unguard(cell) == text


def test_an_empty_clinic_gives_a_header(other_clinic: Clinic) -> None:
    for table in TABLES.values():
        (header,) = lines(table, selection_of(other_clinic, None, None))
        assert header.decode() == ",".join(column.name for column in table.columns) + "\n"


def test_the_codebook_explains_every_column_and_questionnaire(
    library: None, clinic: Clinic
) -> None:
    book = codebook.build(clinic.pk)
    for table in TABLES.values():
        described = {column["name"]: column for column in book["tables"][table.name]["columns"]}
        assert list(described) == [column.name for column in table.columns]
        assert all(column["meaning"] and column["type"] for column in described.values())
    phq = next(one for one in book["instruments"] if one["code"] == "PHQ-9")
    assert phq["direction"] == "higher_is_worse"
    assert phq["licence"]["class"] == "bundle"
    rows = codebook.as_csv(clinic.pk).splitlines()
    assert any(row.startswith("item,PHQ-9,") and "Little interest" in row for row in rows)
    assert any(row.startswith("band,PHQ-9,") and "20 to 27" in row for row in rows)
    assert any(row.startswith("item,BDI-II,") and "not stored here" in row for row in rows)
    assert any(row.endswith(",false") for row in rows if row.startswith("rule,BDI-II"))


def test_a_table_is_read_in_a_constant_number_of_queries(
    history: Enrolment,
    clinic: Clinic,
    django_assert_num_queries: Callable[[int], AbstractContextManager[None]],
) -> None:
    selection = selection_of(clinic, None, None)
    for table, count in (("scores", 1), ("sessions", 1), ("answers", 2)):
        with django_assert_num_queries(count):
            list(lines(TABLES[table], selection))


@pytest.mark.postgres
@pytest.mark.skipif(connection.vendor != "postgresql", reason="DATABASE_URL is not PostgreSQL")
def test_postgresql_and_sqlite_write_the_same_bytes(
    noise: Enrolment, clinic: Clinic, sqlite_copy: Callable[[], AbstractContextManager[None]]
) -> None:
    selection = selection_of(clinic, None, None)
    for table, count in (("scores", 403), ("answers", 4018), ("sessions", 104)):
        copied = list(lines(TABLES[table], selection))
        with sqlite_copy():
            written = list(lines(TABLES[table], selection))
        assert len(copied) == 1 + count
        assert copied == written
