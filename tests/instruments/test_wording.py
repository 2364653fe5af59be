"""Bundled wording is verbatim: against public sources by hash, and word by word for the rest."""

from __future__ import annotations

import hashlib
import html
import json
import re
import unicodedata
from pathlib import Path
from typing import Any

import pytest

from outcomes.instruments.definition import Definition, load_library

BUNDLED = {
    code: definition
    for code, definition in load_library().items()
    if definition.wordings and definition.is_validated
}
#: Items that stand word for word in a longer form whose hashes are known: form and place there.
PHQ9_ITEMS = [("PHQ-9", place) for place in range(9)]
GAD7_ITEMS = [("GAD-7", place) for place in range(7)]
TAKEN_FROM = {
    "PHQ-2": PHQ9_ITEMS[:2],
    "GAD-2": GAD7_ITEMS[:2],
    "PHQ-ADS": PHQ9_ITEMS + GAD7_ITEMS,
    "AUDIT-C": [("AUDIT", place) for place in range(3)],
}
#: No hashes exist: each citation names the two sources that were read and agree.
WITHOUT_HASHES = {"ASQ", "K6", "PEG"}
UNHASHED = {"PC-PTSD-5": ("trauma",)}
#: One public source in the hashes; a second one was read and is cited.
SECOND_SOURCE_READ = {
    "PHQ-15": ("4", "8", "15"),
    "PSWQ": ("1", "5", "6", "7", "11", "14", "16"),
}
FREQUENCY = {
    0: "Not at all",
    1: "Several days",
    2: "More than half the days",
    3: "Nearly every day",
}
DIFFICULTY = {
    0: "Not difficult at all",
    1: "Somewhat difficult",
    2: "Very difficult",
    3: "Extremely difficult",
}


def normalised(text: str) -> str:
    """Bring a text to the form that was hashed: words only, lower case."""
    text = re.sub(r"<[^>]*>", "", html.unescape(text))
    text = unicodedata.normalize("NFKC", text).lower()
    spaced = (" " if unicodedata.category(char)[0] in "PS" else char for char in text)
    return " ".join("".join(spaced).split())


def digest(text: str) -> str:
    """Return the SHA-256 (hex) of a text in UTF-8."""
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.fixture
def hashes(reference_dir: Path) -> dict[str, Any]:
    """Return the hashes of each item's wording by instrument and language."""
    found: dict[str, Any] = json.loads((reference_dir / "wording_hashes.json").read_text("utf-8"))
    return found


@pytest.mark.parametrize("definition", BUNDLED.values(), ids=BUNDLED)
def test_every_item_is_worded_as_two_public_sources_agree(
    definition: Definition, hashes: dict[str, Any]
) -> None:
    if definition.code in WITHOUT_HASHES:
        assert (
            "; " in definition.wording("en").citation
            or " and " in definition.wording("en").citation
        )
        return
    for language, wording in definition.wordings.items():
        for item in definition.items:
            if not item.scored or item.link_id in UNHASHED.get(definition.code, ()):
                continue
            known, place = _reference(definition.code, item.link_id, language, hashes)
            assert (
                digest(normalised(wording.items[item.link_id]))
                == (known["sha256_norm_per_item"][place])
            ), (language, item.link_id)
            is_read = item.link_id in SECOND_SOURCE_READ.get(definition.code, ())
            assert known["sources_agreeing_per_item"][place] >= (1 if is_read else 2)


def _reference(
    code: str, link_id: str, language: str, hashes: dict[str, Any]
) -> tuple[dict[str, Any], int]:
    """Return the hashes of the form that an item is taken from, and its place there."""
    place = int(link_id) - 1
    if code in TAKEN_FROM:
        code, place = TAKEN_FROM[code][place]
    key = next(name for name in hashes if name.split(" ")[0] == code)
    return hashes[key][language], place


def test_the_hash_notices_one_changed_word(hashes: dict[str, Any]) -> None:
    spoilt = normalised("Little interest and pleasure in doing things")
    assert digest(spoilt) != hashes["PHQ-9"]["en"]["sha256_norm_per_item"][0]


def test_the_phq9_stem_and_difficulty_item_are_the_forms_own() -> None:
    wording = BUNDLED["PHQ-9"].wording("en")
    assert wording.stem == (
        "Over the last 2 weeks, how often have you been bothered by any of the following problems?"
    )
    assert wording.items["10"] == (
        "If you checked off any problems, how difficult have these problems made it for you to "
        "do your work, take care of things at home, or get along with other people?"
    )


def test_the_gad7_stem_and_difficulty_item_are_the_forms_own() -> None:
    wording = BUNDLED["GAD-7"].wording("en")
    assert wording.stem == (
        "Over the last 2 weeks, how often have you been bothered by the following problems?"
    )
    assert wording.items["8"] == (
        "If you checked off any problems, how difficult have these made it for you to "
        "do your work, take care of things at home, or get along with other people?"
    )


@pytest.mark.parametrize("code", ["PHQ-9", "PHQ-8", "PHQ-2", "GAD-7", "GAD-2", "PHQ-4", "PHQ-ADS"])
def test_the_answers_are_the_original_ones_and_not_the_copied_error(code: str) -> None:
    definition = BUNDLED[code]
    wording = definition.wording("en")
    for item in definition.items:
        assert wording.options[item.link_id] == (FREQUENCY if item.scored else DIFFICULTY)


@pytest.mark.parametrize("definition", BUNDLED.values(), ids=BUNDLED)
def test_every_wording_names_its_sources(definition: Definition) -> None:
    for wording in definition.wordings.values():
        assert len(wording.citation) > 40
        assert wording.verified
