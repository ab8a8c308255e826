"""The journal in PostgreSQL: what the server itself refuses, and what stands between."""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import socket
import sys
import tempfile
import time
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from helpers.commit import OK, intent, until
from helpers.postgres import PostgresStore, states

from artis_sdk import Direct, Session, Toolset, guarded_tool
from artis_sdk.backends import ScriptedBackend
from artis_sdk.commit.journal import CallState, CommitJournal
from artis_sdk.errors import CommitRefused, ConfigurationError, JournalError

psycopg = pytest.importorskip("psycopg", reason="psycopg is not installed")
pytest.importorskip("psycopg", reason="psycopg is not installed")
pytestmark = pytest.mark.slow

from artis_sdk.commit.journal.postgres import PostgresJournal  # noqa: E402
from artis_sdk.commit.journal.postgres_schema import _MAKING  # noqa: E402

FORKED = """
import asyncio, os, sys
from artis_sdk.commit.journal.postgres import PostgresJournal
from artis_sdk.errors import JournalError

async def main():
    journal = PostgresJournal(sys.argv[1])
    await journal.begin_plan("p")
    journal.calls()
    child = os.fork()
    if child == 0:
        try:
            journal.calls()
        except JournalError as error:
            os._exit(0 if "before a fork" in str(error) else 1)
        os._exit(2)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    journal.calls()
    await journal.end_plan("p", "finished")
    await journal.aclose()
    sys.exit(status)

asyncio.run(main())
"""


@pytest.fixture
def store(tmp_path: Path) -> PostgresStore:
    return PostgresStore(tmp_path)


async def test_one_faulty_request_does_not_fail_those_that_share_its_transaction(
    journal: CommitJournal,
) -> None:
    await journal.begin_plan("p")
    calls = [journal.begin(intent(n)) for n in (0, -1, 1)]
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert results[0] == "p:0"
    assert results[2] == "p:1"
    assert isinstance(results[1], JournalError)
    assert "ann" not in str(results[1])  # the server quotes the row


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE call SET state = 'done', outcome = '{}' WHERE seq = 1",
        "UPDATE call SET arguments = '{}'",
        "UPDATE call SET state = 'intent', outcome = NULL, ended = NULL",
        "UPDATE plan SET owner = 1",
        "UPDATE plan SET ended = NULL, ending = NULL",
        "DELETE FROM call",
        "DELETE FROM plan",
        "INSERT INTO pruned VALUES ('p', 1)",
        "INSERT INTO call (plan, seq, tool, arguments, risk, state, begun) "
        "VALUES ('p', 7, 'pay', '{}', 'irreversible', 'intent', 1)",
    ],
)
async def test_the_server_itself_keeps_the_rules(
    store: PostgresStore, journal: CommitJournal, statement: str
) -> None:
    await journal.begin_plan("p")
    for seq in (0, 1):
        await journal.begin(intent(seq))
    await journal.finish(intent(0), OK)
    journal.close_unobserved(intent(1), CallState.UNKNOWN)
    await journal.end_plan("p", "stopped")
    with (
        psycopg.connect(store.url, options="-c search_path=artis_journal") as connection,
        pytest.raises(psycopg.errors.RaiseException),
    ):
        connection.execute(statement)
    assert states(journal) == [CallState.DONE, CallState.UNKNOWN]


async def test_processes_that_begin_at_once_make_the_tables_once(store: PostgresStore) -> None:
    journals = [store.open() for _ in range(4)]
    waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    with psycopg.connect(store.url, autocommit=True) as connection:
        connection.execute("DROP SCHEMA IF EXISTS artis_journal CASCADE")
        connection.execute("SELECT pg_advisory_lock(%s)", (_MAKING,))
        names = [asyncio.create_task(journal.identity()) for journal in journals]
        await until(lambda: connection.execute(waiting).fetchone() == (4,))
        connection.execute("SELECT pg_advisory_unlock(%s)", (_MAKING,))
        assert len({await name for name in names}) == 1
    for journal in journals:
        await journal.aclose()


async def test_a_role_of_no_more_rights_than_the_schema_that_was_made_for_it(store: PostgresStore) -> None:
    with psycopg.connect(store.url, autocommit=True) as connection:
        connection.execute("DROP SCHEMA IF EXISTS artis_journal CASCADE")
        connection.execute("CREATE ROLE worker LOGIN")
        connection.execute("CREATE SCHEMA artis_journal AUTHORIZATION worker")
        async with aclosing(PostgresJournal(store.url.replace("//postgres@", "//worker@"))) as journal:
            await journal.begin_plan("p")
            await journal.begin(intent())
            assert [made.running for made in journal.calls()] == [True]
            await journal.finish(intent(), OK)
            await journal.end_plan("p", "finished")
            assert await journal.prune(4e9) == 1
            assert (await journal.identity()).startswith("postgresql:")
        connection.execute("DROP SCHEMA artis_journal CASCADE")
        connection.execute("DROP ROLE worker")


async def test_tables_of_a_later_version_are_left_alone(store: PostgresStore, journal: CommitJournal) -> None:
    await journal.begin_plan("p")
    with psycopg.connect(store.url, autocommit=True) as connection:
        connection.execute("UPDATE artis_journal.journal SET version = version + 1")
        async with aclosing(PostgresJournal(store.url)) as other:
            with pytest.raises(JournalError, match=r"version 2, .* up to 1; update artis_sdk"):
                await other.begin_plan("q")
        with pytest.raises(JournalError, match="another version"):  # migrated under an open session
            await journal.begin(intent())
        connection.execute("UPDATE artis_journal.journal SET version = version - 1")
    await journal.begin(intent())


async def test_a_database_whose_transactions_see_one_moment_only_is_none_the_worse(
    store: PostgresStore,
) -> None:
    """A claim waits for the commits of others, and then sees them."""
    url = f"{store.url}&options=-c%20default_transaction_isolation%3Dserializable"
    journals = [PostgresJournal(url) for _ in range(4)]
    for journal in journals:
        await journal.identity()
    claims = [journal.begin_plan("p") for journal in journals]
    results = await asyncio.gather(*claims, return_exceptions=True)
    assert [result for result in results if not isinstance(result, CommitRefused)] == [0]
    for journal in journals:
        await journal.aclose()


async def test_a_forked_child_reads_nothing_on_its_parents_connections(store: PostgresStore) -> None:
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", FORKED, store.url)
    assert await child.wait() == 0


async def test_times_are_the_servers(journal: CommitJournal, monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 86_400)
    await journal.begin_plan("p")
    await journal.begin(intent())
    await journal.finish(intent(), OK)
    await journal.end_plan("p", "finished")
    (made,) = journal.calls()
    assert made.ended is not None
    assert abs(made.ended - now) < 600
    assert await journal.prune(now + 3_600) == 1


@pytest.mark.parametrize("mode", ["transaction", "session"])
async def test_a_pooler_is_refused(store: PostgresStore, mode: str) -> None:
    program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        pytest.skip("pgbouncer is not installed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = store.url.partition("host=")[2]
    with tempfile.TemporaryDirectory(dir="/tmp") as place:
        os.chmod(place, 0o755)  # as root it runs as somebody else
        settings = Path(place) / "pgbouncer.ini"
        settings.write_text(
            f"[databases]\npostgres = host={folder} user=postgres\n[pgbouncer]\nlisten_addr = 127.0.0.1\n"
            f"listen_port = {port}\nunix_socket_dir =\nauth_type = any\npool_mode = {mode}\n"
        )
        servers = pwd.getpwuid(os.stat(folder).st_uid).pw_name
        user = ("-u", servers) if os.getuid() == 0 else ()
        pooler = await asyncio.create_subprocess_exec(program, "-q", *user, settings)
        try:
            journal = PostgresJournal(f"postgresql://postgres@127.0.0.1:{port}/postgres")
            await until(lambda: listens(port))
            with pytest.raises(JournalError, match="a connection pooler stands between"):
                await journal.begin_plan("p")
            await journal.aclose()
        finally:
            if pooler.returncode is None:
                pooler.terminate()
            await pooler.wait()


def listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


async def test_a_password_stands_in_no_message() -> None:
    with pytest.raises(ConfigurationError) as refused:
        PostgresJournal("postgresql://ann:hunter2@host:not a port/db")
    assert "hunter2" not in str(refused.value)
    journal = PostgresJournal("postgresql://ann:hunter2@127.0.0.1:1/db", timeout=2)
    with pytest.raises(JournalError, match=r"127\.0\.0\.1:1/db") as unreachable:
        await journal.begin_plan("p")
    assert "hunter2" not in str(unreachable.value)
    with pytest.raises(JournalError, match="Connection refused"):
        journal.calls()
    await journal.aclose()


@pytest.mark.parametrize("given", ["mysql://db/x", "postgresql+psycopg://db/x", Path("postgresql://db/x")])
async def test_another_url_is_not_taken_for_a_path(given: Any) -> None:
    agent, tools = ScriptedBackend(("Done.",)), Toolset(guarded_tool(len))
    with pytest.raises(ConfigurationError, match="postgresql://user@host:port/database"):
        async with Session(agent=agent, tools=tools, strategy=Direct(), journal=given):
            pass
