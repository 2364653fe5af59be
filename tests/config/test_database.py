"""What the settings ask of the database."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.db import connection
from psycopg import DataError

from config.postgresql.base import InstantLoader


@pytest.mark.django_db
@pytest.mark.postgres
def test_a_host_that_stands_still_within_a_transaction_loses_its_locks() -> None:
    if connection.vendor != "postgresql":
        pytest.skip("no PostgreSQL: set DATABASE_URL to one")
    with connection.cursor() as cursor:
        cursor.execute("SHOW idle_in_transaction_session_timeout")
        assert cursor.fetchone() == ("20s",)


@pytest.mark.parametrize(
    ("written", "instant"),
    [
        (b"2026-11-27 12:31:43.121456+00", datetime(2026, 11, 27, 12, 31, 43, 121456, UTC)),
        (b"2026-11-27 12:31:43.5+00", datetime(2026, 11, 27, 12, 31, 43, 500000, UTC)),
        (b"1889-03-01 00:00:00+00", datetime(1889, 3, 1, tzinfo=UTC)),
    ],
)
def test_an_instant_is_read_to_the_microsecond_in_utc(written: bytes, instant: datetime) -> None:
    read = InstantLoader(0).load(written)

    assert read == instant
    assert read.tzinfo is UTC


@pytest.mark.parametrize("written", [b"infinity", b"10000-01-01 00:00:00+00"])
def test_what_no_datetime_holds_is_refused_in_the_drivers_words(written: bytes) -> None:
    with pytest.raises(DataError):
        InstantLoader(0).load(written)


@pytest.mark.django_db
@pytest.mark.postgres
def test_the_connection_reads_instants_quickly() -> None:
    if connection.vendor != "postgresql":
        pytest.skip("no PostgreSQL: set DATABASE_URL to one")
    with connection.cursor() as cursor:
        cursor.execute("SELECT timestamptz '2026-11-27 13:31:43.25+01'")
        assert cursor.fetchone() == (datetime(2026, 11, 27, 12, 31, 43, 250000, UTC),)
        assert cursor.adapters.get_loader(1184, 0) is InstantLoader
