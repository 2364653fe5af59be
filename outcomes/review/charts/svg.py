"""SVG by presentation attributes only: every text escaped here, no style, class, id or script."""

import re
from collections.abc import Iterable, Sequence
from html import escape
from itertools import pairwise

from outcomes.review.change import ScorePoint

INK = "#17242d"
MUTED = "#4a5964"
GUIDE = "#a9b5be"
FRAME = "#62717c"
DATA = "#0b4f8a"
SAFETY = "#a8241c"
CHANGE = "#7b1e5b"
WHITE = "#ffffff"

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def safe(text: str) -> str:
    """Escape a text for an element or a quoted attribute, without what XML cannot hold."""
    return escape(_NOT_XML.sub("\ufffd", text))


def text(
    x: float,
    y: float,
    words: str,
    *,
    size: float,
    fill: str = INK,
    anchor: str = "start",
    bold: bool = False,
) -> str:
    """Write a line of words with its baseline at `y`."""
    end = "" if anchor == "start" else f' text-anchor="{anchor}"'
    weight = ' font-weight="600"' if bold else ""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size:g}" fill="{fill}"{end}{weight}>'
        f"{safe(words)}</text>"
    )


def path(d: str, *, stroke: str, width: float = 1, dash: str = "", fill: str = "none") -> str:
    """Draw a path of straight segments; nothing for an empty one."""
    if not d:
        return ""
    dashes = f' stroke-dasharray="{dash}"' if dash else ""
    return (
        f'<path d="{d}" fill="{fill}" stroke="{stroke}" stroke-width="{width}"{dashes}'
        ' stroke-linejoin="round"/>'
    )


def line(
    x1: float, y1: float, x2: float, y2: float, *, stroke: str, width: float = 1, dash: str = ""
) -> str:
    """Draw a straight line."""
    return path(f"M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}", stroke=stroke, width=width, dash=dash)


def polyline(
    places: Sequence[tuple[float, float]], *, stroke: str, width: float = 1, dash: str = ""
) -> str:
    """Join places by straight lines."""
    d = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in places) if places else ""
    return path(d, stroke=stroke, width=width, dash=dash)


def area(places: Sequence[tuple[float, float]], *, fill: str, opacity: float) -> str:
    """Fill the area that the places go around."""
    d = "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
    return f'<path d="M{d}Z" fill="{fill}" fill-opacity="{opacity}"/>'


def uprights(
    xs: Iterable[float], top: float, bottom: float, *, stroke: str, width: float, dash: str = ""
) -> str:
    """Draw many vertical lines of one length as one path."""
    d = "".join(f"M{x:.1f} {top:.1f}V{bottom:.1f}" for x in xs)
    return path(d, stroke=stroke, width=width, dash=dash)


def rect(
    x: float,
    y: float,
    width: float,
    height: float,
    *,
    fill: str,
    stroke: str = "",
    opacity: float = 1,
) -> str:
    """Draw a rectangle."""
    edge = f' stroke="{stroke}"' if stroke else ""
    see = f' fill-opacity="{opacity}"' if opacity < 1 else ""
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"'
        f' fill="{fill}"{see}{edge}/>'
    )


def circle(x: float, y: float, r: float, *, fill: str, stroke: str, width: float = 1.6) -> str:
    """Draw a circle."""
    return (
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{r:.1f}" fill="{fill}"'
        f' stroke="{stroke}" stroke-width="{width}"/>'
    )


def triangle(x: float, y: float, r: float) -> str:
    """Draw the safety triangle, pointing up, centred on (x, y)."""
    foot = y + r * 0.8
    d = f"M{x:.1f} {y - r:.1f}L{x + r:.1f} {foot:.1f}L{x - r:.1f} {foot:.1f}Z"
    return path(d, fill=SAFETY, stroke=WHITE)


def diamond(x: float, y: float, r: float, *, fill: str, stroke: str) -> str:
    """Draw a square that stands on its corner."""
    d = f"M{x:.1f} {y - r:.1f}L{x + r:.1f} {y:.1f}L{x:.1f} {y + r:.1f}L{x - r:.1f} {y:.1f}Z"
    return path(d, fill=fill, stroke=stroke, width=1.6)


def lower_half(x: float, y: float, r: float, outline: str) -> str:
    """Fill the lower half of a score's mark; `outline` runs below it from its left to its right."""
    return f'<path d="M{x - r:.1f} {y:.1f}{outline}Z" fill="{DATA}"/>'


def dots(places: Iterable[tuple[float, float]], *, width: float = 2.6, opacity: float = 1) -> str:
    """Draw many dots as one path."""
    d = "".join([f"M{x:.1f} {y:.1f}h0" for x, y in places])
    see = f' stroke-opacity="{opacity}"' if opacity < 1 else ""
    return (
        f'<path d="{d}" fill="none" stroke="{DATA}"{see} stroke-width="{width:g}"'
        ' stroke-linecap="round"/>'
    )


def steps(points: Sequence[ScorePoint]) -> str:
    """Return the moments and values of scores for whoever steps through them.

    The first moment in minutes since 1970, then for each score the minutes since the one before and
    its value.
    """
    minutes = [int(point.at.timestamp()) // 60 for point in points]
    gaps = [after - before for before, after in pairwise([minutes[0], *minutes])]
    told = " ".join([f"{gap},{point.value:g}" for gap, point in zip(gaps, points, strict=True)])
    return f"{minutes[0]};{told}"


def traced(label: str, drawn: str, stepped: str) -> str:
    """Group scores under one label, with their `steps`.

    A keyboard stops here once; arrows then reach each score: a group of its own, or its dot on the
    first path.
    """
    words = safe(label)
    return (
        f'<g role="img" tabindex="0" aria-label="{words}" data-points="{stepped}">'
        f"<title>{words}</title>{drawn}</g>"
    )


def hidden(*parts: str) -> str:
    """Group what a screen reader should pass over."""
    return f'<g aria-hidden="true">{"".join(parts)}</g>'


def labelled(label: str, drawn: str, *, focusable: bool = False) -> str:
    """Group marks under one label, read aloud and shown on hover."""
    words = safe(label)
    focus = ' tabindex="0"' if focusable else ""
    return f'<g role="img" aria-label="{words}"{focus}><title>{words}</title>{drawn}</g>'


def titled(label: str, drawn: str) -> str:
    """Group marks under a label that is shown on hover only."""
    return f"<g><title>{safe(label)}</title>{drawn}</g>"
