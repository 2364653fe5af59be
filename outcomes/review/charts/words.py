"""The chart in words: dates, labels, and one factual line for each panel."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta, tzinfo

from outcomes.review.change import ScorePoint
from outcomes.review.charts.data import Band, Panel, Point, SessionMark, Window, WindowState

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
STATUS = {"held": "held", "planned": "planned", "not_held": "not held"}
ASKED: dict[WindowState, str] = {
    "answered": "answered",
    "late": "answered late",
    "missed": "missed",
    "pending": "not closed yet",
}


def number(value: float) -> str:
    """Write a score: whole where it is whole, else with one decimal."""
    return f"{value:.1f}".removesuffix(".0")


def day_month(at: datetime) -> str:
    """Write "1 Aug" of an instant already in local time."""
    return f"{at.day} {MONTHS[at.month - 1]}"


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
    return "lower is better" if panel.direction == "higher_is_worse" else "higher is better"


def scored(value: float, band: str) -> str:
    """Write a value with its band, "14 (moderate)"."""
    return f"{number(value)} ({band})" if band else number(value)


def counted(count: int, noun: str) -> str:
    """Write a count with its noun, "1 hour" or "2 hours"."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def since_session(at: datetime, held: tuple[SessionMark, ...], starts: list[datetime]) -> str:
    """Say how long after the last held session; "" before the first. `starts` are their instants.

    Whole hours up to three days, whole days after that, rounded down: the true time, not the time
    that was asked for.
    """
    index = bisect_right(starts, at)
    if not index:
        return ""
    gap = at - starts[index - 1]
    hours = gap // timedelta(hours=1)
    long = counted(hours, "hour") if hours <= 72 else counted(gap.days, "day")
    return f"{long} after session {held[index - 1].number}"


def band_words(panel: Panel) -> str:
    """Name every band with its range, "Bands: mild 5–9, moderate 10–14"; "" without bands."""
    bands = sorted(panel.bands, key=lambda band: band.low)
    told = (f"{band.label}\u00a0{_range(band)}" for band in bands)
    return f"Bands: {', '.join(told)}" if bands else ""


def _range(band: Band) -> str:
    """Write a band's range, or the one value that it holds."""
    low, high = number(band.low), number(band.high)
    return low if low == high else f"{low}–{high}"


def point_label(panel: Panel, point: Point, since: str, zone: tzinfo) -> str:
    """Describe one score in full, "PHQ-9 14, moderate, 3 Nov 2026 09:12, 24 hours after …"."""
    parts = [f"{panel.code} {number(point.value)}", point.band, moment(point.at, zone), since]
    parts += [f"safety answer: {point.safety}"] if point.safety else []
    parts += ["answered late"] if point.late else []
    parts += ["prorated"] if point.prorated else []
    parts += ["imported"] if point.imported else []
    return ", ".join(part for part in parts if part)


def session_label(mark: SessionMark, zone: tzinfo) -> str:
    """Describe one session, "Session 3, held, 8 Aug 2026 10:00, IV ketamine 40 mg"."""
    parts = [f"Session {mark.number}", STATUS[mark.status], moment(mark.at, zone), mark.label]
    return ", ".join(part for part in parts if part)


def given_words(run: Sequence[SessionMark], zone: tzinfo) -> str:
    """Say what a run of sessions was given, "sessions 1–6 from 8 Aug 2026, IV ketamine 40 mg"."""
    first, last = run[0], run[-1]
    if first is last:
        return f"session {first.number} on {day(first.at, zone)}, {first.label}"
    return f"sessions {first.number}–{last.number} from {day(first.at, zone)}, {first.label}"


def tally(windows: Iterable[Window]) -> Counter[WindowState]:
    """Count the askings by what came of them."""
    return Counter(window.state for window in windows)


def strip_label(code: str, counts: Counter[WindowState]) -> str:
    """Count what came of the askings, "PHQ-9 asked 6 times: 4 answered, 1 missed, …"."""
    told = [f"{counts[state]} {ASKED[state]}" for state in ASKED if counts[state]]
    return f"{code} asked {counted(counts.total(), 'time')}: {', '.join(told)}"


def coverage_words(panel: Panel) -> str:
    """Say how many of the closed askings were missed; "" where nothing was asked."""
    counts = tally(panel.windows)
    asked = counts["answered"] + counts["late"] + counts["missed"]
    if not asked:
        return ""
    if not counts["missed"]:
        return f"none of {asked} asked {'was' if asked == 1 else 'were'} missed"
    return (
        f"{counts['missed']} of {asked} asked {'was' if counts['missed'] == 1 else 'were'} missed"
    )


def describe(panel: Panel, zone: tzinfo = UTC) -> str:
    """Tell the panel in one factual line: from where, to where, how many missed."""
    coverage = coverage_words(panel)
    told = _told(panel, zone)
    return f"{told}; {coverage}." if coverage else f"{told}."


def _told(panel: Panel, zone: tzinfo) -> str:
    """Tell the movement from the baseline, or else from the first score, to the last."""
    if not panel.points:
        return f"No {panel.code} scores yet"
    last = panel.points[-1]
    first = panel.baseline or panel.points[0]
    place = "at baseline" if panel.baseline else "at the first score"
    start = scored(first.value, _band_of(panel, first))
    if last.at <= first.at:
        return f"{panel.code} was {start} {place} on {day(first.at, zone)}, and no score since"
    began = f"{start} {place} on {_day_beside(first.at, last.at, zone)}"
    ended = f"{scored(last.value, last.band)} on {day(last.at, zone)}"
    if last.value == first.value:
        return f"{panel.code} was {began} and again {ended}"
    moved = "fell" if last.value < first.value else "rose"
    return f"{panel.code} {moved} from {began} to {ended}"


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
