"""What all panels share: sessions and treatment changes above them, dates or days below."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from math import ceil, floor
from string import ascii_uppercase

from outcomes.review.charts import svg, words
from outcomes.review.charts.axis import date_ticks
from outcomes.review.charts.data import Marker, SessionMark, SessionStatus
from outcomes.review.charts.layout import rows, width_of
from outcomes.review.charts.sheet import Sheet
from outcomes.review.tongue import gettext as _
from outcomes.review.tongue import ngettext

_MOST_DOSES = 8
"""More changes of what was given than this are not told one by one under the chart."""

_DAY_STEPS = (1, 2, 7, 14, 28, 56, 91, 182, 364, 728)


def session_shape(x: float, y: float, status: SessionStatus, r: float = 4) -> str:
    """Draw a session's mark: filled when held, open when planned, struck through when not held."""
    if status == "held":
        return svg.circle(x, y, r, fill=svg.INK, stroke=svg.INK, width=1)
    if status == "planned":
        return svg.circle(x, y, r, fill=svg.WHITE, stroke=svg.INK)
    reach = r * 1.35
    struck = svg.line(x - reach, y + reach, x + reach, y - reach, stroke=svg.INK, width=1.5)
    return svg.circle(x, y, r, fill=svg.WHITE, stroke=svg.INK, width=1.2) + struck


def draw_sessions(parts: list[str], sheet: Sheet, y: float) -> float:
    """Draw the numbered sessions, and above them the names of the courses; return the next y."""
    form = sheet.form
    if sheet.data.courses:
        y = _draw_courses(parts, sheet, y)
    if not sheet.sessions:
        return y
    base = y + form.size
    xs = [sheet.x(mark.at) for mark in sheet.sessions]
    numbers, doses = _numbers(sheet, base), _doses(sheet, xs)
    foot = base + 14 + form.size
    for mark, x, r, label in zip(sheet.sessions, xs, _sizes(xs), numbers, strict=True):
        drawn = session_shape(x, base + 9, mark.status, r) + label
        for row, line in enumerate(doses.get(mark.short, ()) if mark.status == "held" else ()):
            y = foot + row * form.leading
            drawn += svg.text(x, y, line, size=form.size, fill=svg.MUTED, anchor="middle")
        told = sheet.label(mark)
        parts.append(svg.labelled(told, drawn) if sheet.focusable else svg.titled(told, drawn))
    name = svg.text(form.right + 10, base + 9 + 4, _("Sessions"), size=form.size, fill=svg.MUTED)
    parts.append(svg.hidden(name))
    return base + 18 + max(map(len, doses.values()), default=0) * form.leading


def _sizes(xs: list[float]) -> list[float]:
    """Give each session a mark that does not run into its neighbours'."""
    return [min(4.0, max(1.2, room - 0.5)) for room in _rooms(xs)]


def _rooms(xs: list[float]) -> list[float]:
    """Measure for each session how far it may reach: half way to the nearer neighbour."""
    gaps = [float("inf"), *(right - left for left, right in pairwise(xs)), float("inf")]
    return [min(pair) / 2 for pair in pairwise(gaps)]


def _doses(sheet: Sheet, xs: list[float]) -> dict[str, tuple[str, ...]]:
    """Return the lines to print under the held sessions, by route and dose.

    All of them on one line, or else all on two. Empty where some would touch: a dose under one
    session alone would look as if the others had none.
    """
    size, width = sheet.form.size, sheet.form.width
    places = [
        (mark.short, x, room)
        for mark, x, room in zip(sheet.sessions, xs, _rooms(xs), strict=True)
        if mark.status == "held" and mark.label
    ]
    shorts = {short for short, _, _ in places}
    for cuts in (0, 1):
        lines = {short: tuple(short.rsplit(" ", cuts)) for short in shorts}
        halves = {short: max(width_of(line, size) for line in lines[short]) / 2 for short in shorts}
        if all(
            short and halves[short] + 2 <= room and halves[short] <= x <= width - halves[short]
            for short, x, room in places
        ):
            return lines
    return {}


def dose_key(sheet: Sheet) -> list[str]:
    """Tell in words what was given when; empty where it stands under the sessions."""
    given = [mark for mark in sheet.sessions if mark.status == "held" and mark.label]
    if not given or _doses(sheet, [sheet.x(mark.at) for mark in sheet.sessions]):
        return []
    told = [words.given_words(run, sheet.data.zone) for run in _same(given)]
    left = len(told) - _MOST_DOSES
    if left > 0:
        more = ngettext(
            "%(n)d more change, in the list of sessions",
            "%(n)d more changes, in the list of sessions",
            left,
        )
        told = [*told[:_MOST_DOSES], more % {"n": left}]
    return [_("Given: %(doses)s") % {"doses": "; ".join(told)}]


def _same(marks: list[SessionMark]) -> list[list[SessionMark]]:
    """Split sessions into runs in which the numbers rise and the same was given."""
    found: list[list[SessionMark]] = []
    for mark in marks:
        last = found[-1][-1] if found else None
        if last and last.label == mark.label and last.number < mark.number:
            found[-1].append(mark)
        else:
            found.append([mark])
    return found


def _numbers(sheet: Sheet, base: float) -> list[str]:
    """Print the session numbers, or where they are many 1 and every second, fifth, tenth, ..."""
    size = sheet.form.size
    room = (sheet.x.right - sheet.x.left) / max(len(sheet.sessions), 1)
    every = next(step for step in (1, 2, 5, 10, 20, 10**6) if step * room >= 2 * size)
    printed = []
    edge = float("-inf")
    for mark in sheet.sessions:
        x, words_ = sheet.x(mark.at), str(mark.number)
        half = width_of(words_, size) / 2
        wanted = mark.number == 1 or mark.number % every == 0
        if wanted and x - half >= edge + 5:
            edge = x + half
            printed.append(svg.text(x, base, words_, size=size, anchor="middle"))
        else:
            printed.append("")
    return printed


def _draw_courses(parts: list[str], sheet: Sheet, y: float) -> float:
    """Name each course where it begins, on two rows at most; none where they would overlap."""
    form = sheet.form
    courses = sorted(sheet.data.courses, key=lambda course: course.at)
    shown = [course for course in courses if sheet.x.holds(course.at)]
    lefts = [sheet.x(course.at) - 5 for course in shown]
    rights = [
        left + width_of(course.label, form.size, bold=True)
        for left, course in zip(lefts, shown, strict=True)
    ]
    placed = rows(
        [(left, right, float("-inf")) for left, right in zip(lefts, rights, strict=True)], 2
    )
    if placed is None or max(rights, default=0) > form.width:
        return y
    for course, left, row in zip(shown, lefts, placed, strict=True):
        base = y + row * form.leading + form.size
        parts.append(svg.text(left, base, course.label, size=form.size, bold=True, fill=svg.MUTED))
    return y + (max(placed, default=-1) + 1) * form.leading + 3


def marker_names(sheet: Sheet) -> tuple[list[tuple[Marker, str, int]], int]:
    """Give each treatment change its flag and row: its own words if they fit, else a letter.

    Returns (marker, flag, row) and the number of rows.
    """
    markers = sorted(sheet.data.markers, key=lambda marker: marker.at)
    shown = [marker for marker in markers if sheet.x.holds(marker.at)]
    texts = [marker.text for marker in shown]
    placed = rows([_reach(sheet, marker, marker.text) for marker in shown], 2)
    if placed is None or any(width_of(text, sheet.form.size) > 200 for text in texts):
        texts = [_letters(index) for index in range(len(shown))]
        placed = rows([_reach(sheet, *pair) for pair in zip(shown, texts, strict=True)], 3)
    placed = placed or [0] * len(shown)
    return list(zip(shown, texts, placed, strict=True)), max(placed, default=-1) + 1


def draw_markers(parts: list[str], sheet: Sheet, y: float) -> float:
    """Draw the flags of treatment changes and notes; return the next y."""
    named, count = marker_names(sheet)
    form = sheet.form
    for marker, flag, row in named:
        base = y + row * (form.leading + 2) + form.size
        left, _, x = _reach(sheet, marker, flag)
        label = words.marker_label(marker, sheet.data.zone)
        stem = svg.line(x, base - form.size + 1, x, base + 3, stroke=svg.CHANGE, width=1.4)
        name = svg.text(left, base, flag, size=form.size, fill=svg.CHANGE)
        parts.append(svg.labelled(label, stem + name))
    return y + count * (form.leading + 2) + (4 if count else 0)


def marker_key(sheet: Sheet) -> list[str]:
    """List what the letters stand for; empty where the words themselves are on the chart."""
    named, _ = marker_names(sheet)
    return [
        f"{flag}: {words.marker_label(marker, sheet.data.zone)}"
        for marker, flag, _ in named
        if flag != marker.text
    ]


def _reach(sheet: Sheet, marker: Marker, flag: str) -> tuple[float, float, float]:
    """Return the left and right of a flag's words, and the x of its line."""
    x = sheet.x(marker.at)
    width = width_of(flag, sheet.form.size)
    if x + 5 + width <= sheet.form.width:
        return x + 5, x + 5 + width, x
    return x - 5 - width, x - 5, x


def _letters(index: int) -> str:
    """Count A, B, ... Z, AA, AB, ..."""
    before, last = divmod(index, 26)
    return (_letters(before - 1) if before else "") + ascii_uppercase[last]


def draw_dates(parts: list[str], sheet: Sheet, y: float) -> float:
    """Draw today and the dates under the last panel, the year wherever it changes.

    Return the next y.
    """
    form, zone = sheet.form, sheet.data.zone
    room = width_of("30 Sep", form.size) + 16
    most = (sheet.x.right - sheet.x.left) / room
    base = y + 6 + form.size
    drawn = []
    year = None
    for x in sheet.today:
        drawn.append(svg.line(x, y, x, y + 5, stroke=svg.INK))
        drawn.append(svg.text(x, base, _("today"), size=form.size, anchor="middle"))
    for at in date_ticks(sheet.x.start, sheet.x.end, zone, most):
        x, local = sheet.x(at), at.astimezone(zone)
        drawn.append(svg.line(x, y, x, y + 5, stroke=svg.FRAME))
        if any(abs(x - other) < room for other in sheet.today):
            continue
        told = [words.day_month(local)]
        if local.year != year:
            year = local.year
            told.append(str(year))
        for row, line in enumerate(told):
            foot = base + row * form.leading
            drawn.append(svg.text(x, foot, line, size=form.size, fill=svg.MUTED, anchor="middle"))
    parts.append(svg.hidden(*drawn))
    return base + form.leading + 4


def draw_days(parts: list[str], sheet: Sheet, began: datetime, y: float) -> float:
    """Draw the days since `began` under the last panel, and what they count; return the next y."""
    form, day = sheet.form, timedelta(days=1)
    start, end = ((edge - began.astimezone(UTC)) / day for edge in (sheet.x.start, sheet.x.end))
    most = (sheet.x.right - sheet.x.left) / (width_of("−364", form.size) + 16)
    every = next((step for step in _DAY_STEPS if (end - start) / step <= most), _DAY_STEPS[-1])
    base = y + 6 + form.size
    drawn = []
    for number in range(ceil(start / every) * every, floor(end) + 1, every):
        x = sheet.x(began.astimezone(UTC) + number * day)
        told = f"−{-number}" if number < 0 else str(number)
        drawn.append(svg.line(x, y, x, y + 5, stroke=svg.FRAME))
        drawn.append(svg.text(x, base, told, size=form.size, fill=svg.MUTED, anchor="middle"))
    told = _("Days since the first session")
    drawn.append(svg.text(form.left, base + form.leading, told, size=form.size, fill=svg.MUTED))
    parts.append(svg.hidden(*drawn))
    return base + form.leading + 4
