"""What stood before an alert: earlier answers to its question, earlier scores on its scale.

The same for a whole page of alerts in a fixed number of queries. Only what was given before counts,
by when it was given: a form copied from paper later, or imported, takes its true place.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any
from uuid import UUID

from django.db.models import F, Func, IntegerField, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce

from outcomes.alerts.models import Alert
from outcomes.alerts.ranking import Earlier, Standing, standing_of
from outcomes.responses.models import QuestionnaireResponse, ResponseStatus, Score

# So many earlier answers stand on an alert's page; the patient's page has them all.
SHOWN = 50


@dataclass(frozen=True, slots=True)
class Past:
    """One earlier answer or score; `value` is None where a form gave no score.

    `is_kept` is False for an answer that the form it was given in does not hold any more.
    """

    at: datetime
    value: float | None
    content_hash: str
    language: str
    response_id: UUID
    is_kept: bool = True
    is_prorated: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """How an alert ranks, and the earlier answer or score that it was ranked against."""

    standing: Standing
    before: Past | None


class AnswerTo(Func):
    """The answer of a response to the question whose key another column holds."""

    output_field = IntegerField()
    arg_joiner = " ->> "
    template = "CAST((%(expressions)s) AS integer)"

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        """Read the key as a path: older releases have no operator for it."""
        template = "CAST(JSON_EXTRACT(%(expressions)s || '\"') AS INTEGER)"
        return self.as_sql(
            compiler, connection, template=template, arg_joiner=""", '$."' || """, **context
        )


def given_at(alert: Alert) -> datetime:
    """Return when the answer was given: with its form, or at the tap if that was never sent."""
    return alert.response.submitted_at or alert.raised_at


# -- Ranks, for a page of alerts -------------------------------------------------------------------


def places_of(alerts: Sequence[Alert]) -> dict[UUID, Place]:
    """Return the rank of each alert about an answer or a score; four queries for any number.

    Alerts come with their response and rule.
    """
    ranked = [alert for alert in alerts if alert.rule is not None and alert.value is not None]
    rows = list(_with_last(Alert.objects.filter(pk__in=[alert.pk for alert in ranked])))
    answers = _found(QuestionnaireResponse.objects, (row["last_answer"] for row in rows))
    scores = _found(Score.objects.select_related("response"), (row["last_score"] for row in rows))
    others = _found(Alert.objects.select_related("response"), (row["last_alert"] for row in rows))
    by_id = {row["pk"]: row for row in rows}
    places = {}
    for alert in ranked:
        row = by_id[alert.pk]
        found = [
            *(_answered(alert, answers[key]) for key in (row["last_answer"],) if key in answers),
            *(_scored(scores[key]) for key in (row["last_score"],) if key in scores),
            *(_alerted(others[key]) for key in (row["last_alert"],) if key in others),
        ]
        places[alert.pk] = _place(alert, found)
    return places


def _with_last(alerts: QuerySet[Alert]) -> QuerySet[Any, Any]:
    """Add the keys of the last positive answer, score and alert before each."""
    responses = QuestionnaireResponse.objects.final().filter(
        patient=OuterRef("patient"),
        instrument_version__instrument=OuterRef("rule__instrument"),
        submitted_at__lt=OuterRef("given_at"),
    )
    given = AnswerTo(F("answers"), OuterRef("rule__link_id"))
    positive = responses.annotate(given=given).filter(given__gte=OuterRef("rule__at_least"))
    scores = Score.objects.current().filter(
        patient=OuterRef("patient"),
        instrument_code=OuterRef("rule__instrument__code"),
        scale=OuterRef("rule__scale"),
        value__gte=OuterRef("rule__at_least"),
        at__lt=OuterRef("given_at"),
    )
    # What was taken back, never sent or had no score raised an alert, and is in no final answers.
    earlier = _others().filter(
        patient=OuterRef("patient"),
        rule__instrument=OuterRef("rule__instrument"),
        rule__link_id=OuterRef("rule__link_id"),
        rule__scale=OuterRef("rule__scale"),
        given_at__lt=OuterRef("given_at"),
    )
    return alerts.annotate(
        given_at=_GIVEN_AT,
        last_answer=Subquery(positive.order_by("-submitted_at", "-pk").values("pk")[:1]),
        last_score=Subquery(scores.order_by("-at", "-pk").values("pk")[:1]),
        last_alert=Subquery(earlier.order_by("-given_at", "-pk").values("pk")[:1]),
    ).values("pk", "last_answer", "last_score", "last_alert")


_GIVEN_AT = Coalesce("response__submitted_at", "raised_at")


def _others() -> QuerySet[Any, Any]:
    """Return alerts whose filling-in was not replaced by a correction."""
    rows = Alert.objects.exclude(response__status=ResponseStatus.CORRECTED)
    return rows.filter(value__isnull=False).annotate(given_at=_GIVEN_AT)


def _found(rows: Any, keys: Iterator[UUID | None]) -> dict[UUID, Any]:
    wanted = {key for key in keys if key is not None}
    return {row.pk: row for row in rows.filter(pk__in=wanted)}


def _place(alert: Alert, found: Sequence[Past]) -> Place:
    assert alert.value is not None
    # The whole points that a score reached, as the alert has them.
    earlier = {Earlier(math.floor(one.value or 0), one.at): one for one in reversed(found)}
    standing = standing_of(alert.value, given_at(alert), earlier)
    return Place(standing, None if standing.before is None else earlier[standing.before])


def _answered(alert: Alert, row: QuestionnaireResponse) -> Past:
    assert alert.rule is not None
    return _past(row, row.answers[alert.rule.link_id])


def _scored(row: Score) -> Past:
    return Past(
        at=row.at,
        value=row.value,
        content_hash=row.response.content_hash,
        language=row.response.language,
        response_id=row.response_id,
        is_prorated=row.is_prorated,
    )


def _alerted(row: Alert) -> Past:
    response = row.response
    return Past(
        at=given_at(row),
        value=row.value,
        content_hash=response.content_hash,
        language=response.language,
        response_id=response.pk,
        is_kept=False,
    )


def _past(row: QuestionnaireResponse, value: float | None) -> Past:
    assert row.submitted_at is not None
    return Past(row.submitted_at, value, row.content_hash, row.language, row.pk)


# -- Everything before one alert -------------------------------------------------------------------


def earlier_of(alert: Alert) -> list[Past]:
    """Return the patient's earlier answers or scores, at or above the threshold or not.

    The newest first, at most SHOWN of them; what the form does not hold any more stands in its
    place among them.
    """
    rule = alert.rule
    if rule is None:
        return []
    before = given_at(alert)
    if rule.scale:
        scores = Score.objects.current().filter(
            patient=alert.patient_id,
            instrument_code=rule.instrument.code,
            scale=rule.scale,
            at__lt=before,
        )
        rows = scores.select_related("response").order_by("-at", "-pk")
        found = [_scored(row) for row in rows[:SHOWN]]
    else:
        found = list(islice(_answers_before(alert, before), SHOWN))
    held = {(one.response_id, one.value) for one in found}
    others = _others().filter(
        patient=alert.patient_id,
        rule__instrument=rule.instrument_id,
        rule__link_id=rule.link_id,
        rule__scale=rule.scale,
        given_at__lt=before,
    )
    known = others.select_related("response").order_by("-given_at", "-pk")[:SHOWN]
    gone = [one for one in map(_alerted, known) if not _is_held(one, held, bool(rule.scale))]
    return sorted([*found, *gone], key=lambda one: one.at, reverse=True)[:SHOWN]


def _is_held(one: Past, held: set[tuple[UUID, float | None]], is_score: bool) -> bool:
    if is_score:
        return any(key == one.response_id and value is not None for key, value in held)
    return (one.response_id, one.value) in held


def _answers_before(alert: Alert, before: datetime) -> Iterator[Past]:
    assert alert.rule is not None
    link_id = alert.rule.link_id
    rows = QuestionnaireResponse.objects.final().filter(
        patient=alert.patient_id,
        instrument_version__instrument=alert.rule.instrument_id,
        submitted_at__lt=before,
    )
    # An item may be left open: so many are read, and those without an answer are passed over.
    for row in rows.order_by("-submitted_at", "-pk")[: 4 * SHOWN]:
        value = row.answers.get(link_id)
        if value is not None:
            yield _past(row, value)
