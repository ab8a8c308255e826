"""A journal given by a URL: its connections stay open for a moment after a session, and hold nothing."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from helpers.commit import OK, intent, until, use_once
from helpers.postgres import PostgresStore

from artis_sdk.commit.journal import CallState
from artis_sdk.errors import JournalError
from artis_sdk.lingering import LINGER, Lingering
from artis_sdk.records import Risk

psycopg = pytest.importorskip("psycopg", reason="psycopg is not installed")
pytest.importorskip("psycopg", reason="psycopg is not installed")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(LINGER == 0, reason="nothing lingers on Windows"),
]

from artis_sdk.commit.journal.postgres import PostgresJournal  # noqa: E402
from artis_sdk.commit.journal.postgres_connections import key_of  # noqa: E402


@pytest.fixture
def lingering(monkeypatch: pytest.MonkeyPatch) -> Iterator[Lingering[Any]]:
    """What lingers in this test alone, for longer than a busy machine takes for it."""
    monkeypatch.setattr("artis_sdk.lingering.LINGER", 20.0)
    own: Lingering[Any] = Lingering()
    monkeypatch.setattr(PostgresJournal, "_lingering", own)
    yield own
    own.close()


@pytest.fixture
def url(tmp_path: Path, lingering: Lingering[Any]) -> str:
    return PostgresStore(tmp_path).url


async def commit(url: str, plan: str) -> PostgresJournal:
    """A session's use of its journal; leaves it closed."""
    journal = PostgresJournal.shared(url)
    journal.calls(plan=plan)
    await use_once(journal, plan)
    return journal


def ask(url: str, query: str) -> list[Any]:
    with psycopg.connect(url, autocommit=True) as connection:
        return [row[0] for row in connection.execute(query).fetchall()]


def sessions(url: str) -> list[int]:
    """Process ids of the server's sessions with journals, in order."""
    return ask(url, "SELECT pid FROM pg_stat_activity WHERE application_name = 'artis_sdk' ORDER BY pid")


def owners(url: str) -> int:
    return len(ask(url, "SELECT id FROM artis_journal.live_owner"))


def plans(url: str) -> list[str]:
    with closing(PostgresJournal(url)) as journal:
        return [call.plan for call in journal.calls()]


async def test_sessions_one_after_the_other_use_the_same_connections(url: str) -> None:
    await commit(url, "a")
    first = sessions(url)
    assert len(first) == 2  # one writes, one reads
    for plan in ("b", "c"):
        assert owners(url) == 0  # nothing counts as alive between them
        await commit(url, plan)
    assert sessions(url) == first
    assert plans(url) == ["a", "b", "c"]


async def test_a_call_left_open_is_for_others_to_settle_while_the_connections_linger(url: str) -> None:
    journal = PostgresJournal.shared(url)
    await journal.begin_plan("a")
    await journal.begin(intent(plan="a", risk=Risk.IRREVERSIBLE))
    await journal.aclose()
    assert len(sessions(url)) == 1
    with closing(PostgresJournal(url)) as other:
        (left,) = other.calls()
        assert not left.running
        await other.abandon(left)
    again = PostgresJournal.shared(url)
    assert [call.state for call in again.calls()] == [CallState.UNKNOWN]
    await again.aclose()


async def test_a_closed_journal_refuses_though_its_connections_linger(url: str) -> None:
    closed = await commit(url, "a")
    for plan in ("c", "d"):
        with pytest.raises(JournalError, match="closed"):
            await closed.begin_plan("b")
        with pytest.raises(JournalError, match="closed"):
            closed.calls()
        await commit(url, plan)


async def test_a_server_that_ended_them_meanwhile_is_connected_to_anew(url: str) -> None:
    await commit(url, "a")
    first = sessions(url)
    for session in first:
        ask(url, f"SELECT pg_terminate_backend({session})")
    await until(lambda: not sessions(url))
    await commit(url, "b")
    assert not set(sessions(url)) & set(first)
    assert plans(url) == ["a", "b"]


async def test_tables_that_were_dropped_meanwhile_are_made_again(url: str) -> None:
    await commit(url, "a")
    name = await _name(url)
    with psycopg.connect(url) as connection:
        connection.execute("DROP SCHEMA artis_journal CASCADE")
    await commit(url, "b")
    assert plans(url) == ["b"]
    assert await _name(url) != name  # another journal


async def _name(url: str) -> str:
    journal = PostgresJournal.shared(url)
    name = await journal.identity()
    await journal.aclose()
    return name


def test_connections_end_in_time(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("artis_sdk.lingering.LINGER", 0.1)
    asyncio.run(commit(url, "a"))
    asyncio.run(until(lambda: not sessions(url)))
    asyncio.run(commit(url, "b"))
    assert plans(url) == ["a", "b"]


def test_connections_end_before_a_fork(url: str) -> None:
    asyncio.run(commit(url, "a"))
    assert len(sessions(url)) == 2
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    asyncio.run(until(lambda: not sessions(url)))
    asyncio.run(commit(url, "b"))
    assert plans(url) == ["a", "b"]


async def test_a_server_that_is_gone_when_a_session_ends_is_not_waited_for(url: str) -> None:
    journal = PostgresJournal.shared(url)
    await journal.begin_plan("a")
    await journal.end_plan("a", "answer")
    for session in sessions(url):
        ask(url, f"SELECT pg_terminate_backend({session})")
    await until(lambda: not sessions(url))
    await journal.aclose()
    assert sessions(url) == []  # none was opened for it
    await commit(url, "b")
    assert plans(url) == ["b"]


async def test_a_journal_left_with_a_call_in_a_thread_does_not_linger(
    url: str, lingering: Lingering[Any]
) -> None:
    journal = PostgresJournal.shared(url)
    await journal.begin_plan("a")
    call = intent(plan="a", risk=Risk.IRREVERSIBLE)
    await journal.begin(call)
    journal.mark_running(call)
    await journal.aclose()
    assert lingering.take(key_of(url)) is None
    assert owners(url) == 1
    journal.finish_late(call, OK)
    assert owners(url) == 0


async def test_connections_of_another_user_are_not_taken(
    url: str, lingering: Lingering[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    await commit(url, "a")
    monkeypatch.setenv("PGPASSWORD", "another")
    assert lingering.take(key_of(url)) is None
    await commit(url, "b")
    assert len(sessions(url)) == 4
    monkeypatch.delenv("PGPASSWORD")
    assert plans(url) == ["a", "b"]
