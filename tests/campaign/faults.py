"""What goes wrong at the provider."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Faults:
    """What goes wrong: shares of the calls, or everything while `is_down`."""

    before: float = 0.0  #: refused before any effect
    hidden: float = 0.0  #: effective, but the reply is lost
    is_down: bool = False
