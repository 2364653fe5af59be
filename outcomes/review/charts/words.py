"""The chart in words: dates, labels, and one factual line for each panel."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta, tzinfo

from outcomes.review.change import ScorePoint
from outcomes.review.charts.data import (
    Band,
    Blank,
    Marker,
    Panel,
    Point,
    QuartilePoint,
    SessionMark,
    SessionStatus,
    Window,
    WindowState,
)
from outcomes.review.tongue import decimal_point, gettext_noop, ngettext
from outcomes.review.tongue import gettext as _

MONTHS = (
    gettext_noop("Jan"),
    gettext_noop("Feb"),
    gettext_noop("Mar"),
    gettext_noop("Apr"),
    gettext_noop("May"),
    gettext_noop("Jun"),
    gettext_noop("Jul"),
    gettext_noop("Aug"),
    gettext_noop("Sep"),
    gettext_noop("Oct"),
    gettext_noop("Nov"),
    gettext_noop("Dec"),
)
STATUSES: dict[SessionStatus, str] = {
    "held": gettext_noop("held"),
    "planned": gettext_noop("planned"),
    "not_held": gettext_noop("not held"),
}
STATES: tuple[WindowState, ...] = ("answered", "late", "missed", "pending")


def number(value: float) -> str:
    """Write a score: whole where it is whole, else with one decimal."""
    written = f"{value:.1f}"
    return written[:-2] if written.endswith(".0") else written.replace(".", decimal_point())


def signed(value: float) -> str:
    """Write a difference with its sign, "+3", "−9" or "0"."""
    sign = "+" if value > 0 else "−" if value < 0 else ""
    return f"{sign}{number(abs(value))}"


def day_month(at: datetime) -> str:
    """Write "1 Aug" of an instant already in local time."""
    return _("%(day)d %(month)s") % {"day": at.day, "month": _(MONTHS[at.month - 1])}


def day(at: datetime, zone: tzinfo) -> str:
    """Write the local date, "1 Aug 2026"."""
    local = at.astimezone(zone)
    return f"{day_month(local)} {local.year}"


def moment(at: datetime, zone: tzinfo) -> str:
    """Write the local date and time, "1 Aug 2026 09:12"."""
    local = at.astimezone(zone)
    return f"{day_month(local)} {local.year} {local.hour:02}:{local.minute:02}"


def direction_words(panel: Panel) -> str:
    """Say which way is better."""
    if panel.direction == "higher_is_worse":
        return _("lower is better")
    return _("higher is better")


def scored(value: float, band: str) -> str:
    """Write a value with its band, "14 (moderate)"."""
    return f"{number(value)} ({band})" if band else number(value)


def since_session(at: datetime, held: tuple[SessionMark, ...], starts: list[datetime]) -> str:
    """Say how long after the last held session; "" before the first. `starts` are their instants.

    Whole hours up to three days, whole days after that, rounded down: the true time, not the time
    that was asked for.
    """
    index = bisect_right(starts, at)
    if not index:
        return ""
    gap = at - starts[index - 1]
    hours, session = gap // timedelta(hours=1), held[index - 1].number
    if hours <= 72:
        told = ngettext(
            "%(n)d hour after session %(session)d", "%(n)d hours after session %(session)d", hours
        )
        return told % {"n": hours, "session": session}
    told = ngettext(
        "%(n)d day after session %(session)d", "%(n)d days after session %(session)d", gap.days
    )
    return told % {"n": gap.days, "session": session}


def band_words(panel: Panel) -> str:
    """Name every band with its range, "Bands: mild 5–9, moderate 10–14"; "" without bands."""
    bands = sorted(panel.bands, key=lambda band: band.low)
    told = (f"{band.label}\u00a0{_range(band)}" for band in bands)
    return _("Bands: %(bands)s") % {"bands": ", ".join(told)} if bands else ""


def _range(band: Band) -> str:
    """Write a band's range, or the one value that it holds."""
    low, high = number(band.low), number(band.high)
    return low if low == high else f"{low}–{high}"


def point_label(panel: Panel, point: Point, since: str, zone: tzinfo) -> str:
    """Describe one score in full, "PHQ-9 14, moderate, 3 Nov 2026 09:12, −7 from baseline, …"."""
    parts = [f"{panel.code} {number(point.value)}", point.band, moment(point.at, zone), since]
    if panel.baseline is not None and point.at > panel.baseline.at:
        change = signed(point.value - panel.baseline.value)
        parts.append(_("%(change)s from baseline") % {"change": change})
    elif panel.baseline is not None and point.at == panel.baseline.at:
        parts.append(_("baseline"))
    if point.safety:
        parts.append(_("safety answer: %(answer)s") % {"answer": point.safety})
    parts += [_("answered late")] if point.late else []
    parts += [_("prorated")] if point.prorated else []
    parts += [_("imported")] if point.imported else []
    return ", ".join([part for part in parts if part])


def blank_label(panel: Panel, blank: Blank, zone: tzinfo) -> str:
    """Describe a filling-in without a total, "PHQ-9, 3 Nov 2026 09:12, answered, no total: …"."""
    told = _("answered, no total: %(reason)s") % {"reason": blank.reason}
    parts = [panel.code, moment(blank.at, zone), told, _("answered late") if blank.late else ""]
    return ", ".join([part for part in parts if part])


def session_label(mark: SessionMark, zone: tzinfo) -> str:
    """Describe one session, "Session 3, held, 8 Aug 2026 10:00, IV ketamine 40 mg"."""
    name = _("Session %(number)d") % {"number": mark.number}
    parts = (name, _(STATUSES[mark.status]), moment(mark.at, zone), mark.label)
    return ", ".join([part for part in parts if part])


def marker_label(marker: Marker, zone: tzinfo) -> str:
    """Describe a treatment change or a note with its day."""
    told = f"{marker.text}, {day(marker.at, zone)}"
    return _("Note: %(text)s") % {"text": told} if marker.kind == "note" else told


def given_words(run: Sequence[SessionMark], zone: tzinfo) -> str:
    """Say what a run of sessions was given, "sessions 1–6 from 8 Aug 2026, IV ketamine 40 mg"."""
    first, last = run[0], run[-1]
    facts = {"first": first.number, "last": last.number, "day": day(first.at, zone)}
    if first is last:
        told = _("session %(first)d on %(day)s") % facts
    else:
        told = _("sessions %(first)d–%(last)d from %(day)s") % facts
    return f"{told}, {first.label}"


def tally(windows: Iterable[Window]) -> Counter[WindowState]:
    """Count the askings by what came of them."""
    return Counter(window.state for window in windows)


def state_words(state: WindowState) -> str:
    """Say what came of an asking."""
    return {
        "answered": _("answered"),
        "late": _("answered late"),
        "missed": _("missed"),
        "pending": _("not closed yet"),
    }[state]


def strip_label(code: str, counts: Counter[WindowState]) -> str:
    """Count what came of the askings, "PHQ-9 asked 6 times: 4 answered, 1 missed, …"."""
    told = ", ".join(f"{counts[state]} {state_words(state)}" for state in STATES if counts[state])
    total = counts.total()
    asked = ngettext(
        "%(code)s asked %(n)d time: %(told)s", "%(code)s asked %(n)d times: %(told)s", total
    )
    return asked % {"code": code, "n": total, "told": told}


def coverage_words(windows: Iterable[Window]) -> str:
    """Say how many of the closed askings were missed; "" where nothing was asked."""
    counts = tally(windows)
    asked = counts["answered"] + counts["late"] + counts["missed"]
    if not asked:
        return ""
    if not counts["missed"]:
        told = ngettext("none of %(n)d asked was missed", "none of %(n)d asked were missed", asked)
        return told % {"n": asked}
    told = ngettext(
        "%(missed)d of %(n)d asked was missed",
        "%(missed)d of %(n)d asked were missed",
        counts["missed"],
    )
    return told % {"missed": counts["missed"], "n": asked}


def describe(panel: Panel, zone: tzinfo = UTC, windows: Sequence[Window] | None = None) -> str:
    """Tell the panel in one factual line: from where, to where, how many without a value or missed.

    `windows` are the askings that are shown, where not all of them are.
    """
    shown = panel.windows if windows is None else windows
    coverage = coverage_words(shown)
    if coverage and len(shown) < len(panel.windows):
        coverage = _("in the period shown %(coverage)s") % {"coverage": coverage}
    parts = [_told(panel, zone), _blank_words(panel, zone), coverage]
    return f"{'; '.join([part for part in parts if part])}."


def _blank_words(panel: Panel, zone: tzinfo) -> str:
    count = len(panel.blanks)
    if not count:
        return ""
    told = ngettext(
        "%(n)d answered without a total, the last one on %(day)s",
        "%(n)d answered without a total, the last one on %(day)s",
        count,
    )
    return told % {"n": count, "day": day(panel.blanks[-1].at, zone)}


def clinic_band_words(points: Sequence[QuartilePoint]) -> str:
    """Say what the band behind the scores is, and of how many; descriptive, not a target."""
    counts = sorted(point.n for point in points)
    if not counts:
        return ""
    low, high = counts[0], counts[-1]
    if low == high:
        told = _("middle half of comparable starters (n %(n)d), descriptive, not a target")
        return told % {"n": low}
    told = _(
        "middle half of comparable starters (n %(low)d to %(high)d), descriptive, not a target"
    )
    return told % {"low": low, "high": high}


def _told(panel: Panel, zone: tzinfo) -> str:
    """Tell the movement from the baseline, or else from the first score, to the last."""
    if not panel.points:
        return _("No %(code)s scores yet") % {"code": panel.code}
    last = panel.points[-1]
    first = panel.baseline or panel.points[0]
    start = scored(first.value, _band_of(panel, first))
    if last.at <= first.at:
        if panel.baseline:
            alone = _("%(code)s was %(score)s at baseline on %(day)s, and no score since")
        else:
            alone = _("%(code)s was %(score)s at the first score on %(day)s, and no score since")
        return alone % {"code": panel.code, "score": start, "day": day(first.at, zone)}
    facts = {
        "code": panel.code,
        "first": start,
        "began": _day_beside(first.at, last.at, zone),
        "last": scored(last.value, last.band),
        "ended": day(last.at, zone),
    }
    return _moved(last.value - first.value, from_baseline=panel.baseline is not None) % facts


def _moved(step: float, *, from_baseline: bool) -> str:
    """Return the sentence for a fall, a rise or neither."""
    if from_baseline:
        same = _("%(code)s was %(first)s at baseline on %(began)s and again %(last)s on %(ended)s")
        fell = _("%(code)s fell from %(first)s at baseline on %(began)s to %(last)s on %(ended)s")
        rose = _("%(code)s rose from %(first)s at baseline on %(began)s to %(last)s on %(ended)s")
    else:
        same = _(
            "%(code)s was %(first)s at the first score on %(began)s and again %(last)s on %(ended)s"
        )
        fell = _(
            "%(code)s fell from %(first)s at the first score on %(began)s to %(last)s on %(ended)s"
        )
        rose = _(
            "%(code)s rose from %(first)s at the first score on %(began)s to %(last)s on %(ended)s"
        )
    return fell if step < 0 else rose if step > 0 else same


def _day_beside(at: datetime, other: datetime, zone: tzinfo) -> str:
    """Write a date, without its year where the other date has the same one."""
    local = at.astimezone(zone)
    if local.year == other.astimezone(zone).year:
        return day_month(local)
    return day(at, zone)


def _band_of(panel: Panel, score: ScorePoint) -> str:
    """Return the band a score was given, else that of its value; "" without bands."""
    if isinstance(score, Point) and score.band:
        return score.band
    below = [band for band in panel.bands if band.low <= score.value]
    return max(below, key=lambda band: band.low).label if below else ""
