"""The rival of the dispatcher: `python -m bench.bare_loop PORT FILE MESSAGES` prints its rate."""

from __future__ import annotations

import smtplib
import sys
import time
from pathlib import Path


def send(port: int, file: Path, messages: int) -> float:
    """Send the same mail so many times over one connection; return mails a second."""
    text = file.read_bytes()
    with smtplib.SMTP("127.0.0.1", port) as server:
        begun = time.perf_counter()
        for _ in range(messages):
            server.sendmail("no-reply@localhost", ["bo@patient.example"], text)
        return messages / (time.perf_counter() - begun)


if __name__ == "__main__":
    print(send(int(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])))
