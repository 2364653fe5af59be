"""Run the campaign: `make campaign`, or `make campaign SHORT=1` for the ten-minute form.

    python -m tests.campaign [--short] [--on sqlite|postgresql] [part ...]

Prints one line per figure and ends with status 1 if one falls short. Every part runs in a process
and with servers of its own, which are gone at the end; nothing that runs here already is touched.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tests.campaign.figure import Figure, read_line
from tests.campaign.part import MISSING
from tests.campaign.servers import Missing, PostgreSQL, find_program

ROOT = Path(__file__).resolve().parents[2]
BOTH = ("sqlite", "postgresql")


@dataclass(frozen=True, slots=True)
class Part:
    """One part: a module of the campaign, or tests that print their own figures."""

    name: str
    codes: str
    databases: tuple[str, ...] = BOTH
    tests: tuple[str, ...] = ()
    short_databases: tuple[str, ...] | None = None
    is_timed: bool = False  #: measures times, so nothing else runs beside it

    def command(self, database: str) -> list[str]:
        """Return what plays the part."""
        if not self.tests:
            return [sys.executable, "-m", "tests.campaign.part", self.name, database]
        return [sys.executable, "-m", "pytest", "-q", "-s", "-n0", "-m", "", *self.tests]


PARTS = (
    Part("boundaries", "R2 R7"),
    Part("planted", "R2", short_databases=("sqlite",)),
    Part("outages", "R3 R10 R13", is_timed=True),
    Part("browsers", "R12", ("postgresql",), is_timed=True),
    Part("sending", "R6 R7 R8", short_databases=("postgresql",)),
    Part("kills", "R1 R2 R6"),
    Part("day", "R4 R19", short_databases=("sqlite",)),
    Part("machine", "R1 R2 R6 R19", tests=("tests/machine",), short_databases=("sqlite",)),
    Part("ignored", "R5", ("sqlite",), ("tests/alerts/test_tiers.py",)),
    Part("zones", "R14", ("sqlite",), ("tests/scheduling/test_zones.py",)),
    Part("rebuilt", "R15", ("sqlite",), ("tests/scheduling/test_rebuilt.py",)),
    Part("locked", "R18", ("sqlite",), ("tests/sqlite",)),
)


def main(arguments: Sequence[str]) -> int:
    """Play the parts named, or all; return the exit status."""
    parser = ArgumentParser(prog="python -m tests.campaign")
    parser.add_argument("--short", action="store_true", help="the form of at most ten minutes")
    parser.add_argument("--on", choices=BOTH, help="one database only")
    parser.add_argument("part", nargs="*", help=", ".join(part.name for part in PARTS))
    options = parser.parse_args(arguments)
    names = {part.name for part in PARTS}
    if unknown := sorted(set(options.part) - names):
        parser.error(f"there is no part {unknown[0]!r}: choose from {', '.join(sorted(names))}")
    signal.signal(signal.SIGTERM, _stop)
    os.environ["CAMPAIGN"] = "short" if options.short else "full"
    form = os.environ["CAMPAIGN"]
    print(
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {os.cpu_count()} cores, {form} form", flush=True
    )
    begun = time.monotonic()
    chosen = [
        (part, database)
        for part in PARTS
        for database in (options.short and part.short_databases) or part.databases
        if part.name in (options.part or names) and options.on in (None, database)
    ]
    figures = [found for part, on in chosen if part.is_timed for found in play(part, on)]
    streams = [[one for one in chosen if one[1] == on and not one[0].is_timed] for on in BOTH]
    with ThreadPoolExecutor(len(streams)) as pool:
        for found in pool.map(_play_all, streams):
            figures += found
    short = [figure for figure in figures if not figure.is_held]
    took = f"{(time.monotonic() - begun) / 60:.1f} minutes"
    print(f"{len(short)} figures fell short; took {took}." if short else f"All held; took {took}.")
    return 1 if short else 0


_running: set[subprocess.Popen[str]] = set()


def _stop(*_: object) -> None:
    # Each cleans up behind itself.
    for each in list(_running):
        each.terminate()
    sys.exit(2)


def _play_all(stream: Sequence[tuple[Part, str]]) -> list[Figure]:
    return [figure for part, database in stream for figure in play(part, database)]


def play(part: Part, database: str) -> Iterator[Figure]:
    """Play a part on one database; print and yield its figures, or what kept it from giving any."""
    begun = time.monotonic()
    if why := _why_not(database):
        yield from _say(part, database, _not_played(part, why))
        return
    environment = {**os.environ, "CAMPAIGN_DATABASE": database}
    if part.tests and database == "postgresql":
        with PostgreSQL() as server:
            yield from _run(part, database, {**environment, "DATABASE_URL": server.url}, begun)
        return
    if part.tests:
        environment.pop("DATABASE_URL", None)
    yield from _run(part, database, environment, begun)


def _run(part: Part, database: str, environment: dict[str, str], begun: float) -> Iterator[Figure]:
    ended = subprocess.Popen(
        part.command(database), cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    )
    assert ended.stdout is not None
    _running.add(ended)
    found, rest = 0, []
    try:
        for line in ended.stdout:
            if figure := read_line(line):
                found += 1
                yield from _say(part, database, figure)
            else:
                rest.append(line.rstrip())
        status = ended.wait()
    finally:
        ended.terminate()
        ended.wait()
        _running.discard(ended)
    if status == MISSING:
        yield from _say(part, database, _not_played(part, "a program is not on this machine"))
    elif status not in (0, 1) or not found or (status == 1 and part.tests):
        print("\n".join(rest[-30:]), file=sys.stderr)
        text = f"{part.name} gave {found} figures and ended with status {status}"
        yield from _say(part, database, Figure(part.codes.split()[0], False, text))
    took = time.monotonic() - begun
    print(f"  {part.name} on {database}: {took:.0f} s", file=sys.stderr, flush=True)


def _say(part: Part, database: str, figure: Figure | None) -> Iterator[Figure]:
    if figure is None:
        return
    where = f" [{database}]" if len(part.databases) > 1 else ""
    print(figure.line() + where, flush=True)
    yield figure


def _why_not(database: str) -> str:
    if database == "sqlite":
        return ""
    try:
        find_program("initdb", ["usr/lib/postgresql/*/bin"])
    except Missing as missing:
        return str(missing)
    return ""


def _not_played(part: Part, why: str) -> Figure | None:
    """Name what is not played here; with CI=true that falls short."""
    if os.environ.get("CI") == "true":
        return Figure(part.codes.split()[0], False, f"{part.name} was not played: {why}")
    print(f"{part.codes} not measured: {part.name} was not played, {why}.", flush=True)
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
