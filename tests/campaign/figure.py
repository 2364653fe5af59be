"""One figure of the campaign, as it is printed.

A test may print one too (`print(Figure("R14", ok, "...").line())`): the campaign runs the tests
that its list names with CAMPAIGN=full or CAMPAIGN=short set, and reads their lines.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

LINE = re.compile(r"^(?P<code>[RS]\d+) (?P<verdict>held|FELL SHORT): (?P<text>.+)$")


@dataclass(frozen=True, slots=True)
class Figure:
    """What one property of docs/reliability.md came to."""

    code: str
    is_held: bool
    text: str

    def line(self) -> str:
        """Return the figure as one line."""
        return f"{self.code} {'held' if self.is_held else 'FELL SHORT'}: {self.text}"


def read_line(line: str) -> Figure | None:
    """Return the figure that a line of output tells; None if it tells none."""
    found = LINE.match(line.strip())
    return found and Figure(found["code"], found["verdict"] == "held", found["text"])


def form() -> str:
    """Return the campaign's form, full or short; nothing where it does not run."""
    return os.environ.get("CAMPAIGN", "")


def is_full() -> bool:
    """Say whether the campaign runs in its full form (only it sets this)."""
    return form() == "full"
