"""The commit journal: what it holds, and for whom."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
import sys
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest
from helpers.commit import OK, intent
from helpers.crash_journal import TracedJournal

from artis_sdk.commit.journal import CallState, JournaledCall, SQLiteJournal
from artis_sdk.commit.journal.queries import read
from artis_sdk.errors import JournalError
from artis_sdk.records import Risk


def only(journal: SQLiteJournal) -> JournaledCall:
    (call,) = journal.calls()
    return call


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[SQLiteJournal]:
    journal = SQLiteJournal(tmp_path / "deep" / "journal.db")
    yield journal
    await journal.aclose()


async def test_one_bad_request_does_not_harm_those_that_share_its_transaction(journal: SQLiteJournal) -> None:
    await journal.begin_plan("p")
    await journal.begin(intent(3))
    results = await asyncio.gather(*(journal.begin(intent(seq)) for seq in range(6)), return_exceptions=True)
    assert [isinstance(result, JournalError) for result in results] == [False] * 3 + [True] + [False] * 2
    assert sorted(call.seq for call in journal.calls()) == [0, 1, 2, 3, 4, 5]


class Watched(TracedJournal):
    """Keeps what its connection executes."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, self._trace)
        self.statements: list[str] = []
        self.full = False

    def _trace(self, statement: str) -> None:
        self.statements.append(statement)
        if statement.startswith("PRAGMA synchronous"):
            self.full = statement.endswith("FULL")

    def commits(self) -> int:
        """Transactions since the last time."""
        count = self.statements.count("COMMIT")
        self.statements.clear()
        return count


async def test_concurrent_intents_share_a_transaction(tmp_path: Path) -> None:
    journal = Watched(tmp_path / "journal.db")
    await journal.begin_plan("p")
    journal.commits()
    await asyncio.gather(*(journal.begin(intent(seq)) for seq in range(100)))
    assert 1 <= journal.commits() <= 10
    await journal.begin(intent(100))
    assert journal.commits() == 1
    await journal.aclose()


async def test_irreversible_intents_are_durable_and_so_is_their_end(tmp_path: Path) -> None:
    journal = Watched(tmp_path / "journal.db")
    await journal.begin_plan("p")
    assert not journal.full
    await journal.begin(intent())
    assert journal.full
    await journal.begin(intent(1, risk=Risk.REVERSIBLE))
    assert not journal.full
    await journal.end_plan("p", "finished")
    assert journal.full
    await journal.begin_plan("q")
    await journal.begin(intent(0, plan="q", risk=Risk.REVERSIBLE))
    await journal.end_plan("q", "finished")
    assert not journal.full
    await journal.aclose()


async def test_a_read_only_call_is_written_with_its_outcome_and_waits_for_nothing(
    journal: SQLiteJournal,
) -> None:
    await journal.begin_plan("p")
    reading = intent(risk=Risk.READ_ONLY)
    await journal.begin(reading)
    written = journal.finish(reading, OK)
    assert written.done()
    assert journal.calls() == []
    await journal.end_plan("p", "finished")
    assert (only(journal).state, only(journal).outcome) == (CallState.DONE, OK)


async def test_a_read_only_call_that_could_not_be_written_is_told_at_the_next_step(
    journal: SQLiteJournal,
) -> None:
    await journal.begin_plan("p")
    journal.finish(intent(0, risk=Risk.READ_ONLY), OK)
    journal.finish(intent(0, risk=Risk.READ_ONLY), OK)
    await journal.begin(intent(1))
    with pytest.raises(JournalError, match="could not be recorded"):
        await journal.begin(intent(2))
    assert [call.seq for call in journal.calls()] == [0, 1]


async def test_the_file_is_its_owners_alone_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "new" / "journal.db"
    journal = SQLiteJournal(path)
    assert not path.exists()
    await journal.begin_plan("p")
    modes = {name.name.partition("-")[2]: stat.S_IMODE(name.stat().st_mode) for name in path.parent.iterdir()}
    assert modes.keys() >= {"", "wal", "shm"}
    assert set(modes.values()) == {0o600}
    await journal.aclose()
    await journal.aclose()
    assert [name.name for name in path.parent.iterdir()] == ["journal.db"]
    with pytest.raises(JournalError, match="closed"):
        await journal.begin_plan("q")


def has_log(journal: SQLiteJournal) -> bool:
    """Whether SQLite's write-ahead log is there and holds something."""
    log = Path(f"{journal.path}-wal")
    return log.exists() and log.stat().st_size > 0


async def test_reading_does_not_drop_the_locks_of_the_writer(journal: SQLiteJournal) -> None:
    """A process that closes any descriptor of the file loses all its locks on it; the next process to
    close the file then takes itself for the last one, and removes the log from under the writer."""
    await journal.begin_plan("p")
    journal.calls()
    other = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('SELECT * FROM plan'); c.close()"
    )
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", other, str(journal.path))
    assert await child.wait() == 0
    assert has_log(journal)


def test_one_journal_serves_several_event_loops(tmp_path: Path) -> None:
    journal = SQLiteJournal(tmp_path / "journal.db")
    asyncio.run(journal.begin_plan("p"))
    asyncio.run(journal.begin(intent(0)))
    asyncio.run(journal.begin(intent(1)))
    assert [call.seq for call in journal.calls()] == [0, 1]
    journal.close()


async def test_the_file_stays_where_it_was_when_the_process_goes_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    journal = SQLiteJournal("journal.db")
    monkeypatch.chdir(tmp_path / "elsewhere")
    await journal.begin_plan("p")
    await journal.begin(intent())
    assert only(journal).running
    await journal.aclose()
    assert sorted(os.listdir(tmp_path)) == ["elsewhere", "journal.db"]


async def test_sessions_of_a_process_share_a_journal(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    (tmp_path / "link.db").symlink_to(path)
    one, two = SQLiteJournal.shared(path), SQLiteJournal.shared(tmp_path / "link.db")
    assert one is two
    with closing(SQLiteJournal.shared(tmp_path / "other.db")) as other:
        assert other is not one
    await one.begin_plan("p")
    await one.aclose()
    await two.begin(intent())
    assert only(two).running
    await two.aclose()
    with pytest.raises(JournalError, match="closed"):
        await two.begin(intent(1))
    again = SQLiteJournal.shared(path)
    assert again is not one
    assert not only(again).running
    await again.aclose()


# --- reading on the connection that is kept ---------------------------------------------------


async def test_what_is_read_is_the_file_that_is_there_now(tmp_path: Path) -> None:
    journal, other = SQLiteJournal(tmp_path / "journal.db"), SQLiteJournal(tmp_path / "other.db")
    await journal.begin_plan("p")
    await journal.begin(intent(0))
    await other.begin_plan("q")
    await other.aclose()
    assert [call.plan for call in journal.calls()] == ["p"]
    for rest in ("-wal", "-shm"):
        os.remove(f"{journal.path}{rest}")
    os.replace(tmp_path / "other.db", journal.path)
    assert journal.calls() == []
    with pytest.raises(JournalError, match="replaced by another"):
        await journal.begin_plan("r")
    await journal.aclose()


async def test_an_open_file_is_read_at_once_and_a_closed_one_in_a_thread(journal: SQLiteJournal) -> None:
    await journal.begin_plan("p")
    await journal.begin(intent(0))
    assert journal.answers_at_once
    with closing(sqlite3.connect(journal.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")  # a writer does not keep readers waiting
        assert journal.answers_at_once
        assert [call.seq for call in await read(journal, journal.calls)] == [0]
        other.execute("ROLLBACK")
    await journal.aclose()
    assert not journal.answers_at_once
    assert [call.seq for call in await read(journal, journal.calls)] == [0]
