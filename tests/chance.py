"""What chance writes: the tokens and identifiers in pages, messages and rows."""

from __future__ import annotations

import re

# A link's or nonce's 43 characters, a form's 64 and 32, a digest, an identifier; the end of an
# identifier with what a page appends, but no telephone number.
_BY_CHANCE = re.compile(
    r"(?<![\w-])(?:[\w-]{43}|[A-Za-z0-9]{64}|[A-Za-z0-9]{32}"
    r"|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
    r"|(?=\d*[a-f])[0-9a-f]{12}(?:[-.][\w.-]+)?)(?![\w-])",
    re.ASCII,
)


def without_chance(text: str) -> str:
    """Return the text without tokens and identifiers, whose letters may spell any short word."""
    return _BY_CHANCE.sub("…", text)
