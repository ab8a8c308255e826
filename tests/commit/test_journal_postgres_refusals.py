"""Schemas in PostgreSQL that are no journal of ours: refused, and left alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from functools import partial
from typing import Any

import pytest
from helpers.commit import intent
from helpers.postgres import postgresql_url

from artis_sdk.errors import JournalError

psycopg = pytest.importorskip("psycopg", reason="psycopg is not installed")
pytestmark = pytest.mark.slow

from artis_sdk.commit.journal.postgres import PostgresJournal  # noqa: E402

BOUND = 60.0
"""Seconds in which everything has an answer."""
SPOILED = {
    "foreign": "DROP SCHEMA artis_journal CASCADE; CREATE SCHEMA artis_journal;"
    " CREATE TABLE artis_journal.theirs (x int)",
    "a table of the name": "DROP SCHEMA artis_journal CASCADE; CREATE SCHEMA artis_journal;"
    " CREATE TABLE artis_journal.journal (name text)",
    "damaged": "ALTER TABLE artis_journal.call RENAME TO calls",
    "without a version": "DELETE FROM artis_journal.journal",
    "of two versions": "INSERT INTO artis_journal.journal VALUES ('x', 7)",
}


@pytest.fixture
async def connection() -> AsyncIterator[Any]:
    """To a database with a journal, which is taken away again."""
    url = postgresql_url("spoiled")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP SCHEMA IF EXISTS artis_journal CASCADE")
        async with aclosing(PostgresJournal(url)) as journal:
            await journal.begin_plan("p")
            await journal.end_plan("p", "finished")
        yield connection
        connection.execute("DROP SCHEMA IF EXISTS artis_journal CASCADE")


def objects(connection: Any) -> list[Any]:
    query = "SELECT oid, relname FROM pg_class WHERE relnamespace = 'artis_journal'::regnamespace ORDER BY 1"
    found: list[Any] = connection.execute(query).fetchall()
    return found


@pytest.mark.parametrize("spoil", SPOILED)
async def test_what_is_no_journal_is_refused_by_every_operation(connection: Any, spoil: str) -> None:
    connection.execute(SPOILED[spoil])
    before = objects(connection)
    match = "is not a commit journal of version 1"
    async with asyncio.timeout(BOUND), aclosing(PostgresJournal(postgresql_url("spoiled"))) as journal:
        for read in (journal.calls, journal.calls):
            with pytest.raises(JournalError, match=match):
                await asyncio.to_thread(read)
        if spoil != "damaged":  # its version stands, and the server refuses what it misses
            for write in (journal.identity, partial(journal.begin_plan, "q"), partial(journal.prune, 4e9)):
                with pytest.raises(JournalError, match=match):
                    await write()
    assert objects(connection) == before


async def test_a_version_that_is_lost_under_an_open_journal_fails_its_calls_and_nothing_waits(
    connection: Any,
) -> None:
    async with asyncio.timeout(BOUND), aclosing(PostgresJournal(postgresql_url("spoiled"))) as journal:
        await journal.begin_plan("q")
        connection.execute("DELETE FROM artis_journal.journal")
        with pytest.raises(JournalError):
            await journal.begin(intent(plan="q"))
        with pytest.raises(JournalError):
            await journal.end_plan("q", "stopped")


async def test_a_later_version_is_not_read(connection: Any) -> None:
    async with aclosing(PostgresJournal(postgresql_url("spoiled"))) as journal:
        assert journal.calls() == []
        connection.execute("UPDATE artis_journal.journal SET version = version + 1")
        for read in (journal.calls, journal.decisions, journal.exists):
            with pytest.raises(JournalError, match=r"version 2, .* up to 1; update artis_sdk"):
                read()


async def test_a_database_without_a_journal_has_no_calls_and_says_so(connection: Any) -> None:
    connection.execute("DROP SCHEMA artis_journal CASCADE")
    async with aclosing(PostgresJournal(postgresql_url("spoiled"))) as journal:
        assert (journal.calls(), journal.decisions(), journal.exists()) == ([], [], False)
        connection.execute("CREATE SCHEMA artis_journal")  # made for a role that may make none
        assert (journal.calls(), journal.exists()) == ([], False)
        await journal.begin_plan("p")
        assert journal.exists()


async def test_reads_share_four_connections_and_a_lost_one_is_made_anew(connection: Any) -> None:
    count = "SELECT count(*) FROM pg_stat_activity WHERE datname = 'spoiled' AND pid != pg_backend_pid()"
    async with asyncio.timeout(BOUND), aclosing(PostgresJournal(postgresql_url("spoiled"))) as journal:
        await asyncio.gather(*(asyncio.to_thread(journal.calls) for _ in range(40)))
        (found,) = connection.execute(count).fetchone()
        assert 1 <= found <= 5  # one of them is the helper's own
        connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE datname = 'spoiled' AND application_name = 'artis_sdk'"
        )
        assert journal.calls() == []
