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
def test_every_item_is_worded_as_public_sources_agree(
    definition: Definition, hashes: dict[str, Any]
) -> None:
    for language, wording in definition.wordings.items():
        known = hashes[definition.code][language]
        texts = [
            normalised(wording.items[item.link_id]) for item in definition.items if item.scored
        ]
        assert [digest(text) for text in texts] == known["sha256_norm_per_item"]
        assert digest("\n".join(texts)) == known["sha256_norm_list"]


@pytest.mark.parametrize("definition", BUNDLED.values(), ids=BUNDLED)
def test_no_language_ships_that_two_sources_do_not_agree_on(
    definition: Definition, hashes: dict[str, Any]
) -> None:
    for language in definition.languages:
        assert min(hashes[definition.code][language]["sources_agreeing_per_item"]) >= 2


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


@pytest.mark.parametrize("definition", BUNDLED.values(), ids=BUNDLED)
def test_the_answers_are_the_original_ones_and_not_the_copied_error(
    definition: Definition,
) -> None:
    wording = definition.wording("en")
    for item in definition.items:
        assert wording.options[item.link_id] == (FREQUENCY if item.scored else DIFFICULTY)
