"""Write a backup of the database to a file, and read one back into an empty database."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

from django.core.management.base import CommandError
from django.db import connection
from django.db.backends.postgresql.client import DatabaseClient

PAGES_AT_ONCE = 1000


def back_up(target: Path) -> None:
    """Write the whole database, as it is at one moment, to a file that only its owner can read.

    The file appears under its name once it is complete. Whoever uses the database goes on.
    """
    if target.exists():
        raise CommandError(f"{target} exists: name a new file.")
    if not target.parent.is_dir():
        raise CommandError(f"{target.parent} is not a folder.")
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    draft.touch(mode=0o600)
    try:
        _dump(draft)
        _flush(draft)
        os.link(draft, target)  # refuses where a rename would replace another's file
    except FileExistsError as error:
        raise CommandError(f"{target} exists: name a new file.") from error
    finally:
        draft.unlink()
    _flush(target.parent)


def restore(source: Path) -> None:
    """Read a backup into the database of the settings, which must be empty: nothing is replaced."""
    if not source.is_file():
        raise CommandError(f"{source} is not a file.")
    with connection.cursor() as cursor:
        if connection.introspection.table_names(cursor):
            raise CommandError(
                "The database holds tables: create an empty one, and name it in DATABASE_URL."
            )
    if connection.vendor == "sqlite":
        _restore_sqlite(source)
    else:
        single = ("--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges")
        _run("pg_restore", [*single, *_connect("--dbname"), str(source)])


def _dump(draft: Path) -> None:
    if connection.vendor == "sqlite":
        _copy_sqlite(draft)
        return
    options = ["--format=custom", "--no-owner", "--no-privileges", f"--file={draft}"]
    _run("pg_dump", [*options, *_connect("--dbname")])
    _run("pg_restore", ["--list", str(draft)])  # the archive can be read


def _copy_sqlite(draft: Path) -> None:
    connection.ensure_connection()
    with closing(sqlite3.connect(draft)) as copy:
        connection.connection.backup(copy, pages=PAGES_AT_ONCE)
        # One file, without a journal beside it.
        copy.execute("PRAGMA journal_mode=DELETE")
        _require_whole(copy, draft)


def _restore_sqlite(source: Path) -> None:
    with closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)) as copy:
        _require_whole(copy, source)
        copy.backup(connection.connection, pages=PAGES_AT_ONCE)
    connection.close()  # the next one sets the journal as the settings have it


def _require_whole(copy: sqlite3.Connection, path: Path) -> None:
    try:
        found = copy.execute("PRAGMA integrity_check").fetchone()[0]
        has_tables = copy.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    except sqlite3.DatabaseError as error:
        raise CommandError(f"{path} is not a whole SQLite database: {error}.") from error
    if found != "ok" or not has_tables:
        raise CommandError(f"{path} is not a whole SQLite database.")


def _connect(name_option: str) -> list[str]:
    """Return the options that lead PostgreSQL's programs to the database; never the password."""
    arguments, _environment = _client()
    *options, name = arguments[1:]
    return [*options, f"{name_option}={name}"]


def _client() -> tuple[Sequence[str], Mapping[str, str]]:
    arguments, environment = DatabaseClient.settings_to_cmd_args_env(connection.settings_dict, [])
    return arguments, environment or {}


def _run(program: str, options: Sequence[str]) -> None:
    path = shutil.which(program)
    if path is None:
        raise CommandError(
            f"{program} is not here: install PostgreSQL's client programs, as new as the server."
        )
    _arguments, environment = _client()
    done = subprocess.run(  # noqa: S603 - a program of PostgreSQL, no shell
        [path, *options], env={**os.environ, **environment}, capture_output=True, text=True
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"{program}: status {done.returncode}"]
        raise CommandError(lines[0])


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
