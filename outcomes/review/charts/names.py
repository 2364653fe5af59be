"""Where the name of a positive safety item stands: near its triangle, covering nothing."""

from collections.abc import Iterator, Sequence

from outcomes.review.charts import svg
from outcomes.review.charts.axis import ValueScale
from outcomes.review.charts.data import Point
from outcomes.review.charts.layout import width_of
from outcomes.review.charts.sheet import Place, Sheet

_NEIGHBOURS = 12
"""How many scores on either side are looked at: more than a name is wide."""


def safety_names(
    sheet: Sheet,
    points: list[Point],
    places: Sequence[Place],
    rules: Sequence[float],
    scale: ValueScale,
) -> dict[int, str]:
    """Draw the names that find room, by the index of their score; the triangle stands anyway.

    `places` are where the scores stand, `rules` the heights of the rule lines, `scale` the plot's.
    """
    stems = [sheet.x(marker.at) for marker in sheet.data.markers]
    flags = [(x, y - 12) for x, y in places]
    size = sheet.form.size
    names: dict[int, str] = {}
    edge, above = sheet.form.left + 3, scale.top - 4
    for index, point in enumerate(points):
        if not point.safety:
            continue
        width = width_of(point.safety, size)
        first, after = max(0, index - _NEIGHBOURS), index + 1
        near = [*places[first:index], *places[after : after + _NEIGHBOURS]]
        near += [
            flags[at]
            for at in range(first, min(after + _NEIGHBOURS, len(points)))
            if points[at].safety and at != index
        ]
        for left, foot in _spots(places[index], width, edge):
            right = left + width
            inside = left >= edge and right <= sheet.form.right and above <= foot <= scale.bottom
            if (
                inside
                and not any(foot - size < rule < foot + 2 for rule in rules)
                and not any(left - 3 < stem < right + 3 for stem in stems)
                and not any(
                    left - 5 < x < right + 5 and foot - size - 4 < y < foot + 10 for x, y in near
                )
            ):
                edge = right + 4
                names[index] = svg.text(left, foot, point.safety, size=size, fill=svg.SAFETY)
                break
    return names


def _spots(place: Place, width: float, edge: float) -> Iterator[Place]:
    """Offer places for a name: above its triangle, right of it, higher, left of it, below."""
    x, y = place
    middle = x - width / 2
    middle = max(middle, edge) if x > edge else middle
    yield middle, y - 22
    yield x + 9, y - 12
    yield x + 9, y - 24
    yield x - 9 - width, y - 12
    yield middle, y + 20
