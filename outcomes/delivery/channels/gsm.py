"""Count and save the segments of a text message (pure).

A message in the GSM alphabet has 160 characters; one character outside it makes that 70.
"""

from __future__ import annotations

import unicodedata

BASIC = set(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
EXTENDED = set("^{}\\[~]|€\f")
PLAIN = str.maketrans(
    {"‘": "'", "’": "'", "“": '"', "”": '"', "„": '"', "–": "-", "—": "-", "…": "...", "\xa0": " "}
)


def to_gsm(text: str) -> str:
    """Return the text with what the alphabet lacks put plainly (“í” as “i”).

    Unchanged where that cannot be done for every character: a name is never cut.
    """
    plain = "".join(_plain(character) for character in text.translate(PLAIN))
    return plain if is_gsm(plain) else text


def _plain(character: str) -> str:
    if character in BASIC or character in EXTENDED:
        return character
    apart = unicodedata.normalize("NFKD", character)
    return "".join(part for part in apart if not unicodedata.combining(part)) or character


def is_gsm(text: str) -> bool:
    """Say whether the GSM alphabet has every character."""
    return all(character in BASIC or character in EXTENDED for character in text)


def segments(text: str) -> int:
    """Return how many messages the text is sent and charged as."""
    if is_gsm(text):
        length, alone, joined = len(text) + sum(c in EXTENDED for c in text), 160, 153
    else:
        length, alone, joined = len(text.encode("utf-16-be")) // 2, 70, 67
    return 1 if length <= alone else -(-length // joined)
