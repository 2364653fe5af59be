"""The days between sessions: what was before, and what has passed since the last one."""

from collections.abc import Sequence

from outcomes.review.charts import svg
from outcomes.review.charts.layout import width_of
from outcomes.review.tongue import gettext as _
from outcomes.review.tongue import ngettext

_MOST = 12
_WIDTH, _HEIGHT, _LEFT, _RIGHT = 360.0, 46.0, 8.0, 328.0


def interval_words(between: Sequence[int], since: int | None) -> str:
    """Write the days since the last session and the earlier intervals; "" without a session."""
    if since is None:
        return ""
    if not between:
        return _("Days since the last session: %(since)d.") % {"since": since}
    left = len(between) - _MOST
    earlier = ", ".join(map(str, between[-_MOST:]))
    if left > 0:
        more = ngettext("%(n)d before them", "%(n)d before them", left) % {"n": left}
        earlier = f"{earlier} ({more})"
    told = _("Days since the last session: %(since)d; earlier intervals: %(earlier)s.")
    return told % {"since": since, "earlier": earlier}


def draw_intervals(between: Sequence[int], since: int | None) -> str:
    """Draw the days since the last session as a bar, earlier intervals as marks on its line.

    All of them are what was recorded. Nothing is drawn ahead of today.
    """
    if since is None:
        return ""
    step = (_RIGHT - _LEFT) / max([7, since, *between])
    line = 22.0
    drawn = [
        svg.line(_LEFT, line, _RIGHT, line, stroke=svg.FRAME, width=0.8),
        svg.rect(_LEFT, line - 4, since * step, 8, fill=svg.DATA),
        svg.uprights([_LEFT], line - 8, line + 8, stroke=svg.INK, width=1.4),
        svg.text(_LEFT + since * step + 4, line - 7, str(since), size=11, fill=svg.DATA, bold=True),
    ]
    edge = float("-inf")
    for days in sorted(set(between)):
        x, half = _LEFT + days * step, width_of(str(days), 10) / 2
        drawn.append(svg.line(x, line - 7, x, line + 7, stroke=svg.INK, width=1.2, dash="2 2"))
        if x - half > edge + 3:
            edge = x + half
            told = svg.text(x, line + 18, str(days), size=10, fill=svg.MUTED, anchor="middle")
            drawn.append(told)
    label = svg.safe(interval_words(between, since))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH:g} {_HEIGHT:g}"'
        f' width="{_WIDTH:g}" height="{_HEIGHT:g}" role="img" aria-label="{label}"'
        f' font-family="system-ui, sans-serif">'
        f'<rect width="100%" height="100%" fill="{svg.WHITE}"/>{"".join(drawn)}</svg>'
    )
