"""The sparkline: one scale at the size of a word, for the caseload."""

from bisect import bisect_left
from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo

from outcomes.review.change import ScorePoint
from outcomes.review.charts import svg, words
from outcomes.review.charts.axis import TimeScale, ValueScale, span

_EDGE = 5.0


def draw_sparkline(
    points: Sequence[ScorePoint],
    low: float,
    high: float,
    *,
    code: str,
    remission: float | None = None,
    missed: Sequence[datetime] = (),
    zone: tzinfo = UTC,
    width: float = 120,
    height: float = 32,
) -> str:
    """Draw scores in order of time over the full range, broken where a window was `missed`."""
    drawn = [svg.rect(0, 0, width, height, fill=svg.WHITE)]
    y = ValueScale(low, high, _EDGE, height - _EDGE)
    if remission is not None and low <= remission <= high:
        rest = y(remission)
        drawn.append(svg.line(0, rest, width, rest, stroke=svg.FRAME, width=0.8, dash="2 3"))
    if points:
        start, end = span(points[0].at, points[-1].at)
        x = TimeScale(start, end, _EDGE, width - _EDGE)
        drawn += _trace(points, sorted(missed), x, y)
    label = svg.safe(_label(points, low, high, code, zone))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}"'
        f' width="{width:g}" height="{height:g}" role="img" aria-label="{label}">'
        f"{''.join(drawn)}</svg>"
    )


def _trace(
    points: Sequence[ScorePoint], missed: list[datetime], x: TimeScale, y: ValueScale
) -> list[str]:
    """Draw one path that lifts the pen at every miss, and a dot on the last score."""
    steps = []
    passed = -1
    for point in points:
        before = bisect_left(missed, point.at)
        steps.append(
            f"{'L' if before == passed else 'M'}{svg.num(x(point.at))} {svg.num(y(point.value))}"
        )
        passed = before
    last = points[-1]
    dot = svg.circle(x(last.at), y(last.value), 2.6, fill=svg.DATA, stroke=svg.WHITE, width=1)
    return [svg.path("".join(steps), stroke=svg.DATA, width=1.5), dot]


def _label(points: Sequence[ScorePoint], low: float, high: float, code: str, zone: tzinfo) -> str:
    """Tell the sparkline in words."""
    if not points:
        return f"No {code} scores yet"
    last = points[-1]
    ended = f"{words.number(last.value)} on {words.day(last.at, zone)}"
    ranged = f"range {words.number(low)} to {words.number(high)}"
    if len(points) == 1:
        return f"{code}: one score, {ended}, {ranged}"
    began = f"{words.number(points[0].value)} on {words.day(points[0].at, zone)}"
    return f"{code}: {len(points)} scores, from {began} to {ended}, {ranged}"
