"""The product records and shows; no page, mail or document of it advises."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ADVICE = [
    r"\bwe (?:recommend|suggest|advise)\b",
    r"\b(?:recommended|suggested|optimal|ideal|next) (?:dose|interval|session date)\b",
    r"\b(?:increase|reduce|raise|lower|adjust|titrate) the dose\b",
    r"\bdue for (?:a )?(?:booster|session|infusion|treatment)\b",
    r"\b(?:high|medium|moderate|low|at) risk (?:patient|of suicide|score)\b",
    r"\brisk (?:score|rating|level)\b",
    r"\blikely to (?:respond|relapse|benefit)\b",
    r"\bpredict(?:s|ed|ion)\b",
    r"\bconsider (?:a|an|another|increasing|reducing|stopping)\b",
]
# Sentences that say what the product does not do.
DENIALS = re.compile(r"\b(?:not|never|no|nor|nothing|neither|without)\b", re.IGNORECASE)


def sentences() -> Iterator[tuple[str, str]]:
    files = [
        *(ROOT / "templates").rglob("*.html"),
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "outcomes").rglob("*.py"),
        *(ROOT / "outcomes").rglob("*.json"),
        ROOT / "README.md",
    ]
    for file in files:
        for sentence in re.split(r"(?<=[.!?;])\s|\n\s*\n|\"", file.read_text()):
            yield str(file.relative_to(ROOT)), " ".join(sentence.split())


def advising(text: str) -> bool:
    return any(re.search(words, text, re.IGNORECASE) for words in ADVICE)


def test_no_sentence_of_the_product_advises() -> None:
    found = [
        f"{file}: {sentence[:160]}"
        for file, sentence in sentences()
        if advising(sentence) and not DENIALS.search(sentence)
    ]
    assert found == []


@pytest.mark.parametrize(
    "text",
    [
        "We recommend another infusion.",
        "This patient is due for a booster.",
        "Risk level: high",
        "The optimal dose is 0.5 mg/kg.",
        "Patients like this are likely to respond.",
    ],
)
def test_the_check_knows_advice_when_it_sees_it(text: str) -> None:
    assert advising(text)
