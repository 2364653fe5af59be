"""The tables that leave the house: what each column is, and where it comes from.

Every column is computed by the database. A name of a person is no column of any table: a patient is
a key and the clinic's own record number.
"""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from django.contrib.postgres.aggregates import ArrayAgg
from django.db import connection
from django.db.models import F, Min, QuerySet, Window
from django.db.models.functions import Coalesce, Lead

from outcomes.care.models import Route, SessionStatus, TreatmentSession
from outcomes.exports import cells
from outcomes.exports.columns import (
    COURSE,
    FILLED_IN,
    PATIENT,
    VERSION,
    ZONE,
    Rows,
    Selection,
    Table,
    column,
    compiled,
    utc,
)
from outcomes.instruments.models import InstrumentVersion
from outcomes.responses.models import QuestionnaireResponse, Score

# -- Scores --------------------------------------------------------------------------------------


# Join each score to the last session held before it (`held`) and the episode's first (`firsts`).
# PostgreSQL looks the last one up in the episode's sorted array of starts, instead of comparing
# each score with each session.
_SPANS = {
    "postgresql": """
        LEFT JOIN ({0}) AS spans ON spans.episode_id = core.episode_id
        CROSS JOIN LATERAL (SELECT width_bucket(core.at, spans.starts) AS n) AS last
        CROSS JOIN LATERAL (SELECT spans.ids[last.n] AS id, spans.numbers[last.n] AS number,
            spans.starts[last.n] AS started_at) AS held
        CROSS JOIN LATERAL (SELECT spans.starts[1] AS first_at) AS firsts""",
    "sqlite": """
        LEFT JOIN ({0}) AS held ON held.episode_id = core.episode_id
            AND held.started_at <= core.at AND (held.next_at IS NULL OR core.at < held.next_at)
        LEFT JOIN ({1}) AS firsts ON firsts.episode_id = core.episode_id""",
}


def _spans(clinic_id: UUID) -> list[QuerySet[Any, Any]]:
    held = (
        TreatmentSession.objects.held()
        .filter(clinic_id=clinic_id, started_at__isnull=False)
        .order_by()
    )
    order = ("started_at", "number", "id")
    if connection.vendor == "postgresql":
        arrays = {"starts": "started_at", "numbers": "number", "ids": "id"}
        return [
            held.values("episode_id").annotate(
                **{name: ArrayAgg(of, order_by=order) for name, of in arrays.items()}
            )
        ]
    next_at = Window(Lead("started_at"), partition_by=[F("episode_id")], order_by=order)
    return [
        held.values("id", "episode_id", "number", "started_at").annotate(next_at=next_at),
        held.values("episode_id").annotate(first_at=Min("started_at")),
    ]


def _score_rows(selection: Selection) -> Rows:
    scores = selection.of(Score.objects.current(), "at").values(
        "id", "patient_id", "episode_id", "response_id", "scale", "value", "standard_error", "band",
        "is_prorated",
        "missing_reason", "scoring_version", "at",
        code=F("instrument_code"),
        record_number=F("patient__record_number"),
        is_synthetic=F("patient__is_synthetic"),
        time_zone=F("patient__time_zone"),
        indication=F("episode__indication"),
        content_hash=F("response__content_hash"),
        language=F("response__language"),
        mode=F("response__mode"),
        entered_by_id=F("response__entered_by_id"),
        is_entered_twice=F("response__is_entered_twice"),
        started_at=F("response__started_at"),
        course_id=F("response__assignment__course_id"),
        course_kind=F("response__assignment__course__kind"),
        asked_at=F("response__assignment__asked_at"),
        opens_at=F("response__assignment__opens_at"),
        due_at=F("response__assignment__due_at"),
        closes_at=F("response__assignment__closes_at"),
    )  # fmt: skip
    parts = [compiled(rows) for rows in (scores, *_spans(selection.clinic_id))]
    core, *spans = [sql for sql, _ in parts]
    return Rows(
        f"({core}) AS core {_SPANS[connection.vendor].format(*spans)}"
        " ORDER BY core.patient_id, core.at, core.id",
        tuple(param for _, params in parts for param in params),
    )


SCORES = Table(
    "scores",
    "One row per result of each finished questionnaire. A corrected one shows its correction.",
    (
        *PATIENT,
        *COURSE,
        *FILLED_IN,
        column("scale", cells.TEXT, "the scale of the questionnaire"),
        column(
            "value",
            cells.NUMBER,
            "the score; empty where too many items are missing, and for a result in words",
        ),
        column("standard_error", cells.NUMBER, "of the value, where one is published"),
        column("band", cells.TEXT, "the published range the value lies in, or the result in words"),
        column("is_prorated", cells.FLAG, "whether missing items took the mean of the others"),
        column("missing_reason", cells.TEXT, "why there is no value"),
        column("scoring_version", cells.CODE, "the version of the scoring program"),
        *VERSION,
        utc("asked_at", "when the patient was first asked"),
        utc("opens_at", "from when it could be answered"),
        utc("due_at", "when it was due"),
        utc("closes_at", "until when it could be answered"),
        utc("started_at", "when the first answer was given"),
        column("submitted_at_utc", cells.UTC_TIME, "the time of the score", "core.at"),
        column(
            "submitted_at_local",
            cells.LOCAL_TIME,
            "the same in the patient's time zone",
            "core.at",
            "core.time_zone",
        ),
        ZONE,
        column("is_late", cells.FLAG, "whether it came after it was due", "core.at > core.due_at"),
        column("last_session_key", cells.KEY, "the last session held before the score", "held.id"),
        column("last_session_number", cells.INTEGER, "its number in its course", "held.number"),
        column(
            "hours_since_last_session",
            cells.HOURS,
            "from its start to the score",
            "core.at",
            "held.started_at",
            unit="hours",
        ),
        column(
            "days_since_first_session",
            cells.DAYS,
            "from the start of the episode's first session held; negative before it",
            "core.at",
            "firsts.first_at",
            unit="days of 24 hours",
        ),
    ),
    _score_rows,
)

# -- Answers -------------------------------------------------------------------------------------


def _catalogue() -> str:
    """Return the items of every stored questionnaire, with the labels of their options, as JSON."""
    return json.dumps(
        [
            {
                "content_hash": version.content_hash,
                "position": position,
                "link_id": item.link_id,
                "labels": {
                    language: words.options[item.link_id]
                    for language, words in version.definition.wordings.items()
                },
            }
            for version in InstrumentVersion.objects.only("content_hash")
            for position, item in enumerate(version.definition.items)
        ]
    )


_ITEMS = {
    "postgresql": "jsonb_to_recordset(%s::jsonb) AS item"
    "(content_hash text, position int, link_id text, labels jsonb)",
    "sqlite": "(SELECT json_extract(value, '$.content_hash') AS content_hash,"
    " json_extract(value, '$.position') AS position, json_extract(value, '$.link_id') AS link_id,"
    " json_extract(value, '$.labels') AS labels FROM json_each(%s)) AS item",
}


def _answer_rows(selection: Selection) -> Rows:
    final = QuestionnaireResponse.objects.final().exclude(answers={})
    responses = selection.of(final, "submitted_at").values(
        "patient_id", "episode_id", "content_hash", "language", "mode", "answers", "answered_at",
        "submitted_at", "entered_by_id", "is_entered_twice",
        response_id=F("id"),
        code=F("instrument_version__instrument__code"),
        record_number=F("patient__record_number"),
        is_synthetic=F("patient__is_synthetic"),
        indication=F("episode__indication"),
        course_id=F("assignment__course_id"),
        course_kind=F("assignment__course__kind"),
    )  # fmt: skip
    sql, params = compiled(responses)
    return Rows(
        f"({sql}) AS core JOIN {_ITEMS[connection.vendor]}"
        " ON item.content_hash = core.content_hash"
        " ORDER BY core.patient_id, core.submitted_at, core.response_id, item.position",
        (*params, _catalogue()),
    )


ANSWERS = Table(
    "answers",
    "One row per item of each finished questionnaire whose item answers are stored.",
    (
        *PATIENT,
        *COURSE,
        *FILLED_IN,
        *VERSION,
        column("link_id", cells.TEXT, "the item's number in the questionnaire", "item.link_id"),
        column(
            "value",
            cells.ANSWER,
            "the stored value of the option chosen; empty where none was",
            "core.answers",
            "item.link_id",
        ),
        column(
            "label",
            cells.LABEL,
            "the option's words as shown, where the wording may be stored",
            "item.labels",
            "core.language",
            "core.answers",
            "item.link_id",
        ),
        column(
            "missing",
            cells.UNANSWERED,
            "why there is no value",
            "core.mode",
            "core.answers",
            "item.link_id",
            values={
                "left open": "shown and not answered",
                "skipped": "ruled out by an earlier answer: not the same as missing",
                "not recorded": "not in the import",
            },
        ),
        column(
            "answered_at_utc",
            cells.ANSWERED_AT,
            "when this answer was given",
            "core.answered_at",
            "item.link_id",
        ),
        utc("submitted_at", "when the questionnaire was submitted"),
    ),
    _answer_rows,
)

# -- Sessions ------------------------------------------------------------------------------------


def _session_rows(selection: Selection) -> Rows:
    timed = TreatmentSession.objects.annotate(happened_at=Coalesce("started_at", "planned_at"))
    sessions = selection.of(timed, "happened_at").values(
        "episode_id", "course_id", "happened_at", *_RECORD,
        session_id=F("id"),
        patient_id=F("episode__patient_id"),
        record_number=F("episode__patient__record_number"),
        is_synthetic=F("episode__patient__is_synthetic"),
        time_zone=F("episode__patient__time_zone"),
        indication=F("episode__indication"),
        course_kind=F("course__kind"),
    )  # fmt: skip
    sql, params = compiled(sessions)
    order = "core.patient_id, core.happened_at, core.session_id"
    return Rows(f"({sql}) AS core ORDER BY {order}", params)


_SESSION = (
    column("session_key", cells.KEY, "the session", "core.session_id"),
    column("number", cells.INTEGER, "its number in the course"),
    column("phase", cells.TEXT, "its phase, in the clinic's own words"),
    column("status", cells.CODE, "what became of it", values=SessionStatus),
    column("status_reason", cells.TEXT, "why it was stopped or did not take place"),
    utc("planned_at", "when it was planned for"),
    utc("started_at", "when it started"),
    utc("ended_at", "when it ended"),
    column(
        "local_time",
        cells.LOCAL_TIME,
        "when it started or, failing that, was planned for, in the patient's time zone",
        "core.happened_at",
        "core.time_zone",
    ),
    ZONE,
    column("route", cells.CODE, "how the treatment was given", values=Route),
    column("drug", cells.TEXT, "the drug"),
    column("formulation", cells.TEXT, "its formulation"),
    column("dose_amount", cells.DECIMAL, "the dose given, as recorded", unit="see dose_unit"),
    column("dose_unit", cells.TEXT, "the unit of the dose"),
    column("infusion_minutes", cells.INTEGER, "how long it ran", unit="minutes"),
    column("lot", cells.TEXT, "the lot"),
    column("weight_kg", cells.DECIMAL, "the patient's weight", unit="kg"),
    column("weight_on", cells.DATE, "the day of weighing"),
    column("has_fasted", cells.FLAG, "whether the patient had fasted"),
    column("has_escort", cells.FLAG, "whether somebody accompanied the patient home"),
    column("concomitant", cells.ROWS, "other medicines: medicine, last_taken_on"),
    column(
        "vitals",
        cells.ROWS,
        "vital signs: minute from the start, systolic and diastolic, heart_rate, spo2, "
        "respiratory_rate",
        unit="minutes, mmHg, per minute, %, per minute",
    ),
    column("sedation", cells.INTEGER, "MOAA/S, 5 is fully alert", unit="0 to 5"),
    column("sedation_minute", cells.INTEGER, "when, from the start", unit="minutes"),
    column("dissociation", cells.INTEGER, "CADSS total", unit="0 to 92"),
    column("dissociation_minute", cells.INTEGER, "when, from the start", unit="minutes"),
    column("effects", cells.ROWS, "effects: effect, severity, onset_minute, resolved_minute"),
    column("adverse_events", cells.ROWS, "adverse events: term, is_serious, action, outcome"),
    column("setting", cells.TEXT, "where it took place"),
    column("has_psychotherapy", cells.FLAG, "whether psychotherapy went with it"),
    utc("ready_at", "when the patient was ready to go home"),
    column("discharge_condition", cells.TEXT, "the condition at discharge"),
    column("note", cells.TEXT, "free text: it may name people; read it before you pass it on"),
    utc("entered_at", "when the record was entered"),
    utc("edited_at", "when it was last edited"),
    column("edit_reason", cells.TEXT, "why it was last edited"),
)
# The columns of a session record that leave as they are stored; the names of staff do not.
_RECORD = sorted(
    {one.sources[0].removeprefix("core.") for one in _SESSION}
    & {column.name for column in TreatmentSession._meta.concrete_fields}
)

SESSIONS = Table(
    "sessions",
    "One row per session, planned, held or not held.",
    (*PATIENT, *COURSE, *_SESSION),
    _session_rows,
)

TABLES = {table.name: table for table in (SCORES, ANSWERS, SESSIONS)}
