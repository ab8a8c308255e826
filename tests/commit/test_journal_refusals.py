"""What the journal refuses: bad files, bad requests. No tool may run where it does."""

from __future__ import annotations

import asyncio
import resource
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from helpers.commit import OK, intent

from artis_sdk.commit.journal import CallState, SQLiteJournal
from artis_sdk.errors import JournalError


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[SQLiteJournal]:
    journal = SQLiteJournal(tmp_path / "journal.db")
    yield journal
    await journal.aclose()


def corrupt(path: Path) -> None:
    path.write_bytes(b"this is a text file, and no database" * 100)


def foreign(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE theirs (x)")


def folder(path: Path) -> None:
    path.mkdir()


def newer(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")
        connection.execute("CREATE TABLE plan (x)")


@pytest.mark.parametrize("spoil", [corrupt, foreign, folder, newer])
async def test_a_file_that_is_no_journal_is_refused_and_left_alone(
    tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    path = tmp_path / "journal.db"
    spoil(path)
    before = path.read_bytes() if path.is_file() else None
    journal = SQLiteJournal(path)
    with pytest.raises(JournalError, match=r"journal\.db"):
        await journal.begin_plan("p")
    with pytest.raises(JournalError, match=r"journal\.db"):
        journal.calls()
    await journal.aclose()
    assert spoil is foreign or spoil is newer or (path.read_bytes() if path.is_file() else None) == before
    assert spoil is not foreign or tables(path) == ["theirs"]


def tables(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return [name for (name,) in connection.execute("SELECT name FROM sqlite_master")]


async def test_a_folder_that_cannot_be_made_is_a_journal_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    journal = SQLiteJournal(tmp_path / "file" / "journal.db")
    with pytest.raises(JournalError):
        await journal.begin_plan("p")
    await journal.aclose()


async def test_pages_that_are_damaged_later_are_a_journal_error(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    journal = SQLiteJournal(path)
    await journal.begin_plan("p")
    for seq in range(50):
        await journal.begin(intent(seq))
    await journal.aclose()
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (size - 4096))
    journal = SQLiteJournal(path)
    with pytest.raises(JournalError):
        await journal.begin_plan("q")
    with pytest.raises(JournalError):
        journal.calls()
    await journal.aclose()


@pytest.fixture
def full_disk() -> Iterator[Callable[[int], None]]:
    """No file of this process grows beyond so many bytes."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)


async def test_a_full_disk_is_a_journal_error_until_there_is_room(
    journal: SQLiteJournal, full_disk: Callable[[int], None]
) -> None:
    await journal.begin_plan("p")
    await journal.begin(intent(0))
    full_disk(1)
    with pytest.raises(JournalError, match=r"disk I/O error|full"):
        await journal.begin(intent(1))
    with pytest.raises(JournalError, match=r"disk I/O error|full"):
        await journal.finish(intent(0), OK)
    full_disk(resource.RLIM_INFINITY)
    await journal.begin(intent(1))
    await journal.finish(intent(0), OK)
    assert [call.state for call in journal.calls()] == [CallState.DONE, CallState.INTENT]


async def test_a_file_that_was_replaced_is_a_journal_error(journal: SQLiteJournal) -> None:
    await journal.begin_plan("p")
    journal.path.unlink()
    with pytest.raises(JournalError):
        await journal.begin(intent())
    journal.path.write_bytes(b"")
    with pytest.raises(JournalError, match="replaced"):
        await journal.begin(intent())


@pytest.mark.parametrize("error", [ZeroDivisionError("odd"), MemoryError(), SystemExit(3)])
async def test_a_writer_that_fails_fails_all_who_wait_and_all_who_come(
    journal: SQLiteJournal, error: BaseException
) -> None:
    await journal.begin_plan("p")

    def fail(_: object) -> None:
        raise error

    writer = journal._store.writer
    asked = [writer.ask(fail, durable=False), journal.begin(intent()), journal.begin_plan("q")]
    async with asyncio.timeout(30):
        for told in await asyncio.gather(*asked, return_exceptions=True):
            assert isinstance(told, JournalError)
            assert type(error).__name__ in str(told)
            assert told.__cause__ is error
        with pytest.raises(JournalError, match=r"writes no more; open the journal again"):
            await journal.begin(intent())
        await journal.aclose()
    other = SQLiteJournal(journal.path)
    await other.begin_plan("q")  # nothing holds the file
    await other.aclose()


@pytest.mark.parametrize("patience", [0.1, 30.0])
async def test_a_locked_file_is_waited_for_and_then_refused(tmp_path: Path, patience: float) -> None:
    journal = SQLiteJournal(tmp_path / "journal.db", timeout=patience)
    await journal.begin_plan("p")
    with closing(sqlite3.connect(journal.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        waiting = asyncio.ensure_future(journal.begin(intent()))
        if patience < 1:
            with pytest.raises(JournalError, match="locked"):
                await waiting
        await asyncio.sleep(0.05)
        assert waiting.done() == (patience < 1)
        other.execute("ROLLBACK")
    if not waiting.done():
        await waiting
    assert len(journal.calls()) == (patience > 1)
    await journal.aclose()


def insert(plan: str, seq: int, risk: str, state: str) -> str:
    ended = "1, '{}'" if state == "done" else "NULL, NULL"
    return (
        "INSERT INTO call (plan, seq, tool, arguments, risk, state, begun, ended, outcome) VALUES"
        f" ('{plan}', {seq}, 'pay', '{{}}', '{risk}', '{state}', 1, {ended})"
    )


async def test_the_database_itself_holds_the_laws(journal: SQLiteJournal) -> None:
    await journal.begin_plan("p")
    await journal.begin(intent(0))
    await journal.finish(intent(0), OK)
    await journal.begin(intent(1))
    broken = [
        "UPDATE call SET state = 'intent', outcome = NULL, ended = NULL WHERE seq = 0",
        "UPDATE call SET outcome = '{}' WHERE seq = 0",
        "UPDATE call SET state = 'reconciled', outcome = '{}', ended = 1 WHERE seq = 1",
        "UPDATE call SET state = 'done', ended = 1 WHERE seq = 1",
        "UPDATE call SET state = 'unknown' WHERE seq = 1",
        "UPDATE call SET tool = 'other' WHERE seq = 1",
        "UPDATE call SET seq = 7 WHERE seq = 1",
        "DELETE FROM call",
        "DELETE FROM plan",
        "UPDATE plan SET owner = 'somebody'",
        "UPDATE plan SET ended = 1",
        insert("p", 0, "irreversible", "intent"),  # begun already
        insert("p", -1, "irreversible", "intent"),
        insert("q", 5, "irreversible", "intent"),  # of no plan
        insert("p", 5, "harmless", "intent"),
        insert("p", 5, "read_only", "intent"),
        insert("p", 5, "irreversible", "done"),  # never begun
        insert("p", 5, "irreversible", "asleep"),
    ]
    with closing(sqlite3.connect(journal.path, isolation_level=None)) as connection:
        connection.execute("PRAGMA foreign_keys = ON")
        for statement in broken:
            with pytest.raises(sqlite3.IntegrityError):
                connection.execute(statement)
    assert [call.state for call in journal.calls()] == [CallState.DONE, CallState.INTENT]
