"""The sparkline: one scale at the size of a word, for the caseload."""

from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo

from outcomes.review.change import ScorePoint
from outcomes.review.charts import svg, words
from outcomes.review.charts.axis import TimeScale, ValueScale, span
from outcomes.review.charts.sheet import runs

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
    """Draw the runs of scores between misses, a lone score as a dot, the last as a larger one."""
    steps, dots = [], []
    for run in runs([point.at for point in points], missed):
        places = [(x(point.at), y(point.value)) for point in points[run]]
        steps.append("M" + "L".join(f"{px:.1f} {py:.1f}" for px, py in places))
        if len(places) == 1:
            dots.append(svg.circle(*places[0], 1.2, fill=svg.DATA, stroke=svg.DATA, width=0.6))
    last = points[-1]
    dots.append(
        svg.circle(x(last.at), y(last.value), 2.6, fill=svg.DATA, stroke=svg.WHITE, width=1)
    )
    return [svg.path("".join(steps), stroke=svg.DATA, width=1.5), *dots]


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
