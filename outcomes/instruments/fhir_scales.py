"""The scales of a Questionnaire: our own with what was edited, or the sums of another's.

Pure: no Django.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from outcomes.instruments.fhir_answers import Asked, is_whole
from outcomes.instruments.fhir_elements import CALCULATIONS, VARIABLE, FhirError, Node
from outcomes.instruments.fhir_rules import plain_sum, read_sum


@dataclass(frozen=True, slots=True)
class Calculated:
    """Hold an item that nobody fills in, and the elements whose variables it sees."""

    node: Node
    scope: Sequence[Node]

    @property
    def link_id(self) -> str:
        """Return the item's linkId."""
        return self.node.text("linkId") or ""

    @property
    def expression(self) -> str | None:
        """Return the FHIRPath by which it is computed, None where there is none."""
        for extension in self.node.extensions(*CALCULATIONS):
            value = extension.child("valueExpression")
            if value and value.text("language") in ("text/fhirpath", None):
                return value.text("expression")
        return None

    @property
    def variables(self) -> dict[str, str]:
        """Return the FHIRPath of every variable, by name."""
        variables = {}
        for node in self.scope:
            for extension in node.extensions(VARIABLE):
                value = extension.child("valueExpression")
                if value and (name := value.text("name")):
                    variables[name] = value.text("expression") or ""
        return variables


def edited_scales(
    scales: Sequence[Mapping[str, Any]],
    codes: Mapping[str, Any],
    items: Sequence[Calculated],
    asked: Sequence[Asked],
    ids: Mapping[str, str],
) -> list[dict[str, Any]]:
    """Return our own scales with what their items, named by codes, say instead."""
    edited = {scale.get("code"): dict(scale) for scale in scales}
    for item in items:
        scale = edited.get(str(codes.get(item.link_id)))
        if scale is None:
            raise FhirError(item.node.path, "is the score of no scale")
        scale["title"] = item.node.text("text") or scale.get("title")
        scale.pop("loinc", None)
        if loinc := item.node.loinc():
            scale["loinc"] = loinc
        if item.expression not in (None, plain_sum(scale["scoring"])):
            result = read_sum(item.expression or "", {}, asked)
            if result is None:
                raise FhirError(item.node.path, "its edited rule is no plain sum of weights")
            scale["scoring"] = _edited(scale["scoring"], [ids[key] for key in result[0]], result[1])
    return list(edited.values())


def _edited(scoring: Mapping[str, Any], items: list[str], times: int) -> dict[str, Any]:
    backward = [link_id for link_id in scoring.get("reversed", ()) if link_id in items]
    given = {"items": items, "multiplier": times, "reversed": backward}
    same = {**scoring, **given}
    return {key: value for key, value in same.items() if key != "reversed" or value}


def read_scales(
    items: Sequence[Calculated],
    asked: Sequence[Asked],
    ids: Mapping[str, str],
    source: str,
    remarks: list[str],
) -> list[dict[str, Any]]:
    """Return a scale for every rule that is a plain sum, and remark on the others.

    A question asked that ids does not name was left out, and no sum may count it.
    """
    scales: list[dict[str, Any]] = []
    for item in items:
        result = read_sum(item.expression or "", item.variables, asked)
        problem = _problem(result[0] if result else None, asked, ids)
        if result is None or problem:
            name = (item.node.text("text") or item.link_id)[:60]
            remarks.append(f"The score {name!r} is not computed: {problem}.")
        else:
            scales.append(_scale(item, *result, asked, ids, source))
    if len(scales) == 1:
        scales[0]["code"] = "total"
    if scales:
        remarks.append("An incomplete form has no score: no rule for that is known.")
        remarks.append("Higher scores are taken to be worse.")
    else:
        remarks.append("Scored by nothing: the Questionnaire has no rule that is a plain sum.")
    return scales


def _problem(listed: list[str] | None, asked: Sequence[Asked], ids: Mapping[str, str]) -> str:
    if listed is None:
        return "its rule is no plain sum of weights"
    if not ids.keys() >= set(listed):
        return "it counts a question that is left out"
    weights = [answer.weight for row in asked if row.link_id in listed for answer in row.answers]
    if not all(weight is None or is_whole(weight) for weight in weights):
        return "some weights are no whole numbers"
    return ""


def _scale(
    item: Calculated,
    listed: list[str],
    times: int,
    asked: Sequence[Asked],
    ids: Mapping[str, str],
    source: str,
) -> dict[str, Any]:
    ends = [_ends(row) for row in asked if row.link_id in listed]
    loinc = item.node.loinc()
    code = re.sub(r"[^a-z0-9]+", "_", item.link_id.lower()).strip("_")
    by = {"citation": source, "verified": False}
    return {
        "code": f"score_{code}"[:40],
        "title": item.node.text("text") or "Total score",
        "low": times * sum(low for low, _ in ends),
        "high": times * sum(high for _, high in ends),
        **({"loinc": loinc} if loinc else {}),
        "scoring": {
            "method": "sum",
            "items": [ids[link_id] for link_id in listed],
            **({"multiplier": times} if times > 1 else {}),
            **by,
        },
        "missing": {"rule": "complete", **by},
    }


def _ends(asked: Asked) -> tuple[int, int]:
    """Return what a question counts at least and at most: its weights, or its numbers."""
    points = [int(answer.weight) for answer in asked.answers if answer.weight is not None]
    points = points or [answer.value for answer in asked.answers]
    return min(points), max(points)
