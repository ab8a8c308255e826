"""A journal and a log given by paths: open for a moment after their last session, and whole in the files."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
from helpers.commit import OK, intent, use_once

from artis_sdk.commit.journal import SQLiteJournal
from artis_sdk.commit.journal.sqlite_file import lingering
from artis_sdk.errors import JournalError
from artis_sdk.lingering import LINGER
from artis_sdk.logs import CallLog
from artis_sdk.logs.capture import capture
from artis_sdk.records import Risk
from artis_sdk.tools import guarded_tool

pytestmark = pytest.mark.skipif(LINGER == 0, reason="nothing lingers on Windows, where open files stay put")


async def commit(path: Path, plan: str) -> SQLiteJournal:
    """A session's use of its journal; leaves it closed."""
    journal = SQLiteJournal.shared(path)
    await use_once(journal, plan)
    return journal


def plans(path: Path) -> list[str]:
    with closing(SQLiteJournal(path)) as journal:
        return [call.plan for call in journal.calls()]


def opened(path: Path) -> int:
    """Number of this process's descriptors of a file."""
    links = (f"/proc/self/fd/{fd}" for fd in os.listdir("/proc/self/fd"))
    return sum(os.path.exists(link) and os.path.realpath(link) == str(path) for link in links)


async def test_a_copy_made_after_a_session_is_whole(tmp_path: Path) -> None:
    path, copy = tmp_path / "journal.db", tmp_path / "copy.db"
    for plan in ("a", "b"):
        await commit(path, plan)
        shutil.copy(path, copy)  # without the files beside it
        assert plans(copy)[-1] == plan
    assert plans(path) == ["a", "b"]


async def test_a_session_does_not_end_later_because_somebody_reads(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    await commit(path, "a")
    with closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM plan").fetchall()
        async with asyncio.timeout(5):  # half of what the journal waits for a lock
            await commit(path, "b")
    assert plans(path) == ["a", "b"]


async def test_nothing_counts_as_alive_after_a_session(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    await commit(path, "a")
    assert not [name for name in os.listdir(tmp_path) if "owner" in name]


async def test_a_closed_journal_refuses_though_its_file_lingers(tmp_path: Path) -> None:
    closed = await commit(tmp_path / "journal.db", "a")
    with pytest.raises(JournalError, match="closed"):
        await closed.begin_plan("b")
    await commit(tmp_path / "journal.db", "c")
    with pytest.raises(JournalError, match="closed"):
        await closed.begin_plan("b")


async def test_a_file_put_in_the_place_of_a_lingering_one_is_the_journal(tmp_path: Path) -> None:
    path, other = tmp_path / "journal.db", tmp_path / "other.db"
    await commit(other, "other")
    await commit(path, "a")
    path.rename(tmp_path / "rotated.db")
    await commit(path, "b")
    os.replace(other, path)
    await commit(path, "c")
    assert plans(path) == ["other", "c"]
    assert plans(tmp_path / "rotated.db") == ["a"]


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts open files in /proc, which Linux has")
def test_files_are_closed_in_the_end_and_before_a_fork(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    asyncio.run(commit(path, "a"))
    assert opened(path) > 0
    until = time.monotonic() + 30
    while opened(path) and time.monotonic() < until:
        time.sleep(0.05)
    assert opened(path) == 0
    assert os.listdir(tmp_path) == ["journal.db"]
    asyncio.run(commit(path, "b"))
    child = os.fork()
    if child == 0:
        os._exit(opened(path))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert plans(path) == ["a", "b"]


async def test_what_is_written_is_not_called_lost_because_its_log_stays_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(connection: sqlite3.Connection) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr("artis_sdk.commit.journal.sqlite_writer.settle", fails)
    path = tmp_path / "journal.db"
    journal = SQLiteJournal.shared(path)
    await journal.begin_plan("a")
    call = intent(plan="a", risk=Risk.IRREVERSIBLE)
    await journal.begin(call)
    written = journal.finish(call, OK)
    await journal.aclose()  # in one batch with the outcome, or after it
    await written
    assert plans(path) == ["a"]


def test_a_process_that_ends_at_once_leaves_the_file_alone(tmp_path: Path) -> None:
    program = (
        "import asyncio, sys; sys.path[:0] = sys.argv[2:]\n"
        "from pathlib import Path\n"
        "from commit.test_lingering import commit\n"
        "asyncio.run(commit(Path(sys.argv[1]), 'a'))\n"
    )
    tests = Path(__file__).parent.parent
    subprocess.run(
        [sys.executable, "-W", "error", "-c", program, str(tmp_path / "journal.db"), str(tests)], check=True
    )
    assert os.listdir(tmp_path) == ["journal.db"]


async def test_a_journal_left_with_a_call_in_a_thread_does_not_linger(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    journal = SQLiteJournal.shared(path)
    await journal.begin_plan("a")
    call = intent(plan="a", risk=Risk.IRREVERSIBLE)
    await journal.begin(call)
    journal.mark_running(call)
    await journal.aclose()
    assert lingering.take((path, str(path.resolve()))) is None
    (left,) = SQLiteJournal(path).calls()
    assert left.running
    journal.finish_late(call, OK)


def test_a_log_lingers_whole_and_records_for_its_next_session_only(tmp_path: Path) -> None:
    @guarded_tool
    def pay() -> str:
        return "paid"

    path = tmp_path / "calls.db"
    for done in range(1, 4):
        with capture(path):
            pay()
        pay()  # nobody records it
        shutil.copy(path, tmp_path / "copy.db")
        with CallLog(tmp_path / "copy.db") as copy:
            assert len(list(copy.records())) == done
        if done == 2:
            path.rename(tmp_path / "rotated.db")
            shutil.copy(tmp_path / "rotated.db", path)
