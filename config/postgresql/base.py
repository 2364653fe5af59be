"""Django's PostgreSQL backend with a quicker way to read instants.

Django reads each `timestamptz` with a pattern written in Python, about 2.5 us apiece; a patient's
page after five years holds thousands. In a session in UTC, as all of ours are, PostgreSQL writes
what the standard library reads by itself in a tenth of that.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.db.backends.postgresql import base
from django.db.backends.postgresql.psycopg_any import BaseTzLoader


class InstantLoader(BaseTzLoader):  # type: ignore[misc]
    """Read an instant written in UTC; leave what else there may be to Django's own reader."""

    timezone = UTC

    def load(self, data: Any) -> datetime:
        """Return the instant in UTC."""
        text = str(data, "ascii")
        if text.endswith("+00"):
            try:
                return datetime.fromisoformat(text)
            except ValueError:  # a year that no datetime holds: Django's reader says which
                pass
        read: datetime = super().load(data)
        return read


class DatabaseWrapper(base.DatabaseWrapper):
    """A connection whose instants are read by `InstantLoader` while its time zone is UTC."""

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """Open a connection and give it the reader."""
        connection = super().get_new_connection(conn_params)
        if self.timezone is UTC:
            connection.adapters.register_loader("timestamptz", InstantLoader)
        return connection
