"""Definitions: what the library holds, and what a broken file is told."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from outcomes.instruments.definition import (
    LIBRARY,
    Definition,
    DefinitionError,
    load_library,
)

LIBRARY_DEFINITIONS = load_library()
#: Neither in the facts: clinicians' scales and one for historical data, and a rating of our own.
BESIDE_THE_FACTS = {"HAM-A", "HAM-D17", "SHAPS", "MOOD-1"}


@pytest.fixture
def phq9() -> dict[str, Any]:
    """Return the PHQ-9 document, free to be spoilt."""
    content: dict[str, Any] = json.loads((LIBRARY / "PHQ-9.json").read_text("utf-8"))
    return content


def test_the_library_holds_every_instrument_that_may_ship(reference_dir: Path) -> None:
    facts = json.loads((reference_dir / "instruments_facts.json").read_text("utf-8"))
    classes = {code: row["class"] for code, row in facts.items() if not code.startswith("_")}
    may_ship = {code for code, kind in classes.items() if kind != "exclude"}
    assert len(may_ship) == 45
    assert set(LIBRARY_DEFINITIONS) == may_ship | BESIDE_THE_FACTS


def test_wording_ships_only_where_its_owner_lets_it(reference_dir: Path) -> None:
    facts = json.loads((reference_dir / "instruments_facts.json").read_text("utf-8"))
    for code in set(LIBRARY_DEFINITIONS) - BESIDE_THE_FACTS:
        definition = LIBRARY_DEFINITIONS[code]
        may = facts[code]["class"].startswith("bundle")
        assert (definition.licence.kind == "bundle") == may
        assert may or not definition.wordings


def test_every_instrument_says_what_it_is_used_with() -> None:
    assert [code for code, row in LIBRARY_DEFINITIONS.items() if not row.conditions] == []


def test_only_instruments_with_wording_can_be_sent() -> None:
    sendable = {code for code, found in LIBRARY_DEFINITIONS.items() if found.is_sendable}
    assert sendable == {
        "ASQ", "AUDIT-C", "CESD-R", "DASS-21", "GAD-2", "GAD-7", "K10", "K6", "MOOD-1",
        "PC-PTSD-5", "PCL-5", "PEG", "PHQ-15", "PHQ-2", "PHQ-4", "PHQ-8", "PHQ-9", "PHQ-ADS",
        "PSWQ",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("code", "scale", "low", "high"),
    [
        ("PHQ-9", "total", 0, 27),
        ("GAD-7", "total", 0, 21),
        ("MOOD-1", "total", 0, 10),
        ("BDI-II", "total", 0, 63),
        ("WHO-5", "total", 0, 100),
        ("WHO-5", "raw", 0, 25),
        ("HAM-D17", "total", 0, 52),
        ("HAM-A", "total", 0, 56),
        ("SHAPS", "total", 0, 14),
        ("ASRM", "total", 0, 20),
    ],
)
def test_each_scale_says_what_totals_it_takes(code: str, scale: str, low: int, high: int) -> None:
    scales = {found.code: found for found in LIBRARY_DEFINITIONS[code].scales}
    assert (scales[scale].low, scales[scale].high) == (low, high)


def test_the_phq9_carries_the_rules_of_the_chart() -> None:
    scale = LIBRARY_DEFINITIONS["PHQ-9"].scales[0]
    rules = [scale.baseline_min, scale.response, scale.remission, scale.reliable_change]
    assert [(rule.kind, rule.value, rule.verified) for rule in rules if rule] == [
        ("at_least", 10, True),
        ("percent_fall", 50, True),
        ("below", 5, True),
        ("points", 6, False),
    ]
    assert all(rule.citation for rule in rules if rule)


@pytest.mark.parametrize(
    ("code", "watched"),
    [
        ("PHQ-9", {"9": 1}),
        ("BDI-II", {"2": 2, "9": 1}),
        ("HAM-D17", {"3": 1}),
        ("GAD-7", {}),
        ("MOOD-1", {}),
    ],
)
def test_safety_items_are_data(code: str, watched: dict[str, int]) -> None:
    items = LIBRARY_DEFINITIONS[code].items
    assert {item.link_id: item.safety.at_least for item in items if item.safety} == watched


@pytest.mark.parametrize(("code", "link_id"), [("PHQ-9", "10"), ("GAD-7", "8")])
def test_the_difficulty_item_is_asked_and_never_summed(code: str, link_id: str) -> None:
    definition = LIBRARY_DEFINITIONS[code]
    item = definition.items[-1]
    assert (item.link_id, item.scored, item.required, item.uses_stem) == (link_id,) + (False,) * 3
    assert link_id not in [counted for counted, _ in definition.scales[0].points]
    assert definition.wording("en").options[link_id][0] == "Not difficult at all"


def test_the_daily_mood_rating_claims_nothing() -> None:
    mood = LIBRARY_DEFINITIONS["MOOD-1"]
    scale = mood.scales[0]
    assert not mood.is_validated
    assert any("Not a validated instrument" in note for note in mood.notes)
    assert mood.direction == "higher_is_better"
    assert (scale.bands, scale.cutoffs) == ((), ())
    assert {scale.baseline_min, scale.response, scale.remission, scale.reliable_change} == {None}
    assert mood.wording("en").items["1"] == "How is your mood right now?"
    assert mood.wording("en").options["1"][0] == "0 (worst possible)"
    assert mood.wording("en").options["1"][10] == "10 (best possible)"


def test_recall_is_a_number_of_days_or_openly_unknown() -> None:
    days = {code: definition.recall_days for code, definition in LIBRARY_DEFINITIONS.items()}
    assert (days["PHQ-9"], days["ASRM"], days["MOOD-1"], days["SHAPS"]) == (14, 7, 0, None)


def test_a_language_that_is_not_there_is_a_key_error() -> None:
    assert LIBRARY_DEFINITIONS["PHQ-9"].languages == ("en",)
    with pytest.raises(KeyError):
        LIBRARY_DEFINITIONS["PHQ-9"].wording("tlh")


def test_the_hash_follows_the_words_and_not_the_order_of_keys(phq9: dict[str, Any]) -> None:
    before = Definition.from_json(phq9).content_hash
    turned = Definition.from_json(dict(reversed(phq9.items())))
    assert len(before) == 64
    assert turned.content_hash == before
    phq9["wording"]["en"]["items"]["1"] += "."
    assert Definition.from_json(phq9).content_hash != before


def test_a_definition_is_rebuilt_from_its_own_content() -> None:
    for definition in LIBRARY_DEFINITIONS.values():
        stored = json.loads(json.dumps(definition.content))
        assert Definition.from_json(stored).content_hash == definition.content_hash


def test_a_clinicians_scale_is_never_sent_even_with_wording(phq9: dict[str, Any]) -> None:
    phq9["respondent"] = "clinician"
    definition = Definition.from_json(phq9)
    assert definition.languages == ("en",)
    assert not definition.is_sendable


def _scale(document: dict[str, Any]) -> dict[str, Any]:
    scale: dict[str, Any] = document["scales"][0]
    return scale


@pytest.mark.parametrize(
    ("path", "reason", "spoil"),
    [
        ("", "'licence' is a required property", lambda d: d.pop("licence")),
        ("colour", "'colour'", lambda d: d.update(colour="red")),
        ("licence", "'citation' is a required property", lambda d: d["licence"].pop("citation")),
        ("scales[0].bands", "'verified'", lambda d: _scale(d)["bands"].pop("verified")),
        ("scales[0].remission", "'citation'", lambda d: _scale(d)["remission"].pop("citation")),
        ("items[8].safety", "'note'", lambda d: d["items"][8]["safety"].pop("note")),
        ("direction", "is not one of", lambda d: d.update(direction="up")),
        ("items[0].options", "likert", lambda d: d["items"][0].update(options="likert")),
        ("items", "9 stands twice", lambda d: d["items"].append(d["items"][8])),
        ("items[2].scored", "scales say otherwise", lambda d: d["items"][2].update(scored=False)),
        ("items[9].scored", "scales say otherwise", lambda d: d["items"][9].update(scored=True)),
        (
            "items[8].safety.at_least",
            "never be met",
            lambda d: d["items"][8]["safety"].update(at_least=4),
        ),
        (
            "response_options.frequency",
            "0 stands twice",
            lambda d: d["response_options"]["frequency"].append({"value": 0}),
        ),
        ("scales", "total stands twice", lambda d: d["scales"].append(_scale(d))),
        ("scales[0]", "items give 0 to 27", lambda d: _scale(d).update(high=28)),
        ("scales[0].scoring.items", "11", lambda d: _scale(d)["scoring"]["items"].append("11")),
        (
            "scales[0].scoring.reversed",
            "10",
            lambda d: _scale(d)["scoring"].update(reversed=["10"]),
        ),
        ("scales[0].missing", "max_missing", lambda d: _scale(d)["missing"].update(rule="mean")),
        (
            "scales[0].missing.max_missing",
            "every item",
            lambda d: _scale(d)["missing"].update(rule="mean", max_missing=9),
        ),
        (
            "scales[0].bands.ranges[1]",
            "should start at 5",
            lambda d: _scale(d)["bands"]["ranges"][1].update(low=6),
        ),
        ("scales[0].bands.ranges", "end at 27", lambda d: _scale(d)["bands"]["ranges"].pop()),
        ("wording.en.items", "lacks 4", lambda d: d["wording"]["en"]["items"].pop("4")),
        (
            "wording.en.items",
            "called 11",
            lambda d: d["wording"]["en"]["items"].update({"11": "?"}),
        ),
        (
            "wording.en.options.difficulty",
            "lacks 3",
            lambda d: d["wording"]["en"]["options"]["difficulty"].pop("3"),
        ),
    ],
)
def test_a_broken_definition_is_refused_with_path_and_reason(
    phq9: dict[str, Any], path: str, reason: str, spoil: Callable[[dict[str, Any]], Any]
) -> None:
    broken = deepcopy(phq9)
    spoil(broken)
    with pytest.raises(DefinitionError) as caught:
        Definition.from_json(broken)
    assert caught.value.path in {path, ""}
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "PHQ-9.json: is not JSON"),
        ('{"code": "PHQ-9", "code": "PHQ-8"}', "PHQ-9.json: code stands twice"),
        ("[]", "PHQ-9.json: [] is not of type 'object'"),
        ("\ud800", "PHQ-9.json: is not JSON"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "PHQ-9.json").write_text(text, "utf-8", errors="surrogatepass")
    with pytest.raises(DefinitionError) as caught:
        load_library(tmp_path)
    assert str(caught.value).startswith(reason)
    assert caught.value.file == "PHQ-9.json"


def test_a_library_file_is_named_after_its_code(tmp_path: Path, phq9: dict[str, Any]) -> None:
    (tmp_path / "PHQ-8.json").write_text(json.dumps(phq9), "utf-8")
    with pytest.raises(DefinitionError, match=r"PHQ-8\.json: code: is 'PHQ-9'"):
        load_library(tmp_path)


def test_licensed_wording_may_not_ship(tmp_path: Path, phq9: dict[str, Any]) -> None:
    phq9["licence"]["class"] = "scoring only"
    (tmp_path / "PHQ-9.json").write_text(json.dumps(phq9), "utf-8")
    with pytest.raises(DefinitionError, match=r"PHQ-9\.json: wording: may not ship"):
        load_library(tmp_path)
    assert Definition.from_json(phq9).is_sendable  # a clinic with its own licence may


def test_definitions_and_scores_need_no_django() -> None:
    code = "import outcomes.instruments.scoring, sys; sys.exit('django' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("code", ["PHQ-9", "GAD-7", "BDI-II", "WHO-5", "ASRM"])
def test_the_library_agrees_with_the_reference_facts(code: str, reference_dir: Path) -> None:
    facts = json.loads((reference_dir / "instruments_facts.json").read_text("utf-8"))[code]
    definition = LIBRARY_DEFINITIONS[code]
    scale = definition.scales[0]
    bands = [{"min": band.low, "max": band.high, "label": band.label} for band in scale.bands]
    counted = [item for item in definition.items if item.scored]
    loinc = facts["loinc"]
    assert definition.title == facts["title"]
    assert definition.direction.replace("higher_is_", "higher = ") == facts["direction"]
    assert len(counted) == facts["n_items"]
    assert [scale.low, scale.high] == facts["range"]
    assert bands == facts["bands"]
    assert facts["class"].startswith(definition.licence.kind)
    assert [o.value for o in counted[0].options] == [o["value"] for o in facts["options"]]
    assert {item.link_id for item in definition.items if item.safety} == {
        str(safety["item"]) for safety in facts["safety_items"]
    }
    assert [item.loinc for item in counted if item.loinc] == loinc.get("items", [])
    assert [o.code for o in counted[0].options if o.code] == loinc.get("answers", [])
    assert scale.loinc == loinc.get("total")
    assert definition.loinc_panel in {loinc.get("panel"), None}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda c: c["scales"][0]["cutoffs"][0].update(value=99), "lies outside 0 to 27"),
        (lambda c: c["scales"][0]["remission"].update(value=-1), "lies outside 0 to 27"),
        (
            lambda c: c["scales"][0]["bands"]["ranges"][1].update(label="severe"),
            "severe stands twice",
        ),
    ],
)
def test_a_slip_in_a_rule_or_a_band_is_refused(
    phq9: dict[str, Any], change: Callable[[dict[str, Any]], None], told: str
) -> None:
    change(phq9)
    with pytest.raises(DefinitionError, match=told):
        Definition.from_json(phq9)
