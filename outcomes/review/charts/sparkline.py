"""The sparkline: one scale at the size of a word, for the caseload."""

from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo

from outcomes.review.change import ScorePoint
from outcomes.review.charts import svg, words
from outcomes.review.charts.axis import TimeScale, ValueScale, span
from outcomes.review.charts.ground import TINTS
from outcomes.review.charts.sheet import runs
from outcomes.review.tongue import gettext as _
from outcomes.review.tongue import ngettext

_EDGE = 5.0


def draw_sparkline(
    points: Sequence[ScorePoint],
    low: float,
    high: float,
    *,
    code: str,
    remission: float | None = None,
    bands: Sequence[float] = (),
    missed: Sequence[datetime] = (),
    zone: tzinfo = UTC,
    width: float = 120,
    height: float = 32,
) -> str:
    """Draw scores in order of time over the full range, broken where a window was `missed`.

    `bands` are the values at which severity bands begin, the least severe first.
    """
    y = ValueScale(low, high, _EDGE, height - _EDGE)
    drawn = [svg.rect(0, 0, width, height, fill=svg.WHITE), *_bands(bands, y, width, height)]
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


def _bands(begins: Sequence[float], y: ValueScale, width: float, height: float) -> list[str]:
    """Shade from each band's beginning to the worst end: the next one lies over it."""
    is_rising = len(begins) < 2 or begins[0] < begins[-1]
    drawn = []
    for tint, begin in zip(TINTS[1:], begins[1:], strict=False):
        top, foot = (0.0, y(begin)) if is_rising else (y(begin), height)
        drawn.append(svg.rect(0, top, width, foot - top, fill=tint))
    return drawn


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
        return _("No %(code)s scores yet") % {"code": code}
    first, last = points[0], points[-1]
    facts = {
        "code": code,
        "n": len(points),
        "first": words.number(first.value),
        "began": words.day(first.at, zone),
        "last": words.number(last.value),
        "ended": words.day(last.at, zone),
        "low": words.number(low),
        "high": words.number(high),
    }
    told = ngettext(
        "%(code)s: one score, %(last)s on %(ended)s, range %(low)s to %(high)s",
        "%(code)s: %(n)d scores, from %(first)s on %(began)s to %(last)s on %(ended)s,"
        " range %(low)s to %(high)s",
        len(points),
    )
    return told % facts
