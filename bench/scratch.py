"""A database of the bench's own, dropped when it ends."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit, urlunsplit

import psycopg

LOCAL = "postgres://postgres@127.0.0.1:5432/postgres"


@contextmanager
def scratch_database() -> Iterator[str]:
    """Point the environment at an empty database; yield what it is.

    It stands on the server of DATABASE_URL or, without one, on a PostgreSQL on this machine; where
    neither answers it is SQLite.
    """
    folder = tempfile.mkdtemp(prefix="outcomes-bench-")
    os.environ["VAR_DIR"] = folder
    server = os.environ.get("DATABASE_URL", LOCAL)
    try:
        if server.startswith("postgres") and (connection := _connect(server)):
            with connection:
                yield from _on_postgresql(server, connection)
        else:
            os.environ["DATABASE_URL"] = f"sqlite:///{folder}/bench.sqlite3"
            yield "SQLite (no PostgreSQL answers: COPY is not compared)"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _connect(server: str) -> psycopg.Connection | None:
    try:
        return psycopg.connect(server, autocommit=True, connect_timeout=3)
    except psycopg.OperationalError:
        return None


def _on_postgresql(server: str, connection: psycopg.Connection) -> Iterator[str]:
    name = f"outcomes_bench_{os.getpid()}"
    os.environ["DATABASE_URL"] = urlunsplit(urlsplit(server)._replace(path=f"/{name}"))
    connection.execute(f'CREATE DATABASE "{name}"')
    try:
        version = connection.execute("SHOW server_version").fetchone()
        yield f"PostgreSQL {version[0] if version else '?'}"
    finally:
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
