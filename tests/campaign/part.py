"""Play one part on one database: `python -m tests.campaign.part kills sqlite`."""

from __future__ import annotations

import signal
import sys
import traceback
from importlib import import_module

from tests.campaign.figure import is_full
from tests.campaign.servers import Missing

MISSING, FELL_SHORT = 77, 1


def main(name: str, database: str) -> int:
    """Print the part's figures; return 0, 1 if one falls short, 77 if a program is missing."""
    status = 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(2))  # clean up, then
    try:
        for figure in import_module(f"tests.campaign.{name}").play(database, is_full=is_full()):
            print(figure.line(), flush=True)
            status = status or (0 if figure.is_held else FELL_SHORT)
    except Missing as missing:
        print(missing, file=sys.stderr)
        return MISSING
    except Exception:
        traceback.print_exc()
        return 2
    return status


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
