"""Several processes on one journal: who is alive, who is dead, and that neither disturbs the other."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import warnings
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from helpers.commit import intent

from artis_sdk import lease as owner
from artis_sdk.commit.journal import CallState, SQLiteJournal
from artis_sdk.errors import CommitRefused, JournalError

pytestmark = pytest.mark.slow

BEGIN = """
import asyncio, sys
from helpers.commit import intent
from artis_sdk.commit.journal import SQLiteJournal

async def main():
    journal = SQLiteJournal(sys.argv[1])
    await journal.begin_plan("p")
    await journal.begin(intent())
    print("begun", flush=True)
    sys.stdin.read()

asyncio.run(main())
"""
FORK = """
import asyncio, os, sys, time
from helpers.commit import intent
from artis_sdk.commit.journal import SQLiteJournal

async def main():
    journal = SQLiteJournal(sys.argv[1])
    await journal.begin_plan("p")
    await journal.begin(intent())
    child = os.fork()
    if child == 0:
        os.closerange(0, 3)
        time.sleep(60)
        os._exit(0)
    print(child, flush=True)
    time.sleep(60)

asyncio.run(main())
"""
WRITE = """
import asyncio, sys
from helpers.commit import OK, intent
from artis_sdk.commit.journal import SQLiteJournal

async def main():
    journal = SQLiteJournal(sys.argv[1], timeout=60)
    plan = sys.argv[2]
    await journal.begin_plan(plan)
    async def call(seq):
        await journal.begin(intent(seq, plan=plan))
        await journal.finish(intent(seq, plan=plan), OK)
    for first in range(0, 40, 4):
        await asyncio.gather(*map(call, range(first, first + 4)))
    await journal.end_plan(plan, "finished")
    await journal.aclose()

asyncio.run(main())
"""
CLAIM = """
import asyncio, sys
from artis_sdk.commit.journal import SQLiteJournal
from artis_sdk.errors import CommitRefused

async def main():
    journal = SQLiteJournal(sys.argv[1], timeout=60)
    try:
        await journal.begin_plan("p")
    except CommitRefused:
        print("refused", flush=True)
    else:
        print("mine", flush=True)
    sys.stdin.read()
    await journal.aclose()

asyncio.run(main())
"""


@pytest.fixture
async def path(tmp_path: Path) -> AsyncIterator[Path]:
    yield tmp_path / "journal.db"
    assert not [name for name in os.listdir(tmp_path) if "owner" in name], "a lock file was left"


async def python(script: str, *arguments: object) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        script,
        *map(str, arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )


async def said(child: asyncio.subprocess.Process) -> str:
    assert child.stdout is not None
    return (await child.stdout.readline()).decode().strip()


async def end(child: asyncio.subprocess.Process, *, kill: bool = False) -> int:
    if kill:
        child.kill()
    await child.communicate(b"")  # closes its standard input, too
    assert child.returncode is not None
    return child.returncode


async def test_an_intent_runs_as_long_as_its_process_lives(path: Path) -> None:
    child = await python(BEGIN, path)
    assert await said(child) == "begun"
    journal = SQLiteJournal(path)
    (call,) = journal.calls()
    assert (call.state, call.running, call.process) == (CallState.INTENT, True, child.pid)
    with pytest.raises(CommitRefused):
        await journal.begin_plan("p")
    await end(child, kill=True)
    (call,) = journal.calls()
    assert (call.state, call.running) == (CallState.INTENT, False)
    with pytest.raises(CommitRefused):
        await journal.begin_plan("p")
    await journal.aclose()


async def test_processes_write_side_by_side(path: Path) -> None:
    children = [await python(WRITE, path, f"plan-{n}") for n in range(3)]
    assert [await end(child) for child in children] == [0] * 3
    calls = SQLiteJournal(path).calls()
    assert len(calls) == 120
    assert {call.state for call in calls} == {CallState.DONE}
    assert {call.plan: call.process for call in calls} == {
        f"plan-{n}": child.pid for n, child in enumerate(children)
    }


async def test_of_several_processes_one_claims_a_plan(path: Path) -> None:
    children = [await python(CLAIM, path) for _ in range(3)]
    assert sorted([await said(child) for child in children]) == ["mine", "refused", "refused"]
    assert [await end(child) for child in children] == [0] * 3
    again = await python(CLAIM, path)
    assert await said(again) == "mine"  # the one that had it ended without a call
    await end(again)


async def test_a_journal_does_not_go_through_a_fork(path: Path) -> None:
    """The child gets an error, not a hang."""
    journal = SQLiteJournal(path)
    await journal.begin_plan("p")
    await journal.begin(intent())
    reader, writer = os.pipe()
    with warnings.catch_warnings():  # Python 3.12 and later warn of a fork beside threads, which is the point
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        os._exit(_in_child(journal, writer))
    os.close(writer)
    try:
        assert await asyncio.to_thread(os.read, reader, 20) == b"refused"
        assert journal.calls()[0].running
    finally:
        os.close(reader)
        await asyncio.to_thread(os.waitpid, child, 0)
        await journal.aclose()


def _in_child(journal: SQLiteJournal, writer: int) -> int:
    try:
        journal.close_unobserved(intent(), CallState.UNKNOWN)
    except JournalError:
        os.write(writer, b"refused")
    journal.close()
    return 0


async def test_a_forked_child_does_not_keep_its_parent_alive(path: Path) -> None:
    parent = await python(FORK, path)
    child = int(await said(parent))
    try:
        assert SQLiteJournal(path).calls()[0].running
        parent.kill()
        await parent.wait()
        assert not SQLiteJournal(path).calls()[0].running
    finally:
        os.kill(child, signal.SIGKILL)
    await end(parent)


def test_a_claim_survives_a_sweep_and_ends_with_its_release(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    mine = owner.ProcessLease(path)
    assert owner.is_alive(path, mine.id)
    owner.sweep(path)
    assert owner.is_alive(path, mine.id)
    mine.release()
    mine.release()
    assert not owner.is_alive(path, mine.id)
    assert not owner.is_alive(path, "never there")


async def test_a_lock_file_that_nobody_holds_is_swept_away(path: Path) -> None:
    left = path.with_name(f"{path.name}.owner-{'0' * 32}")
    left.touch()
    journal = SQLiteJournal(path)
    await journal.begin_plan("p")
    assert not left.exists()
    await journal.aclose()
