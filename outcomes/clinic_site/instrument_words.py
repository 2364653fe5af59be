"""Conditions, arithmetic and thresholds of a questionnaire, put in words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from outcomes.instruments.conditions import Answered, Condition, Not, Reached, Several
from outcomes.instruments.definition import Definition, Item, Rule, Scale, Wording
from outcomes.review.charts.words import number


@dataclass(frozen=True, slots=True)
class Line:
    """One condition in words, with the conditions it is made of."""

    text: str
    parts: tuple[Line, ...] = ()


@dataclass(frozen=True)
class Speller:
    """Put a definition's conditions and arithmetic into words."""

    definition: Definition
    wording: Wording | None

    @cached_property
    def _items(self) -> dict[str, Item]:
        return {item.link_id: item for item in self.definition.items}

    def items(self, link_ids: Iterable[str]) -> str:
        """Return “item 9”, or “items 1 to 5, 7”."""
        order = list(self._items)
        places = sorted(order.index(link_id) for link_id in link_ids)
        runs = [[order[place] for place in run] for run in _runs(places)]
        names = [
            _("%(first)s to %(last)s") % {"first": run[0], "last": run[-1]}
            if len(run) > 2
            else ", ".join(run)
            for run in runs
        ]
        words = ngettext("item %(names)s", "items %(names)s", len(places))
        return words % {"names": ", ".join(names)}

    def answer(self, link_id: str, value: int) -> str:
        """Return “2 (Moderately) or more”, without “or more” where nothing is above."""
        options = [option.value for option in self._items[link_id].options]
        reached = sorted(option for option in options if option >= value)
        least = reached[0] if reached else value
        label = self.wording.options[link_id].get(least, "") if self.wording else ""
        text = f"{least} ({label})" if label else str(least)
        return text if len(reached) == 1 else _("%(value)s or more") % {"value": text}

    def condition(self, condition: Condition) -> Line:
        """Return a condition in words."""
        match condition:
            case Answered():
                return Line(self.answered(condition))
            case Several(conditions, at_least):
                parts = tuple(self.condition(each) for each in conditions)
                return Line(_how_many(at_least, len(parts)), parts)
            case Not(inner):
                return Line(_("not"), (self.condition(inner),))
            case Reached(scale, value):
                words = {"scale": self.definition.label_of(scale), "value": number(value)}
                return Line(_("%(scale)s: %(value)s or more") % words)

    def answered(self, condition: Answered) -> str:
        """Return “at least 2 of items 1 to 4 answered 2 or more”."""
        alike: dict[str, list[str]] = {}
        for link_id, value in condition.items.items():
            alike.setdefault(self.answer(link_id, value), []).append(link_id)
        groups = "; ".join(
            _("%(items)s answered %(answer)s") % {"items": self.items(ids), "answer": answer}
            for answer, ids in alike.items()
        )
        if len(condition.items) == 1:
            return groups
        return f"{_how_many(condition.at_least, len(condition.items))} {groups}"

    def scoring(self, scale: Scale) -> list[str]:
        """Return how a score is made, a sentence each."""
        names = {"items": self.items(key for key, _points in scale.points)}
        sentences = {
            "sum": _("Sum of %(items)s."),
            "mean": _("Mean of %(items)s."),
            "percent": _(
                "Where the sum of %(items)s lies between its least (0) and greatest (100)."
            ),
            "table": _("What the published table gives for the sum of %(items)s."),
        }
        said = [sentences[scale.method] % names]
        scoring = self._content(scale.code)
        if scoring.get("reversed"):
            said.append(_("Reversed: %(items)s.") % {"items": self.items(scoring["reversed"])})
        said += [
            _("Of %(items)s only the highest counts.") % {"items": self.items(maximum.items)}
            for maximum in scale.maxima
        ]
        if scale.multiplier > 1:
            said.append(_("Then multiplied by %(times)s.") % {"times": scale.multiplier})
        return said

    def _content(self, code: str) -> dict[str, Any]:
        rows = self.definition.content["scales"]
        return next(dict(row["scoring"]) for row in rows if row["code"] == code)


def _runs(places: list[int]) -> Iterator[list[int]]:
    run: list[int] = []
    for place in places:
        if run and place != run[-1] + 1:
            yield run
            run = []
        run.append(place)
    yield run


def _how_many(needed: int, of: int) -> str:
    if needed >= of:
        return _("all of:")
    return _("any of:") if needed == 1 else _("at least %(n)s of:") % {"n": needed}


def rule_words(rule: Rule) -> str:
    """Return a threshold and its meaning in words, with sensitivity and specificity if known."""
    kinds = {
        "at_least": _("%(value)s or more"),
        "at_most": _("%(value)s or less"),
        "below": _("below %(value)s"),
        "percent_fall": _("a fall of at least %(value)s %% from baseline"),
        "points": _("a change of at least %(value)s points"),
    }
    parts = [kinds[rule.kind] % {"value": number(rule.value)}]
    if rule.sensitivity is not None:
        parts.append(_("sensitivity %(share)s %%") % {"share": number(rule.sensitivity * 100)})
    if rule.specificity is not None:
        parts.append(_("specificity %(share)s %%") % {"share": number(rule.specificity * 100)})
    words = ", ".join(parts)
    return words if words == rule.meaning else f"{words}: {rule.meaning}"
