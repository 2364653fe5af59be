"""What no schema can see of a definition: that its parts fit together.

Pure: no Django.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import NoReturn

from outcomes.instruments import conditions
from outcomes.instruments.conditions import Number
from outcomes.instruments.facts import Item, Levels, Scale


class DefinitionError(ValueError):
    """Say what is wrong with a definition, where, and in which file if it came from one."""

    def __init__(self, path: str, reason: str, file: str = "") -> None:
        self.path, self.reason, self.file = path, reason, file
        super().__init__(": ".join(part for part in (file, path, reason) if part))


def fail(path: str, reason: str) -> NoReturn:
    """Refuse a definition, by path and reason."""
    raise DefinitionError(path, reason)


def must_match(path: str, given: Collection[str], wanted: Collection[str]) -> None:
    """Refuse names that are missing, and names too many."""
    if missing := [name for name in wanted if name not in given]:
        fail(path, f"lacks {', '.join(missing)}")
    must_be_known(path, given, wanted)


def must_be_known(path: str, given: Collection[str], known: Collection[str]) -> None:
    """Refuse names that stand nowhere else."""
    if unknown := [name for name in given if name not in known]:
        fail(path, f"nothing here is called {', '.join(unknown)}")


def must_differ(path: str, names: Iterable[str]) -> None:
    """Refuse names that stand twice."""
    if repeats := [name for name, count in Counter(names).items() if count > 1]:
        fail(path, f"{', '.join(repeats)} stands twice")


def check_parts(
    items: Sequence[Item],
    scales: Sequence[Scale],
    results: Sequence[Levels],
    charted: Sequence[str],
) -> None:
    """Refuse parts that do not fit together; raises DefinitionError."""
    must_differ("items", (item.link_id for item in items))
    codes = [scale.code for scale in scales]
    must_differ("scales", [*codes, *(levels.code for levels in results)])
    must_be_known("charted", charted, codes)
    _check_items(items, scales, results)
    branching = {item.link_id for item in items if item.enabled_when}
    for i, scale in enumerate(scales):
        _check_scale(f"scales[{i}]", scale)
        _check_fixed_size(f"scales[{i}]", scale, branching)
    known = [item.link_id for item in items]
    for i, levels in enumerate(results):
        for j, rank in enumerate(levels.ranks):
            path = f"levels[{i}].ranks[{j}].when"
            must_be_known(path, list(conditions.items_of(rank.when)), known)
            must_be_known(path, list(conditions.scales_of(rank.when)), codes)


def _check_items(items: Sequence[Item], scales: Sequence[Scale], results: Sequence[Levels]) -> None:
    counted = {link_id for scale in scales for link_id, _ in scale.points}
    for levels in results:
        for rank in levels.ranks:
            counted.update(conditions.items_of(rank.when))
    before: set[str] = set()
    for i, item in enumerate(items):
        # Without any scoring rule at all, nothing can be said about its items.
        if (scales or results) and item.scored != (item.link_id in counted):
            fail(f"items[{i}].scored", f"is {item.scored}, but the scales say otherwise")
        if item.safety and item.safety.at_least > max(option.value for option in item.options):
            fail(f"items[{i}].safety.at_least", "is above every answer, so it can never be met")
        if item.enabled_when:
            path = f"items[{i}].enabled_when"
            if unknown := [key for key in item.enabled_when.items if key not in before]:
                fail(path, f"no question before it is called {', '.join(unknown)}")
            if item.enabled_when.at_least not in (1, len(item.enabled_when.items)):
                fail(path, "at_least must be 1 or the number of its items")
        before.add(item.link_id)


def _check_scale(path: str, scale: Scale) -> None:
    low, high = _range_of(path, scale)
    if (scale.low, scale.high) != (low, high):
        fail(path, f"the range is {scale.low} to {scale.high}, but the items give {low} to {high}")
    if scale.missing.max_missing >= len(scale.points):
        fail(f"{path}.missing.max_missing", "would let every item be missing")
    if scale.missing.max_missing and scale.maxima:
        fail(f"{path}.missing.max_missing", "has no meaning where only the highest item counts")
    if len({key for maximum in scale.maxima for key in maximum.items}) != sum(
        len(maximum.items) for maximum in scale.maxima
    ):
        fail(f"{path}.scoring.maxima", "names an item twice")
    _check_bands(path, scale)
    for name, rule in (
        *((f"cutoffs[{i}]", rule) for i, rule in enumerate(scale.cutoffs)),
        ("baseline_min", scale.baseline_min),
        ("remission", scale.remission),
    ):
        if rule and not scale.low <= rule.value <= scale.high:
            fail(f"{path}.{name}.value", f"lies outside {scale.low:g} to {scale.high:g}")


def _check_fixed_size(path: str, scale: Scale, branching: Collection[str]) -> None:
    """Refuse arithmetic that has no meaning where items may be skipped or not apply."""
    varying = [key for key, points in scale.points if key in branching or None in points.values()]
    if varying and (scale.method in ("table", "percent") or scale.missing.max_missing):
        fail(f"{path}.scoring", f"needs every item, but {', '.join(varying)} may be left out")
    if scale.method == "mean" and scale.maxima:
        fail(f"{path}.scoring.maxima", "has no meaning in a mean")


def _range_of(path: str, scale: Scale) -> tuple[Number, Number]:
    low, high = scale.sums
    if scale.method == "percent":
        return 0, 100
    if scale.method == "mean":
        return low / scale.terms, high / scale.terms
    if scale.method == "table":
        if sorted(scale.table) != list(range(low, high + 1)):
            fail(f"{path}.scoring.table", f"needs one row for each sum from {low} to {high}")
        values = [value for value, _ in scale.table.values()]
        return min(values), max(values)
    return scale.multiplier * low, scale.multiplier * high


def _check_bands(path: str, scale: Scale) -> None:
    # Between two bands lies one step of the score: a tenth where it is not a whole number.
    must_differ(f"{path}.bands.ranges", (band.label for band in scale.bands))
    step = scale.multiplier if scale.method == "sum" else 0.1
    start = scale.low
    for i, band in enumerate(scale.bands):
        if abs(band.low - start) > 1e-9 or band.high < band.low:
            fail(f"{path}.bands.ranges[{i}]", f"should start at {start:g} and not end before it")
        start = band.high + step
    if scale.bands and scale.bands[-1].high != scale.high:
        fail(f"{path}.bands.ranges", f"should end at {scale.high}")
