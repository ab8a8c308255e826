"""`artis recover` and `artis journal` on a database: what is no journal, and a server that refuses."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from contextlib import aclosing
from typing import Any

import pytest
from helpers.commit import OK, intent
from helpers.postgres import postgresql_url
from typer.testing import CliRunner

from artis_sdk.cli.app import app
from artis_sdk.errors import ConfigurationError, JournalError

psycopg = pytest.importorskip("psycopg", reason="psycopg is not installed")
pytestmark = pytest.mark.slow

from artis_sdk.commit.journal.postgres import PostgresJournal  # noqa: E402

COMMANDS = [
    ("recover",),
    ("recover", "--settle", "p:0", "not-executed", "--by", "ann", "--why", "seen"),
    ("journal", "show"),
    ("journal", "decisions"),
    ("journal", "prune", "--before", "90d"),
]


@pytest.fixture
def connection() -> Iterator[Any]:
    """To a database without a journal."""
    with psycopg.connect(postgresql_url("commands"), autocommit=True) as connection:
        connection.execute("DROP SCHEMA IF EXISTS artis_journal CASCADE")
        yield connection
        connection.execute("DROP SCHEMA IF EXISTS artis_journal CASCADE")


def refused(*command: str, url: str) -> BaseException | None:
    return CliRunner().invoke(app, [*command, "--journal", url]).exception


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_database_without_a_journal_has_no_clean_bill(command: tuple[str, ...], connection: Any) -> None:
    url = postgresql_url("commands")
    error = refused(*command, url=url)
    assert isinstance(error, ConfigurationError)  # which the program ends with 2 for
    assert "there is no journal postgresql://" in str(error)
    made = "SELECT count(*) FROM pg_namespace WHERE nspname = 'artis_journal'"
    assert connection.execute(made).fetchone() == (0,), "looking made one"
    connection.execute("CREATE SCHEMA artis_journal")
    connection.execute("CREATE TABLE artis_journal.theirs (x int)")
    error = refused(*command, url=url)
    assert isinstance(error, JournalError)
    assert "is not a commit journal of version 1" in str(error)


def test_a_journal_of_a_later_version_has_no_clean_bill(connection: Any) -> None:
    url = postgresql_url("commands")
    asyncio.run(left(url))
    connection.execute("UPDATE artis_journal.journal SET version = 2")
    for command in COMMANDS:
        error = refused(*command, url=url)
        assert isinstance(error, JournalError)
        assert "its journal is of version 2" in str(error)


async def left(url: str) -> None:
    """A journal as a process leaves it that is killed in a call."""
    async with aclosing(PostgresJournal(url)) as dead:
        await dead.begin_plan("p")
        await dead.begin(intent())
        await dead.finish(intent(), OK)
        await dead.begin(intent(1))


def test_a_journal_in_a_database_is_shown_settled_and_looked_at(
    connection: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = postgresql_url("commands")
    run = CliRunner().invoke
    monkeypatch.setenv("ARTIS_JOURNAL", url)
    assert json.loads(run(app, ["doctor", "--json"]).output)["journal"]["exists"] is False
    asyncio.run(left(url))
    looked = json.loads(run(app, ["doctor", "--json"]).output)["journal"]
    assert (looked["exists"], looked["open"], looked["problem"]) == (True, 1, None)
    found = run(app, ["recover"])
    assert (found.exit_code, "p:1" in found.output) == (1, True)
    settled = ["recover", "--settle", "p:1", "not-executed", "--by", "ann", "--why", "seen"]
    assert run(app, settled).exit_code == 0
    assert run(app, ["recover"]).exit_code == 0
    assert run(app, ["journal", "prune", "--before", "90d"]).exit_code == 0


class Refusing:
    """A server that lets nobody in; an async context manager."""

    tries = 0

    async def __aenter__(self) -> Refusing:
        self._listener = await asyncio.start_server(self._refuse, "127.0.0.1", 0)
        port = self._listener.sockets[0].getsockname()[1]
        self.url = f"postgresql://ann:wrong@127.0.0.1:{port}/main?sslmode=disable&gssencmode=disable"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._listener.close()
        await self._listener.wait_closed()

    async def _refuse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.tries += 1
        await reader.readexactly(int.from_bytes(await reader.readexactly(4)) - 4)
        said = b'SFATAL\0C28P01\0Mpassword authentication failed for user "ann"\0\0'
        writer.write(b"E" + (len(said) + 4).to_bytes(4) + said)
        writer.close()


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
async def test_a_server_that_refuses_is_asked_once_and_its_reason_is_told(
    command: tuple[str, ...], caplog: pytest.LogCaptureFixture
) -> None:
    async with asyncio.timeout(60), Refusing() as server:
        error = await asyncio.to_thread(refused, *command, url=server.url)
    assert isinstance(error, JournalError)
    assert "password authentication failed" in str(error)
    assert (server.tries, caplog.messages) == (1, [])
    began = time.monotonic()
    error = await asyncio.to_thread(refused, *command, url="postgresql://ann@127.0.0.1:1/main")
    assert isinstance(error, JournalError)
    assert "Connection refused" in str(error)
    assert time.monotonic() - began < 5, "it was tried again"
    assert caplog.messages == []
