"""What all panels share: sessions and treatment changes above them, dates below."""

from itertools import pairwise
from string import ascii_uppercase

from outcomes.review.charts import svg, words
from outcomes.review.charts.axis import date_ticks
from outcomes.review.charts.data import Marker, SessionStatus
from outcomes.review.charts.layout import rows, width_of
from outcomes.review.charts.sheet import Sheet


def session_shape(x: float, y: float, status: SessionStatus, r: float = 4) -> str:
    """Draw a session's mark: filled when held, hollow when planned, crossed when not held."""
    if status == "held":
        return svg.circle(x, y, r, fill=svg.INK, stroke=svg.INK, width=1)
    if status == "planned":
        return svg.circle(x, y, r, fill=svg.WHITE, stroke=svg.INK)
    return svg.crosses([x], y, r * 0.85, stroke=svg.INK)


def draw_sessions(parts: list[str], sheet: Sheet, y: float) -> float:
    """Draw the numbered sessions, and above them the names of the courses; return the next y."""
    form = sheet.form
    if sheet.data.courses:
        y = _draw_courses(parts, sheet, y)
    if not sheet.sessions:
        return y
    base = y + form.size
    xs = [sheet.x(mark.at) for mark in sheet.sessions]
    numbers = _numbers(sheet, base)
    for mark, x, r, label in zip(sheet.sessions, xs, _sizes(xs), numbers, strict=True):
        drawn = session_shape(x, base + 9, mark.status, r) + label
        told = words.session_label(mark, sheet.data.zone)
        parts.append(svg.labelled(told, drawn) if sheet.focusable else svg.titled(told, drawn))
    name = svg.text(form.right + 10, base + 9 + 4, "Sessions", size=form.size, fill=svg.MUTED)
    parts.append(svg.hidden(name))
    return base + 18


def _sizes(xs: list[float]) -> list[float]:
    """Give each session a mark that does not run into its neighbours'."""
    gaps = [float("inf"), *(right - left for left, right in pairwise(xs)), float("inf")]
    return [min(4.0, max(1.2, min(pair) / 2 - 0.5)) for pair in pairwise(gaps)]


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
        label = f"{marker.text}, {words.day(marker.at, sheet.data.zone)}"
        stem = svg.line(x, base - form.size + 1, x, base + 3, stroke=svg.CHANGE, width=1.4)
        name = svg.text(left, base, flag, size=form.size, fill=svg.CHANGE)
        parts.append(svg.labelled(label, stem + name))
    return y + count * (form.leading + 2) + (4 if count else 0)


def marker_key(sheet: Sheet) -> list[str]:
    """List what the letters stand for; empty where the words themselves are on the chart."""
    named, _ = marker_names(sheet)
    return [
        f"{flag}: {marker.text}, {words.day(marker.at, sheet.data.zone)}"
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
    """Draw the dates under the last panel, the year wherever it changes; return the next y."""
    form, zone = sheet.form, sheet.data.zone
    most = (sheet.x.right - sheet.x.left) / (width_of("30 Sep", form.size) + 16)
    drawn = []
    year = None
    base = y + 6 + form.size
    for at in date_ticks(sheet.x.start, sheet.x.end, zone, most):
        x, local = sheet.x(at), at.astimezone(zone)
        drawn.append(svg.line(x, y, x, y + 5, stroke=svg.FRAME))
        drawn.append(
            svg.text(
                x, base, words.day_month(local), size=form.size, fill=svg.MUTED, anchor="middle"
            )
        )
        if local.year != year:
            year = local.year
            drawn.append(
                svg.text(
                    x,
                    base + form.leading,
                    str(year),
                    size=form.size,
                    fill=svg.MUTED,
                    anchor="middle",
                )
            )
    parts.append(svg.hidden(*drawn))
    return base + form.leading + 4
