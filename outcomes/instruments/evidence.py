"""What is known about an instrument, and who says so: one document for people and programs.

Pure: no Django.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from outcomes.instruments.definition import Definition, Levels, Rule, Scale, Source

#: The rules of a scale by name, in the order in which they are read.
RULES = ("baseline_min", "response", "remission", "reliable_change", "minimal_change")


def evidence(definition: Definition) -> dict[str, Any]:
    """Return what an instrument measures, how it scores and what that rests on; JSON-ready.

    Each fact carries its `citation` and `verified`: whether a source that states it was read.
    """
    return {
        "code": definition.code,
        "title": definition.title,
        "version": definition.version,
        "content_hash": definition.content_hash,
        "measures": definition.measures,
        "respondent": definition.respondent,
        "is_validated": definition.is_validated,
        "conditions": list(definition.conditions),
        "direction": definition.direction,
        "recall_days": {"value": definition.recall_days, **source_of(definition.recall)},
        "minutes": {"value": definition.minutes.value, **source_of(definition.minutes)},
        "licence": {
            "class": definition.licence.kind,
            "text": definition.licence.text,
            **source_of(definition.licence),
        },
        "languages": list(definition.languages),
        "can_be_sent": definition.is_sendable,
        "why_not": why_not_sendable(definition),
        "codes": {"loinc_panel": definition.loinc_panel, "snomed_score": definition.snomed_score},
        "items": [
            {
                "link_id": item.link_id,
                "values": [option.value for option in item.options],
                "is_scored": item.scored,
                "loinc": item.loinc,
                "safety_at_least": item.safety.at_least if item.safety else None,
            }
            for item in definition.items
        ],
        "scales": [_scale(scale) for scale in definition.scales],
        "levels": [_levels(levels) for levels in definition.levels],
        "notes": list(definition.notes),
        "proof": {
            "golden_rows": definition.proof.golden_rows if definition.proof else 0,
            "programs": list(definition.proof.programs) if definition.proof else [],
        },
        "unverified": list(unverified(definition)),
    }


def source_of(fact: Source) -> dict[str, Any]:
    """Return who states a fact, and whether that was read."""
    return {"citation": fact.citation, "verified": fact.verified}


def why_not_sendable(definition: Definition) -> str:
    """Return in one sentence why patients cannot be asked; empty where they can."""
    if definition.respondent != "patient":
        return "A clinician rates it: it is never sent to a patient."
    if not definition.wordings and definition.licence.kind == "bundle":
        return "No wording ships, because none could be verified word for word."
    if not definition.wordings:
        return "Its wording is licensed: the clinic loads the wording it may use."
    return ""


def missing_words(scale: Scale) -> str:
    """Return in one sentence what becomes of missing items."""
    most = scale.missing.max_missing
    if most:
        return (
            f"At most {most} items may be missing: each takes the mean of the others, "
            "and the score says so."
        )
    sets = [" or ".join(chosen) for maximum in scale.maxima for chosen in maximum.alternatives]
    enough = f" One of {', of '.join(sets)} is enough." if sets else ""
    return (
        "No score while an item is left open; one that was skipped or does not apply is not "
        f"missing.{enough}"
    )


def rules_of(scale: Scale) -> Iterator[tuple[str, Rule]]:
    """Yield a scale's published rules by name, cut-offs first."""
    for cutoff in scale.cutoffs:
        yield "cut-off", cutoff
    for name in RULES:
        rule = getattr(scale, name)
        if rule is not None:
            yield name.replace("_", " "), rule


def unverified(definition: Definition) -> Iterator[str]:
    """Name every fact whose source was not read for this project."""
    facts: list[tuple[str, Source]] = [
        ("recall period", definition.recall),
        ("minutes", definition.minutes),
        ("licence", definition.licence),
    ]
    facts += [
        (f"safety of item {item.link_id}", item.safety) for item in definition.items if item.safety
    ]
    for scale in definition.scales:
        facts += [
            (f"{scale.code}: scoring", scale.scoring),
            (f"{scale.code}: missing", scale.missing),
        ]
        if scale.bands_source:
            facts.append((f"{scale.code}: bands", scale.bands_source))
        facts += [(f"{scale.code}: {name}", rule) for name, rule in rules_of(scale)]
    facts += [(levels.code, levels) for levels in definition.levels]
    facts += [(f"wording {language}", words) for language, words in definition.wordings.items()]
    yield from (name for name, fact in facts if not fact.verified)


def _scale(scale: Scale) -> dict[str, Any]:
    return {
        "code": scale.code,
        "title": scale.title,
        "range": [scale.low, scale.high],
        "loinc": scale.loinc,
        "scoring": {
            "method": scale.method,
            "items": [link_id for link_id, _points in scale.points],
            "multiplier": scale.multiplier,
            **source_of(scale.scoring),
        },
        "missing": {"at_most": scale.missing.max_missing, **source_of(scale.missing)},
        "bands": [
            {"low": band.low, "high": band.high, "label": band.label} for band in scale.bands
        ],
        "bands_source": source_of(scale.bands_source) if scale.bands_source else None,
        "rules": [{"name": name, **_rule(rule)} for name, rule in rules_of(scale)],
    }


def _rule(rule: Rule) -> dict[str, Any]:
    figures = {"sensitivity": rule.sensitivity, "specificity": rule.specificity}
    known = {name: value for name, value in figures.items() if value is not None}
    return {
        "kind": rule.kind,
        "value": rule.value,
        "meaning": rule.meaning,
        **known,
        **source_of(rule),
    }


def _levels(levels: Levels) -> dict[str, Any]:
    return {
        "code": levels.code,
        "title": levels.title,
        "loinc": levels.loinc,
        "labels": [*(rank.label for rank in levels.ranks), levels.otherwise],
        **source_of(levels),
    }
