"""What stands over a chart: sessions, treatment changes and notes, as recorded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from outcomes.care.models import MarkKind, Route, SessionStatus, TreatmentChange, TreatmentSession
from outcomes.review.charts import Marker, SessionMark
from outcomes.review.charts.data import SessionStatus as MarkStatus

SHORT_ROUTES: dict[str, str] = {Route.IV: "IV", Route.IM: "IM", Route.SC: "SC"}


def session_marks(sessions: Sequence[TreatmentSession]) -> Iterator[SessionMark]:
    """Yield a mark for each session."""
    # Most sessions of a course are given the same.
    words: dict[tuple[object, ...], tuple[str, str]] = {}
    for session in sessions:
        status: MarkStatus = "not_held"
        if session.is_held:
            status = "held"
        elif session.status == SessionStatus.PLANNED:
            status = "planned"
        given = (session.drug, session.route, session.dose_amount, session.dose_unit)
        if given not in words:
            words[given] = session.treatment_label, _short_label(session)
        label, short = words[given]
        yield SessionMark(session.at, session.number, label, status, short)


def _short_label(session: TreatmentSession) -> str:
    """Return route and dose as recorded, in the fewest letters: “IV 40 mg”."""
    amount = session.dose_amount
    dose = f"{amount.normalize():f} {session.dose_unit}".strip() if amount else ""
    route = SHORT_ROUTES.get(session.route, "")
    if session.route and not route:
        route = str(Route(session.route).label)
    return " ".join(part for part in (route, dose.replace(" ", "\u00a0")) if part)


def markers(changes: Iterable[TreatmentChange], zone: ZoneInfo) -> Iterator[Marker]:
    """Yield a marker for each treatment change and note, at noon of its day."""
    for row in changes:
        noon = datetime(
            row.happened_on.year, row.happened_on.month, row.happened_on.day, 12, tzinfo=zone
        )
        yield Marker(noon, row.description, "note" if row.kind == MarkKind.NOTE else "change")
